"""The smooth level whose zero is the surface of a mesh, on the lattice where it is found and on that which is marched.

A level [M+2, M+2, M+2] is positive inside the solid, at most 1, and padded by an empty cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .optical_depth import blocks

BLUR = {2: 1.0, 1: 0.7}  # cells of the lattice with so many of them along a voxel's edge
# The logarithm counts up to the distance that the solid's own median reaches above the threshold, at most a factor of
# ten.
REACH = (0.05, np.log(10))
# A blurred surface is shifted back by at most this much of the cut-off: more would be another surface.
MAX_SHIFT = 0.3
# One step of a vertex onto the surface: at most this many fine cells, and over slopes of at least so much a cell.
MAX_STEP, LEAST_SLOPE = 0.7, 0.1


def smooth_level(values: NDArray[np.float32], iso: float, blur: float) -> tuple[NDArray[np.float32], int]:
    """values [M, M, M], solid above iso -> (level [M+2, M+2, M+2], number of cavities filled).

    The level is positive inside the solid and padded by an empty cell.
    """
    reach = np.clip(np.log(np.median(values[values > iso]) / iso), *REACH)
    ratio = np.maximum(values / np.float32(iso), np.float32(1e-6))
    sharp = np.pad((np.log(ratio) / np.float32(reach)).clip(-1, 1), 1, constant_values=-1)
    sharp, cavities = filled(sharp)
    level = ndimage.gaussian_filter(sharp, blur, mode="constant", cval=-1)
    volume = int((sharp > 0).sum())
    level -= np.partition(level, -volume, axis=None)[-volume].clip(-MAX_SHIFT, MAX_SHIFT)
    level, more = filled(_with_thin(level, sharp))  # the blur closes pinholes
    return level, cavities + more


def _with_thin(level: NDArray[np.float32], sharp: NDArray[np.float32]) -> NDArray[np.float32]:
    """The level with the rods and sheets that smoothing has deleted: there it is that before smoothing, `sharp`.

    Solid cells with no smoothed solid cell beside them, and those that tie them to the rest, keep their own value.
    """
    vanished = (sharp > 0) & (level <= 0)
    if not vanished.any():
        return level
    around = np.ones((3, 3, 3), bool)
    thin = vanished & ~ndimage.binary_dilation(level > 0, around)
    if not thin.any():
        return level
    return np.where(vanished & ndimage.binary_dilation(thin, around, iterations=2), sharp, level)


def filled(level: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Make empty cells that do not connect to the outside (through faces) solid -> (level, cavities filled)."""
    parts, count = ndimage.label(level <= 0)
    if count < 2:
        return level, 0
    return np.where((parts > 0) & (parts != parts[0, 0, 0]), np.float32(1), level), count - 1


def halved(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """The padded level on voxels: [2N+2, 2N+2, 2N+2] -> [N+2, N+2, N+2], means of 2 x 2 x 2 cells."""
    eight = blocks(level[1:-1, 1:-1, 1:-1])
    mean, largest = (np.pad(part, 1, constant_values=-1) for part in (eight.mean((1, 3, 5)), eight.max((1, 3, 5))))
    return _with_thin(mean, largest)


def moved_onto(level: NDArray[np.float32], vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vertices [V, 3] moved by one Newton step along the level's slope, at most MAX_STEP, onto its zero."""
    cell = 2 / (len(level) - 2)
    at = ((vertices + 1) / cell + 0.5).T

    def read(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(ndimage.map_coordinates(level, points, np.float64, order=1, mode="nearest"))

    slope = np.stack([read(at + half) - read(at - half) for half in np.eye(3)[..., None] / 2])
    step = -read(at) * slope / np.maximum((slope**2).sum(0), LEAST_SLOPE**2)
    step *= np.minimum(1, MAX_STEP / np.maximum(np.linalg.norm(step, axis=0), 1e-9))
    return vertices + cell * step.T
