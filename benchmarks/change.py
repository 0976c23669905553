"""Whether other words keep the shape and take their colours: a result changed by `sjc refine --prompt`; a fresh job.

Also what refining a result under the same words does to it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import quality, report, scoring
from benchmarks.reader import read_mesh
from sjc.job import refine
from sjc.output.voxelize import inside_lattice
from sjc.settings import Settings, validate

OLD, NEW = "a red mushroom", "a blue mushroom with a yellow stem"


def same_solid(one: Path, other: Path) -> float:
    """IoU of the meshes of two job folders."""
    solids = [inside_lattice(read_mesh(folder / "mesh.glb"), scoring.LATTICE) for folder in (one, other)]
    return scoring.iou(*solids)


def benchmark(settings: Settings, cache: Path) -> dict[str, Any]:
    """Make what is missing, score all: {"identity", "summary", "rows"}."""
    known = quality.identity(settings)
    parent = quality.cache_folder(cache, known)
    rows: list[dict[str, Any]] = []
    old = _job(rows, "old", validate(replace(settings, prompt=OLD)), parent)
    _job(rows, "fresh", validate(replace(settings, prompt=NEW)), parent)
    _job(rows, "changed", refine.settings_of(old, NEW), parent / "changed", old)
    _job(rows, "refined", refine.settings_of(old), parent / "refined", old)
    row = {row["job"]: row for row in rows}
    return {
        "identity": known,
        "summary": {
            "same_solid": round(row["changed"]["same_solid"], 4),
            "color_behind_fresh": round(row["changed"]["color"] - row["fresh"]["color"], 2),
            "refined_solid_gain": round(row["refined"]["solid"] - row["old"]["solid"], 4),
            "refined_color_gain": round(row["old"]["color"] - row["refined"]["color"], 2),
        },
        "rows": rows,
    }


def _job(rows: list[dict[str, Any]], name: str, settings: Settings, parent: Path, old: Path | None = None) -> Path:
    folder, measured = quality.obtain(settings, parent)
    if measured["code"]:
        raise RuntimeError(f"{settings.prompt}: {measured.get('error')}")
    score = scoring.score(folder / "mesh.glb", settings.prompt)
    rows.append(
        {
            "job": name,
            "prompt": settings.prompt,
            "steps": settings.steps,
            "solid": score.solid,
            "color": score.color,
            "same_solid": same_solid(folder, old) if old else None,
        }
    )
    print(rows[-1], file=sys.stderr)
    return folder


def text(record: report.Record) -> str:
    """The result as a table."""
    lines = [["job", "prompt", "steps", "solid IoU", "colour error", "IoU to the old mesh"]]
    for r in record["rows"]:
        same = "" if r["same_solid"] is None else f"{r['same_solid']:.3f}"
        lines.append([r["job"], r["prompt"], str(r["steps"]), f"{r['solid']:.3f}", f"{r['color']:.1f}", same])
    return report.table(lines)
