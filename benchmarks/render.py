"""How long one picture takes, forward and backward.

Compared are Warp, the torch reference twice, and a bare grid_sample of the same points. 64 x 64 rays, 100^3 voxels, 4
channels, step half a voxel: the size of a Score Jacobian Chaining step. Two fields: the uniform fog that a run starts
from, and a formed object (a ball of 5 % of the volume in empty space).

On CUDA the device's own events time it, twice: as the host launches it, and captured as a graph, which is how a job
runs it. Between the two lies what launching costs. The references wait for the device inside, so they have the first
time only.
"""

from __future__ import annotations

import functools
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch

from sjc.field import cameras, render_reference, render_warp
from sjc.field.grid import VoxelField, voxel_centers
from sjc.machine import capture as graphs
from sjc.machine import threads
from sjc.machine.devices import device_name

SIZE, CHANNELS, PIXELS, BETA = 100, 4, 64, 10.0
SKIP_ALPHA, STOP = 1e-4, 1e-4  # the renderer's own short cuts
EXACT = {"skip_alpha": 0.0, "stop_transmittance": 0.0}
REFERENCES = {  # which samples the torch reference fetches a colour for
    "reference": {"weight_threshold": 0.0},  # all: nothing is skipped
    "reference_thresholded": {},  # those with w > 1e-4, as the released code does
}


def sjc_bench_render(quick: bool, device: str | None = None) -> dict:
    """Times in milliseconds, medians after a warm-up, as a JSON-able dictionary.

    `quick` repeats less. `device` None is CUDA where torch and Warp have it, else the CPU with torch's current threads
    (for Warp as in the loop).
    """
    device = device or ("cuda" if render_warp.available("cuda")[0] else "cpu")
    works, reason = render_warp.available(device)
    view = cameras.look_at(30.0, 25.0, 1.5, 60.0)
    rays = tuple(x.reshape(-1, 3).to(device) for x in cameras.rays(view, PIXELS, PIXELS))
    report: dict = {
        "device": device_name(torch.device(device)),
        "versions": _versions(),
        "settings": _settings(quick),
        "scenes": {},
    }
    if not works:
        report["warp_unavailable"] = reason
    report["speeds"] = speed = speeds(torch.device(device), 5 if quick else 15)
    for name, field in (("fog", fog()), ("object", formed_object())):
        scene = report["scenes"][name] = _measure(field.to(device), rays, works, quick)
        scene["floor"] = floor(field, rays, speed)
        if works:
            times = scene["forward_backward_ms"]["warp"] / scene["floor"]["ms"]
            scene["times_the_floor"] = round(times, 1)
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
    for name, options in REFERENCES.items():
        slow = functools.partial(render_step, render_reference.render, field, rays, upstream, **options)
        steps[name] = (slow, few)
    points = _sample_points(field, rays)
    steps["grid_sample"] = (lambda: _grid_sample_step(field, points), few)
    times = {name: _median_ms(step, repeats, field.grid.device) for name, (step, repeats) in steps.items()}
    result: dict = {"samples": len(points), "forward_backward_ms": {name: round(ms, 3) for name, ms in times.items()}}
    if field.grid.device.type == "cuda":
        ours = {name: steps[name] for name in steps if name not in REFERENCES}
        result |= captured(ours, field.grid.device)
    if warp:
        own = result.get("captured_ms", {}).get("warp", times["warp"])
        for name in (*REFERENCES, "grid_sample"):
            result[f"times_faster_than_{name}"] = round(times[name] / own, 1)
    return result


def captured(
    steps: dict[str, tuple[Callable[[], None], int]],
    device: torch.device,
    capture: Callable[[Callable[[], None]], graphs.Recorded] = graphs.capture,  # type: ignore[assignment]
) -> dict[str, dict]:
    """{"captured_ms": {name: ms}, "not_captured": {name: why}}: steps as graphs, without the cost of launching."""
    times, reasons = {}, {}
    for name, (step, repeats) in steps.items():
        try:
            times[name] = round(_median_ms(capture(step).replay, repeats, device), 3)
        except RuntimeError as error:
            reasons[name] = str(error).partition("\n")[0]
    return {"captured_ms": times, "not_captured": reasons}


def visited(field: VoxelField, origins: torch.Tensor, directions: torch.Tensor, step: float) -> int:
    """Samples that the kernels visit: in blocks that are not clear, before a ray's transmittance falls below STOP."""
    t_min, counts = render_reference.lattice(origins, directions, step)
    clear = render_warp.clear_blocks(field, step, SKIP_ALPHA)
    n, blocks = field.size, clear.shape[0]
    k = torch.arange(int(counts.max()), device=counts.device)
    points = origins[:, None] + (t_min[:, None] + step * k)[..., None] * directions[:, None]
    cell = torch.floor((points + 1) * (0.5 * n) - 0.5).long() + 1
    block = torch.where(cell >= n, blocks - 1, (cell.clamp_min(0) + render_warp.BLOCK - 1) // render_warp.BLOCK)
    x, y, z = block.clamp(0, blocks - 1).unbind(-1)
    occupied = k < counts[:, None]
    if blocks:  # none where nothing is clear
        occupied = occupied & (clear[x, y, z] == 0)
    with torch.no_grad():
        raw = render_reference.trilinear(field.grid[..., :1], points.reshape(-1, 3)).view(occupied.shape)
        sigma = torch.nn.functional.softplus(field.log_scale.exp() * raw + field.density_shift) * occupied
        before = torch.cumsum(sigma * step, 1) - sigma * step
    return int((occupied & (torch.exp(-before) >= STOP)).sum())


def floor(field: VoxelField, rays: tuple[torch.Tensor, torch.Tensor], speed: dict[str, float]) -> dict[str, float]:
    """Milliseconds that no renderer of this field can stay under on this device.

    Bytes over bandwidth, or operations over the rate of a matrix product, whichever takes longer. Moved: voxels that a
    ray passes, read forward and backward, their gradient read and written; the dense gradient's zeroes, because the
    optimiser wants one. Done at each visited sample: eight corners of K numbers weighted, forward and again backward,
    as many scattered, and some 60 operations for density, alpha and weights.
    """
    samples = visited(field, *rays, field.voxel / 2)
    numbers = field.grid.shape[-1]
    cells = min(samples, field.size**3)  # at most a new voxel a sample
    moved = 4 * numbers * (4 * cells + field.size**3)
    done = samples * (3 * 8 * 2 * numbers + 60)
    ms = {"memory_ms": 1e3 * moved / speed["bytes_per_s"], "arithmetic_ms": 1e3 * done / speed["operations_per_s"]}
    return {"visited": samples, **{k: round(v, 3) for k, v in ms.items()}, "ms": round(max(ms.values()), 3)}


def speeds(device: torch.device, repeats: int) -> dict[str, float]:
    """This device's bytes a second in a large copy (read and written), and operations a second in a matrix product."""
    large = torch.rand(2**25 if device.type == "cpu" else 2**28, device=device)
    target, square = torch.empty_like(large), torch.rand(1024, 1024, device=device)
    copy = _median_ms(lambda: (target.copy_(large), None)[1], repeats, device)
    product = _median_ms(lambda: (square @ square, None)[1], repeats, device)
    return {"bytes_per_s": 1e3 * 2 * large.numel() * 4 / copy, "operations_per_s": 1e3 * 2 * 1024**3 / product}


def render_step(render: Callable, field: VoxelField, rays, upstream: torch.Tensor, **options: float) -> None:
    """What a training step asks of the renderer: gradients from the picture and from the emptiness loss."""
    field.zero_grad(set_to_none=True)
    with threads.small() if render is render_warp.render else nullcontext():  # as the loop has it
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


def fog(size: int = SIZE, channels: int = CHANNELS) -> VoxelField:
    """What a run starts from."""
    return VoxelField(size, channels, generator=torch.Generator().manual_seed(0))


def formed_object(size: int = SIZE, channels: int = CHANNELS) -> VoxelField:
    """A ball of 5 % of the box in empty space."""
    field = fog(size, channels)
    radius = (0.05 * 8 / (4 / 3 * torch.pi)) ** (1 / 3)
    with torch.no_grad():
        field.density.copy_(torch.where(voxel_centers(size).norm(dim=-1) < radius, 8.0, -8.0)[None])
    return field


def _median_ms(step: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Median milliseconds of a step after a warm-up: by the device's own events on CUDA, else by the clock."""
    if device.type != "cuda":
        times = []
        for _ in range(1 + repeats):  # the first compiles and warms up
            start = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - start))
        return statistics.median(times[1:])
    pairs = []
    for _ in range(1 + repeats):
        began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(device)  # what the host launches ahead must not fill the queue
        began.record()
        step()
        ended.record()
        pairs.append((began, ended))
    torch.cuda.synchronize(device)
    return statistics.median(began.elapsed_time(ended) for began, ended in pairs[1:])


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


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(sjc_bench_render("--quick" in sys.argv), indent=2))
