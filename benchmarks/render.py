"""How long one picture takes, forward and backward: Warp, the torch reference, and a bare grid_sample of the same points.

64 x 64 rays, 100^3 voxels, 4 channels, step half a voxel: the size of a Score Jacobian Chaining step. Two fields: the
uniform fog that a run starts from, and a formed object (a ball of 5 % of the volume in empty space).
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import torch

from sjc.field import cameras, render_reference, render_warp
from sjc.field.grid import VoxelField, voxel_centers

SIZE, CHANNELS, PIXELS, BETA = 100, 4, 64, 10.0
EXACT = {"skip_alpha": 0.0, "stop_transmittance": 0.0}


def sjc_bench_render(quick: bool, device: str | None = None) -> dict:
    """Times in milliseconds, medians after a warm-up, as a JSON-able dictionary.

    `quick` repeats less. `device` None is CUDA where torch and Warp have it, else the CPU with torch's current threads
    (Warp itself uses one).
    """
    device = device or ("cuda" if render_warp.available("cuda")[0] else "cpu")
    works, reason = render_warp.available(device)
    view = cameras.look_at(30.0, 25.0, 1.5, 60.0)
    rays = tuple(x.reshape(-1, 3).to(device) for x in cameras.rays(view, PIXELS, PIXELS))
    report: dict = {
        "device": device_name(device),
        "versions": _versions(),
        "settings": _settings(quick),
        "scenes": {},
    }
    if not works:
        report["warp_unavailable"] = reason
    for name, field in (("fog", fog()), ("object", formed_object())):
        report["scenes"][name] = _measure(field.to(device), rays, works, quick)
    return report


def _measure(field: VoxelField, rays: tuple[torch.Tensor, torch.Tensor], warp: bool, quick: bool) -> dict:
    many, few = (5, 2) if quick else (25, 7)
    upstream = torch.randn(len(rays[0]), field.channels, generator=torch.Generator().manual_seed(1)).to(
        field.grid.device
    )
    steps: dict[str, tuple[Callable[[], None], int]] = {}
    if warp:
        steps["warp"] = (lambda: render_step(render_warp.render, field, rays, upstream), many)
        steps["warp_exact"] = (lambda: render_step(render_warp.render, field, rays, upstream, **EXACT), many)
    steps["reference"] = (lambda: render_step(render_reference.render, field, rays, upstream), few)
    points = _sample_points(field, rays)
    steps["grid_sample"] = (lambda: _grid_sample_step(field, points), few)
    times = {name: _median_ms(step, repeats, field.grid.device) for name, (step, repeats) in steps.items()}
    result = {
        "samples": len(points),
        "forward_backward_ms": {name: round(ms, 2) for name, ms in times.items()},
    }
    if warp:
        result["times_faster_than_reference"] = round(times["reference"] / times["warp"], 1)
        result["times_faster_than_grid_sample"] = round(times["grid_sample"] / times["warp"], 1)
    return result


def render_step(render: Callable, field: VoxelField, rays, upstream: torch.Tensor, **options: float) -> None:
    """What a training step asks of the renderer: gradients from the picture and from the emptiness loss."""
    field.zero_grad(set_to_none=True)
    out = render(field, *rays, beta=BETA, **options)
    ((out.color * upstream).sum() + out.emptiness.mean()).backward()


def _grid_sample_step(field: VoxelField, points: torch.Tensor) -> None:
    """Density and colour at every sample by torch's own kernel: a floor for any renderer made of torch operations."""
    field.zero_grad(set_to_none=True)
    render_reference.trilinear(field.grid, points).sum().backward()


def _sample_points(field: VoxelField, rays) -> torch.Tensor:
    step = render_reference.check(field, *rays, None)
    t_min, counts = render_reference.lattice(*rays, step)
    k = torch.arange(int(counts.max()), device=counts.device)
    points = rays[0][:, None] + (t_min[:, None] + step * k)[..., None] * rays[1][:, None]
    return points[k < counts[:, None]]


def fog(size: int = SIZE) -> VoxelField:
    """What a run starts from."""
    return VoxelField(size, CHANNELS, generator=torch.Generator().manual_seed(0))


def formed_object(size: int = SIZE) -> VoxelField:
    """A ball of 5 % of the box in empty space."""
    field = fog(size)
    radius = (0.05 * 8 / (4 / 3 * torch.pi)) ** (1 / 3)
    with torch.no_grad():
        field.density.copy_(torch.where(voxel_centers(size).norm(dim=-1) < radius, 8.0, -8.0)[None])
    return field


def _median_ms(step: Callable[[], None], repeats: int, device: torch.device) -> float:
    times = []
    for _ in range(1 + repeats):  # the first compiles and warms up
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def _settings(quick: bool) -> dict:
    return {
        "voxels": SIZE,
        "channels": CHANNELS,
        "pixels": PIXELS,
        "step_voxels": 0.5,
        "quick": quick,
        "torch_threads": torch.get_num_threads(),
    }


def _versions() -> dict:
    try:
        import warp

        warp_version = warp.config.version
    except ImportError:
        warp_version = None
    return {"python": platform.python_version(), "torch": torch.__version__, "warp": warp_version}


def device_name(device: str) -> str:
    return torch.cuda.getdevice_name(device) if device.startswith("cuda") else f"cpu ({platform.machine()})"


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(sjc_bench_render("--quick" in sys.argv), indent=2))
