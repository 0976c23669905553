"""What a reduced mesh has lost, as pictures: the dense mesh's normals in tangent space, and its ambient occlusion.

Each texel shows the place of the dense mesh that is nearest to it. Normals are stored about the basis that glTF states
and Blender computes (`output/tangents.py`). Occlusion is that of the whole dense mesh by itself under an even sky: the
share of the light, weighted by the cosine, that reaches a place. It is looked up between the dense mesh's vertices, so
it is as fine as these are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..field import warp_launch
from ..output.measures import vertex_normals
from ..output.mesh import Mesh
from ..output.tangents import smooth_normals, tangents
from ..output.texture import extended, texels, weld
from .closest import FAR, Closest

RAYS = 256  # from each vertex: an even sky is then sampled to about 1 %
AWAY = 1e-3  # of the object's size: how far from the surface the rays begin


class Detail:
    """Asks the dense mesh. occlusion: whether it will be asked for; the rays are then cast here, once."""

    def __init__(self, dense: Mesh, closest: Closest, occlusion: bool = True) -> None:
        first, position = weld(dense.vertices)
        points, faces = dense.vertices[first], position[dense.faces]
        self.closest, self.corners = closest, dense.faces
        normals = vertex_normals(points, faces)
        self.normals = normals[position]
        self.open = _open_share(points, normals, faces)[position] if occlusion else None

    def baked(self, level: Mesh, normals: bool = True, occlusion: bool = True) -> Mesh:
        """The level, which `textured` has unwrapped, with the maps beside its colours."""
        texture = level.texture
        assert texture is not None
        size = len(texture.picture)
        rows, columns, triangle, weights = (
            np.concatenate(parts) for parts in zip(*texels(texture.uv, level.faces, size), strict=True)
        )
        corners = level.faces[triangle]
        covered = rows, columns
        smooth = smooth_normals(level.vertices, level.faces)
        facing = np.einsum("tc,tci->ti", weights, smooth[corners])
        face, place = self.closest.places(np.einsum("tc,tci->ti", weights, level.vertices[corners].astype(np.float64)))
        there = self.corners[face]
        if normals:
            wanted = np.einsum("tc,tci->ti", place, self.normals[there])
            behind = np.einsum("ti,ti->t", wanted, facing) <= 0  # the other side of a thin wall lies nearer
            wanted[behind] = facing[behind]
            sides = tangents(level.vertices, level.faces, texture.uv, smooth)
            local = _local(
                wanted, facing, np.einsum("tc,tci->ti", weights, sides[corners, :3]), sides[corners[:, 0], 3]
            )
            texture = replace(texture, normals=extended(np.rint(255 * (local + 1) / 2), covered, size))
        if occlusion:
            assert self.open is not None
            shares = np.einsum("tc,tc->t", place, self.open[there])
            shares = np.repeat(np.clip(shares, 0, 1)[:, None], 3, 1)
            texture = replace(texture, occlusion=extended(np.rint(255 * shares), covered, size))
        return replace(level, texture=texture)


def _local(
    wanted: NDArray[np.float64], facing: NDArray[np.float64], along: NDArray[np.float64], sign: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Directions [T,3] about the basis (along, sign * facing x along, facing), of unit length and outwards."""
    across = sign[:, None] * np.cross(facing, along)
    basis = np.stack([along, across, facing], 2)
    flat = np.abs(np.linalg.det(basis)) < 1e-12
    basis[flat] = np.eye(3)
    local = np.linalg.solve(basis, wanted[..., None])[..., 0].astype(np.float64)
    local[flat | (local[:, 2] <= 0)] = 0, 0, 1
    unit: NDArray[np.float64] = local / np.linalg.norm(local, axis=1, keepdims=True)
    return unit


def _open_share(
    points: NDArray[np.floating], normals: NDArray[np.float64], faces: NDArray[np.integer]
) -> NDArray[np.float64]:
    """How open each vertex [V] is: 1 where the surface hides nothing of its half of the sky."""
    wp = warp_launch.start()
    from .detail_kernels import open_share

    middle, size = points.mean(0), max(float(np.ptp(points, 0).max()), 1e-12)
    near = wp.array(((points - middle) / size).astype(np.float32), dtype=wp.vec3, device="cpu")  # rays are float32
    tree = wp.Mesh(points=near, indices=wp.array(faces.astype(np.int32).ravel(), device="cpu"))
    towards = wp.array(normals.astype(np.float32), dtype=wp.vec3, device="cpu")
    shares = wp.empty(len(points), dtype=wp.float32, device="cpu")
    wp.launch(open_share, len(points), [tree.id, near, towards, RAYS, AWAY, FAR], [shares], device="cpu")
    return shares.numpy().astype(np.float64)
