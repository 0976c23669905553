"""Whether a mesh can be printed: closed or not, its thinnest wall, and how much of it hangs over.

A wall is what a line from a place of the surface, straight inwards, goes through until it leaves again; where it leaves
through a face that leans, as next to an edge, there is no wall to speak of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..output.measures import is_closed, mesh_volume
from ..output.mesh import Mesh
from ..output.texture import weld
from ..texturing.rays import MeshRays

PLACES = 20_000  # of the surface that a wall is measured at, by area
LEANING = np.cos(np.radians(30))  # between the line and the normal where it leaves
SMALLEST = 0.002  # share of these places that may be thinner than the smallest wall: lines that meet an edge
STEP = 1e-4  # of the object's size: how far inside the line begins
THIN_MM = 0.8  # two lines of the usual nozzle
OVERHANG = 45.0  # degrees from the vertical: what leans outwards farther needs support
ON_PLATE = 1e-3  # of the object's height: faces this near to its lowest point lie on the plate


@dataclass(frozen=True)
class PrintReport:
    """Lengths in millimetres, the volume in cubic centimetres, shares of the surface from 0 to 1.

    smallest_wall, thin_share: None where the mesh is open, or no line leaves it through an opposite face.
    """

    size: tuple[float, float, float]
    faces: int
    parts: int
    closed: bool
    volume: float | None
    smallest_wall: float | None
    thin_share: float | None
    overhang_share: float

    def text(self) -> str:
        """For people: a few lines."""
        closed = "closed" if self.closed else "open: a slicer has to guess what is inside"
        rows = {
            "size": " x ".join(f"{length:.1f}" for length in self.size) + " mm",
            "surface": f"{self.faces} faces, {_counted(self.parts, 'part')}, {closed}",
        }
        if self.volume is not None:
            rows["volume"] = f"{self.volume:.2f} cm³"
        if self.smallest_wall is not None and self.thin_share is not None:
            share = f"; {100 * self.thin_share:.1f} % of the surface is thinner than {THIN_MM} mm"
            rows["smallest wall"] = f"{self.smallest_wall:.2f} mm{share}"
        over = f"{100 * self.overhang_share:.1f} % of the surface leans out more than {OVERHANG:.0f}°"
        rows["overhang"] = over + (" and needs support" if self.overhang_share > 0.001 else "")
        return "\n".join(f"{name:<14} {value}" for name, value in rows.items())


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_report(mesh: Mesh) -> PrintReport:
    """What a printer meets. mesh: in millimetres, z up, its lowest point on the plate."""
    first, position = weld(mesh.vertices)  # vertices are doubled along the seams of a texture
    vertices, faces = mesh.vertices[first].astype(np.float64), position[mesh.faces]
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1) / 2
    normals = cross / np.maximum(2 * area[:, None], 1e-30)
    closed = is_closed(faces)
    walls = _walls(vertices, faces, normals, area) if closed else np.empty(0)
    extent = np.ptp(vertices, 0)
    low, height = vertices[:, 2].min(), max(float(extent[2]), 1e-12)
    over = -normals[:, 2] > np.sin(np.radians(OVERHANG)) + 1e-6
    on_plate = corners[..., 2].max(1) < low + ON_PLATE * height
    return PrintReport(
        size=(float(extent[0]), float(extent[1]), float(extent[2])),
        faces=len(faces),
        parts=_parts(faces, len(vertices)),
        closed=closed,
        volume=mesh_volume(vertices, faces) / 1000 if closed else None,
        smallest_wall=float(np.quantile(walls, SMALLEST)) if len(walls) else None,
        thin_share=float((walls < THIN_MM).mean()) if len(walls) else None,
        overhang_share=float(area[over & ~on_plate].sum() / max(area.sum(), 1e-30)),
    )


def _parts(faces: NDArray[np.int64], count: int) -> int:
    ones = np.ones(2 * len(faces), bool)
    edges = coo_array((ones, (faces[:, :2].ravel(), faces[:, 1:].ravel())), shape=(count, count))
    return int(connected_components(edges, directed=False)[0])


def _walls(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], normals: NDArray[np.float64], area: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Thickness at places spread over the surface by area, where an opposite wall is: [W]."""
    draw = np.random.default_rng(0)
    face = np.searchsorted(area.cumsum() / area.sum(), (np.arange(PLACES) + 0.5) / PLACES).clip(0, len(faces) - 1)
    u, v = np.sqrt(draw.random(PLACES)), draw.random(PLACES)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)
    middle, size = vertices.mean(0), float(np.ptp(vertices, 0).max())
    places = (np.einsum("nc,nci->ni", weights, vertices[faces[face]]) - middle) / size  # near 1: rays are float32
    inwards = -normals[face]
    points = torch.from_numpy(((vertices - middle) / size).astype(np.float32))
    hits = MeshRays(points, torch.from_numpy(faces))(
        torch.from_numpy((places + STEP * inwards).astype(np.float32)), torch.from_numpy(inwards.astype(np.float32))
    )
    other = hits.face.numpy()
    opposite = (other >= 0) & (np.einsum("ni,ni->n", normals[other], inwards) > LEANING)
    thickness: NDArray[np.float64] = (hits.distance.numpy()[opposite].astype(np.float64) + STEP) * size
    return thickness
