"""Where rays meet a mesh, by Warp's tree of boxes, on a CPU or on CUDA."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SjcError
from ..field import warp_launch

FAR = 1e6


@dataclass(frozen=True)
class Hits:
    """face [R] int64, -1 where a ray meets nothing; weights [R,3], barycentric; distance [R]."""

    face: Tensor
    weights: Tensor
    distance: Tensor


class MeshRays:
    """Asks a mesh for the first hit of rays.

    vertices [V,3] float32, faces [F,3] integers, both on the device that the rays will be on. Raises SjcError where
    Warp has no kernels for that device.
    """

    def __init__(self, vertices: Tensor, faces: Tensor) -> None:
        possible, why = warp_launch.available(vertices.device)
        if not possible:
            raise SjcError(f"A mesh is textured with Warp's rays, which do not run here: {why}; set device to cpu.")
        wp = warp_launch.start()
        from .ray_kernels import first_hits

        self.wp, self.kernel = wp, first_hits
        self.vertices, self.faces = vertices.float().contiguous(), faces.int().contiguous()
        points = wp.from_torch(self.vertices, dtype=wp.vec3)
        self.mesh = wp.Mesh(points=points, indices=wp.from_torch(self.faces.view(-1)))

    def __call__(self, origins: Tensor, directions: Tensor) -> Hits:
        """The first hit of each ray; origins and unit directions [R,3]."""
        wp, count, device = self.wp, len(origins), self.vertices.device
        face = torch.empty(count, dtype=torch.int32, device=device)
        weights = torch.zeros(count, 3, device=device)
        distance = torch.full((count,), FAR, device=device)
        if count:
            given = [wp.from_torch(x.float().contiguous(), dtype=wp.vec3) for x in (origins, directions)]
            made = [wp.from_torch(face), wp.from_torch(weights, dtype=wp.vec3), wp.from_torch(distance)]
            stream = wp.stream_from_torch(torch.cuda.current_stream(device)) if device.type == "cuda" else None
            wp.launch(
                self.kernel, dim=count, inputs=[self.mesh.id, *given, FAR], outputs=made, stream=stream,
                device=wp.device_from_torch(device),
            )  # fmt: skip
        return Hits(face.long(), weights, distance)
