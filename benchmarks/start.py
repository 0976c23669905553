"""What a block-out is worth: the solid after a few steps from one, against the block-out itself and a whole plain job.

The block-outs are boxes and cylinders, made from the exact truth of each prompt: it is cut into slabs and columns, and
each of these becomes one box or one elliptic cylinder around what lies in it. Of all such block-outs the one nearest to
the wanted IoU is taken.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import quality, report, scoring
from benchmarks.reader import read_mesh
from sjc.job import inputs, placement
from sjc.output.glb import write_glb
from sjc.output.mesh import Mesh
from sjc.output.voxelize import inside_lattice
from sjc.settings import Settings, validate

WANTED, LOWEST, HIGHEST = 0.6, 0.5, 0.7  # IoU of a block-out
STEPS, PLAIN_STEPS = 100, 400
GAIN = 0.10  # that the result must be above the block-out
SLABS, COLUMNS, SIDES = (1, 2, 3, 4), (1, 2), 32
GROWN = (0.8, 0.9, 1.0, 1.1)
LATTICE = 64


def prism(low: NDArray[np.floating], high: NDArray[np.floating], sides: int) -> Mesh:
    """A closed upright prism in the box from `low` to `high`: a box of 4 sides, else an elliptic cylinder."""
    turn = np.pi / 4 if sides == 4 else 0.0
    angles = turn + 2 * np.pi * np.arange(sides) / sides
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * (np.sqrt(2) if sides == 4 else 1.0) / 2
    base = ring * (high - low)[:2] + (high + low)[:2] / 2
    points = np.concatenate([np.column_stack([base, np.full(sides, z)]) for z in (low[2], high[2])])
    i = np.arange(sides)
    j = (i + 1) % sides
    walls = [np.stack([i, j, j + sides], 1), np.stack([i, j + sides, i + sides], 1)]
    k = np.arange(1, sides - 1)
    caps = [np.stack([0 * k, k + 1, k], 1), np.stack([0 * k + sides, k + sides, k + sides + 1], 1)]
    return Mesh(
        points.astype(np.float32), np.concatenate([*walls, *caps]).astype(np.int32), np.full((2 * sides, 3), 0.5)
    )


def joined(parts: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = [part.faces + offset for part, offset in zip(parts, offsets, strict=False)]
    vertices, colors = (np.concatenate([getattr(part, name) for part in parts]) for name in ("vertices", "colors"))
    return Mesh(vertices.astype(np.float32), np.concatenate(faces).astype(np.int32), colors.astype(np.float32))


Part = tuple[NDArray[np.float64], NDArray[np.float64], int]
"""Corners `low` and `high`, and sides: 4 for a box, else an elliptic cylinder."""


def covered(parts: list[Part]) -> scoring.Solid:
    """The union of boxes and cylinders on the lattice."""
    axis = -1 + (np.arange(LATTICE) + 0.5) * 2 / LATTICE
    inside = np.zeros((LATTICE,) * 3, bool)
    for low, high, sides in parts:
        x, y, z = ((axis - (a + b) / 2) / ((b - a) / 2) for a, b in zip(low, high, strict=True))
        square = np.maximum(abs(x)[:, None], abs(y)[None]) <= 1
        floor = square if sides == 4 else x[:, None] ** 2 + y[None] ** 2 <= 1
        inside |= floor[..., None] & (abs(z) <= 1)[None, None]
    return inside


@cache
def block_out(prompt: str) -> tuple[Mesh, float]:
    """The block-out of a prompt, and its IoU to the truth."""
    truth = scoring.truth_lattice(prompt, LATTICE)
    candidates = []
    for slabs, columns in itertools.product(SLABS, COLUMNS):
        boxes = _boxes(truth, slabs, columns)
        for sides, grown in itertools.product((4, SIDES), GROWN):
            parts = [_grown(low, high, grown, sides) for low, high in boxes]
            candidates.append((abs(scoring.iou(covered(parts), truth) - WANTED), len(candidates), parts))
    parts = min(candidates)[2]
    return joined([prism(*part) for part in parts]), scoring.iou(covered(parts), truth)


def _boxes(truth: scoring.Solid, slabs: int, columns: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The box around what lies in each slab and column."""
    used = np.flatnonzero(truth.any((0, 1)))
    heights = np.linspace(used[0], used[-1] + 1, slabs + 1).round().astype(int)
    walls = np.linspace(0, LATTICE, columns + 1).round().astype(int)
    boxes = []
    for (z0, z1), (x0, x1), (y0, y1) in itertools.product(*map(itertools.pairwise, (heights, walls, walls))):
        cells = np.argwhere(truth[x0:x1, y0:y1, z0:z1]) + np.array((x0, y0, z0))
        if len(cells):
            boxes.append((cells.min(0) * 2 / LATTICE - 1, (cells.max(0) + 1) * 2 / LATTICE - 1))
    return boxes


def _grown(low: NDArray[np.float64], high: NDArray[np.float64], factor: float, sides: int) -> Part:
    middle, half = (low + high) / 2, (high - low) / 2 * [factor, factor, 1.0]
    return middle - half, middle + half, sides


def iou_of(folder: Path, prompt: str) -> float:
    """IoU of a job's mesh to the truth, where the start stood: through the placement that the job has recorded."""
    mesh, where = read_mesh(folder / "mesh.glb"), placement.read(folder)
    if where:
        points = mesh.vertices * np.float32(where.scale) + np.array(where.location, np.float32)
        mesh = replace(mesh, vertices=points)
    return scoring.iou(inside_lattice(mesh, LATTICE), scoring.truth_lattice(prompt, LATTICE))


def benchmark(settings: Settings, which: tuple[str, ...], cache: Path) -> dict[str, Any]:
    """Make what is missing and compare: {"device", "identity", "summary", "rows"}."""
    known = quality.identity(settings)
    parent = quality.cache_folder(cache, known)
    rows: list[dict[str, Any]] = []
    devices = set()
    for prompt in which:
        mesh, own = block_out(prompt)
        glb = parent / f"{inputs.INPUTS}-{len(rows)}.glb"
        write_glb(glb, mesh, prompt)
        plain = validate(replace(settings, prompt=prompt, steps=PLAIN_STEPS))
        begun = validate(replace(settings, prompt=prompt, steps=STEPS, start=str(glb.absolute())))
        ious, failures = {}, []
        for name, one in (("start", begun), ("ball", plain)):
            folder, measured = quality.obtain(one, parent / name)
            failures += [measured["error"]] if measured.get("error") else []
            ious[name] = 0.0 if measured["code"] else iou_of(folder, prompt)
            if not measured["code"]:
                devices.add(json.loads((folder / "run.json").read_text("utf-8"))["device"])
        rows.append({"prompt": prompt, "block_out": own, **ious, "error": "; ".join(failures)})
        print(f"{prompt}: block-out {own:.3f}, from it {ious['start']:.3f}, ball {ious['ball']:.3f}", flush=True)
    return {
        "device": ", ".join(sorted(devices)),
        "identity": known,
        "steps": STEPS,
        "plain_steps": PLAIN_STEPS,
        "summary": {
            **{name: round(mean(row[name] for row in rows), 4) for name in ("block_out", "start", "ball")},
            "above_block_out": sum(row["start"] >= row["block_out"] + GAIN for row in rows),
            "above_ball": sum(row["start"] > row["ball"] for row in rows),
            "prompts": len(rows),
        },
        "rows": rows,
    }


def text(record: report.Record) -> str:
    """The result as a table, one line a prompt."""
    names = ("block_out", "start", "ball")
    lines = [
        ["prompt", "block-out", f"from it, {record['steps']} steps", f"from a ball, {record['plain_steps']} steps", ""]
    ]
    lines += [[r["prompt"], *(f"{r[name]:.3f}" for name in names), r["error"]] for r in record["rows"]]
    lines.append(["mean", *(f"{record['summary'][name]:.3f}" for name in names), ""])
    return report.table(lines)
