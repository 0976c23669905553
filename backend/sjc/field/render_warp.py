"""The same rendering as `render_reference`, fused into one forward and one backward kernel in NVIDIA Warp.

One source for CPU and CUDA. Nothing is stored per sample: the backward kernel walks each ray from its last sample back to
the first and recomputes what it needs, with the transmittance from the optical depth tau, T = exp(-tau). Two short cuts,
each with an exact setting:

- empty space: blocks of 4^3 cells in which no sample can have alpha >= skip_alpha are jumped over on the same sample
  lattice, in both kernels alike. A skipped sample has weight 0 and gives no gradient (voxels that still touch an
  occupied block get theirs, so matter can grow back).
- early stop: a ray ends when its transmittance falls below stop_transmittance; samples behind count as empty space.

Warp runs a CPU kernel on one thread. So the rays are dealt out to as many threads as the process may use, each with a
gradient of its own, added up in a fixed order: results depend, within rounding, on the number of threads, but not on the
run.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..threads import count as usable_threads
from . import gradient_memory
from .grid import VoxelField
from .render_reference import Rendered, check, lattice
from .warp_source import BLOCK, BUNDLE, COLUMN

REACH = 4  # empty blocks jumped at once, to each side; more gains nothing at 100^3
MOST_THREADS = 8  # each has a gradient of the grid's size to itself
TAU_MAX = 30.0  # transmittance 1e-13: nothing behind can change a float32 sum


def available(device: str | torch.device = "cpu") -> tuple[bool, str]:
    """Whether Warp can render on this torch device, and if not, why."""
    device = torch.device(device)
    try:
        wp = _warp()
    except Exception as error:  # noqa: BLE001  (no package, an unloadable library, a silent driver: any may come)
        return False, f"warp does not start ({type(error).__name__}: {error})"
    if device.type == "cpu":
        return True, ""
    if device.type != "cuda" or torch.version.hip:
        return False, "warp has no kernels for " + ("ROCm" if torch.version.hip else device.type)
    if not (torch.cuda.is_available() and wp.is_cuda_available()):
        return False, "warp sees no CUDA device"
    return True, ""


@functools.cache
def _warp():
    """Warp, started quietly (stdout belongs to the worker's messages), with a kernel cache that can be written."""
    import warp as wp

    wp.config.log_level = wp.LOG_ERROR
    wp.config.enable_backward = False
    wp.config.kernel_cache_dir = os.environ.get("SJC_WARP_CACHE") or wp.config.kernel_cache_dir
    try:
        with _without_driver_warning():
            wp.init()
        tempfile.TemporaryFile(dir=wp.config.kernel_cache_dir).close()
    except OSError as error:
        folder = tempfile.mkdtemp(prefix="sjc-warp-")
        warnings.warn(
            f"the Warp kernel cache cannot be written ({error}); using {folder}", RuntimeWarning, stacklevel=2
        )
        wp.config.kernel_cache_dir = folder
        wp.init()
    return wp


@contextlib.contextmanager
def _without_driver_warning() -> Iterator[None]:
    """Where there is no CUDA, Warp's library says so on file descriptor 2, whatever its log level; nobody asked."""
    if torch.cuda.is_available():
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def kernels(field: VoxelField) -> SimpleNamespace:
    """The compiled kernels for this field's channels and colour activation."""
    _warp()  # its settings must precede the first kernel
    from . import warp_kernels

    return warp_kernels.build(field.channels, field.color_activation)


def render(
    field: VoxelField,
    origins: Tensor,
    directions: Tensor,
    *,
    step: float | None = None,
    beta: float = 10.0,
    weight_threshold: float = 1e-4,
    skip_alpha: float = 1e-4,
    stop_transmittance: float = 1e-4,
) -> Rendered:
    """`render_reference.render` in fused kernels, float32.

    skip_alpha: blocks whose alpha per step stays below it count as empty; 0 skips nothing. At most Ns * skip_alpha of
    opacity is lost on a ray. stop_transmittance: rays end below it, at most that much opacity is lost; 0 never stops
    before 1e-13. Gradients are those of the picture so computed. CPU results do not change from run to run; on CUDA the
    order of atomic additions does.

    Raises SjcError as the reference, and for other types than float32.
    """
    step = check(field, origins, directions, step)
    if field.grid.dtype != torch.float32:
        raise SjcError(
            f"the warp renderer computes in float32, the field is {field.grid.dtype}; use the reference renderer"
        )
    if not (0 <= skip_alpha < 1 and 0 <= stop_transmittance < 1):
        raise SjcError(
            f"skip_alpha {skip_alpha} and stop_transmittance {stop_transmittance} must lie in [0, 1)"
        )
    if field.grid.numel() >= 2**31:
        raise SjcError(
            f"a field of {field.size}^3 voxels is too large for the warp renderer; use a smaller grid"
        )
    origins, directions = origins.detach().contiguous(), directions.detach().contiguous()
    t_min, counts = lattice(origins, directions, step)
    options = SimpleNamespace(
        kernels=kernels(field),
        shift=field.density_shift,
        marching=(step, float(beta), float(weight_threshold)),
        tau_stop=min(TAU_MAX, -math.log(stop_transmittance) if stop_transmittance > 0 else TAU_MAX),
    )
    rays = (coherent_order(origins, directions), origins, directions, t_min, counts)
    clear = clear_blocks(field, step, skip_alpha)
    color, opacity, depth, emptiness = _Render.apply(field.grid, field.log_scale, clear, options, *rays)
    samples = int(counts.max()) if len(counts) else 0
    return Rendered(color, opacity, depth, emptiness, samples)


def coherent_order(origins: Tensor, directions: Tensor) -> Tensor:
    """[R] int32: the rays sorted so that neighbours pass the same voxels (Z-order of where they pass the box's middle).

    Rays of a picture in rows touch the whole width of the grid before they come back to the same voxels, which have
    left the cache by then.
    """
    middle = origins - directions * (origins * directions).sum(-1, keepdim=True)
    code = ((middle + 2) * 64).clamp(0, 255).int()
    for shift, mask in ((8, 0x0F00F), (4, 0xC30C3), (2, 0x249249)):  # spread 8 bits to every third place
        code = (code | code << shift) & mask
    return torch.argsort(code[:, 0] | code[:, 1] << 1 | code[:, 2] << 2, stable=True).int()


def clear_blocks(field: VoxelField, step: float, skip_alpha: float) -> Tensor:
    """[b,b,b] uint8, how far each block of the field is from matter; [0,0,0] if nothing is (or, on a CPU, can be) skipped.

    0: some sample in the block can have alpha >= skip_alpha. c > 0: none can, here and in all blocks nearer than c
    (Chebyshev distance), up to REACH.
    """
    blocks = 0 if skip_alpha == 0 else 2 + math.ceil((field.size - 1) / BLOCK)
    clear = torch.empty((blocks,) * 3, dtype=torch.uint8, device=field.grid.device)
    if blocks:
        # The raw density at which alpha = skip_alpha; sigma = softplus(x) is x = log(e^sigma - 1).
        sigma = -math.log1p(-skip_alpha) / step
        x = sigma + math.log(-math.expm1(-sigma))
        threshold = (x - field.density_shift) / math.exp(float(field.log_scale.detach()))
        together = COLUMN if clear.device.type == "cpu" else 1  # on a GPU a thread a block
        columns = (blocks, -(-blocks // together))
        scene = (kernels(field), columns, field.grid.detach(), threshold, clear, together)
        _in_threads(_occupancy_slab, [(*scene, *slab) for slab in _slabs(blocks, _threads(clear.device))])
        if clear.device.type == "cpu" and not clear.any():  # fog: nothing to look for on the way
            return clear[:0, :0, :0]
        for reach in range(1, REACH):
            _launch("widen", kernels(field), (blocks, *columns), clear, reach, together)
    return clear


class _Render(torch.autograd.Function):
    """(grid, log_scale) to (color, opacity, depth, emptiness); the rest are constants of the view."""

    @staticmethod
    def forward(ctx, grid, log_scale, clear, options, order, origins, directions, t_min, counts):
        rays = len(origins)
        outputs = [origins.new_empty(rays, grid.shape[3] - 1)] + [origins.new_empty(rays) for _ in range(3)]
        ends, taus = counts.new_empty(rays), origins.new_empty(rays)
        scene = (grid, log_scale.reshape(1), options.shift, clear, origins, directions, t_min)
        marching = (*options.marching, options.tau_stop)
        marched = (counts, *marching, *outputs, ends, taus)
        _in_threads(_launch_rays, [
            ("forward", options.kernels, part, *scene, *marched) for part in deal(order)
        ])  # fmt: skip
        ctx.save_for_backward(grid, log_scale, clear, order, origins, directions, t_min, ends, taus)
        ctx.options = options
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *upstream):
        grid, log_scale, clear, order, origins, directions, t_min, ends, taus = ctx.saved_tensors
        options, rays = ctx.options, len(origins)
        g_grid, g_scale = _zeroes(grid, clear, options.kernels), origins.new_empty(rays)
        scene = (grid, log_scale.reshape(1), options.shift, clear, origins, directions, t_min)
        given = (*options.marching, ends, taus, *(g.contiguous() for g in upstream))
        parts = deal(order)
        with gradient_memory.zeroed(grid, len(parts) - 1) as others:
            _in_threads(_launch_rays, [
                ("backward", options.kernels, part, *scene, *given, own, g_scale)
                for part, own in zip(parts, [g_grid, *others], strict=True)
            ])  # fmt: skip
            slabs = _slabs(len(grid), len(parts)) if others else []
            _in_threads(_gather_slab, [(options.kernels, g_grid, others, clear, *slab) for slab in slabs])
        return g_grid, g_scale.sum().reshape(log_scale.shape), *(None,) * 7


def deal(order: Tensor, bundle: int = BUNDLE) -> list[Tensor]:
    """The rays for each thread: bundles of neighbours in turn, so that all get their share of what is hard."""
    threads = max(1, min(_threads(order.device), len(order) // bundle))
    bundles = order.split(bundle)
    return [torch.cat(bundles[i::threads]) for i in range(threads)] if threads > 1 else [order]


def _threads(device: torch.device) -> int:
    """How many threads march rays."""
    return min(usable_threads(), MOST_THREADS) if device.type == "cpu" else 1


def _slabs(count: int, threads: int) -> list[tuple[int, int]]:
    """0 .. count in `threads` runs (start, length)."""
    ends = [count * i // threads for i in range(threads + 1)]
    return [(a, b - a) for a, b in itertools.pairwise(ends) if b > a]


def _occupancy_slab(
    kernels: SimpleNamespace,
    columns: tuple[int, int],
    grid: Tensor,
    threshold: float,
    clear: Tensor,
    together: int,
    start: int,
    length: int,
) -> None:
    _launch("occupancy", kernels, (length, *columns), grid, threshold, clear, start, together)


def _gather_slab(
    kernels: SimpleNamespace, grid: Tensor, others: list[Tensor], clear: Tensor, start: int, length: int
) -> None:
    dim = clear.shape if clear.numel() else (length, 1, 1)
    for other in others:
        _launch("gather", kernels, dim, grid, other, clear, start, start + length - 1)


def _zeroes(grid: Tensor, clear: Tensor, kernels: SimpleNamespace) -> Tensor:
    """A gradient to begin with, to be written to only in blocks that are not clear."""
    if grid.device.type != "cpu":
        return torch.zeros_like(grid)

    def erase_slab(memory: Tensor, clear: Tensor | None, start: int, length: int) -> None:
        if clear is None:
            memory[start : start + length].zero_()
        else:
            _launch("erase", kernels, clear.shape, memory, clear, start, start + length - 1)

    def erase(memory: Tensor, clear: Tensor | None) -> None:
        slabs = _slabs(len(memory), _threads(memory.device))
        _in_threads(erase_slab, [(memory, clear, *slab) for slab in slabs])

    return gradient_memory.lend(grid, clear, erase)


def _launch_rays(
    name: str, kernels: SimpleNamespace, order: Tensor, grid, log_scale, shift, clear, *rest
) -> None:
    rays = BUNDLE if order.device.type == "cpu" else 1  # on a GPU a thread a ray
    _launch(name, kernels, -(-len(order) // rays), rays, grid, log_scale, shift, clear, order, *rest)


def _in_threads(work: Callable[..., None], calls: list[tuple[Any, ...]]) -> None:
    """work(*call) for every call, at once; the kernels do not hold Python's lock."""
    futures = [_pool().submit(work, *call) for call in calls[1:]]
    try:
        if calls:
            work(*calls[0])
    finally:
        wait(futures)
    for future in futures:
        future.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="rays")


def _launch(name: str, kernels: SimpleNamespace, dim, *arguments) -> None:
    """Launch a kernel on the arguments' device; on CUDA in torch's current stream, so that neither waits for the other."""
    wp = _warp()
    device = next(x.device for x in arguments if isinstance(x, Tensor))
    stream = None
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
    inputs = [_as_warp(wp, kernels, x) for x in arguments]
    wp.launch(getattr(kernels, name), dim=dim, inputs=inputs, device="cpu", stream=stream)


def _as_warp(wp, kernels: SimpleNamespace, x):
    """A torch tensor as the descriptor of an array that the kernels expect (grids of vectors, blocks, else flat); numbers as they are."""
    if not isinstance(x, Tensor):
        return x
    shaped = x if x.ndim >= 3 else x.reshape(-1)
    kind = kernels.vecK if x.ndim == 4 else None
    return wp.from_torch(shaped, dtype=kind, requires_grad=False, return_ctype=True)
