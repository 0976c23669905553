"""The same rendering as `render_reference`, fused into one forward and one backward kernel in NVIDIA Warp.

One source for CPU and CUDA. Nothing is stored per sample: the backward kernel walks each ray from its last sample back
to the first and recomputes what it needs, with the transmittance from the optical depth tau, T = exp(-tau). Two short
cuts, each with an exact setting:

- empty space: blocks of 4^3 cells in which no sample can have alpha >= skip_alpha are jumped over on the same sample
  lattice: each ray's runs of samples in other blocks are listed once, for both kernels. A skipped sample has weight 0
  and gives no gradient (voxels that still touch an occupied block get theirs, so matter can grow back).
- early stop: a ray ends when its transmittance falls below stop_transmittance; samples behind count as empty space.

On a CPU bundles of rays are dealt out to as many threads as the process may use, each with a gradient of its own, added
up in a fixed order: results depend, within rounding, on the number of threads, but not on the run.

On CUDA a warp has a ray, and gradients meet in atomic additions, whose order changes from run to run. Where
torch.use_deterministic_algorithms(True) is set they are summed up in whole numbers instead, more slowly, and are the
same every time. Nothing waits for the device, and no size depends on the data: torch may capture a picture with its
gradients in a CUDA graph, once one has been made outside.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch import Tensor

from ..errors import SjcError
from . import gradient_memory, warp_launch
from .grid import VoxelField
from .render_reference import Rendered, check
from .warp_launch import by_warps, in_threads, kernels, launch, slabs, threads
from .warp_source import BLOCK, BUNDLE, COLUMN

available = warp_launch.available
RUNS = 15  # of occupied blocks on a ray, for which there is room at once
TAU_MAX = 30.0  # transmittance 1e-13: nothing behind can change a float32 sum


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
    before 1e-13. Gradients are those of the picture so computed. CPU results do not change from run to run; CUDA's do
    not where torch.use_deterministic_algorithms(True) is set.

    Raises SjcError as the reference, and for other types than float32.
    """
    step = check(field, origins, directions, step)
    if field.grid.dtype != torch.float32:
        raise SjcError(
            f"the warp renderer computes in float32, the field is {field.grid.dtype}; use the reference renderer"
        )
    if not (0 <= skip_alpha < 1 and 0 <= stop_transmittance < 1):
        raise SjcError(f"skip_alpha {skip_alpha} and stop_transmittance {stop_transmittance} must lie in [0, 1)")
    if field.grid.numel() >= 2**31:
        raise SjcError(f"a field of {field.size}^3 voxels is too large for the warp renderer; use a smaller grid")
    origins, directions = origins.detach().contiguous(), directions.detach().contiguous()
    compiled = kernels(field)
    t_min, counts, order = aim(compiled, origins, directions, step)
    options = SimpleNamespace(
        kernels=compiled,
        shift=field.density_shift,
        marching=(step, float(beta), float(weight_threshold)),
        tau_stop=min(TAU_MAX, -math.log(stop_transmittance) if stop_transmittance > 0 else TAU_MAX),
    )
    rays = (order, origins, directions, t_min, counts)
    clear = clear_blocks(field, step, skip_alpha)
    runs = occupied_runs(field, clear, rays, step)
    color, opacity, depth, emptiness = _Render.apply(field.grid, field.log_scale, clear, runs, options, *rays)
    samples = counts.max() if len(counts) else 0
    if not by_warps(origins.device):
        samples = int(samples)
    return Rendered(color, opacity, depth, emptiness, samples)


def aim(kernels: SimpleNamespace, origins: Tensor, directions: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
    """The reference's `lattice` (t_min, counts), and an order in which neighbours pass the same voxels.

    All by one kernel, which saves torch's many calls. On CUDA the order is that of the rays: all are on their way at
    once.
    """
    rays, device = len(origins), origins.device
    warps = by_warps(device)
    t_min = origins.new_empty(rays)
    sizes = (rays, rays, 0 if warps else 2 * rays)
    counts, order, scratch = (torch.empty(size, dtype=torch.int32, device=device) for size in sizes)
    if rays:
        launch("aim", kernels, (origins, directions, t_min, counts, order, scratch, step), (rays if warps else 1, ()))
    return t_min, counts, order


def clear_blocks(field: VoxelField, step: float, skip_alpha: float) -> Tensor:
    """[b,b,b] uint8, how far each block of the field is from matter.

    [0,0,0] if nothing is (or, on a CPU, can be) skipped.

    0: some sample in the block can have alpha >= skip_alpha. c > 0: none can, here and in all blocks nearer than c
    (Chebyshev distance), up to warp_source.REACH.
    """
    blocks = 0 if skip_alpha == 0 else 2 + math.ceil((field.size - 1) / BLOCK)
    clear = torch.empty((blocks,) * 3, dtype=torch.uint8, device=field.grid.device)
    if blocks:
        # The raw density at which alpha = skip_alpha; sigma = softplus(x) is x = log(e^sigma - 1).
        sigma = -math.log1p(-skip_alpha) / step
        x = sigma + math.log(-math.expm1(-sigma))
        scaled = x - field.density_shift  # exp(log_scale) is divided out in the kernel: nobody waits for the device
        warps = by_warps(clear.device)
        together = 1 if warps else COLUMN  # on a GPU a warp has a block
        columns = (blocks, -(-blocks // together))
        compiled = kernels(field)
        inputs = (field.grid.detach(), field.log_scale.detach().reshape(1), scaled, clear, together)
        parts = (((length, *columns), (start,)) for start, length in slabs(blocks, threads(clear.device)))
        launch("occupancy", compiled, inputs, *parts)
        if not warps and not clear.any():  # fog: nothing to look for on the way
            return clear[:0, :0, :0]
        spare = torch.empty_like(clear)
        for axis in range(3):  # z, y, x
            stride = blocks**axis
            count = 1 if warps else stride * blocks  # on a GPU a thread has a block
            launch("spread", compiled, (clear, spare, stride, count), (clear.numel() // count, ()))
            clear, spare = spare, clear
    return clear


def occupied_runs(
    field: VoxelField, clear: Tensor, rays: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], step: float
) -> Tensor:
    """[R,width] int32, each ray's samples in blocks that are not clear.

    A row holds how many numbers follow, then every run's first sample and the one behind it. [0,0] where nothing is
    skipped. rays: (order, origins, directions, t_min, counts). A ray changes its block at most 3 b times, which is the
    width on a GPU; a CPU begins with room for RUNS runs and asks how many there are.
    """
    blocks, (order, counts) = clear.shape[0], (rays[0], rays[4])
    if not blocks:
        return counts.new_empty(0, 0)
    max_width, parts = 3 * blocks + 2, deal(order)
    width = max_width if by_warps(counts.device) else min(2 * RUNS + 2, max_width)
    while True:
        runs, needed = counts.new_empty(len(order), width), counts.new_zeros(len(parts))
        shared = (field.grid.detach(), clear, *rays, step, runs, width, needed)
        launch("runs", kernels(field), shared, *parts)
        if width == max_width or int(needed.max()) < width:
            return runs
        width = min(int(needed.max()) + 2, max_width)


class _Render(torch.autograd.Function):
    """(grid, log_scale) to (color, opacity, depth, emptiness); the rest are constants of the view."""

    @staticmethod
    def forward(ctx, grid, log_scale, clear, runs, options, order, origins, directions, t_min, counts):
        rays = len(origins)
        if by_warps(grid.device) and grid.data_ptr() % 16:  # a part of another tensor: four floats are loaded at once
            grid = grid.clone()
        outputs = [origins.new_empty(rays, grid.shape[3] - 1)] + [origins.new_empty(rays) for _ in range(3)]
        ends, taus = counts.new_empty(rays), origins.new_empty(rays)
        scene = _scene(grid, log_scale, options.shift, runs, order, origins, directions, t_min)
        marched = (counts, *options.marching, options.tau_stop, *outputs, ends, taus)
        launch("forward", options.kernels, (*scene, *marched), *deal(order))
        ctx.save_for_backward(grid, log_scale, clear, runs, order, origins, directions, t_min, ends, taus)
        ctx.options = options
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *upstream):
        grid, log_scale, clear, runs, order, origins, directions, t_min, ends, taus = ctx.saved_tensors
        options, rays = ctx.options, len(origins)
        g_grid, g_scale = _zeroes(grid, clear, options.kernels), origins.new_empty(rays)
        scene = _scene(grid, log_scale, options.shift, runs, order, origins, directions, t_min)
        upstream = tuple(g.contiguous() for g in upstream)
        ordered, unit = (
            _ordered_sums(grid, upstream)
            if options.kernels.ordered
            else (ends.new_empty(0, dtype=torch.int64), g_scale[:0])
        )
        given = (*options.marching, ends, taus, *upstream, g_scale, ordered, unit)
        parts = deal(order)
        with gradient_memory.zeroed(grid, len(parts) - 1) as others:
            launch("backward", options.kernels, (*scene, *given), *(
                (dim, (*which, own)) for (dim, which), own in zip(parts, [g_grid, *others], strict=True)
            ))  # fmt: skip
            for other in others:
                launch("gather", options.kernels, (g_grid, other, clear), *_planes(clear, len(grid), len(parts)))
        if len(ordered):
            g_grid = (ordered.double() * unit).to(grid.dtype).view_as(grid)
        return g_grid, g_scale.sum().reshape(log_scale.shape), *(None,) * 8


def _ordered_sums(grid: Tensor, upstream: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Zeroes for the gradient in whole numbers, and what one of them is worth.

    Fine against every number that arises, and so coarse that 2^27 times the largest upstream gradient has room.
    """
    largest = torch.stack([g.abs().max() if g.numel() else g.new_zeros(()) for g in upstream]).max()
    return torch.zeros(grid.numel(), dtype=torch.int64, device=grid.device), (largest * 2**-36).clamp_min(1e-30).view(1)


def _scene(grid, log_scale, shift, runs, *rays) -> tuple:
    """What both kernels begin their arguments with; rays: order, origins, directions, t_min."""
    return grid, log_scale.reshape(1), shift, runs, runs.shape[1], *rays


def deal(order: Tensor) -> list[tuple[int, tuple[int, int]]]:
    """For each thread how many bundles it marches, and which: from the first in steps, so that all get what is hard."""
    bundles = -(-len(order) // (1 if by_warps(order.device) else BUNDLE))  # on a GPU a warp has a ray
    parts = max(1, min(threads(order.device), bundles))
    return [(-(-(bundles - part) // parts), (part, parts)) for part in range(parts)]


def _planes(clear: Tensor, size: int, parts: int) -> list[tuple[tuple[int, ...], tuple[int, int]]]:
    """Launches over all columns of blocks of a grid, in as many slabs of its planes."""
    return [
        (tuple(clear.shape[:2]) if clear.numel() else (length, 1), (start, start + length - 1))
        for start, length in slabs(size, parts)
    ]


def _zero_planes(memory: Tensor, start: int, length: int) -> None:
    memory[start : start + length].zero_()


def _zeroes(grid: Tensor, clear: Tensor, kernels: SimpleNamespace) -> Tensor:
    """A gradient to begin with, to be written to only in blocks that are not clear."""
    if by_warps(grid.device):
        return torch.zeros_like(grid)
    parts = threads(grid.device)

    def erase(memory: Tensor, clear: Tensor | None) -> None:
        if clear is not None:
            launch("erase", kernels, (memory, clear), *_planes(clear, len(memory), parts))
        else:
            in_threads(_zero_planes, [(memory, *slab) for slab in slabs(len(memory), parts)])

    return gradient_memory.lend(grid, clear, erase)
