"""The Warp kernel that finds where rays meet a mesh. Import only through `rays.py`.

No `from __future__ import annotations` here: Warp reads the annotations of kernels as objects.
"""

from typing import Any

import warp as wp

Vectors: Any = wp.array(dtype=wp.vec3)
Ints: Any = wp.array(dtype=wp.int32)
Floats: Any = wp.array(dtype=wp.float32)


@wp.kernel(enable_backward=False)
def first_hits(
    mesh: wp.uint64,
    origins: Vectors,
    directions: Vectors,
    farthest: float,
    faces: Ints,
    weights: Vectors,
    distances: Floats,
) -> None:
    """For every ray the face that it meets first (-1 for none), the hit's barycentric weights and its distance."""
    i = wp.tid()
    hit = wp.mesh_query_ray(mesh, origins[i], directions[i], farthest)
    if hit.result:
        faces[i] = hit.face
        weights[i] = wp.vec3(hit.u, hit.v, 1.0 - hit.u - hit.v)
        distances[i] = hit.t
    else:
        faces[i] = -1
