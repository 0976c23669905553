"""Pruning takes the faint skin around a solid, and nothing else."""

import pytest
import torch

from sjc.field.grid import VoxelField, voxel_centers
from sjc.field.pruning import prune
from sjc.optimize import Optimization, last_planned_change, prune_step
from tests.backend.stubs import StubDenoiser, bent, settings

SHIFT = -3.0
SIZE = 32


def ball(skin, radius=0.5, thickness=0.15):
    """A dense ball of raw density 6 with a skin of another around it; empty elsewhere."""
    field = VoxelField(SIZE, 3, init="fog", density_shift=SHIFT, color_activation="tanh_sigmoid", color_std=0.1)
    distance = voxel_centers(SIZE).norm(dim=-1)
    with torch.no_grad():
        raw = torch.where(distance < radius, 6.0, torch.where(distance < radius + thickness, skin, -4.0))
        field.grid[..., 0] = raw
    return field, distance


@pytest.mark.parametrize(("skin", "stays"), [(2.0, False), (6.0, True)])  # of density 0.3, and 3
def test_what_is_faint_goes_and_what_is_not_stays(skin, stays):
    """The skin is 0.15 thick: an optical depth of 0.05, which is the level, and of 0.5."""
    field, distance = ball(skin)
    before = field.grid.detach().clone()
    assert prune(field) > 0
    after = field.grid.detach()
    core, outer = distance < 0.4, (distance > 0.58) & (distance < 0.64)
    assert torch.equal(after[core], before[core])
    assert torch.equal(after[..., 1:], before[..., 1:])
    assert (after[..., 0][outer] <= 0).all() != stays
    assert torch.equal(after[distance > 0.7], before[distance > 0.7]), "what is thinner than fog is left alone"


def test_fog_has_no_skin():
    field = VoxelField(SIZE, 3, init="fog", density_shift=SHIFT, color_activation="tanh_sigmoid", color_std=0.1)
    before = field.grid.detach().clone()
    assert prune(field) == 0
    assert torch.equal(field.grid, before)


def run_of(**given):
    return Optimization(settings(**{"steps": 6, "init": "blob", **given}), StubDenoiser(bent), torch.device("cpu"))


def test_a_run_prunes_once_and_resumes_to_the_bit():
    """Whether it is stopped before the pruning or after, it ends as it would have."""
    whole = run_of(prune_at=0.5)
    moments = []
    for _ in range(6):
        whole.advance()
        (state, *_) = whole.optimizer.state.values()
        moments.append(int(state["step"]))
    assert moments == [1, 2, 3, 1, 2, 3], "the optimiser begins anew"
    for stopped in (3, 4):
        first, second = run_of(prune_at=0.5), run_of(prune_at=0.5, seed=9)
        for _ in range(stopped):
            first.advance()
        second.settings = first.settings
        second.load_state(first.state())
        while not second.done:
            second.advance()
        assert torch.equal(second.field.grid, whole.field.grid)


def test_what_begins_with_a_shape_is_never_pruned():
    """A block-out, a result that is refined, and what is kept are somebody's wish to the last voxel."""
    assert prune_step(settings(steps=100, prune_at=0.3)) == 30
    for given in ({"prune_at": 0}, {"start": "block.glb"}, {"parent": "a-red-mushroom-0"}):
        assert prune_step(settings(**{"steps": 100, "prune_at": 0.3, **given})) is None


def test_a_run_does_not_stop_early_before_it():
    assert last_planned_change(settings(steps=100, prune_at=0.8)) == 80
