"""How the renderer's time and memory grow with rays, voxels, views and channels, against the samples it visits."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from benchmarks import report
from benchmarks.render import BETA, CHANNELS, formed_object, render_step, visited
from sjc.errors import SjcError
from sjc.field import cameras, gradient_memory, render_warp
from sjc.machine.devices import device_name
from sjc.output.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Size(NamedTuple):
    """Pixels along a picture's edge, voxels along the box's, pictures at once, channels beside the density."""

    pixels: int
    voxels: int
    views: int = 1
    channels: int = CHANNELS


# The first is where every axis begins to grow from, the last has all of the rays and all of the voxels.
SIZES = (
    Size(64, 100),
    *(Size(64, voxels) for voxels in (64, 128, 200, 256)),
    *(Size(pixels, 100) for pixels in (32, 128, 256)),
    *(Size(64, 100, views=views) for views in (2, 4, 8, 16)),
    *(Size(64, 100, channels=channels) for channels in (3, 8, 16)),
    Size(256, 256),
)
QUICK_SIZES = (Size(16, 24), Size(16, 32), Size(32, 24), Size(16, 24, views=2), Size(16, 24, channels=3), Size(32, 32))
AXES = {
    "voxels": "voxels along an edge, N",
    "pixels": "pixels along an edge",
    "views": "views at once, V",
    "channels": "channels, C",
}
COUNTED = 16  # every so many rays tell how many samples are visited
MIB = 2**20


def measure(size: Size, repeats: int, device: str) -> dict[str, Any]:
    """One size: median milliseconds forward and backward, visited samples, nanoseconds for each, and memory.

    peak_mib: what the step holds at its peak beyond what was held before (field included), null where the system does
    not tell.
    """
    field = formed_object(size.voxels, size.channels).to(device)
    azimuths = [30.0 + 360.0 * k / size.views for k in range(size.views)]
    view = cameras.look_at(azimuths, [25.0] * size.views, 1.5, 60.0)
    rays = tuple(x.reshape(-1, 3).to(device) for x in cameras.rays(view, size.pixels, size.pixels))
    upstream = torch.randn(len(rays[0]), size.channels, generator=torch.Generator().manual_seed(1)).to(device)
    times = []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        render_step(render_warp.render, field, rays, upstream)
        if device != "cpu":
            torch.cuda.synchronize(device)
        times.append(1e3 * (time.perf_counter() - began))
    field.zero_grad(set_to_none=True)
    gradient_memory.forget()  # what the renderer keeps for the next step is the step's, too
    held = _fresh_peak(device)
    render_step(render_warp.render, field, rays, upstream)
    peak = _peak(device)
    some = [x[::COUNTED] for x in rays]
    samples = COUNTED * visited(field, *some, 0.5 * field.voxel)
    ms = statistics.median(times[1:])
    return {
        **size._asdict(),
        "visited": samples,
        "forward_backward_ms": round(ms, 2),
        "ns_per_visited": round(1e6 * ms / samples, 1),
        "field_mib": round(4 * field.grid.numel() / MIB, 2),
        "peak_mib": None if held is None or peak is None else round((peak - held) / MIB, 2),
    }


def _fresh_peak(device: str) -> int | None:
    """Forget the highest memory so far; bytes held now."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        ctypes.CDLL(None).malloc_trim(0)  # else the step would take what others freed, and seem to need nothing
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM begins anew
    except (OSError, AttributeError, TypeError):  # no such file, no such function, no such library
        return None
    return _peak(device)


def _peak(device: str) -> int | None:
    if device != "cpu":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), None)


def benchmark(quick: bool, sizes: Sequence[Size] | None = None) -> dict[str, Any]:
    """{"device", "summary", "rows"}. Raises SjcError where Warp cannot run."""
    device = "cuda" if render_warp.available("cuda")[0] else "cpu"
    works, reason = render_warp.available(device)
    if not works:
        raise SjcError(f"bench scale measures the Warp renderer, and {reason}.")
    rows = [measure(size, 2 if quick else 9, device) for size in sizes or (QUICK_SIZES if quick else SIZES)]
    first, last = rows[0], rows[-1]
    growth = {
        "time": round(last["forward_backward_ms"] / first["forward_backward_ms"], 2),
        "visited": round(last["visited"] / first["visited"], 2),
    }
    return {
        "device": device_name(torch.device(device)),
        "torch_threads": torch.get_num_threads(),
        "beta": BETA,
        "summary": {**growth, "time_over_visited": round(growth["time"] / growth["visited"], 2)},
        "rows": rows,
    }


def along(rows: list[dict[str, Any]], axis: str) -> list[dict[str, Any]]:
    """The rows that differ from the first in this axis alone, and the first, in its order."""
    others = [name for name in AXES if name != axis]
    return sorted((r for r in rows if all(r[name] == rows[0][name] for name in others)), key=lambda r: int(r[axis]))


def figure(record: report.Record) -> Figure:
    """Time (above) and memory (below) along each axis, both logarithmic; dotted: in step with the visited samples."""
    from sjc.experiments import page

    rows = record["rows"]
    made, axes = page.plots(2, len(AXES), width=3.2, height=2.7)
    for column, (axis, label) in enumerate(AXES.items()):
        line = along(rows, axis)
        sizes = [r[axis] for r in line]
        above, below = axes[column], axes[len(AXES) + column]
        page.curve(above, sizes, [[r["forward_backward_ms"] for r in line]], 0, "forward + backward", band=False)
        scale = rows[0]["forward_backward_ms"] / rows[0]["visited"]
        page.curve(above, sizes, [[scale * r["visited"] for r in line]], 3, "visited samples", band=False)
        page.curve(below, sizes, [[r["field_mib"] for r in line]], 3, "the field", band=False)
        if all(r["peak_mib"] for r in line):
            page.curve(below, sizes, [[r["peak_mib"] for r in line]], 0, "on top of it, peak", band=False)
        for one, name in ((above, "ms"), (below, "MiB")):
            page.name_axes(one, label, name, log="xy", legend=column == 0)
            one.set_xticks(sizes, [str(size) for size in sizes])
    return made


def draw(record: report.Record, path: Path) -> None:
    """Write the figure as a PNG, whole."""
    import io

    buffer = io.BytesIO()
    figure(record).savefig(buffer, format="png", dpi=100)
    write_bytes(path, buffer.getvalue())


def text(record: report.Record) -> str:
    """The result as a table."""
    lines = [["rays", "views", "voxels", "channels", "visited samples", "ms", "ns a sample", "peak MiB"]]
    for r in record["rows"]:
        shape = [f"{r['pixels']} x {r['pixels']}", str(r["views"]), f"{r['voxels']}^3", str(r["channels"])]
        peak = "-" if r["peak_mib"] is None else f"{r['peak_mib']:.0f}"
        lines.append(
            [*shape, f"{r['visited']:,}", f"{r['forward_backward_ms']:.1f}", f"{r['ns_per_visited']:.0f}", peak]
        )
    s = record["summary"]
    summary = f"From the first to the last: time {s['time']} times, visited samples {s['visited']} times."
    return report.table(lines) + "\n\n" + summary
