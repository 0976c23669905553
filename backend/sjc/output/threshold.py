"""The density at which a soft field counts as solid, found from the field's own silhouettes.

A density grid has no surface; its renderings have outlines. The threshold is the tau whose solid {density > tau} casts
the same shadows as the field's opacity, seen along the three axes and the six face diagonals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SjcError

Lattice = NDArray[np.float32]

# A voxel shell this thin (per unit length; the box is 2 across, so 86 % opaque at most) is haze, not an object.
HAZE = 1.0
# Below this opacity nothing that a person would call an object is seen.
FAINT = 0.05


@dataclass(frozen=True)
class Threshold:
    """tau, per unit length; iou, the mean agreement of the silhouettes; peak, the largest opacity seen."""

    tau: float
    iou: float
    peak: float


def automatic_threshold(density: Lattice, candidates: int = 97) -> Threshold:
    """The tau that best repeats the field's silhouettes. density [N, N, N], per unit length, over [-1, 1]^3.

    A silhouette is where 1 - exp(-sum sigma dx) > 0.5; where the whole field is thinner (an early snapshot), half of
    its largest opacity. A uniform haze, the median density of the outermost voxels, is taken off first, so the fog
    that a field starts from does not close the silhouettes. Raises SjcError when nothing stands out of the haze.
    """
    haze = _haze(density)
    clear = np.maximum(density - haze, 0)
    views = list(projections(clear, 2 / density.shape[0]))
    peak = max(float(1 - np.exp(-depth.max())) for depth, _ in views)
    if peak < FAINT:
        raise SjcError(
            f"The field is fog: from no side is it more than {100 * peak:.1f} % opaque, so there is no surface to mesh. "
            f"Train for more steps, or give a threshold below {density.max():.3g}."
        )
    shadows = [(1 - np.exp(-depth) > 0.5 * peak, densest) for depth, densest in views]
    top = float(min(densest.max() for _, densest in shadows))
    taus = np.geomspace(1e-4 * top, top, candidates, endpoint=False)
    scores = np.array([np.mean([_iou(shadow, densest > tau) for shadow, densest in shadows]) for tau in taus])
    # A crisp field scores alike over decades: the middle of the plateau is the safest place.
    best = int(scores.argmax())
    plateau = scores >= scores[best] - 2e-3
    low, high = best, best
    while low > 0 and plateau[low - 1]:
        low -= 1
    while high < candidates - 1 and plateau[high + 1]:
        high += 1
    return Threshold(haze + float(np.sqrt(taus[low] * taus[high])), float(scores[best]), peak)


def _haze(density: Lattice) -> float:
    """Median density of the outermost voxels, 0 where that is no haze but the object itself filling the box."""
    shell = np.ones(density.shape, bool)
    shell[1:-1, 1:-1, 1:-1] = False
    haze = float(np.median(density[shell]))
    return haze if haze < max(HAZE, 0.1 * float(density.max())) else 0.0


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def projections(density: Lattice, voxel: float) -> Iterator[tuple[Lattice, Lattice]]:
    """Yield (optical depth, largest density) images of [N, N, N], along 3 axes, then [2N-1, N] along 6 face diagonals.

    A diagonal runs through voxel centres (i, j), (i + 1, j +- 1), ...: exact sums of samples sqrt(2) voxels apart.
    """
    n = density.shape[0]
    for axis in range(3):
        slices = density.transpose(axis, (axis + 1) % 3, (axis + 2) % 3)
        yield slices.sum(0) * voxel, slices.max(0)
        for ordered in (slices, slices[:, ::-1]):
            depth, densest = (np.zeros((2 * n - 1, n), density.dtype) for _ in range(2))
            for i, plane in enumerate(ordered):
                depth[i : i + n] += plane
                np.maximum(densest[i : i + n], plane, out=densest[i : i + n])
            yield depth * density.dtype.type(voxel * 2**0.5), densest
