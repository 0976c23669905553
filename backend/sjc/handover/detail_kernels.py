"""The Warp kernel that looks from places of a mesh into the open. Import only through `detail.py`.

No `from __future__ import annotations` here: Warp reads the annotations of kernels as objects.
"""

import math
from typing import Any

import warp as wp

TURN = 2 * math.pi
Vectors: Any = wp.array(dtype=wp.vec3)
Floats: Any = wp.array(dtype=wp.float32)


@wp.kernel(enable_backward=False)
def open_share(
    mesh: wp.uint64, points: Vectors, normals: Vectors, count: int, away: float, farthest: float, shares: Floats
) -> None:
    """For every point the share of `count` rays about its normal, as dense as the cosine, that meet nothing.

    The rays are a Hammersley set, turned about the normal by an angle of each point's own. away: how far along the
    normal they begin.
    """
    i = wp.tid()
    normal = normals[i]
    side = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(normal[0]) > 0.9:
        side = wp.vec3(0.0, 1.0, 0.0)
    along = wp.normalize(wp.cross(normal, side))
    across = wp.cross(normal, along)
    turn = wp.randf(wp.rand_init(7, i))
    origin = points[i] + away * normal
    free = wp.int32(0)
    for k in range(count):
        bits = wp.uint32(k)
        radical = wp.float32(0.0)
        digit = wp.float32(0.5)
        for _ in range(16):
            if (bits & wp.uint32(1)) == wp.uint32(1):
                radical += digit
            digit *= 0.5
            bits = bits >> wp.uint32(1)
        squared = (float(k) + 0.5) / float(count)
        angle = TURN * (radical + turn)
        radius = wp.sqrt(squared)
        direction = radius * (wp.cos(angle) * along + wp.sin(angle) * across) + wp.sqrt(1.0 - squared) * normal
        if not wp.mesh_query_ray_anyhit(mesh, origin, direction, farthest):
            free += 1
    shares[i] = float(free) / float(count)
