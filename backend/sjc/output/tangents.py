"""The basis that a normal map is stored about: smooth normals and tangents at the vertices.

As by MikkTSpace, which glTF names for meshes without tangents, and which Blender computes. A vertex's normal is the
mean of its faces' normals, weighted by the angle of each corner; its tangent that of the directions in which u grows,
in the plane across the normal, weighted in the same way.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html 3.7.2.1
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .texture import weld


def smooth_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """Unit normals [V,3], by angles; vertices in one place, as along a seam, share one. +z where they cancel."""
    first, position = weld(vertices)
    points, corners = vertices[first].astype(np.float64), position[faces]
    a, b, c = (points[corners[:, i]] for i in range(3))
    normals = np.zeros((len(points), 3))
    face = _unit(np.cross(b - a, c - a))
    for i in range(3):
        angle = _angle(points, corners, i)
        np.add.at(normals, corners[:, i], angle[:, None] * face)
    return _unit(normals, (0.0, 0.0, 1.0))[position]


def tangents(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], uv: NDArray[np.floating], normals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Tangents [V,4]: a unit direction across the normal, and 1 or -1.

    The bitangent, along which a picture is seen upwards (v falls), is w * cross(normal, tangent). uv [V,2] as in glTF,
    (0, 0) the upper left corner; vertices are doubled where these or their sense of turning differ.
    """
    points, at = vertices.astype(np.float64), uv.astype(np.float64) * (1, -1)
    a, b, c = (points[faces[:, i]] for i in range(3))
    p, q, r = (at[faces[:, i]] for i in range(3))
    (du, dv), (eu, ev) = (q - p).T, (r - p).T
    turning = du * ev - dv * eu  # twice the signed area in the picture
    sign = np.where(turning < 0, -1.0, 1.0)
    along = sign[:, None] * (ev[:, None] * (b - a) - dv[:, None] * (c - a))
    summed, turns = np.zeros((len(points), 3)), np.zeros(len(points))
    for i in range(3):
        here = faces[:, i]
        normal = normals[here]
        flat = _unit(along - normal * np.einsum("fi,fi->f", normal, along)[:, None])
        angle = _angle(points, faces, i, normal)
        np.add.at(summed, here, angle[:, None] * flat)
        np.add.at(turns, here, angle * sign)
    any_side = np.cross(normals, np.where(np.abs(normals[:, :1]) > 0.9, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
    direction = _unit(summed)
    empty = ~direction.any(1)
    direction[empty] = _unit(any_side[empty])
    return np.concatenate([direction, np.where(turns < 0, -1.0, 1.0)[:, None]], 1)


def _angle(
    points: NDArray[np.float64], faces: NDArray[np.integer], i: int, normal: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The angle [F] of each face's corner i, in the plane across `normal` [F,3] where one is given."""
    here = points[faces[:, i]]
    sides = [points[faces[:, (i + step) % 3]] - here for step in (1, 2)]
    if normal is not None:
        sides = [side - normal * np.einsum("fi,fi->f", normal, side)[:, None] for side in sides]
    one, other = map(_unit, sides)
    return np.arccos(np.einsum("fi,fi->f", one, other).clip(-1, 1))


def _unit(vectors: NDArray[np.float64], otherwise: tuple[float, ...] = (0.0, 0.0, 0.0)) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-20, vectors / np.maximum(length, 1e-20), otherwise)
