"""A mesh's colours as a picture: unwrapped by xatlas, every texel coloured at the place of the surface that it shows.

For meshes with few faces, whose vertices lie farther apart than the colours change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import SjcError
from .colour import linear_to_srgb, to_uint8

if TYPE_CHECKING:
    from .mesh import Mesh

Number = TypeVar("Number", bound=np.generic)
Sampler = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.floating]]
"""Points [T,3] of the surface and unit normals [T,3] there to colours [T,3], scene-linear."""

PADDING = 2  # texels between islands, so that bilinear reading of one does not reach another
ISLAND = 350
"""Triangles in the largest island, about. xatlas flattens an island in more than linear time and cuts what it cannot
lay flat
anew: 34,400 triangles took 30 s and 1105 islands without a bound, 2 s and 162 with this one (both cores busy)."""
NO_AREA = "The mesh has no area that a picture could show, so nothing can be baked; give one with a surface."
BATCH = 1_000_000  # texels of bounding boxes looked at together


@dataclass(frozen=True)
class Texture:
    """picture [S,S,3] u8, sRGB-encoded; uv [V,2] f4 in [0, 1], (0, 0) the upper left corner of row 0, as in glTF.

    normals, occlusion: pictures [S,S,3] u8, linear, of a denser mesh (`handover/detail.py`); None where none were
    baked. normals: about the basis of `tangents.py`, -1 to 1 as 0 to 255. occlusion: the share of open sky, thrice.
    """

    picture: NDArray[np.uint8]
    uv: NDArray[np.float32]
    normals: NDArray[np.uint8] | None = None
    occlusion: NDArray[np.uint8] | None = None


def textured(mesh: Mesh, size: int, sampler: Sampler) -> Mesh:
    """The mesh with a texture of size x size texels; vertices are doubled along the seams but not moved.

    Raises SjcError for a mesh of which no texel shows anything.
    """
    from .measures import vertex_normals

    if not area(mesh) > 0:
        raise SjcError(NO_AREA)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    origin, faces, uv = unwrap(mesh, size)
    rows, columns, triangle, weights = (np.concatenate(parts) for parts in zip(*texels(uv, faces, size), strict=True))
    if not len(rows):
        raise SjcError(NO_AREA)
    corners = origin[faces[triangle]]
    points = np.einsum("tc,tci->ti", weights, mesh.vertices[corners].astype(np.float64))
    facing = np.einsum("tc,tci->ti", weights, normals[corners])
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    picture = to_uint8(linear_to_srgb(np.clip(sampler(points, facing), 0, 1)))
    return replace(
        mesh,
        vertices=mesh.vertices[origin],
        faces=faces,
        colors=mesh.colors[origin],
        texture=Texture(extended(picture, (rows, columns), size), uv),
    )


def extended(
    values: NDArray[np.generic], covered: tuple[NDArray[np.int64], NDArray[np.int64]], size: int
) -> NDArray[np.uint8]:
    """A picture [S,S,3] of the values [T,3], 0 to 255, of the texels at `covered` (rows, columns).

    What no triangle covers takes the nearest texel's: filters and smaller copies read across the edges of islands.
    """
    picture = np.zeros((size, size, 3), np.uint8)
    picture[covered] = values
    empty = np.ones((size, size), bool)
    empty[covered] = False
    return filled(picture, empty)


def filled(picture: NDArray[Number], empty: NDArray[np.bool_]) -> NDArray[Number]:
    """The picture [S,S,3] with the nearest texel's values where `empty` [S,S] says that it has none."""
    nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    return picture[tuple(nearest)]


def unwrap(mesh: Mesh, size: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """The mesh cut into flat islands: each new vertex's old index [W], faces [F,3] of new ones, uv [W,2] in [0, 1]."""
    import xatlas

    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_chart_area = area(mesh) * min(1.0, ISLAND / len(mesh.faces))
    packing.resolution, packing.padding = size, PADDING
    atlas.generate(charts, packing)
    origin, faces, uv = atlas[0]
    return origin.astype(np.int64), faces.astype(np.int32), uv.astype(np.float32)


def area(mesh: Mesh) -> float:
    """Of the surface, in square units of length."""
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def texels(
    uv: NDArray[np.float32], faces: NDArray[np.int32], size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Texels whose centres lie in a triangle, in batches: rows, columns, triangles [T], barycentric weights [T,3]."""
    corners = uv[faces].astype(np.float64) * size - 0.5  # a texel's centre has whole numbers
    low = np.ceil(corners.min(1) - 1e-6).astype(np.int64).clip(0, size - 1)
    high = np.floor(corners.max(1) + 1e-6).astype(np.int64).clip(-1, size - 1)
    wide, tall = np.maximum(high - low + 1, 0).T
    counts = wide * tall
    batch = counts.cumsum() // BATCH
    for number in range(int(batch[-1]) + 1 if len(batch) else 0):
        some = np.flatnonzero((batch == number) & (counts > 0))
        triangle = np.repeat(some, counts[some])
        inner = np.arange(len(triangle)) - np.repeat(counts[some].cumsum() - counts[some], counts[some])
        at = low[triangle] + np.stack([inner % wide[triangle], inner // wide[triangle]], 1)
        a, b, c = corners[triangle].transpose(1, 0, 2)
        area = _cross(b - a, c - a)
        weights = np.stack([_cross(b - at, c - at), _cross(c - at, a - at), _cross(a - at, b - at)], 1)
        weights /= np.where(area == 0, np.inf, area)[:, None]
        inside = (weights >= -1e-6).all(1) & (area != 0)
        yield at[inside, 1], at[inside, 0], triangle[inside], weights[inside]


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def lookup(picture: NDArray[np.floating], uv: NDArray[np.floating]) -> NDArray[np.float64]:
    """A picture [H,W,3] at uv [V,2]: bilinear between texel centres, edges repeated."""
    tall, wide = picture.shape[:2]
    at = np.stack([uv[:, 1] * tall - 0.5, uv[:, 0] * wide - 0.5])
    layers = [ndimage.map_coordinates(picture[..., i], at, order=1, mode="nearest") for i in range(3)]
    return np.stack(layers, 1)


def weld(vertices: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices at one position count as one: the first's index [U] at each position, and each vertex's position [V]."""
    _, first, position = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    return first.astype(np.int64), position.reshape(-1).astype(np.int64)
