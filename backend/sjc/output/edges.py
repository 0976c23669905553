"""Where a soft shape is flat and where it has edges, corners and rods: the directions that its surface faces nearby.

The structure tensor (Foerstner and Guelch 1987) of a clipped logarithm of depth: on a plane, and on both sides of a
plate, all gradients lie along one line; at an edge, at a corner and around a rod they do not.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .optical_depth import Lattice

BLUR, REGION = 0.7, 2.5  # voxels: of the values before their gradient is taken, and of what counts as nearby
REACH = np.log(10)  # the logarithm counts as far as a factor of ten from the surface


def edgeness(log_ratio: Lattice) -> Lattice:
    """[N, N, N] -> [N, N, N]: 0 where flat, about 1/2 at an edge, a corner or a rod, and far from any surface.

    log_ratio: logarithm of depth over a typical level of the surface, 0 there, positive inside.
    """
    shape = ndimage.gaussian_filter(np.clip(log_ratio / np.float32(REACH), -1, 1), BLUR, mode="nearest")
    slopes = np.gradient(shape)
    xx, yy, zz, xy, xz, yz = (
        ndimage.gaussian_filter(slopes[a] * slopes[b], REGION, mode="nearest")
        for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    )
    total = xx + yy + zz
    near = total > 1e-4
    edge = np.full(shape.shape, 0.5, np.float32)
    tensor = [part[near].astype(np.float64) for part in (xx, yy, zz, xy, xz, yz)]
    edge[near] = 1 - _largest_eigenvalue(*tensor) / total[near]
    return edge


def _largest_eigenvalue(
    xx: np.ndarray, yy: np.ndarray, zz: np.ndarray, xy: np.ndarray, xz: np.ndarray, yz: np.ndarray
) -> np.ndarray:
    """Of symmetric 3 x 3 matrices, in closed form (Smith 1961)."""
    mean = (xx + yy + zz) / 3
    a, b, c = xx - mean, yy - mean, zz - mean
    size = np.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
    determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    angle = np.arccos(np.clip(determinant / np.maximum(2 * size**3, 1e-300), -1, 1)) / 3
    return np.asarray(mean + 2 * size * np.cos(angle))
