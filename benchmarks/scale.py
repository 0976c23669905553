"""How the renderer grows: more rays and more voxels, against the samples that are really visited."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks import report
from benchmarks.render import BETA, CHANNELS, device_name, formed_object, render_step, visited
from sjc.errors import SjcError
from sjc.field import cameras, render_warp

SIZES = ((64, 100), (128, 100), (64, 200), (256, 256))  # pixels and voxels along an edge
QUICK_SIZES = ((16, 24), (32, 24))
COUNTED = 16  # every so many rays tell how many samples are visited


def measure(pixels: int, voxels: int, repeats: int, device: str) -> dict[str, Any]:
    """One size: median milliseconds forward and backward, visited samples, nanoseconds for each."""
    field = formed_object(voxels).to(device)
    view = cameras.look_at(30.0, 25.0, 1.5, 60.0)
    rays = tuple(x.reshape(-1, 3).to(device) for x in cameras.rays(view, pixels, pixels))
    upstream = torch.randn(len(rays[0]), CHANNELS, generator=torch.Generator().manual_seed(1)).to(device)
    times = []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        render_step(render_warp.render, field, rays, upstream)
        if device != "cpu":
            torch.cuda.synchronize(device)
        times.append(1e3 * (time.perf_counter() - began))
    some = [x[::COUNTED] for x in rays]
    samples = COUNTED * visited(field, *some, 0.5 * field.voxel)
    ms = statistics.median(times[1:])
    return {
        "pixels": pixels,
        "voxels": voxels,
        "visited": samples,
        "forward_backward_ms": round(ms, 2),
        "ns_per_visited": round(1e6 * ms / samples, 1),
    }


def benchmark(quick: bool, sizes: Sequence[tuple[int, int]] | None = None) -> dict[str, Any]:
    """{"device", "summary", "rows"}. Raises SjcError where Warp cannot run."""
    device = "cuda" if render_warp.available("cuda")[0] else "cpu"
    works, reason = render_warp.available(device)
    if not works:
        raise SjcError(f"bench scale measures the Warp renderer, and {reason}.")
    rows = [measure(*size, 2 if quick else 9, device) for size in sizes or (QUICK_SIZES if quick else SIZES)]
    first, last = rows[0], rows[-1]
    growth = {
        "time": round(last["forward_backward_ms"] / first["forward_backward_ms"], 2),
        "visited": round(last["visited"] / first["visited"], 2),
    }
    return {
        "device": device_name(device),
        "torch_threads": torch.get_num_threads(),
        "beta": BETA,
        "summary": {**growth, "time_over_visited": round(growth["time"] / growth["visited"], 2)},
        "rows": rows,
    }


def text(record: report.Record) -> str:
    """The result as a table."""
    lines = [["rays", "voxels", "visited samples", "ms", "ns a sample"]]
    for r in record["rows"]:
        shape = [f"{r['pixels']} x {r['pixels']}", f"{r['voxels']}^3", f"{r['visited']:,}"]
        lines.append([*shape, f"{r['forward_backward_ms']:.1f}", f"{r['ns_per_visited']:.0f}"])
    s = record["summary"]
    told = f"From the first to the last: time {s['time']} times, visited samples {s['visited']} times."
    return report.table(lines) + "\n\n" + told
