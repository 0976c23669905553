"""Colours of a mesh from pictures of it: each place takes the mean of the views that see it.

What an autoencoder decodes is a picture, never a voxel, so a latent field has its colour only in views.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

ANGLE_POWER = 4  # weight cos^k of the angle between normal and view: grazing views smear
FADE = 4.0  # pixels from the silhouette to full weight: there the background bleeds into the object


@dataclass(frozen=True)
class View:
    """A square picture [S,S,3], sRGB-encoded in [0, 1], with depth [S,S] along unit rays and opacity [S,S].

    eye [3], rotation [3,3] (columns right, up, backward) and fov_deg (horizontal) as in the engine's cameras.
    """

    picture: NDArray[np.floating]
    depth: NDArray[np.floating]
    opacity: NDArray[np.floating]
    eye: NDArray[np.floating]
    rotation: NDArray[np.floating]
    fov_deg: float


def bake_points(
    points: NDArray[np.float64], normals: NDArray[np.float64], views: list[View], tolerance: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Colours [V,3], sRGB-encoded in [0, 1], of points of a surface, and which of them [V] a view sees.

    points [V,3]; normals [V,3], of unit length.
    tolerance: how far, in world units, a point may lie behind the depth of its pixel and still be seen. What no view
    sees takes the colour of the nearest point that is seen; grey if none is.
    """
    total, weights = np.zeros((len(points), 3)), np.zeros(len(points))
    for view in views:
        color, weight = _project(points, normals, view, tolerance)
        total += weight[:, None] * color
        weights += weight
    visible = weights > 1e-4
    colors = np.full((len(points), 3), 0.5)
    colors[visible] = total[visible] / weights[visible, None]
    if visible.any() and not visible.all():
        nearest = cKDTree(points[visible]).query(points[~visible])[1]
        colors[~visible] = colors[visible][nearest]
    return colors.clip(0, 1).astype(np.float32), visible


def silhouette_fade(view: View) -> NDArray[np.float64]:
    """[S,S] how far a pixel can be trusted: 0 outside the object, 1 from FADE pixels within its silhouette on."""
    solid = np.pad(view.opacity > 0.5, 1)
    faded: NDArray[np.float64] = np.clip(ndimage.distance_transform_edt(solid)[1:-1, 1:-1] / FADE, 0, 1)
    return faded


def _project(
    points: NDArray[np.float64], normals: NDArray[np.float64], view: View, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One view's colour [V,3] of every vertex and its weight [V], 0 where the view does not see it."""
    size = len(view.picture)
    towards = np.asarray(view.eye, np.float64) - points
    distance = np.linalg.norm(towards, axis=1)
    right, up, backward = (-towards @ np.asarray(view.rotation, np.float64)).T
    focal = size / 2 / np.tan(np.radians(view.fov_deg) / 2)
    ahead = backward < -1e-6
    along = np.where(ahead, -backward, 1.0)
    middle = (size - 1) / 2
    at = np.stack([middle - focal * up / along, middle + focal * right / along])
    inside = ahead & (at >= 0).all(0) & (at <= size - 1).all(0)
    solid = view.opacity > 0.5
    fade = silhouette_fade(view)
    pixel = tuple(np.rint(at).astype(int).clip(0, size - 1))
    visible = inside & solid[pixel] & (distance < view.depth[pixel] + tolerance)
    cosine = np.einsum("vi,vi->v", normals, towards) / np.maximum(distance, 1e-9)
    color = np.stack([ndimage.map_coordinates(view.picture[..., c], at, order=1, mode="nearest") for c in range(3)], 1)
    return color, visible * np.maximum(cosine, 0) ** ANGLE_POWER * fade[pixel] ** 2
