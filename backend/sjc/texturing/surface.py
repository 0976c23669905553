"""A mesh as the engine's cameras see it: moved and scaled into their view, with its rays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from ..errors import SjcError
from ..output.mesh import Mesh
from .rays import MeshRays

RADIUS = 0.8
"""Of the ball around a mesh once it is in view. The embedded model's objects fill balls of 0.68 to 0.86."""
MOST_FACES = 2_000_000


@dataclass(frozen=True)
class Points:
    """Places of a surface: position [P,3] and unit normal of the face there [P,3]."""

    position: Tensor
    normal: Tensor

    def __len__(self) -> int:
        return len(self.position)


class Surface:
    """A mesh in view: its centre at the origin, within a ball of RADIUS.

    vertices [V,3] float32, faces [F,3] int64 and normals [F,3] of the faces, all on the device. Raises SjcError for a
    mesh without a surface, with too many faces or with places that are no numbers.
    """

    def __init__(self, mesh: Mesh, device: torch.device) -> None:
        self.vertices = torch.from_numpy(in_view(mesh)).to(device)
        self.faces = torch.from_numpy(mesh.faces.astype(np.int64)).to(device)
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        crossed = torch.linalg.cross(b - a, c - a)
        self.areas = crossed.norm(dim=1) / 2
        self.normals = normalize(crossed, dim=1)
        self.rays = MeshRays(self.vertices, self.faces)

    def at(self, face: Tensor, weights: Tensor) -> Points:
        """The places of faces [P] with barycentric weights [P,3]."""
        corners = self.vertices[self.faces[face]]
        return Points((weights[..., None] * corners).sum(1), self.normals[face])

    def spread(self, count: int, generator: torch.Generator) -> Points:
        """`count` places, evenly over the area."""
        face = torch.multinomial(self.areas.cpu(), count, replacement=True, generator=generator)
        r, s = torch.rand(2, count, generator=generator)
        r = r.sqrt()
        weights = torch.stack([1 - r, r * (1 - s), r * s], 1)
        return self.at(face.to(self.faces.device), weights.to(self.vertices.device))


def check(mesh: Mesh) -> None:
    """Raises SjcError, one line, for a mesh that cannot be textured."""
    if not len(mesh.faces):
        raise SjcError("The mesh has no faces; give one with a surface.")
    if len(mesh.faces) > MOST_FACES:
        raise SjcError(
            f"The mesh has {len(mesh.faces):,} triangles, more than {MOST_FACES:,}; reduce it (in Blender with the "
            "Decimate modifier) and texture it then."
        )
    if not np.isfinite(mesh.vertices).all():
        raise SjcError("The mesh has vertices at places that are no numbers; repair it first.")
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    if not np.linalg.norm(high.astype(np.float64) - low) > 0:
        raise SjcError("All vertices of the mesh lie in one place; give a mesh with a surface.")


def in_view(mesh: Mesh) -> NDArray[np.float32]:
    """The vertices [V,3] as cameras see them. Raises SjcError as `check`.

    The middle of the box around the mesh comes to the origin and the farthest vertex to RADIUS from there. Computed in
    double: a mesh may be a kilometre large or far from the origin.
    """
    check(mesh)
    used = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
    middle = (used.min(0) + used.max(0)) / 2
    size = np.linalg.norm(used - middle, axis=1).max()
    if not size > 0:
        raise SjcError("The faces of the mesh have no area; give a mesh with a surface.")
    return ((mesh.vertices - middle) * (RADIUS / size)).astype(np.float32)
