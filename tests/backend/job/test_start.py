"""A run from a block-out: the solid of any mesh, the prior's gradient, what is held bit by bit, and bad input."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from sjc.errors import SjcError
from sjc.field import start
from sjc.job import blockout, inputs, placement, starting
from sjc.job.placement import Placement
from sjc.optimize import Optimization
from sjc.output.glb import write_glb
from sjc.output.mesh import Mesh
from sjc.step import noise_progress
from tests.backend.stubs import StubDenoiser, bent, settings

CPU = torch.device("cpu")
SIZE = 16


def centers(size, where):
    """World positions [N, N, N, 3] of the voxel centres of a placed start."""
    axis = -1 + (np.arange(size) + 0.5) * 2 / size
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    return grid * where.scale + np.array(where.location)


def save(path, *parts, color=(0.2, 0.2, 0.2), drop=()):
    """Several trimesh solids as one .glb, without the faces in `drop`."""
    joined = trimesh.util.concatenate(parts)
    faces = np.delete(joined.faces, list(drop), axis=0)
    points = joined.vertices.astype(np.float32)
    write_glb(path, Mesh(points, faces.astype(np.int32), np.tile(np.float32(color), (len(points), 1))))
    return path


def box(size, at=(0, 0, 0)):
    made = trimesh.creation.box(size)
    made.apply_translation(at)
    return made


@pytest.fixture(scope="module")
def glbs(tmp_path_factory):
    """Two boxes that overlap far from the origin, as the start; the half x > 10 as the part that may change."""
    folder = tmp_path_factory.mktemp("glb")
    both = box((2, 1, 1), (10, 5, -3)), box((0.5, 0.5, 2), (10.5, 5, -2.5))
    save(folder / "start.glb", *both, color=(0.6, 0.05, 0.05))
    save(folder / "open.glb", *both, drop=(0, 1, 12))
    save(folder / "keep.glb", box((4, 9, 9), (12, 5, -3)))
    return folder


def test_pieces_that_overlap_or_have_holes_are_solid_where_they_stand(glbs):
    whole = blockout.block_out(glbs / "start.glb", 32)
    x, y, z = np.moveaxis(centers(32, whole.placement) - np.array((10, 5, -3)), -1, 0)
    lying = (abs(x) < 1) & (abs(y) < 0.5) & (abs(z) < 0.5)
    standing = (abs(x - 0.5) < 0.25) & (abs(y) < 0.25) & (abs(z - 0.5) < 1)
    np.testing.assert_array_equal(whole.solid, lying | standing)
    opened = blockout.block_out(glbs / "open.glb", 32)
    assert (opened.solid != whole.solid).mean() < 0.001
    assert opened.color is None, "gray is no colour"
    red = whole.color[16, 16, 16]
    np.testing.assert_allclose(red, [0.797738, 0.247801, 0.247801], atol=1e-3)


def test_a_finished_object_takes_the_size_and_the_ground_of_its_block_out(tmp_path):
    """A ball of diameter 2 for a block of 1 x 2 x 4 on the ground, in a world that is turned, moved and scaled."""
    fit = placement.filling(((-0.5, -1, 0), (0.5, 1, 4)), ((-1, -1, -1), (1, 1, 1)))
    assert fit.scale == pytest.approx(2)  # the longest side is the height, 4
    assert fit.location == pytest.approx((0, 0, 2))  # the ball's lowest point is on the ground
    assert placement.filling(((0, 0, 0), (9, 1, 1)), ((0, 0, 0), (1, 1, 1))).scale == placement.LARGEST_FIT
    where = Placement((5.0, 0.0, 0.0), 3.0, np.pi / 2)
    placement.write(tmp_path, where, Placement((1.0, 0.0, 2.0), 0.5))
    assert placement.read(tmp_path, fitted=False) == where
    read = placement.read(tmp_path)
    assert read.scale == 1.5
    assert read.location == pytest.approx((5, 3, 6))
    assert read.world(2, 0, 0) == pytest.approx((5, 6, 6))
    placement.write(tmp_path, where)
    assert placement.read(tmp_path) == where


def test_a_placement_is_a_similarity_that_is_kept(tmp_path):
    made = Placement.fitting((0, 0, 0), (2, 1, 1), rotation_z=np.pi / 2)
    np.testing.assert_allclose(made.location, (-0.5, 1, 0.5), atol=1e-12)
    assert made.scale == 2 / placement.EXTENT
    placement.write(tmp_path, made)
    assert placement.read(tmp_path) == replace(made, location=tuple(json.loads(json.dumps(made.location))))
    (tmp_path / "inputs" / "placement.json").write_text('{"location": [1, 2, 1e99], "scale": 1}')
    assert placement.read(tmp_path) is None


def test_the_prior_s_gradient_is_its_derivative_and_its_value_the_closed_form():
    generator = torch.Generator().manual_seed(1)
    density = (torch.rand(2, 3, 2, generator=generator, dtype=torch.float64) * 9 + 0.1).requires_grad_()
    occupancy = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64)
    distance = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64)
    torch.autograd.gradcheck(lambda d: start.occupancy_prior(d, occupancy, distance, 0.2), density)
    alpha = 1 - torch.exp(-density * start.THICKNESS)
    entropy = -(occupancy * alpha.log() + (1 - occupancy) * (1 - alpha).log())
    expected = (entropy * (1 - torch.exp(-(distance**2) / (2 * 0.2**2)))).mean()
    torch.testing.assert_close(start.occupancy_prior(density, occupancy, distance, 0.2), expected)
    assert start.prior_weight(1.0, 1.0) == start.prior_weight(0.3, 0.0) == 0


def test_a_start_begins_lower_in_noise_the_closer_it_is_kept():
    assert noise_progress(settings(steps=10), 3) == pytest.approx(0.3)
    begun = [noise_progress(settings(steps=10, start="a.glb", start_strength=x), 0) for x in (0, 0.5, 1)]
    assert begun == pytest.approx([0, 0.4, 0.8])
    assert noise_progress(settings(steps=10, start="a.glb", start_strength=0.5), 10) == 1


@pytest.mark.parametrize("given", [{}, {"optimizer": "adamax", "color_rate": 0.3}])
def test_all_outside_of_the_part_that_may_change_is_held_bit_by_bit(glbs, given):
    s = settings(
        grid=SIZE, steps=4, tv_weight=1, coarse_to_fine=1, start=str(glbs / "start.glb"), keep=str(glbs / "keep.glb"),
        **given,
    )  # fmt: skip
    started = starting.read(glbs, s, StubDenoiser(bent))
    run = Optimization(s, StubDenoiser(bent), CPU, start=started.begun)
    before = run.field.grid.detach().clone()
    for _ in range(2):
        run.advance()
    saved, other = run.state(), Optimization(s, StubDenoiser(bent), CPU, start=started.begun)
    other.load_state(saved)
    for _ in range(2):
        other.advance()
    fixed = ~started.begun.changeable
    x = centers(SIZE, started.placement)[..., 0]
    np.testing.assert_array_equal(fixed.numpy(), x < 10)
    after = other.field.grid.detach()
    assert torch.equal(after[fixed].view(torch.int32), before[fixed].view(torch.int32))
    assert (after[~fixed] != before[~fixed]).any(-1).float().mean() > 0.5
    assert other.field.log_scale.item() == 0
    for moments in other.optimizer.state_dict()["state"].values():
        if moments["exp_avg"].ndim == 4:
            assert not moments["exp_avg"][fixed].any()


def test_without_anything_to_keep_the_start_may_change_everywhere(glbs):
    s = settings(grid=SIZE, steps=2, start=str(glbs / "start.glb"))
    started = starting.read(glbs, s, StubDenoiser(bent))
    assert started.record["changeable_share"] == 1
    run = Optimization(s, StubDenoiser(bent), CPU, start=started.begun)
    inside = started.begun.occupancy == 1
    assert run.field.density[0][inside].min() == start.raw_density(torch.ones(1), 0.5)
    run.advance()
    assert run.field.log_scale.item() != 0


def test_a_finished_mesh_is_fitted_unless_a_part_of_it_is_kept(glbs, tmp_path):
    cube = trimesh.creation.box((0.2, 0.2, 0.2))
    mesh = Mesh(cube.vertices.astype(np.float32), cube.faces.astype(np.int32), np.zeros((8, 3), np.float32))
    for keep in ("", str(glbs / "keep.glb")):
        started = starting.read(glbs, settings(grid=SIZE, start=str(glbs / "start.glb"), keep=keep), StubDenoiser(bent))
        folder = tmp_path / (keep and "kept")
        starting.begin(folder, started)
        for _ in range(2):  # a second export starts from the first place again
            starting.fit(folder, started, mesh)
        after = placement.read(folder)
        if keep:
            assert after == placement.read(folder, fitted=False)
        else:
            assert after == started.placement.after(placement.filling(started.box, blockout.box_of(mesh)))
            assert after.scale == 2 * started.placement.scale  # as much as there may be


def flat(folder):
    return save(
        folder / "flat.glb", trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    )


def point(folder):
    return save(folder / "point.glb", trimesh.Trimesh(np.zeros((3, 3)), [[0, 1, 2]], process=False))


def text(folder):
    (folder / "text.glb").write_text("no mesh at all, but words enough")
    return folder / "text.glb"


def heavy(folder):
    return save(folder / "heavy.glb", trimesh.creation.icosphere(2))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (flat, "encloses no volume; close its holes"),
        (point, "has no size"),
        (text, "is not a glTF 2.0 binary file"),
        (heavy, "has 320 faces; decimate it to fewer than 300"),
    ],
)
def test_a_mesh_that_is_no_start_is_refused_in_one_line(tmp_path, monkeypatch, make, says):
    monkeypatch.setattr(blockout, "MOST_FACES", 300)
    with pytest.raises(SjcError, match=says) as caught:
        blockout.block_out(make(tmp_path), SIZE)
    assert str(caught.value).startswith("start: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "says"), [(box((1, 1, 1)), "covers nothing"), (box((9, 9, 9), (10, 5, -3)), "covers all of the start")]
)
def test_a_part_that_covers_nothing_or_all_is_refused(glbs, tmp_path, part, says):
    whole = blockout.block_out(glbs / "start.glb", SIZE)
    with pytest.raises(SjcError, match=says):
        blockout.changeable(save(tmp_path / "keep.glb", part), whole.placement, whole.solid)


def test_a_damaged_glb_says_so(glbs, tmp_path):
    whole = bytearray((glbs / "start.glb").read_bytes())
    at = whole.index(b'"POSITION":0')
    whole[at : at + 12] = b'"POSITION":9'
    (tmp_path / "bad.glb").write_bytes(whole)
    with pytest.raises(SjcError, match=r"bad\.glb is damaged; export it again"):
        blockout.read_mesh(tmp_path / "bad.glb", "start")


def test_inputs_stay_the_same_for_a_run_that_goes_on(glbs, tmp_path):
    s = settings(grid=SIZE, start=str(glbs / "start.glb"))
    named = inputs.take_in(tmp_path, s)
    first, again = (starting.read(tmp_path, one, StubDenoiser(bent)) for one in (s, named))
    assert torch.equal(first.begun.occupancy, again.begun.occupancy)
