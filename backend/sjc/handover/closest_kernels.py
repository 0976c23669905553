"""The Warp kernel that finds the places of a mesh nearest to points. Import only through `closest.py`.

No `from __future__ import annotations` here: Warp reads the annotations of kernels as objects.
"""

from typing import Any

import warp as wp

Vectors: Any = wp.array(dtype=wp.vec3)
Ints: Any = wp.array(dtype=wp.int32)


@wp.kernel(enable_backward=False)
def nearest_places(mesh: wp.uint64, points: Vectors, farthest: float, faces: Ints, weights: Vectors) -> None:
    """For every point the face that is nearest, and the barycentric weights of the place there."""
    i = wp.tid()
    place = wp.mesh_query_point_no_sign(mesh, points[i], farthest)
    if place.result:
        faces[i] = place.face
        weights[i] = wp.vec3(place.u, place.v, 1.0 - place.u - place.v)
    else:
        faces[i] = -1
