"""How deep light gets into a field: optical depth from outside, on a lattice fine enough for the field as rendered."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Lattice = NDArray[np.float32]

FINEST = 256
"""Cells along an edge that a refined lattice may have: 67 MB in each of the half-dozen arrays of a mesh."""
FLOOR = -40.0  # raw value of an empty voxel: its softplus is 4e-18


def refined(density: Lattice) -> Lattice:
    """The field on a lattice twice as fine, as the renderer sees it: [N, N, N] -> [2N, 2N, 2N], per unit length.

    The renderer interpolates raw values and applies the softplus after, so that a density which rises over decades
    within a voxel is no straight line there. A field of more than FINEST / 2 voxels along an edge stays as it is.
    """
    if 2 * len(density) > FINEST:
        return density
    density = np.maximum(density, 0)
    with np.errstate(divide="ignore"):
        raw = np.maximum(density + np.log(-np.expm1(-density)), np.float32(FLOOR))  # the inverse of softplus
    fine = doubled(raw)
    return np.logaddexp(fine, np.float32(0), out=fine)


def doubled(values: Lattice) -> Lattice:
    """[N, N, N] -> [2N, 2N, 2N], trilinear between cell centres; beyond the outermost the values stay."""
    for axis in range(3):
        planes = np.moveaxis(values, axis, 0)
        near = np.float32(0.75) * planes
        fine = np.empty((2 * len(planes), *planes.shape[1:]), np.float32)
        fine[0::2] = near + np.float32(0.25) * np.concatenate([planes[:1], planes[:-1]])
        fine[1::2] = near + np.float32(0.25) * np.concatenate([planes[1:], planes[-1:]])
        values = np.moveaxis(fine, 0, axis)
    return np.ascontiguousarray(values)


def blocks(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """The 2 x 2 x 2 cells that make a voxel: [2N, 2N, 2N] -> [N, 2, N, 2, N, 2], to be reduced over axes 1, 3, 5."""
    n = len(values) // 2
    return values.reshape(n, 2, n, 2, n, 2)


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
