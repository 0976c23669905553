"""The memory of gradients is lent again only when nobody has it, and begins at zero whatever was left there."""

import pytest
import torch

from sjc import settings
from sjc.field import gradient_memory, render_warp
from sjc.field.grid import VoxelField, voxel_centers
from sjc.job.run import JobRun
from tests.backend.field.test_render_warp import EXACT, view_rays

pytestmark = pytest.mark.skipif(not render_warp.available("cpu")[0], reason="needs warp-lang")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(gradient_memory, "_last", [])


def ball(x, size=24):
    """A small ball around (x, 0, 0): two of them far apart occupy other blocks."""
    field = VoxelField(size, 4, density_shift=-6.0, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        distance = (voxel_centers(size) - torch.tensor([x, 0.0, 0.0])).norm(dim=-1)
        field.density.copy_((10.0 - 40.0 * distance).clamp(min=-12)[None])
    return field


RAYS = view_rays(0.0, 20.0, 2.5, pixels=24)


def gradient_of(field, **options):
    """The grid's gradient as it comes from the renderer, not a copy."""
    field.zero_grad()
    out = render_warp.render(field, *RAYS, **options)
    (out.color.sum() + out.opacity.sum()).backward()
    return field.grid.grad


def leave(what, field, other, options):
    """Use the memory for something else."""
    if what == "another field":
        gradient_of(other, **options)
    elif what == "fog":
        gradient_of(other, **EXACT)
    elif what == "a change in place":
        gradient_of(field, **options).add_(1.0)
    else:
        other.grid.register_hook(lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            gradient_of(other, **options)
    for one in (field, other):
        one.zero_grad()


@pytest.mark.parametrize("options", [{}, EXACT], ids=["skipping", "exact"])
@pytest.mark.parametrize("before", ["another field", "fog", "a change in place", "an exception"])
def test_a_gradient_begins_at_zero(before, options):
    field = ball(0.5)
    expected = gradient_of(field, **options).clone()
    gradient_memory._last.clear()
    leave(before, field, ball(-0.5), options)
    memory = gradient_memory._last[0].memory
    assert memory.any()  # it was left full
    gradient = gradient_of(field, **options)
    assert gradient.data_ptr() == memory.data_ptr()
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("hold", [lambda g: g, lambda g: g[3:5], lambda g: g.numpy(), lambda g: g.data])
def test_a_gradient_that_somebody_has_is_left_alone(hold):
    held = hold(gradient_of(ball(0.5)))
    before = torch.as_tensor(held).clone()
    assert gradient_of(ball(-0.5)).any()
    assert torch.equal(torch.as_tensor(held), before)


def test_another_size_begins_anew():
    gradient_of(ball(0.5))
    again = gradient_of(ball(0.5, 20))
    assert torch.equal(again, gradient_of(ball(0.5, 20)))
    assert len(gradient_memory._last) == 1


def test_a_job_that_lets_its_field_go_lets_this_go_too(tmp_path):
    clear = torch.zeros(0, 0, 0, dtype=torch.uint8)
    gradient_memory.lend(torch.zeros(4, 4, 4, 2), clear, lambda memory, _clear: memory.zero_())
    with gradient_memory.zeroed(torch.zeros(4, 4, 4, 2), 1):
        pass
    assert gradient_memory._last
    assert gradient_memory._spare
    JobRun(tmp_path, settings.resolve("test")).release_field()
    assert not gradient_memory._last
    assert not gradient_memory._spare
