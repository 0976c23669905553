"""How true a latent model's colours are: four ways from the same finished field to colours, against the exact ones.

Two tables: finished jobs, whose shapes are the model's, and the way to colours alone, on exact shapes (colour_path.py).
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks import colour_path, prompts, quality, report
from benchmarks.colour_path import WAYS, first_three
from benchmarks.reader import read_mesh
from benchmarks.scoring import color_error, iou, truth_lattice
from sjc.appearance.latent import latent_paint
from sjc.appearance.views import Paint
from sjc.errors import SjcError
from sjc.models.loading import load_denoiser
from sjc.output.colour import painted, srgb_to_linear
from sjc.output.mesh import extract_mesh
from sjc.output.npz import read_npz
from sjc.output.voxelize import inside_lattice
from sjc.settings import Settings, validate

MODEL = report.ROOT / "tests" / "data" / "latent_model"
LATTICE = 128


def row(settings: Settings, folder: Path, affine: Paint) -> dict[str, Any]:
    """Mean CIEDE2000 on the mesh of a finished job, by way of colouring, and the solid's IoU.

    first_three: the first three latent channels shown as if they were rgb in [-1, 1], what an exporter that knows
    nothing of latents does; affine: the map that colours a growing field; fitted: the colours of the final volume,
    fitted to decoded views; decoded: mesh.glb as the job left it.
    """
    field = read_npz(folder / "field.npz")
    assert field.latent is not None
    latent = np.asarray(field.latent, np.float32)
    paints = (first_three(latent.shape[-1]), affine)
    volumes = [srgb_to_linear(painted(latent, paint)) for paint in paints]
    final = read_mesh(folder / "mesh.glb")
    errors = [
        color_error(extract_mesh(field.density, colors), settings.prompt)
        for colors in (*volumes, np.asarray(field.color, np.float32))
    ]
    solid = iou(inside_lattice(final, LATTICE), truth_lattice(settings.prompt, LATTICE))
    scores = [*errors, color_error(final, settings.prompt)]
    return {
        "prompt": settings.prompt,
        "held_out": prompts.held_out(settings.prompt),
        "solid": solid,
        **dict(zip(WAYS, scores, strict=True)),
    }


def summarise(rows: list[dict[str, Any]], *more: str) -> dict[str, float]:
    """Means of the four ways and of `more`, and the mesh's error as a share of the affine map's."""
    summary = {key: round(mean(r[key] for r in rows), 2) for key in (*WAYS, *more)}
    summary["decoded_over_affine"] = round(summary["decoded"] / max(summary["affine"], 0.01), 2)
    return summary


def benchmark(
    settings: Settings, which: tuple[str, ...], cache: Path, at_once: int = 1, effort: colour_path.Effort | None = None
) -> dict[str, Any]:
    """Make what is missing, score all: {"identity", "summary", "rows", "path": the exact shapes' summary and rows}."""
    denoiser = load_denoiser(settings.model)
    if denoiser.autoencoder is None:
        raise SjcError(f'bench colour compares ways out of latents; the model "{settings.model}" works in pixels.')
    affine = latent_paint(denoiser.autoencoder, float(denoiser.card.get("mean_shade", 1.0)))
    known = quality.identity(settings)
    parent = quality.cache_folder(cache, known)
    wanted = [validate(replace(settings, prompt=prompt)) for prompt in which]
    rows = []
    with ThreadPoolExecutor(at_once) as pool:
        made = [pool.submit(quality.obtain, one, parent) for one in wanted]
        for one, future in zip(wanted, made, strict=True):
            folder, measured = future.result()
            if measured["code"]:
                raise RuntimeError(f"{one.prompt}: {measured.get('error')}")
            rows.append({**row(one, folder, affine), "wall_s": measured["wall_s"]})
            print(f"[{len(rows)}/{len(wanted)}] {one.prompt}: {rows[-1]}", file=sys.stderr)
    path = colour_path.rows(wanted, effort or colour_path.Effort(), at_once)
    return {
        "identity": known,
        "threads": os.environ.get("OMP_NUM_THREADS", "as torch chooses"),
        "summary": summarise(rows, "solid"),
        "rows": rows,
        "path": {"summary": summarise(path), "rows": path},
    }


def text(record: report.Record) -> str:
    """The result as two tables: finished jobs, and exact shapes."""
    head = ["prompt", "first three channels", "affine map", "fitted volume", "mesh"]
    jobs, path = record["rows"], record["path"]
    parts = []
    for title, rows, summary, more in (
        ("finished jobs", jobs, record["summary"], ["solid"]),
        ("exact shapes", path["rows"], path["summary"], []),
    ):
        lines = [[*head, *(["solid IoU"] if more else [])]]
        for r in [*rows, {"prompt": "mean", **summary}]:
            lines.append([r["prompt"], *(f"{r[way]:.1f}" for way in WAYS), *(f"{r[key]:.3f}" for key in more)])
        ratio = f"mesh / affine: {summary['decoded_over_affine']:.2f}"
        parts.append(f"{title}\n{report.table(lines)}\n{ratio}")
    return "\n\n".join(parts)
