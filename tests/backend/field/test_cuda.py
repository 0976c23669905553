"""The Warp renderer on a CUDA device; test_warps.py holds the same text without one."""

import pytest
import torch

from sjc.field import render_reference, render_warp, warp_launch
from sjc.field.grid import VoxelField
from sjc.field.render import capturable, renderer
from tests.backend.scenes import EXACT, object_scene, random_scene, render_with_gradients, view_rays

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not render_warp.available("cuda")[0], reason="needs a CUDA device")]
CUDA = torch.device("cuda", 0)


def fog(size, channels, activation="identity"):
    field = VoxelField(size, channels, color_activation=activation, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        field.density.add_(0.1 * torch.randn(field.density.shape, generator=torch.Generator().manual_seed(2)))
    return field


FIELDS = {
    "latents in fog": lambda: fog(100, 4),
    "latents of an object": lambda: object_scene(100, 4),
    "pixels in fog": lambda: fog(64, 3, "tanh_sigmoid"),
    "pixels of noise": lambda: random_scene(3, 50, 3, "sigmoid"),
    "one channel": lambda: random_scene(4, 32, 1, "sigmoid"),
    "sixteen channels": lambda: random_scene(5, 48, 16),
    "a size that is no multiple of anything": lambda: random_scene(6, 37, 4, "tanh_sigmoid"),
}


def on_cuda(field, rays):
    return field.to(CUDA), tuple(x.to(CUDA) for x in rays)


@pytest.mark.parametrize("name", FIELDS)
def test_cuda_equals_the_reference_in_double(name):
    """Relative norms, nothing skipped. One H200 had, with earlier kernels, at most 1e-5 in all of them."""
    field, rays = on_cuda(FIELDS[name](), view_rays(pixels=48))
    out, outputs, gradients = render_with_gradients(render_warp.render, field, rays, **EXACT, weight_threshold=0.0)
    double = VoxelField(
        field.size, field.channels, density_shift=field.density_shift, color_activation=field.color_activation
    )
    double.load_state_dict(field.state_dict())
    with pytest.MonkeyPatch.context() as patch:
        t_min, counts = render_reference.lattice(*rays, field.voxel / 2)
        patch.setattr(render_reference, "lattice", lambda *_: (t_min.double(), counts))
        expected, references, wanted = render_with_gradients(
            render_reference.render, double.double().to(CUDA), tuple(x.double() for x in rays), weight_threshold=0.0
        )
    assert int(out.samples) == expected.samples
    for value, reference in zip((*outputs, *gradients), (*references, *wanted), strict=True):
        assert (value.double() - reference).norm() <= 5e-5 * reference.norm()


@pytest.mark.parametrize("name", ["latents in fog", "latents of an object", "pixels of noise"])
def test_short_cuts_lose_what_they_lose_on_a_cpu(name):
    field, rays = FIELDS[name](), view_rays(pixels=24)
    _, expected, wanted = render_with_gradients(render_warp.render, field, rays, weight_threshold=0.0)
    expected, wanted = [x.detach() for x in expected], [x.clone() for x in wanted]
    _, outputs, gradients = render_with_gradients(render_warp.render, *on_cuda(field, rays), weight_threshold=0.0)
    for value, reference in zip((*outputs, *gradients), (*expected, *wanted), strict=True):
        assert (value.cpu() - reference).norm() <= 2e-3 * reference.norm()


def test_deterministic_sums_are_the_same_every_time():
    field, rays = on_cuda(FIELDS["latents in fog"](), view_rays(pixels=64))
    loose = render_with_gradients(render_warp.render, field, rays)[2][0]
    torch.use_deterministic_algorithms(True)
    try:
        results = [render_with_gradients(render_warp.render, field, rays) for _ in range(3)]
    finally:
        torch.use_deterministic_algorithms(False)
    for again in results[1:]:
        for a, b in zip((*results[0][1], *results[0][2]), (*again[1], *again[2]), strict=True):
            assert torch.equal(a, b)
    assert (results[0][2][0] - loose).norm() <= 1e-5 * loose.norm()


@pytest.mark.parametrize("name", ["latents in fog", "pixels of noise"])
def test_a_captured_picture_replays_as_it_was_made(name):
    """One graph for rays, blocks, runs, picture and gradients; replayed, it sees new rays and a new field."""
    assert capturable("warp", CUDA)
    field, rays = on_cuda(FIELDS[name](), view_rays(pixels=32))
    render = renderer("warp", CUDA)
    upstream = torch.randn(len(rays[0]), field.channels, generator=torch.Generator().manual_seed(3)).to(CUDA)

    def step():
        field.grid.grad = field.log_scale.grad = None
        out = render(field, *rays, step=field.voxel / 2, beta=10.0)
        ((out.color * upstream).sum() + out.emptiness.mean() + out.depth.sum()).backward()
        return out.color.detach(), out.samples, field.grid.grad, field.log_scale.grad

    side = torch.cuda.Stream(CUDA)
    side.wait_stream(torch.cuda.current_stream(CUDA))
    with torch.cuda.stream(side):
        for _ in range(2):
            step()
    torch.cuda.current_stream(CUDA).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    for azimuth in (30.0, 77.0):
        for x, new in zip(rays, view_rays(azimuth, pixels=32), strict=True):
            x.copy_(new)
        with torch.no_grad():
            field.density.add_(0.05)
        graph.replay()
        replayed = [x.clone() for x in captured]
        for a, b in zip(replayed, step(), strict=True):
            assert (a.double() - b.double()).norm() <= 1e-5 * b.double().norm()


def test_the_kernels_are_those_for_this_card():
    """Asked of the compiled code itself: Warp's own choice could lack what newer cards can do."""
    wp = warp_launch.start()
    Ints = wp.array(dtype=int)

    @wp.func_native("""
#ifdef __CUDA_ARCH__
    out.data[0] = __CUDA_ARCH__;
#endif
""")
    def say(out: Ints): ...

    @wp.kernel(module="unique")
    def architecture(out: Ints):
        say(out)

    out = torch.zeros(1, dtype=torch.int32, device=CUDA)
    wp.launch(architecture, dim=1, inputs=[wp.from_torch(out)], device=wp.device_from_torch(CUDA))
    torch.cuda.synchronize(CUDA)
    major, minor = torch.cuda.get_device_capability(CUDA)
    assert out.item() == 10 * warp_launch.compiled_for(CUDA)
    assert warp_launch.compiled_for(CUDA) >= min(10 * major + minor, warp_launch.NEWEST_BRANCH)
