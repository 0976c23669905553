"""Scores a mesh against the exact truth of its prompt. Nothing is aligned, scaled or fitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from benchmarks.reader import read_mesh
from sjc.output.colour import linear_to_srgb
from sjc.output.measures import is_closed
from sjc.output.mesh import Mesh
from sjc.output.voxelize import inside_lattice
from training.truth import ground_truth

LATTICE = 128
# The second lattice has so many times the cells, 199 along an edge. A face that lies just beside the first one's cell
# centres, as the cube's do, flips a whole layer there for a tiny offset; here it does not.
SECOND = 1.5547
VIEWS, VIEW_SEED = 16, 20230606
SURFACE_SAMPLES, SURFACE_SEED = 20_000, 1
WORST_COLOR = 100.0  # what a result without a mesh counts as: the difference of black and white

Solid = NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """solid, second: IoU on both lattices. silhouette: mean of silhouettes, one a view. color: mean CIEDE2000."""

    solid: float
    second: float
    silhouette: float
    silhouettes: tuple[float, ...]
    color: float
    closed: bool


NOTHING = Score(0.0, 0.0, 0.0, (0.0,) * VIEWS, WORST_COLOR, closed=False)


def score(glb: Path, prompt: str, lattice: int = LATTICE) -> Score:
    """Score a finished mesh.glb. `lattice`: cells along an edge of [-1, 1]^3."""
    mesh = read_mesh(glb)
    made, truth = inside_lattice(mesh, lattice), truth_lattice(prompt, lattice)
    finer = round(SECOND * lattice)
    shapes = [iou(a, b) for a, b in zip(silhouettes(made), silhouettes(truth), strict=True)]
    return Score(
        iou(made, truth),
        iou(inside_lattice(mesh, finer), truth_lattice(prompt, finer)),
        float(np.mean(shapes)),
        tuple(shapes),
        color_error(mesh, prompt),
        is_closed(mesh.faces),
    )


def iou(a: Solid, b: Solid) -> float:
    """Intersection over union of two masks; two empty ones are alike."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def lattice_points(n: int) -> NDArray[np.float64]:
    """The cell centres of [-1, 1]^3, at -1 + (i + 0.5) * 2 / n, as [n^3, 3] in the order of [x, y, z]."""
    axis = -1 + (np.arange(n) + 0.5) * 2 / n
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


@cache
def truth_lattice(prompt: str, n: int) -> Solid:
    """Bool [n, n, n]: the cell centres inside the prompt's exact solid."""
    return ground_truth(prompt).inside(lattice_points(n)).reshape(n, n, n)


def directions() -> NDArray[np.float64]:
    """[V, 3, 3] orthonormal frames (rows: right, up, towards the camera), uniform on the sphere, always the same."""
    generator = np.random.default_rng(VIEW_SEED)
    backward = generator.normal(size=(VIEWS, 3))
    backward /= np.linalg.norm(backward, axis=1, keepdims=True)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(backward, right), backward], 1)


def silhouettes(solid: Solid) -> list[Solid]:
    """Orthographic outlines seen from `directions`; a pixel is as wide as a cell and the picture holds the whole box.

    Every outline is covered by cells at the surface. Each stands as a cube of 27 points a third of a cell apart, so
    that no pixel within stays open.
    """
    n = len(solid)
    padded = np.pad(solid, 1)
    buried = np.ones_like(solid)
    for axis in range(3):
        for shift in (-1, 1):
            buried &= np.roll(padded, shift, axis)[1:-1, 1:-1, 1:-1]
    cells = np.argwhere(solid & ~buried)
    thirds = np.stack(np.meshgrid(*[(-1 / 3, 0.0, 1 / 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    points = (cells[:, None] + thirds + (0.5 - n / 2)).reshape(-1, 3).astype(np.float32)  # in cells, from the centre
    half = int(np.ceil(np.sqrt(3) * n / 2)) + 1
    pictures = []
    for right, up, _ in directions().astype(np.float32):
        picture = np.zeros((2 * half, 2 * half), bool)
        picture[(points @ up + half).astype(np.int32), (points @ right + half).astype(np.int32)] = True
        pictures.append(picture)
    return pictures


def color_error(mesh: Mesh, prompt: str, samples: int = SURFACE_SAMPLES) -> float:
    """Mean CIEDE2000 over points drawn evenly on the mesh, against the colour of the truth's nearest part."""
    generator = np.random.default_rng(SURFACE_SEED)
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    face = generator.choice(len(area), samples, p=area / area.sum())
    # Square root trick: uniform on a triangle (Osada et al. 2002, Eq. 1).
    r, s = np.sqrt(generator.random(samples)), generator.random(samples)
    weights = np.stack([1 - r, r * (1 - s), r * s], 1)[..., None]
    points = (corners[face] * weights).sum(1)
    linear = (mesh.colors.astype(np.float64)[mesh.faces[face]] * weights).sum(1)
    encoded = np.clip(linear_to_srgb(np.clip(linear, 0, 1)), 0, 1)
    true = ground_truth(prompt).color(points).astype(np.float64)
    return float(deltaE_ciede2000(rgb2lab(true), rgb2lab(encoded)).mean())
