"""A mesh as a solid on the voxels, whatever the mesh is like: what a job starts from, and the part that may change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import SjcError
from ..output.colour import linear_to_srgb
from ..output.glb import read_glb
from ..output.mesh import Mesh
from ..output.texture import weld
from ..output.voxelize import parity_lattice
from .placement import Box, Placement

MOST_FACES = 2_000_000
PIECES = 100  # that are made solid each by itself; the rest of a mesh in more pieces counts as one
LEAST_CELLS = 8  # of a solid
POINTS = 20_000  # at which the surface's colour is read
GRAY = 0.02  # spread of the channels below which a colour is no colour


@dataclass(frozen=True)
class BlockOut:
    """solid [N, N, N] bool, indexed [x, y, z]; color [N, N, N, 3] sRGB in 0..1, None for one that has no colours.

    box: around the mesh, in the engine's box.
    """

    solid: NDArray[np.bool_]
    color: NDArray[np.float32] | None
    placement: Placement
    box: Box


def read_mesh(path: Path, setting: str) -> Mesh:
    """Any .glb's triangles. Raises SjcError, one line that begins with the setting, for what cannot be used."""
    try:
        mesh = read_glb(path)
    except SjcError as error:
        raise SjcError(f"{setting}: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SjcError(f"{setting}: {path} is damaged; export it again.") from error
    if len(mesh.faces) >= MOST_FACES:
        raise SjcError(f"{setting}: {path} has {len(mesh.faces)} faces; decimate it to fewer than {MOST_FACES}.")
    fits = np.isfinite(mesh.vertices).all() and mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
    if not fits:
        raise SjcError(f"{setting}: {path} is damaged; export it again.")
    return mesh


def block_out(path: Path, size: int) -> BlockOut:
    """The mesh of a .glb, fitted into the box and made solid on size^3 voxels. Raises SjcError."""
    mesh = read_mesh(path, "start")
    points = mesh.vertices.astype(np.float64)
    try:
        placement = Placement.fitting(points.min(0).tolist(), points.max(0).tolist())
    except SjcError as error:
        raise SjcError(f"start: {error}") from error
    fitted = _placed(mesh, placement)
    solid = solid_of(fitted, size)
    if solid.sum() < LEAST_CELLS:
        raise SjcError(f"start: {path} encloses no volume; close its holes or give it thickness.")
    return BlockOut(solid, _colors(fitted, size), placement, box_of(fitted))


def changeable(path: Path, placement: Placement, solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[N, N, N]: where the field may change: inside the mesh of a .glb that stands in the start's world.

    solid [N, N, N]: the start. Raises SjcError for a mesh that lies outside of the box or covers all of the start.
    """
    inside = solid_of(_placed(read_mesh(path, "keep"), placement), len(solid))
    if not inside.any():
        raise SjcError("keep: the part that may change covers nothing of the start; move it there or make it larger.")
    if not (solid & ~inside).any():
        raise SjcError("keep: the part that may change covers all of the start, so nothing is kept; make it smaller.")
    return inside


def solid_of(mesh: Mesh, size: int) -> NDArray[np.bool_]:
    """[N, N, N]: the voxel centres inside the mesh, which may be open, or of several pieces that overlap.

    Each piece is asked along the three axes by the parity of crossings. Columns that pass through a hole cross an odd
    number of times and have no say; of the rest the majority decides. What lies in any piece is inside.
    """
    inside = np.zeros((size,) * 3, bool)
    for faces in _pieces(mesh):
        votes = np.zeros((size,) * 3, np.int8)
        for axis in range(3):
            shift = 2 - axis  # the axis becomes z, and the others keep their cyclic order
            turned = Mesh(np.roll(mesh.vertices, shift, axis=1), faces, mesh.colors)
            parity, closed = parity_lattice(turned, size)
            vote = np.where(parity, 1, -1).astype(np.int8) * closed[..., None]
            votes += vote.transpose(np.argsort(np.roll(np.arange(3), shift)))
        inside |= votes > 0
    return inside


def _pieces(mesh: Mesh) -> list[NDArray[np.int32]]:
    """The faces [F, 3] of every connected piece, the largest first; the rest of a mesh in many pieces as one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, position = weld(mesh.vertices)
    corners = position[mesh.faces]
    count = int(corners.max()) + 1
    ends = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]]])
    links = coo_matrix((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), (count, count))
    _, piece = connected_components(links, directed=False)
    of_face = piece[corners[:, 0]]
    names, sizes = np.unique(of_face, return_counts=True)
    largest = names[np.argsort(-sizes, kind="stable")]
    pieces = [mesh.faces[of_face == name] for name in largest[:PIECES]]
    if len(largest) > PIECES:
        pieces.append(mesh.faces[np.isin(of_face, largest[PIECES:])])
    return pieces


def box_of(mesh: Mesh) -> Box:
    """Its lowest and highest corner."""
    return mesh.vertices.min(0).tolist(), mesh.vertices.max(0).tolist()


def _placed(mesh: Mesh, placement: Placement) -> Mesh:
    """A mesh of the start's world in the engine's box; `placement` has no rotation."""
    points = (mesh.vertices.astype(np.float64) - np.array(placement.location)) / placement.scale
    return Mesh(points.astype(np.float32), mesh.faces, mesh.colors)


def _colors(mesh: Mesh, size: int) -> NDArray[np.float32] | None:
    """[N, N, N, 3] sRGB: of each voxel the colour of the surface nearest to it; None where all of it is gray."""
    from scipy.spatial import cKDTree

    encoded = linear_to_srgb(np.clip(mesh.colors, 0, 1)).astype(np.float32)
    if np.ptp(encoded, axis=1).max() < GRAY:
        return None
    generator = np.random.default_rng(0)
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    face = generator.choice(len(area), POINTS, p=area / area.sum())
    weights = generator.dirichlet(np.ones(3), POINTS)  # uniform on a triangle
    points = np.einsum("pc,pci->pi", weights, corners[face])
    paint = np.einsum("pc,pci->pi", weights, encoded[mesh.faces[face]])
    axis = -1 + (np.arange(size) + 0.5) * 2 / size
    centers = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    _, nearest = cKDTree(points).query(centers)
    return paint[nearest].reshape(size, size, size, 3).astype(np.float32)
