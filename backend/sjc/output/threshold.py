"""Where the surface of a soft field lies, found from how far light gets into it.

A density grid has no surface, and no one density marks it: a flat side, which many rays graze, is opaque at densities
that an edge or a thin leg shows through. What a picture shows is the place that light reaches. So the solid is
{less than 85 % of the light get here, on the shortest way from outside}: the points at an optical depth above
LEVEL. The density tau whose solid {density > tau} is most like it serves whoever needs a density (Blender's live
surface, the colour's weights). (LEVEL measured, see there.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SjcError

Lattice = NDArray[np.float32]

# A voxel shell this thin (per unit length; the box is 2 across, so 86 % opaque at most) is haze, not an object.
HAZE = 1.0
# Below this opacity nothing that a person would call an object is seen.
FAINT = 0.05
# Optical depth of the surface. Silhouettes, which are what the model is surest of, end where a grazing ray loses half
# of its light: a little outside of where light from straight ahead does. Chosen with the settings, on tuning prompts:
# flat and thin things (chair, hammer, car, airplane) do best at 0.2 (mean IoU 0.81; 0.80 at 0.13), round ones
# (mushroom, snowman) at 0.1 (0.91; 0.87 at 0.22); the best single density of each field gave 0.76 to the first.
LEVEL = 0.16
THIN = 0.06  # of the largest depth, where that is less


@dataclass(frozen=True)
class Surface:
    """The solid is {depth > level}: depth [N, N, N], level > 0.

    tau, per unit length, is the density that comes nearest to it; iou, how far the two solids agree; peak, the largest
    opacity seen along an axis.
    """

    depth: Lattice
    level: float
    tau: float
    iou: float
    peak: float


def find_surface(density: Lattice, candidates: int = 97) -> Surface:
    """The solid that light sees. density [N, N, N], per unit length, over [-1, 1]^3.

    Where the whole field is so thin (an early snapshot) that light gets everywhere, THIN of the largest depth
    takes the place of LEVEL. A uniform haze, the median density of the outermost voxels, is taken off first.
    Raises SjcError when nothing stands out of the haze.
    """
    haze = _haze(density)
    clear = np.maximum(density - np.float32(haze), 0)
    voxel = 2 / density.shape[0]
    peak = max(float(1 - np.exp(-voxel * clear.sum(axis).max())) for axis in range(3))
    if peak < FAINT:
        raise SjcError(
            f"The field is fog: it is at most {100 * peak:.1f} % opaque from any side, so there is no surface to "
            f"mesh. Train for more steps, or give a threshold below {density.max():.3g}."
        )
    depth = least_depth(clear, voxel)
    level = min(LEVEL, THIN * float(depth.max()))
    solid = depth > level
    top = float(clear.max())
    taus = np.geomspace(1e-4 * top, top, candidates, endpoint=False)
    scores = _agreement(clear, solid, taus)
    # A crisp field scores alike over decades: the middle of the plateau is the safest place.
    best = int(scores.argmax())
    plateau = scores >= scores[best] - 2e-3
    low, high = best, best
    while low > 0 and plateau[low - 1]:
        low -= 1
    while high < candidates - 1 and plateau[high + 1]:
        high += 1
    return Surface(depth, level, haze + float(np.sqrt(taus[low] * taus[high])), float(scores[best]), peak)


def _haze(density: Lattice) -> float:
    """Median density of the outermost voxels, 0 where that is no haze but the object itself filling the box."""
    shell = np.ones(density.shape, bool)
    shell[1:-1, 1:-1, 1:-1] = False
    haze = float(np.median(density[shell]))
    return haze if haze < max(HAZE, 0.1 * float(density.max())) else 0.0


def _agreement(density: Lattice, solid: NDArray[np.bool_], taus: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T] IoU of {density > tau} with `solid` for every tau, by counting once how many voxels lie between the taus."""
    edges = np.append(taus, np.inf)
    inside, _ = np.histogram(density[solid], edges)
    outside, _ = np.histogram(density[~solid], edges)
    both, extra = (counts[::-1].cumsum()[::-1] for counts in (inside, outside))
    return np.asarray(both / np.maximum(solid.sum() + extra, 1))


def least_depth(density: Lattice, voxel: float) -> Lattice:
    """[N, N, N] the smallest optical depth between the outside and each voxel's centre, over 26 straight ways.

    They run along the axes and along the diagonals of faces and cubes, by the trapezoid rule.
    """
    least = np.full(density.shape, np.inf, density.dtype)
    for way in itertools.product((-1, 0, 1), repeat=3):
        if any(way):
            _march(density, voxel, way, least)
    return least


def _march(density: Lattice, voxel: float, way: tuple[int, ...], least: Lattice) -> None:
    """Lower `least` to the optical depth along one of the ways, plane by plane."""
    main = next(axis for axis in range(3) if way[axis])
    planes, least_planes = np.moveaxis(density, main, 0)[:: way[main]], np.moveaxis(least, main, 0)[:: way[main]]
    sideways = [step for axis, step in enumerate(way) if axis != main]
    half = np.float32(voxel * np.linalg.norm(way) / 2)
    depth = np.zeros_like(planes[0])
    before = np.zeros_like(planes[0])
    for plane, lowest in zip(planes, least_planes, strict=True):
        depth = _moved(depth, sideways) + half * (_moved(before, sideways) + plane)
        np.minimum(lowest, depth, out=lowest)
        before = plane


def _moved(plane: Lattice, steps: list[int]) -> Lattice:
    """The plane moved by -1, 0 or 1 along its axes; what comes in from outside is empty."""
    moved = np.zeros_like(plane)
    to = tuple(slice(max(0, step), plane.shape[axis] + min(0, step)) for axis, step in enumerate(steps))
    of = tuple(slice(max(0, -step), plane.shape[axis] - max(0, step)) for axis, step in enumerate(steps))
    moved[to] = plane[of]
    return moved
