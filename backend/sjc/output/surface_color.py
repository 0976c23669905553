"""Colours of a surface from those of the volume: read slightly inside, without the speckles of single voxels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .colour import linear_to_srgb, srgb_to_linear

# How far inside the surface colour is read, in voxels: outside, colour was never seen by the loss.
COLOR_DEPTH = 0.5
# The neighbours that count, in voxels, and how fast their weight falls.
RADIUS, SIGMA = 2, 1.0
MEDIAN_STEPS = 5
# sRGB-encoded: colours this far from the median are of another part. Chosen on tuning prompts, from 0.06 to none.
RANGE = 0.2
CHUNK = 1 << 21  # neighbours looked at together


def surface_sampler(
    density: NDArray[np.float32], color: NDArray[np.float32], tau: float
) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float32]]:
    """Points [V,3] of the surface and normals [V,3] there -> colours [V,3], scene-linear, without speckles.

    density [N,N,N] per unit length, color [N,N,N,3] scene-linear; tau, per unit length, the density of the surface.
    """
    smooth = without_speckles(density, color, tau)

    def sampled(points: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.float32]:
        return surface_color(density, smooth, tau, points, normals)

    return sampled


def without_speckles(density: NDArray[np.float32], color: NDArray[np.float32], tau: float) -> NDArray[np.float32]:
    """The volume's colours [N,N,N,3], scene-linear, smoothed near the surface but not across parts of other colours.

    Each voxel takes the geometric median of the colours around it (Weiszfeld 1937), which one odd voxel cannot move and
    which keeps borders, then the mean of the neighbours that are like it (a bilateral filter: Tomasi and Manduchi
    1998). Neighbours weigh by presence, so what is smoothed over is the object and not the air around it.
    """
    solid = density > tau
    around = np.ones((3, 3, 3), bool)
    near = ndimage.binary_dilation(solid, around, 2) & ~ndimage.binary_erosion(solid, around, 3, border_value=0)
    presence = np.pad(density / (density + np.float32(tau)), RADIUS)
    encoded = linear_to_srgb(np.clip(color, 0, 1)).astype(np.float32)
    encoded = np.pad(encoded, [(RADIUS, RADIUS)] * 3 + [(0, 0)])
    steps = np.argwhere(np.ones((2 * RADIUS + 1,) * 3)) - RADIUS
    squares = (steps**2).sum(1)
    steps, squares = steps[squares <= RADIUS**2], squares[squares <= RADIUS**2]
    falloff = np.exp(-squares / (2 * SIGMA**2)).astype(np.float32)
    cells = np.argwhere(near)
    smooth = color.copy()
    for some in np.array_split(cells, max(1, len(cells) * len(steps) // CHUNK)):
        at = tuple(np.moveaxis(some[:, None] + RADIUS + steps, -1, 0))
        smooth[tuple(some.T)] = srgb_to_linear(_typical(encoded[at], presence[at] * falloff))
    return smooth


def _typical(colors: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours [V,K,3] with weights [V,K] -> [V,3]."""

    def mean(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.einsum("vk,vkc->vc", weights, colors)
        return total / np.maximum(weights.sum(1), np.float32(1e-12))[:, None]

    typical = mean(weights)
    for _ in range(MEDIAN_STEPS):
        distance = np.sqrt(((colors - typical[:, None]) ** 2).sum(-1))
        typical = mean(weights / np.maximum(distance, np.float32(0.01)))
    square = ((colors - typical[:, None]) ** 2).sum(-1)
    return mean(weights * np.exp(-square / np.float32(2 * RANGE**2)))


def surface_color(
    density: NDArray[np.float32],
    color: NDArray[np.float32],
    tau: float,
    vertices: NDArray[np.float64],
    normals: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Colour [V, 3] slightly inside the surface, trilinear, weighted by presence.

    The colour of empty voxels is meaningless, so each voxel counts by density / (density + tau).
    """
    n = density.shape[0]
    presence = density / (density + np.float32(tau))
    at = ((vertices + 1) * (n / 2) - 0.5 - COLOR_DEPTH * normals).T
    weight = ndimage.map_coordinates(presence, at, order=1, mode="nearest")
    sampled = np.stack(
        [ndimage.map_coordinates(presence * color[..., c], at, order=1, mode="nearest") for c in range(3)], 1
    )
    colors = sampled / np.maximum(weight, 1e-12)[:, None]
    lost = weight < 0.05
    if lost.any():  # decimation may leave a vertex in the air: the nearest solid voxel speaks for it
        nearest = ndimage.distance_transform_edt(density <= tau, return_distances=False, return_indices=True)
        i, j, k = np.rint(at[:, lost]).astype(int).clip(0, n - 1)
        colors[lost] = color[tuple(nearest[:, i, j, k])]
    return np.maximum(colors, 0).astype(np.float32)
