"""What holds of a mesh as arrays: closed or not, volumes, normals, vertices in use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def compact(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Drop vertices that no face uses."""
    used, renamed = np.unique(triangles, return_inverse=True)
    return vertices[used], renamed.reshape(-1, 3)


def is_closed(faces: NDArray[np.integer]) -> bool:
    """Whether every edge is walked exactly once in each direction: closed, manifold at edges, consistently turned."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    size = int(edges.max(initial=0)) + 1
    there, back = edges[:, 0] * size + edges[:, 1], edges[:, 1] * size + edges[:, 0]
    once = len(np.unique(there)) == len(there)
    return bool(len(faces) and once and (edges[:, 0] != edges[:, 1]).all() and np.isin(there, back).all())


def signed_volumes(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """[F] volumes of the tetrahedra from the origin to each face; their sum over a closed part is its volume."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    return np.einsum("fi,fi->f", a, np.cross(b, c)) / 6


def mesh_volume(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> float:
    """Enclosed volume, in cubic units; negative where faces look inwards."""
    return float(signed_volumes(vertices, faces).sum())


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """Unit normals [V, 3], each the area-weighted mean of its faces' normals; +z where these cancel."""
    points = vertices.astype(np.float64)
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    per_face = np.cross(b - a, c - a)
    normals = np.stack(
        [
            sum(np.bincount(faces[:, corner], per_face[:, axis], minlength=len(points)) for corner in range(3))
            for axis in range(3)
        ],
        1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-20, normals / np.maximum(length, 1e-20), [0.0, 0.0, 1.0])
