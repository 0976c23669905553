"""The same rendering as `render_reference`, fused into one forward and one backward kernel in NVIDIA Warp.

One source for CPU and CUDA. Nothing is stored per sample: the backward kernel walks each ray from its last sample back to
the first and recomputes what it needs, with the transmittance from the optical depth tau, T = exp(-tau). Two short cuts,
each with an exact setting:

- empty space: blocks of 4^3 cells in which no sample can have alpha >= skip_alpha are jumped over on the same sample
  lattice, in both kernels alike. A skipped sample has weight 0 and gives no gradient (neighbours that still touch an
  occupied block do, so matter can grow back).
- early stop: a ray ends when its transmittance falls below stop_transmittance; samples behind count as empty space.
"""

from __future__ import annotations

import functools
import math
import os
import tempfile
import warnings
from types import SimpleNamespace

import torch
from torch import Tensor

from ..errors import SjcError
from .grid import VoxelField
from .render_reference import Rendered, check, lattice

TAU_MAX = 30.0  # transmittance 1e-13: nothing behind can change a float32 sum


def available(device: str | torch.device = "cpu") -> tuple[bool, str]:
    """Whether Warp can render on this torch device, and if not, why."""
    device = torch.device(device)
    try:
        wp = _warp()
    except Exception as error:  # a missing package, a library that does not load, a driver that does not answer
        return False, f"warp does not start ({type(error).__name__}: {error})"
    if device.type == "cpu":
        return True, ""
    if device.type != "cuda" or torch.version.hip:
        return False, f"warp has no kernels for {device.type}" + (" on ROCm" if torch.version.hip else "")
    if not (torch.cuda.is_available() and wp.is_cuda_available()):
        return False, "warp sees no CUDA device"
    return True, ""


@functools.cache
def _warp():
    """Warp, started quietly (stdout belongs to the worker's messages), with a kernel cache that can be written."""
    import warp as wp

    wp.config.log_level = wp.LOG_ERROR
    wp.config.enable_backward = False
    chosen = os.environ.get("SJC_WARP_CACHE")
    if chosen:
        wp.config.kernel_cache_dir = chosen
    try:
        wp.init()
        probe = tempfile.TemporaryFile(dir=wp.config.kernel_cache_dir)
        probe.close()
    except OSError as error:
        folder = tempfile.mkdtemp(prefix="sjc-warp-")
        warnings.warn(f"the Warp kernel cache cannot be written ({error}); using {folder}", RuntimeWarning, stacklevel=3)
        wp.config.kernel_cache_dir = folder
        wp.init()
        wp._src.build.init_kernel_cache(folder)
    return wp


def _kernels(field: VoxelField) -> SimpleNamespace:
    _warp()  # settings first
    from . import warp_kernels

    return warp_kernels.build(field.channels, field.color_activation)


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(ctx, grid, log_scale, origins, directions, t_min, counts, occupied, options):
        wp, kernels = _warp(), options.kernels
        rays = len(origins)
        empty = functools.partial(torch.empty, device=grid.device)
        color, opacity, depth, emptiness = empty(rays, grid.shape[3] - 1), empty(rays), empty(rays), empty(rays)
        ends, taus = empty(rays, dtype=torch.int32), empty(rays)
        scene = _arrays(wp, kernels, grid, log_scale)
        common = [
            *scene,
            options.shift,
            wp.from_torch(occupied, dtype=wp.uint8),
            wp.from_torch(origins, dtype=wp.vec3),
            wp.from_torch(directions, dtype=wp.vec3),
            wp.from_torch(t_min),
        ]
        outputs = [wp.from_torch(color, dtype=kernels.vecC)] + [wp.from_torch(x) for x in (opacity, depth, emptiness)]
        outputs += [wp.from_torch(ends), wp.from_torch(taus)]
        marching = [options.step, options.beta, options.weight_threshold]
        with _stream(wp, grid.device):
            wp.launch(
                kernels.forward,
                dim=rays,
                inputs=[*common, wp.from_torch(counts), *marching, options.tau_stop],
                outputs=outputs,
                device=_device(grid),
            )
        ctx.save_for_backward(grid, log_scale, origins, directions, t_min, occupied, ends, taus)
        ctx.options = options
        return color, opacity, depth, emptiness

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *upstream):
        wp, options = _warp(), ctx.options
        kernels = options.kernels
        grid, log_scale, origins, directions, t_min, occupied, ends, taus = ctx.saved_tensors
        g_grid = torch.zeros_like(grid)
        g_scale = torch.empty(len(origins), device=grid.device)
        upstream = [g.contiguous() for g in upstream]
        with _stream(wp, grid.device):
            wp.launch(
                kernels.backward,
                dim=len(origins),
                inputs=[
                    *_arrays(wp, kernels, grid, log_scale),
                    options.shift,
                    wp.from_torch(occupied, dtype=wp.uint8),
                    wp.from_torch(origins, dtype=wp.vec3),
                    wp.from_torch(directions, dtype=wp.vec3),
                    wp.from_torch(t_min),
                    options.step,
                    options.beta,
                    options.weight_threshold,
                    wp.from_torch(ends),
                    wp.from_torch(taus),
                    wp.from_torch(upstream[0], dtype=kernels.vecC),
                    *(wp.from_torch(g) for g in upstream[1:]),
                ],
                outputs=[wp.from_torch(g_grid, dtype=kernels.vecK), wp.from_torch(g_scale)],
                device=_device(grid),
            )
        return g_grid, g_scale.sum().reshape(log_scale.shape), None, None, None, None, None, None


def _device(tensor: Tensor) -> str:
    return "cpu" if tensor.device.type == "cpu" else f"cuda:{tensor.device.index}"


def _arrays(wp, kernels, grid: Tensor, log_scale: Tensor) -> list:
    return [wp.from_torch(grid.detach(), dtype=kernels.vecK), wp.from_torch(log_scale.detach().reshape(1))]


def _stream(wp, device: torch.device):
    """Kernels run on torch's current CUDA stream, so that the two never wait for each other."""
    if device.type == "cpu":
        return wp.ScopedDevice("cpu")
    return wp.ScopedStream(wp.stream_from_torch(torch.cuda.current_stream(device)))


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
    before 1e-13. Gradients are those of the image so computed. CPU results do not change from run to run; on CUDA the
    order of atomic additions does.

    Raises SjcError as the reference, and for other types than float32.
    """
    step = check(field, origins, directions, step)
    if field.grid.dtype != torch.float32:
        raise SjcError(f"the warp renderer computes in float32, the field is {field.grid.dtype}; use the reference renderer")
    if not (0 <= skip_alpha < 1 and 0 <= stop_transmittance < 1):
        raise SjcError(f"skip_alpha {skip_alpha} and stop_transmittance {stop_transmittance} must lie in [0, 1)")
    origins, directions = origins.detach().contiguous(), directions.detach().contiguous()
    t_min, counts = lattice(origins, directions, step)
    options = SimpleNamespace(
        kernels=_kernels(field),
        shift=field.density_shift,
        step=step,
        beta=float(beta),
        weight_threshold=float(weight_threshold),
        tau_stop=min(TAU_MAX, -math.log(stop_transmittance) if stop_transmittance > 0 else TAU_MAX),
    )
    occupied = occupied_blocks(field, step, skip_alpha)
    color, opacity, depth, emptiness = _Render.apply(
        field.grid, field.log_scale, origins, directions, t_min, counts, occupied, options
    )
    return Rendered(color, opacity, depth, emptiness, samples=int(counts.max()) if len(counts) else 0)


def occupied_blocks(field: VoxelField, step: float, skip_alpha: float) -> Tensor:
    """[b,b,b] uint8, 1 where some sample of the block can have alpha >= skip_alpha; [0,0,0] if nothing is to be skipped."""
    from .warp_kernels import BLOCK

    blocks = 0 if skip_alpha == 0 else 2 + math.ceil((field.size - 1) / BLOCK)
    occupied = torch.empty((blocks,) * 3, dtype=torch.uint8, device=field.grid.device)
    if blocks:
        wp, kernels = _warp(), _kernels(field)
        with _stream(wp, occupied.device):
            wp.launch(
                kernels.occupancy,
                dim=occupied.shape,
                inputs=[*_arrays(wp, kernels, field.grid, field.log_scale), field.density_shift, float(step), float(skip_alpha)],
                outputs=[wp.from_torch(occupied, dtype=wp.uint8)],
                device=_device(occupied),
            )
    return occupied
