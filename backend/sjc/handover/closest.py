"""What a mesh has at the place nearest to a point: its colour, and how far that place is.

A reduced mesh has its colours from the dense one this way, wherever its vertices and texels have come to lie.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..field import warp_launch
from ..output.colour import srgb_to_linear
from ..output.mesh import Mesh
from ..output.texture import lookup

FAR = 1e6


class Closest:
    """Asks a mesh, on the CPU."""

    def __init__(self, mesh: Mesh) -> None:
        wp = warp_launch.start()
        from .closest_kernels import nearest_places

        self.kernel, self.mesh = nearest_places, mesh
        points = wp.array(mesh.vertices.astype(np.float32), dtype=wp.vec3, device="cpu")
        self.tree = wp.Mesh(points=points, indices=wp.array(mesh.faces.astype(np.int32).ravel(), device="cpu"))

    def places(self, points: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The nearest face [N] of each point [N,3], and the barycentric weights [N,3] of the nearest place in it."""
        wp = warp_launch.start()
        given = wp.array(np.ascontiguousarray(points, np.float32), dtype=wp.vec3, device="cpu")
        faces = wp.empty(len(points), dtype=wp.int32, device="cpu")
        weights = wp.empty(len(points), dtype=wp.vec3, device="cpu")
        if len(points):
            wp.launch(self.kernel, len(points), [self.tree.id, given, FAR], [faces, weights], device="cpu")
        return faces.numpy().astype(np.int64), weights.numpy().astype(np.float64)

    def distances(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far the surface is from each point [N,3]: [N]."""
        faces, weights = self.places(points)
        nearest = np.einsum("nc,nci->ni", weights, self.mesh.vertices[self.mesh.faces[faces]].astype(np.float64))
        return np.linalg.norm(nearest - points, axis=1)

    def colors(self, points: NDArray[np.floating], _normals: object = None) -> NDArray[np.float32]:
        """The colour [N,3], scene-linear, of the place nearest to each point [N,3]; a `texture.Sampler`."""
        faces, weights = self.places(points)
        corners = self.mesh.faces[faces]
        if self.mesh.texture is None:
            return np.einsum("nc,nci->ni", weights, self.mesh.colors[corners]).astype(np.float32)
        uv = np.einsum("nc,nci->ni", weights, self.mesh.texture.uv[corners].astype(np.float64))
        return lookup(srgb_to_linear(self.mesh.texture.picture / 255), uv).astype(np.float32)
