"""How true a texture is: the world's exact meshes, painted by the model, against their exact colours."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.measure import marching_cubes

from benchmarks import prompts, report
from benchmarks.scoring import SURFACE_SAMPLES, SURFACE_SEED, lattice_points
from sjc.job.folder import prepare_folder
from sjc.job.texture_run import TextureRun
from sjc.models.loading import load_denoiser
from sjc.output.glb import write_glb
from sjc.output.measures import mesh_volume
from sjc.output.mesh import Mesh
from sjc.output.texture import Texture, lookup, weld
from sjc.settings import Settings, validate
from training import world
from training.truth import CHUNK, ground_truth

LATTICE = 64
ACROSS = 0.01  # how far from an edge its two sides are compared, in units of length
FLAT = math.cos(math.radians(8))  # of the angle between two faces on which nothing but a seam makes a difference


def exact_mesh(prompt: str, lattice: int = LATTICE) -> Mesh:
    """The prompt's exact solid, white: marching cubes on its signed distances."""
    name = ground_truth(prompt).described.name
    points = torch.from_numpy(lattice_points(lattice))
    distances = torch.cat([world.distances(name, some).amin(0) for some in points.split(CHUNK)]).numpy()
    level = distances.reshape((lattice,) * 3)
    level = np.where(np.abs(level) < 1e-4, 1e-4, level)  # no vertex on a lattice point
    vertices, faces, _, _ = marching_cubes(np.pad(level, 1, constant_values=1.0), 0.0)
    vertices = ((vertices - 0.5) * (2 / lattice) - 1).astype(np.float32)
    if mesh_volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
    return Mesh(vertices, np.ascontiguousarray(faces, np.int32), np.ones_like(vertices))


def colour_error(mesh: Mesh, prompt: str) -> float:
    """Mean CIEDE2000 of the texture at places drawn evenly over the surface, against the truth there."""
    texture = mesh.texture
    assert texture is not None
    generator = np.random.default_rng(SURFACE_SEED)
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    face = generator.choice(len(area), SURFACE_SAMPLES, p=area / area.sum())
    r, s = np.sqrt(generator.random(len(face))), generator.random(len(face))
    weights = np.stack([1 - r, r * (1 - s), r * s], 1)
    points = np.einsum("kc,kci->ki", weights, corners[face])
    made = lookup(texture.picture / 255, np.einsum("kc,kci->ki", weights, texture.uv[mesh.faces[face]]))
    true = ground_truth(prompt).color(points).astype(np.float64)
    return float(deltaE_ciede2000(rgb2lab(true), rgb2lab(made)).mean())


def seam_ratios(mesh: Mesh, prompt: str) -> tuple[float, float]:
    """Mean colour difference across the seams of the UVs over that across other edges; 1 where seams cannot be seen.

    (on flat ground, anywhere). xatlas cuts along creases, where parts meet and a perfect texture, too, differs: of the
    first count only edges whose two faces lie within 8 degrees, and where the truth has one colour on both sides.
    """
    assert mesh.texture is not None
    _, position = weld(mesh.vertices)
    sides: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for face, triangle in enumerate(mesh.faces):
        for side in range(3):
            a, b = sorted((int(position[triangle[side]]), int(position[triangle[(side + 1) % 3]])))
            sides.setdefault((a, b), []).append((face, side))
    pairs = [both for both in sides.values() if len(both) == 2]
    both_sides = [_beside(mesh, mesh.texture, np.array([pair[i] for pair in pairs])) for i in (0, 1)]
    apart = deltaE_ciede2000(*(rgb2lab(colors) for colors, _ in both_sides))
    true = [ground_truth(prompt).color(points) for _, points in both_sides]
    triangles = mesh.vertices.astype(np.float64)[mesh.faces]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    facing = [normals[[pair[i][0] for pair in pairs]] for i in (0, 1)]
    flat = (true[0] == true[1]).all(1) & ((facing[0] * facing[1]).sum(1) > FLAT)
    ends = [np.array([_edge(mesh.faces[face], side) for face, side in (p[i] for p in pairs)]) for i in (0, 1)]
    seam = (np.sort(ends[0], 1) != np.sort(ends[1], 1)).any(1)
    return _ratio(apart[seam & flat], apart[~seam & flat]), _ratio(apart[seam], apart[~seam])


def _ratio(seams: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    return float(seams.mean() / max(others.mean(), 1e-9)) if len(seams) and len(others) else 1.0


def _edge(triangle: NDArray[np.int32], side: int) -> tuple[int, int]:
    return int(triangle[side]), int(triangle[(side + 1) % 3])


def _beside(mesh: Mesh, texture: Texture, sides: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colours [E,3] and places [E,3] a little within the face (column 0) from the middle of its side (column 1)."""
    triangles = mesh.faces[sides[:, 0]]
    order = np.stack([(sides[:, 1] + i) % 3 for i in range(3)], 1)
    corners = np.take_along_axis(triangles, order, 1)
    points = mesh.vertices[corners].astype(np.float64)
    middle = points[:, :2].mean(1)
    height = np.linalg.norm(points[:, 2] - middle, axis=1)
    inward = np.minimum(ACROSS / np.maximum(height, 1e-9), 0.5)[:, None]
    uv = texture.uv[corners].astype(np.float64)
    colors = lookup(texture.picture / 255, (1 - inward) * uv[:, :2].mean(1) + inward * uv[:, 2])
    return colors, (1 - inward) * middle + inward * points[:, 2]


def benchmark(settings: Settings, which: tuple[str, ...]) -> dict[str, Any]:
    """Texture every prompt's exact mesh: {"summary", "rows"}; calls are levels times views, each guided."""
    denoiser = load_denoiser(settings.model, runtime=settings.runtime)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as parent:
        for number, prompt in enumerate(which):
            folder = Path(parent) / str(number)
            source = folder.with_suffix(".glb")
            write_glb(source, exact_mesh(prompt))
            one = validate(replace(settings, prompt=prompt, surface=str(source), turntable=False))
            prepare_folder(folder, one)
            began = time.perf_counter()
            job = TextureRun(folder, one, denoiser=denoiser)
            job.run()
            seconds = time.perf_counter() - began
            made = job.textured
            flat, anywhere = seam_ratios(made, prompt)
            row = {
                "prompt": prompt,
                "held_out": prompts.held_out(prompt),
                "color": colour_error(made, prompt),
                "seams": flat,
                "seams_anywhere": anywhere,
                "views": len(job.views.noised),
                "levels": job.views.steps,
                "seconds": round(seconds, 1),
            }
            rows.append(row)
            print(f"[{len(rows)}/{len(which)}] {row}", file=sys.stderr, flush=True)
    return {"rows": rows, "summary": {key: round(mean(r[key] for r in rows), 2) for key in NUMBERS}}


NUMBERS = ("color", "seams", "seams_anywhere", "views", "levels", "seconds")


def text(record: report.Record) -> str:
    """The result as a table."""
    lines = [["prompt", "CIEDE2000", "seams on flat ground", "anywhere", "views", "levels", "seconds"]]
    for row in [*record["rows"], {"prompt": "mean", **record["summary"]}]:
        lines.append([row["prompt"], *(f"{row[key]:.2f}" for key in NUMBERS)])
    return report.table(lines)
