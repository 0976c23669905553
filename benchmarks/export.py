"""How long a finished field takes to become its files: volumes, mesh, texture."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from sjc.job.export import write_mesh, write_volumes
from sjc.settings import resolve

SIZES, QUICK_SIZES = (100, 200), (24, 32)
TEXTURE = 1024


def field(n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A dented ball, density [N,N,N] and colour [N,N,N,3]: about as much surface as a made object, all of it curved."""
    c = (np.arange(n) + 0.5) * 2 / n - 1
    x, y, z = np.meshgrid(c, c, c, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    dents = 0.06 * np.sin(5 * np.arctan2(y, x)) * np.sin(4 * np.arccos(z / np.maximum(radius, 1e-6)))
    density = 20 / (1 + np.exp((radius - 0.62 - dents) * 0.8 * n))
    color = np.stack([0.5 + 0.5 * x, 0.5 + 0.5 * np.sin(9 * y), np.full_like(z, 0.3)], -1)
    return density.astype(np.float32), color.astype(np.float32)


def measure(n: int, repeats: int) -> dict[str, Any]:
    """Seconds of both stages, medians, and every repeat."""
    density, color = field(n)
    settings = resolve(None, {"prompt": "a dented ball", "texture_size": TEXTURE})
    each: dict[str, list[float]] = {"volumes": [], "mesh": []}
    faces = 0
    with tempfile.TemporaryDirectory(prefix="sjc-bench-") as name:
        for _ in range(1 + repeats):
            began = time.perf_counter()
            write_volumes(Path(name), density, color, {})
            volumes = time.perf_counter()
            mesh = write_mesh(Path(name), density, color, settings)
            each["volumes"].append(volumes - began)
            each["mesh"].append(time.perf_counter() - volumes)
            faces = len(mesh.faces)
    medians = {stage: statistics.median(seconds[1:]) for stage, seconds in each.items()}
    return {
        "voxels": n,
        "faces": faces,
        "seconds": round(sum(medians.values()), 2),
        **{f"{stage}_s": round(value, 2) for stage, value in medians.items()},
        "each": {stage: [round(s, 3) for s in seconds[1:]] for stage, seconds in each.items()},
    }


def benchmark(quick: bool) -> dict[str, Any]:
    """{"summary", "rows"}: one row a size."""
    rows = [measure(n, 1 if quick else 3) for n in (QUICK_SIZES if quick else SIZES)]
    return {"texture": TEXTURE, "summary": {str(row["voxels"]): row["seconds"] for row in rows}, "rows": rows}


def text(record: report.Record) -> str:
    """The result as a table."""
    lines = [["voxels", "triangles", "volumes s", "mesh and texture s", "together s"]]
    for r in record["rows"]:
        cells = [f"{r[key]:.1f}" for key in ("volumes_s", "mesh_s", "seconds")]
        lines.append([f"{r['voxels']}^3", f"{r['faces']:,}", *cells])
    return report.table(lines)
