"""Where the surface of a soft field lies, found from how far light gets into it.

A density grid has no surface, and no one density marks it: a flat side, which many rays graze, is opaque at densities
that an edge or a thin leg shows through. What a picture shows is the place that light reaches. So the solid is what
light reaches only through an optical depth above a level, on the shortest way from outside. An edge and a rod are
reached from several sides at once and would come out fat: there the level rises (`edges.py`). The density tau whose
solid {density > tau} is most like it serves whoever needs a density (Blender's live surface, the colour's weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SjcError
from .edges import edgeness
from .optical_depth import Lattice, blocks, doubled, least_depth

# A voxel shell this thin (per unit length; the box is 2 across, so 86 % opaque at most) is haze, not an object.
HAZE = 1.0
# Below this opacity nothing that a person would call an object is seen.
FAINT = 0.05
# Optical depth of the surface: FLAT on flats, FLAT e^(RISE / 2) on edges and rods. Chosen on finished fields of the
# eight tuning prompts, two seeds each, from FLAT 0.08 to 0.15 and RISE 1.5 to 2.5: 2.5 is as good in solids and eats
# into outlines. (With four rays a pixel 0.14 was better.)
FLAT, RISE = 0.11, 2.0
THIN = 0.06  # of the largest depth, in place of FLAT where that is less
TYPICAL = 0.16  # the level about which shapes are looked at
LEAST = np.float32(1e-4)  # depth; below it all is equally empty


@dataclass(frozen=True)
class Surface:
    """The solid is {ratio > 1}: ratio [M, M, M] of depth to level, on the refined lattice.

    tau, per unit length, is the density that comes nearest to it; iou, how far the two solids agree; peak, the largest
    opacity seen along an axis.
    """

    ratio: Lattice
    tau: float
    iou: float
    peak: float


def find_surface(density: Lattice, fine: Lattice, candidates: int = 97) -> Surface:
    """The solid that light sees. density [N, N, N], per unit length, over [-1, 1]^3; fine, as `refined` makes it.

    Where the whole field is so thin (an early snapshot) that light gets everywhere, THIN of the largest depth
    takes the place of FLAT. A uniform haze, the median density of the outermost voxels, is taken off first.
    Raises SjcError when nothing stands out of the haze.
    """
    haze = _haze(density)
    clear = np.maximum(density - np.float32(haze), 0)
    voxel = 2 / len(density)
    peak = max(float(1 - np.exp(-voxel * clear.sum(axis).max())) for axis in range(3))
    if peak < FAINT:
        raise SjcError(
            f"The field is fog: it is at most {100 * peak:.1f} % opaque from any side, so there is no surface to "
            f"mesh. Train for more steps, or give a threshold below {density.max():.3g}."
        )
    depth = least_depth(np.maximum(fine - np.float32(haze), 0), 2 / len(fine))
    thinness = min(1.0, THIN * float(depth.max()) / FLAT)
    twice = len(fine) == 2 * len(density)
    log_depth = np.log(np.maximum(depth, LEAST))
    coarse = blocks(log_depth).mean((1, 3, 5)) if twice else log_depth
    log_level = RISE * edgeness(coarse - np.float32(np.log(TYPICAL * thinness))) + np.float32(np.log(FLAT * thinness))
    solid = coarse > log_level
    ratio = np.asarray(depth / np.exp(doubled(log_level) if twice else log_level), np.float32)
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
    return Surface(ratio, haze + float(np.sqrt(taus[low] * taus[high])), float(scores[best]), peak)


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
