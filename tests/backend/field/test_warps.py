"""The kernels' text for CUDA without a card: it compiles for cards of three generations, and its warps, emulated on a
CPU thread by thread (Warp's fibers), render what the reference renders.
"""

import struct
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sjc.field import render_warp, warp_launch
from sjc.field.render import capturable
from sjc.field.warp_source import CHUNK, source
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
LATENTS, PIXELS = (4, "identity"), (3, "tanh_sigmoid")  # numbers of a voxel that are not aligned, and that are


@pytest.fixture
def warps():
    with warp_launch.emulated_warps():
        yield


@pytest.mark.parametrize("kind", [LATENTS, PIXELS])
@pytest.mark.parametrize(
    ("size", "view", "step", "spread"),
    [
        (8, (30.0, 25.0, 1.5), None, 3.0),
        (14, (200.0, -80.0, 0.0), 0.013, 0.5),
        (5, (77.0, 10.0, 3.0), 0.3, 30.0),
        (40, (0.0, 0.0, 1.5), None, 0.3),  # several chunks a ray
    ],
)
def test_warps_equal_the_reference(warps, kind, size, view, step, spread):
    field = random_scene(size, size, *kind, spread=spread)
    assert_equal_rendering(field, view_rays(*view, pixels=5), step=step, weight_threshold=0.0)


def test_warps_equal_the_reference_where_nothing_passes(warps):
    field = random_scene(3, channels=4, spread=5.0)
    with torch.no_grad():
        field.density.add_(200.0)
    assert_equal_rendering(field, view_rays(pixels=4), weight_threshold=0.0)
    origins, directions = torch.tensor([[0.0, -3, 0], [0.1, -3, 0.2]]), torch.tensor([[0.0, -1, 0], [0.0, 1, 0]])
    assert_equal_rendering(random_scene(2, channels=4), (origins, directions), weight_threshold=0.0)
    nothing = render_warp.render(field, origins[:0], directions[:0])
    assert nothing.color.shape == (0, 4)


@pytest.mark.parametrize("scene", [object_scene, scattered_scene])
@pytest.mark.parametrize("view", [(33.0, 12.0, 1.5), (0.0, 0.0, 1.5), (210.0, -40.0, 0.4)])
def test_warps_skip_and_stop_where_a_cpu_does(scene, view):
    """The same blocks, the same runs but for roundings at their borders, and so the same pictures and gradients."""
    field, rays = scene(), view_rays(*view, pixels=10)
    step = field.voxel / 2

    def everything():
        clear = render_warp.clear_blocks(field, step, 1e-4)
        t_min, counts, order = render_warp.aim(render_warp.kernels(field), *rays, step)
        runs = render_warp.occupied_runs(field, clear, (order, *rays, t_min, counts), step)
        results = render_with_gradients(render_warp.render, field, rays, weight_threshold=0.0)
        return clear, counts, runs, (*results[1], *results[2])

    expected = everything()
    with warp_launch.emulated_warps():
        emulated = everything()
    assert torch.equal(expected[0], emulated[0])
    assert torch.equal(expected[1], emulated[1])
    listed = [[row[1 : 1 + row[0]] for row in runs.tolist()] for runs in (expected[2], emulated[2])]
    assert sum(a == b for a, b in zip(*listed, strict=True)) >= 0.97 * len(rays[0])
    assert sum(map(bool, listed[1])) > 20
    for a, b in zip(expected[3], emulated[3], strict=True):
        torch.testing.assert_close(b, a, rtol=2e-3, atol=2e-4 * max(1.0, a.abs().max().item()))


def test_sums_in_order_are_the_same_for_rays_in_any_order(warps):
    """torch.use_deterministic_algorithms(True): the gradient is summed up in whole numbers."""
    field, rays = random_scene(4, 12, 4), view_rays(pixels=8)
    shuffled = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    upstream = torch.randn(64, 4, generator=torch.Generator().manual_seed(2))

    def gradient(order):
        field.zero_grad()
        (render_warp.render(field, *(x[order].contiguous() for x in rays)).color * upstream[order]).sum().backward()
        return field.grid.grad.clone()

    loose, loose_shuffled = gradient(torch.arange(64)), gradient(shuffled)
    torch.use_deterministic_algorithms(True)
    try:
        ordered, ordered_shuffled = gradient(torch.arange(64)), gradient(shuffled)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(ordered, ordered_shuffled)
    assert not torch.equal(loose, loose_shuffled)
    torch.testing.assert_close(ordered, loose, rtol=1e-4, atol=1e-6)
    assert_equal_rendering(field, rays, weight_threshold=0.0)


class NothingIsRead(TorchDispatchMode):
    """Refuses what makes the host wait for the device, or sizes depend on data; so a CUDA graph could not hold it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal"), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", [{}, EXACT], ids=["skipping", "exact"])
def test_a_picture_and_its_gradients_read_nothing_on_the_host(warps, options):
    field, rays = random_scene(5, 12, 4), view_rays(pixels=4)
    with NothingIsRead():
        out = render_warp.render(field, *rays, **options)
        (out.color.sum() + out.emptiness.mean()).backward()
    assert isinstance(out.samples, torch.Tensor)
    assert field.grid.grad.any()
    with pytest.raises(AssertionError, match="_local_scalar_dense"), NothingIsRead():
        float(out.opacity.sum().detach())


def test_only_warps_on_cuda_can_be_captured():
    assert not capturable("auto", "cpu")
    assert not capturable("reference", "cpu")


COLLECTIVES = """
const int S_ALL = S == 1 ? 32 : count;
float a[S], b[S];
each(0, S == 1 ? 32 : count, [&](int own, int m) { a[own] = values.data[m]; b[own] = 1.0f + values.data[m]; });
float sum = 3.0f, product = 2.0f;
scan(a, count, sum, 0.0f, plus);
scan(b, count, product, 1.0f, times);
const int votes = vote(count, [&](int own) { return a[own] <= 5.0f; });
const float last = pick(a, count - 1);
float part = 0.0f;
each(0, count, [&](int own, int m) { part += values.data[m]; });
part = together(part);
each(0, count, [&](int own, int m) {
    out.data[m] = a[own];
    out.data[32 + m] = b[own];
});
beyond(count, S_ALL, [&](int own) { out.data[64 + lane] = -1.0f; });
if (lane == 0) {
    const float rest[5] = {sum, product, (float)votes, last, part};
    for (int i = 0; i < 5; ++i) out.data[96 + i] = rest[i];
}
"""


@pytest.mark.parametrize("emulated", [False, True], ids=["array", "warp"])
@pytest.mark.parametrize("count", [1, 2, 17, 31, 32])
def test_collectives(emulated, count):
    """scan, vote, pick and together, as loops over an array and as a warp does them, are what their names say."""
    wp = warp_launch.start()
    Floats = wp.array(dtype=float)

    @wp.func_native(source("lanes.h", 4, "identity", emulated=emulated) + COLLECTIVES.replace("S_ALL", "all_lanes"))
    def together(values: Floats, out: Floats, count: int): ...

    @wp.kernel(module="unique")
    def collect(values: Floats, out: Floats, count: int):
        together(values, out, count)

    generator = torch.Generator().manual_seed(count)
    values, out = torch.rand(32, generator=generator), torch.zeros(101)
    with warp_launch.emulated_warps():
        wp.launch(
            collect,
            dim=CHUNK if emulated else 1,
            inputs=[wp.from_torch(values), wp.from_torch(out), count],
            device="cpu",
            block_dim=CHUNK if emulated else 1,
        )
    taken = values[:count].double()
    before = 3 + taken.cumsum(0) - taken
    products = 2 * (1 + taken).cumprod(0)
    torch.testing.assert_close(out[:count].double(), before, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out[32 : 32 + count].double(), products / (1 + taken), rtol=1e-5, atol=1e-5)
    votes = (out[:count] <= 5).sum()
    expected = [3 + taken.sum(), products[-1], votes, out[count - 1], taken.sum()]
    torch.testing.assert_close(out[96:].double(), torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)
    if emulated:
        assert torch.equal(out[64:96] != 0, torch.arange(32) >= count)


def sections(cubin):
    """(name, bytes) of the sections of an ELF file."""
    (start,) = struct.unpack_from("<Q", cubin, 0x28)
    size, count, names = struct.unpack_from("<HHH", cubin, 0x3A)
    heads = [struct.unpack_from("<IIQQQQ", cubin, start + i * size) for i in range(count)]
    for name, kind, _, _, offset, length in heads:
        begin = heads[names][4] + name
        yield cubin[begin : cubin.index(b"\0", begin)].decode(), b"" if kind == 8 else cubin[offset : offset + length]


def frames(cubin):
    """Bytes of local memory that each function of a cubin takes for a thread: arrays not in registers, and spills."""
    for name, body in sections(cubin):
        at = 0
        while name == ".nv.info" and at < len(body):
            form, attribute, size = struct.unpack_from("<BBH", body, at)
            if form == 4 and attribute == 0x11:  # EIATTR_FRAME_SIZE: the function's symbol, its frame
                yield struct.unpack_from("<II", body, at + 4)[1]
            at += 4 + (size if form == 4 else 0)


def compiled(kernel, folder, arch, **options):
    """One kernel through NVIDIA's compiler, which needs no card."""
    wp = warp_launch.start()
    try:
        (path,) = wp.compile_aot_module(kernel.module, device=None, arch=arch, module_dir=folder, **options)
    except RuntimeError as error:
        if "CUDA" in str(error) and "compil" not in str(error).lower():
            pytest.skip(f"this Warp has no CUDA compiler: {error}")
        raise
    return Path(path).read_bytes().rstrip(b"\0")


@pytest.mark.parametrize("kind", [LATENTS, PIXELS, (16, "sigmoid")])
@pytest.mark.parametrize("arch", [75, 86, 90])
def test_kernels_compile_for_cuda_without_spills(tmp_path, kind, arch):
    warp_launch.start()
    from sjc.field import warp_kernels  # not before Warp's settings are made

    kernels = warp_kernels.build(*kind)
    others = ("aim", "occupancy", "spread", "runs") if kind == LATENTS else ()  # they know nothing of channels
    chosen = {name: getattr(kernels, name) for name in ("forward", "backward", *others)}
    if kind == LATENTS:
        chosen["ordered"] = warp_kernels.build(*kind, ordered=True).backward
    for name, kernel in chosen.items():
        cubin = compiled(kernel, tmp_path / name, arch, use_ptx=False)
        (flags,) = struct.unpack_from("<I", cubin, 0x30)
        assert arch in {flags & 0xFF, flags >> 8 & 0xFF}  # where the compiler wrote it before and since CUDA 13
        sizes = list(frames(cubin))
        assert sizes
        assert not any(sizes), name


def test_new_cards_add_four_floats_at_once(tmp_path):
    """The branch for compute capability 9.0 is there, and only there, and only where voxels are aligned."""
    four = b"red.relaxed.gpu.global.add.v4.f32"
    for kind, arch, expected in ((PIXELS, 90, True), (PIXELS, 86, False), (LATENTS, 90, False)):
        kernel = render_warp.kernels(random_scene(0, 4, *kind)).backward
        text = compiled(kernel, tmp_path / f"{kind[0]}-{arch}", arch, use_ptx=True)
        assert (four in text) == expected
        assert (b"red.global.add.f32" in text or b"atom.global.add.f32" in text) != expected


def test_a_card_gets_the_text_for_its_own_architecture():
    """Warp's own choice, where the driver is newer than its toolkit, would be that for compute capability 7.5."""
    wp = warp_launch.start()
    assert wp.config.cuda_output == "cubin"
    assert wp.config.ptx_target_arch == warp_launch.NEWEST_BRANCH


def test_a_field_in_the_middle_of_other_memory(warps):
    """CUDA loads four floats at once only from a multiple of 16 bytes."""
    field, rays = random_scene(7, 6, *PIXELS), view_rays(pixels=3)
    expected = render_warp.render(field, *rays).color
    memory = torch.zeros(field.grid.numel() + 1)
    memory[1:] = field.grid.detach().reshape(-1)
    field.grid = torch.nn.Parameter(memory[1:].view_as(field.grid))
    seen_by_kernels = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            render_warp,
            "launch",
            lambda name, kernels, shared, *calls: (
                seen_by_kernels.append((name, shared[0].data_ptr() % 16)),
                warp_launch.launch(name, kernels, shared, *calls),
            ),
        )
        out = render_warp.render(field, *rays)
        out.color.sum().backward()
    assert torch.equal(out.color, expected)
    assert field.grid.grad.any()
    assert {name: rest for name, rest in seen_by_kernels if name in {"forward", "backward"}} == {
        "forward": 0,
        "backward": 0,
    }
