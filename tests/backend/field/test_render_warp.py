"""The Warp renderer equals the reference, values and gradients, and its short cuts err within their bounds."""

import itertools
import os
import subprocess
import sys
import time
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.field import render_reference, render_warp
from sjc.field.grid import COLOR_ACTIVATIONS
from sjc.field.render import choose, renderer
from sjc.field.warp_launch import in_threads, launch
from sjc.field.warp_source import BUNDLE, REACH
from tests.backend.scenes import (
    EXACT,
    assert_equal_rendering,
    object_scene,
    random_scene,
    render_with_gradients,
    scattered_scene,
    view_rays,
)

pytestmark = pytest.mark.skipif(not render_warp.available("cpu")[0], reason="needs warp-lang")


@given(
    seed=st.integers(0, 1000),
    size=st.integers(2, 14),
    channels=st.sampled_from([1, 3, 4]),
    activation=st.sampled_from(COLOR_ACTIVATIONS),
    azimuth=st.floats(0, 360),
    elevation=st.floats(-90, 90),
    radius=st.floats(0, 4),
    step=st.sampled_from([None, 0.013, 0.3]),
    spread=st.sampled_from([0.5, 3.0, 30.0]),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_warp_equals_reference(seed, size, channels, activation, azimuth, elevation, radius, step, spread):
    """Any field, camera (inside the box too) and step. Weights at the colour threshold are left to the next test."""
    # Compiling takes seconds, so only four of the nine kernels are built.
    channels = 4 if activation == "identity" else 1 if activation == "sigmoid" else 3
    field = random_scene(seed, size, channels, activation, spread=spread)
    assert_equal_rendering(field, view_rays(azimuth, elevation, radius, 60.0), step=step, weight_threshold=0.0)


def test_weight_threshold_agrees():
    """Density so even that no weight lies near the threshold: colours are left out in the same places."""
    field = random_scene(1, channels=4, spread=0.0)
    field.density_shift = 3.0
    assert_equal_rendering(field, view_rays(pixels=4), weight_threshold=0.05)


def test_axis_aligned_rays_and_misses():
    origins = torch.tensor(
        [[0.1, -3, 0.2], [0.1, 3, 0.2], [-3, 0.99, 0.1], [0, 0, 3], [0, -3, 0], [3, 3, 3], [0.0, 0, 0]]
    )
    directions = torch.tensor([[0.0, 1, 0], [0, -1, 0], [1, 0, 0], [0, 0, -1], [0, -1, 0], [0, 1, 0], [0, 0, 1]])
    field = random_scene(2, channels=4)
    assert_equal_rendering(field, (origins, directions), weight_threshold=0.0)
    out = render_warp.render(field, origins[4:6], directions[4:6])
    assert out.samples == 0
    assert not out.opacity.any()
    assert not out.color.any()
    nothing = render_warp.render(field, origins[:0], directions[:0])
    assert nothing.color.shape == (0, 4)
    assert nothing.samples == 0


def test_very_opaque_field():
    """sigma about 200 per unit length: transmittance underflows along the ray, the gradients at its front do not."""
    field = random_scene(3, channels=4, spread=5.0)
    with torch.no_grad():
        field.density.add_(200.0)
    assert_equal_rendering(field, view_rays(pixels=6), weight_threshold=0.0)


@pytest.mark.parametrize("view", [(0.0, 0.0, 1.5), (30.0, 25.0, 1.5), (200.0, -80.0, 3.0), (77.0, 10.0, 0.6)])
def test_skipping_alone_loses_only_what_it_skips(view):
    field, rays = object_scene(), view_rays(*view, pixels=24)
    skip = 1e-4
    exact, outputs, gradients = render_with_gradients(render_warp.render, field, rays, **EXACT)
    fast, _, skipped = render_with_gradients(render_warp.render, field, rays, skip_alpha=skip, stop_transmittance=0.0)
    lost = exact.opacity - fast.opacity
    assert lost.min() >= -1e-5
    assert lost.max() <= exact.samples * skip
    tight = render_warp.render(field, *rays, skip_alpha=1e-7, stop_transmittance=0.0)
    for value, reference in zip((tight.color, tight.opacity, tight.depth, tight.emptiness), outputs, strict=True):
        torch.testing.assert_close(value, reference, atol=exact.samples * 1e-6, rtol=1e-5)
    clear = render_warp.clear_blocks(field, field.voxel / 2, skip)
    assert (clear > 0).float().mean() > 0.3
    assert clear.max() >= 2
    matter = gradients[0][..., 0].abs() > 1e-3 * gradients[0][..., 0].abs().max()
    difference = (skipped[0] - gradients[0])[..., 0][matter].abs().max()
    assert difference <= 0.02 * gradients[0][..., 0].abs().max()


@pytest.mark.parametrize(
    ("size", "shift", "level", "max_far"),
    [(11, -8.0, 0.0, 100), (70, -8.0, 0.0, 6000), (11, -1.0, -8.0, 120), (70, -1.0, -8.0, 1000)],
)
def test_blocks_are_clear_exactly_where_they_say(size, shift, level, max_far):
    """Against a slow look: the largest density where a block has corners, at voxels' centres and on the box's faces."""
    skip = 1e-3
    field = random_scene(9, size, 4, shift=shift, spread=1.0)
    with torch.no_grad():
        field.density.add_(level)
        field.density[0, 1:6, 5:9, 2:4] += 8.0
        field.density[0, 3, -1, -2] += 8.0
    step = field.voxel / 2
    clear = render_warp.clear_blocks(field, step, skip)
    axis = torch.tensor([-1.0, *((torch.arange(size) + 0.5) * 2 / size - 1), 1.0])
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    raw = render_reference.trilinear(field.grid[..., :1], points).view((size + 2,) * 3)
    alpha = -torch.expm1(-step * torch.nn.functional.softplus(field.log_scale.exp() * raw + shift)).detach()
    edges = [0, *range(1, size, 4), size, size + 1]  # of `axis`: shell, cells in fours, the rest, shell
    blocks = len(edges) - 1
    full = torch.zeros((blocks,) * 3, dtype=torch.bool)
    for x, y, z in itertools.product(range(blocks), repeat=3):
        part = alpha[edges[x] : edges[x + 1] + 1, edges[y] : edges[y + 1] + 1, edges[z] : edges[z + 1] + 1]
        full[x, y, z] = part.max() >= skip
    assert clear.shape == full.shape
    assert torch.equal(clear == 0, full)
    assert 0 < full.sum() < max_far
    for reach in range(2, REACH + 1):
        near = torch.nn.functional.max_pool3d(full[None].float(), 2 * reach - 1, 1, reach - 1)[0] > 0
        assert torch.equal(clear >= reach, ~near)


def test_skipped_lattice_is_the_same_both_ways():
    """The backward walk visits what the forward walk visited: the gradient is the derivative of the skipped picture."""
    field, rays = object_scene(24), view_rays(33.0, 12.0, 1.5, pixels=12)
    options = {"skip_alpha": 0.02, "stop_transmittance": 0.05, "weight_threshold": 0.0}
    direction = torch.randn(field.grid.shape, generator=torch.Generator().manual_seed(0))
    direction[..., 0] *= 0.3
    # Move colours and the inside of the ball only: neither the blocks nor the stopping samples then change.
    direction[..., 0][field.density[0] < 3] = 0

    def total():
        out = render_warp.render(field, *rays, **options)
        return (out.color * torch.arange(4)).sum() + out.depth.sum() + 2 * out.opacity.sum() + 0.3 * out.emptiness.sum()

    total().backward()
    slope = (field.grid.grad * direction).sum().item()
    h = 1e-2
    with torch.no_grad():
        field.grid.add_(h * direction)
        above = total().item()
        field.grid.sub_(2 * h * direction)
        below = total().item()
    assert slope == pytest.approx((above - below) / (2 * h), rel=0.02, abs=0.05)


@pytest.mark.parametrize("view", [(33.0, 12.0, 1.5), (0.0, 0.0, 1.5), (210.0, -40.0, 0.4)])
def test_the_way_back_visits_the_same_samples(view):
    """The picture is linear in colour, so colour times its gradient is the picture: to rounding, short cuts and all."""
    field, rays = object_scene(64), view_rays(*view, pixels=16)
    with torch.no_grad():
        field.color.fill_(1.0)
    for skip, stop in ((0.02, 0.05), (1e-4, 1e-4), (0.0, 0.0)):
        field.zero_grad()
        out = render_warp.render(field, *rays, skip_alpha=skip, stop_transmittance=stop, weight_threshold=0.0)
        out.color.double().sum().backward()
        gradient = field.split(field.grid.grad)[1].double().sum().item()
        assert gradient == pytest.approx(out.color.double().sum().item(), rel=2e-5)


@pytest.mark.parametrize("scene", [object_scene, scattered_scene])
@pytest.mark.parametrize("view", [(33.0, 12.0, 1.5), (0.0, 0.0, 1.5), (210.0, -40.0, 0.4)])
def test_runs_are_the_samples_in_occupied_blocks(scene, view):
    """Against a slow look at every sample; a few on the border between two blocks may round to the other side."""
    field, (origins, directions) = scene(), view_rays(*view, pixels=16)
    step = field.voxel / 2
    t_min, counts, order = render_warp.aim(render_warp.kernels(field), origins, directions, step)
    clear = render_warp.clear_blocks(field, step, 1e-4)
    rays = (order, origins, directions, t_min, counts)
    runs = render_warp.occupied_runs(field, clear, rays, step)
    k = torch.arange(int(counts.max()))
    listed = torch.zeros(len(runs), len(k), dtype=torch.bool)
    for ray, (count, *numbers) in enumerate(runs.tolist()):
        assert count % 2 == 0
        assert sorted(set(numbers[:count])) == numbers[:count]  # none empty, none touches the next
        for first, end in zip(numbers[:count:2], numbers[1:count:2], strict=True):
            listed[ray, first:end] = True
    points = origins[:, None] + (t_min[:, None] + step * k)[..., None] * directions[:, None]
    cell = torch.floor((points + 1) * (0.5 * field.size) - 0.5).long() + 1
    block = torch.where(cell >= field.size, len(clear) - 1, (cell.clamp_min(0) + 3) // 4).clamp_max(len(clear) - 1)
    x, y, z = block.unbind(-1)
    expected = (clear[x, y, z] == 0) & (k < counts[:, None])
    assert expected.sum() > 1000
    assert (listed != expected).sum() <= 1e-3 * expected.sum()


def test_rays_with_more_runs_than_there_is_room_for_at_first(monkeypatch):
    field, rays = scattered_scene(), view_rays(20.0, 10.0, 1.5, pixels=16)
    roomy = render_with_gradients(render_warp.render, field, rays)
    monkeypatch.setattr(render_warp, "RUNS", 1)
    narrow = render_with_gradients(render_warp.render, field, rays)
    for a, b in zip((*roomy[1], *roomy[2]), (*narrow[1], *narrow[2]), strict=True):
        assert torch.equal(a, b)


def test_early_stop_loses_at_most_its_transmittance():
    field, rays = object_scene(), view_rays(pixels=24)
    exact = render_warp.render(field, *rays, **EXACT)
    for stop in (1e-4, 0.05):
        lost = exact.opacity - render_warp.render(field, *rays, skip_alpha=0.0, stop_transmittance=stop).opacity
        assert lost.min() >= -1e-5
        assert lost.max() <= stop + 1e-5
    assert lost.max() > 1e-3  # the loose stop does stop


def test_same_numbers_every_time():
    field, rays = random_scene(4, 12, 4), view_rays(pixels=16)
    first, second = (render_with_gradients(render_warp.render, field, rays) for _ in range(2))
    for a, b in zip((*first[1], *first[2]), (*second[1], *second[2]), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("options", [{}, EXACT], ids=["skipping", "exact"])
def test_threads_share_the_rays_and_lose_nothing(options):
    field, rays = object_scene(24), view_rays(pixels=24)
    results, before = {}, torch.get_num_threads()
    try:
        for threads in (1, 3, 3):  # the second time meets the gradients that the first left behind
            torch.set_num_threads(threads)
            assert len(render_warp.deal(torch.arange(len(rays[0])))) == threads
            result = render_with_gradients(render_warp.render, field, rays, **options)
            again = results.setdefault(threads, result)
            for a, b in zip((*result[1], *result[2]), (*again[1], *again[2]), strict=True):
                assert torch.equal(a, b)
    finally:
        torch.set_num_threads(before)
    for one, three in zip((*results[1][1], *results[1][2]), (*results[3][1], *results[3][2]), strict=True):
        torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rays", [1, 63, 1000])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_ray_is_dealt_once(rays, threads, monkeypatch):
    monkeypatch.setattr(render_warp, "threads", lambda _device: threads)
    dealt = [part + parts * k for dim, (part, parts) in render_warp.deal(torch.arange(rays)) for k in range(dim)]
    assert sorted(dealt) == list(range(-(-rays // BUNDLE)))


def test_what_goes_wrong_in_a_thread_is_raised_when_all_have_ended():
    ended = []

    def work(number):
        if number == wrong:
            raise ValueError(f"number {number}")
        time.sleep(0.05)
        ended.append(number)

    for wrong in (0, 2):
        with pytest.raises(ValueError, match=f"number {wrong}"):
            in_threads(work, [(0,), (1,), (2,)])
        assert sorted(ended) == [number for number in range(3) if number != wrong]
        ended.clear()
    wrong = None
    in_threads(work, [(number,) for number in range(20)])  # more than there are threads
    assert sorted(ended) == list(range(20))


def test_a_launch_made_again_keeps_no_tensor_and_takes_no_gaps():
    compiled, clear = (render_warp.kernels(random_scene(0, channels=4)), torch.zeros(0, 0, 0, dtype=torch.uint8))
    for size in (5, 6, 5):
        memory = torch.ones(size, size, size, 5)
        gone = weakref.ref(memory)
        launch("erase", compiled, (memory, clear), ((size, 1), (0, size - 1)))
        assert not memory.any()
        del memory
        assert gone() is None
    with pytest.raises(ValueError, match="not contiguous"):
        launch("erase", compiled, (torch.ones(5, 5, 5, 10)[..., :5], clear), ((5, 1), (0, 4)))


def test_aiming_is_the_reference_lattice():
    """Where rays enter, how many samples they have: to the bit, for eyes inside, on faces and outside, and misses."""
    generator = torch.Generator().manual_seed(0)
    origins = torch.randn(5000, 3, generator=generator) * 1.5
    origins[::7] = origins[::7].round()
    directions = torch.nn.functional.normalize(torch.randn(5000, 3, generator=generator), dim=-1)
    directions[::5] = torch.eye(3)[torch.arange(1000) % 3] * torch.tensor([1.0, -1.0]).repeat(500)[:, None]
    compiled = render_warp.kernels(random_scene(0, channels=4))
    t_min, counts, order = render_warp.aim(compiled, origins, directions, 0.013)
    expected_t, expected_counts = render_reference.lattice(origins, directions, 0.013)
    assert torch.equal(t_min, expected_t)
    assert torch.equal(counts, expected_counts)
    assert 500 < (counts == 0).sum() < 4500
    assert torch.equal(order.sort().values, torch.arange(5000).int())


def coherent_order(origins, directions):
    """[R] int32: the rays sorted so that neighbours pass the same voxels (Z-order of where they pass the box's middle).

    Rays of a picture in rows touch the whole width of the grid before they come back to the same voxels, which have
    left the cache by then.
    """
    middle = origins - directions * (origins * directions).sum(-1, keepdim=True)
    code = ((middle + 2) * 64).clamp(0, 255).int()
    for shift, mask in ((8, 0x0F00F), (4, 0xC30C3), (2, 0x249249)):  # spread 8 bits to every third place
        code = (code | code << shift) & mask
    return torch.argsort(code[:, 0] | code[:, 1] << 1 | code[:, 2] << 2, stable=True).int()


def test_neighbours_in_order_are_neighbours_in_space():
    rays = view_rays(pixels=64)
    order = render_warp.aim(render_warp.kernels(random_scene(0, channels=4)), *rays, 0.01)[2]
    middle = rays[0] - rays[1] * (rays[0] * rays[1]).sum(-1, keepdim=True)
    apart = (middle[order][1:] - middle[order][:-1]).norm(dim=-1)
    assert apart.mean() < 0.1  # in rows: 0.06 but for 64 jumps of the picture's width; at random: 0.9
    bundles = middle[order].view(-1, BUNDLE, 3)
    assert (bundles.amax(1) - bundles.amin(1)).amax(-1).mean() < 0.4
    slow = coherent_order(*rays)
    assert (order == slow).float().mean() > 0.99  # a product and a sum rounded once or twice may change a code


def test_gradients_add_up_over_calls():
    field, rays = random_scene(6, 6, 4), view_rays(pixels=4)
    render_warp.render(field, *rays).opacity.sum().backward()
    once = field.grid.grad.clone()
    render_warp.render(field, *rays).opacity.sum().backward()
    torch.testing.assert_close(field.grid.grad, 2 * once)


def test_what_it_refuses():
    field, rays = random_scene(0), view_rays(pixels=2)
    with pytest.raises(SjcError, match="float32"):
        render_warp.render(field.double(), *(x.double() for x in rays))
    with pytest.raises(SjcError, match="skip_alpha"):
        render_warp.render(field.float(), *rays, skip_alpha=1.0)


def test_choosing_a_renderer():
    field, rays = random_scene(0, channels=4), view_rays(pixels=2)
    names = ("auto", "reference", "warp")
    assert [choose(name, "cpu") for name in names] == ["warp", "reference", "warp"]
    colors = [renderer(name, "cpu")(field, *rays).color for name in names]
    torch.testing.assert_close(colors[0], colors[1], atol=1e-3, rtol=0)
    assert torch.equal(colors[0], colors[2])
    assert choose("auto", "meta") == "reference"
    with pytest.raises(SjcError, match="cannot run on meta"):
        renderer("warp", "meta")
    with pytest.raises(SjcError, match="unknown"):
        renderer("fast")


def run_python(code, **environment):
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120, env=env
    )


START = "import sys; sys.path[:0] = {path!r}; from sjc.field import render_warp; print(render_warp.available('cpu'))"


def test_nothing_on_stdout_and_the_cache_moves(tmp_path):
    code = START.format(path=sys.path) + "; import warp; print(warp.config.kernel_cache_dir)"
    done = run_python(code, SJC_WARP_CACHE=str(tmp_path / "kernels"))
    assert done.stdout.splitlines()[0] == "(True, '')", done.stderr
    assert done.stdout.splitlines()[1].startswith(str(tmp_path / "kernels"))
    assert len(done.stdout.splitlines()) == 2


def test_unwritable_cache_falls_back_with_a_warning(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = run_python(START.format(path=sys.path), SJC_WARP_CACHE=str(tmp_path / "file" / "kernels"))
    assert done.stdout.strip() == "(True, '')", done.stderr
    assert "kernel cache cannot be written" in done.stderr
