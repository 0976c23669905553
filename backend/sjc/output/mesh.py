"""Density grid -> closed coloured mesh.

The surface lies where light ends (`threshold.py`), or at a density that a person gives. It is found on a lattice twice
as fine, as the renderer sees the field, not on optical depth or density but on their logarithm about the threshold, cut
off at the same distance on both sides, blurred by half a voxel and shifted to keep the volume. Density runs over
decades within a voxel or two, so a straight line through it puts the surface at the empty end of every edge and the
lattice shows as terraces. It is drawn by marching cubes (Lewiner et al. 2003, as in scikit-image) on the means of 2 x 2
x 2 fine cells, each vertex then moved onto the fine surface: a quarter of the faces with all of the accuracy, and as
even as the voxels, so that vertex colours lose nothing. (Quadric edge collapse to as many faces has the normals 0.3
degrees better and blurs what is painted on flat sides.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..errors import SjcError
from .decimate import decimated
from .level import BLUR, filled, halved, moved_onto, smooth_level
from .measures import compact, is_closed, signed_volumes, vertex_normals
from .optical_depth import refined
from .surface_color import surface_sampler
from .threshold import find_surface

if TYPE_CHECKING:
    from .texture import Texture

# Lattice values keep this distance from the iso value, so no vertex falls on a lattice point (no degenerate faces).
CLEARANCE = 0.01
# Parts smaller than this share of the largest part's volume are floaters.
ISLAND = 0.02
# Measured on finished runs: 0.69 to 0.9; a field that agrees less with its own threshold has no clear surface.
SOFT = 0.6


@dataclass(frozen=True)
class MeshReport:
    """How a mesh came about, in plain values for run.json."""

    threshold: float
    automatic: bool
    islands_removed: int
    cavities_filled: int
    faces: int
    watertight: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mesh:
    """A coloured surface in the engine's frame.

    vertices [V, 3] f4; faces [F, 3] i4, counter-clockwise from outside; colors [V, 3] f4, scene-linear.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.float32]
    report: MeshReport | None = None
    texture: Texture | None = None


def extract_mesh(
    density: NDArray[np.floating], color_linear: NDArray[np.floating], threshold: float = 0.0, faces: int = 0
) -> Mesh:
    """Mesh the solid {density > threshold}.

    density [N, N, N] per unit length and color_linear [N, N, N, 3] scene-linear, cell-centred over [-1, 1]^3;
    threshold per unit length, 0 finds it (see `threshold.py`); faces, about how many to keep, 0 keeps all.
    The mesh is closed, also where the solid meets the box: an empty voxel is laid around. Enclosed cavities, which no
    camera has seen, are filled; floaters are dropped. Raises SjcError when there is nothing to mesh.
    """
    density, color = _checked(density, color_linear, threshold, faces)
    n = density.shape[0]
    warnings: list[str] = []
    fine = refined(density)
    values, iso, tau = fine, threshold, threshold
    if not threshold:
        surface = find_surface(density, fine)
        values, iso, tau = surface.ratio, 1.0, surface.tau
        if surface.peak < 0.5:
            warnings.append(f"The field is thin ({100 * surface.peak:.0f} % opaque at most): the mesh is a guess.")
        if surface.iou < SOFT:
            warnings.append(
                f"The field is soft: the mesh and the field as rendered agree by only {100 * surface.iou:.0f} %."
            )
    elif density.max() <= tau:
        raise SjcError(
            f"Nothing in the field is denser than {tau:.3g}; its densest voxel has {density.max():.3g}. "
            "Give a lower threshold, or 0 to find one."
        )

    level, cavities = smooth_level(values, iso, BLUR[len(fine) // n])
    coarse, pockets = (level, 0) if len(fine) == n else filled(halved(level))
    vertices, triangles = _march(coarse, n)
    if len(fine) > n:
        vertices = moved_onto(level, vertices)
    vertices, triangles, islands, lost = _drop_islands(vertices, triangles)
    if lost > 0.2:
        warnings.append(f"{islands} loose parts, {100 * lost:.0f} % of the volume, were dropped.")
    if np.abs(vertices).max() > 1 - 1e-3:
        warnings.append("The object reaches the edge of the volume and is cut off there.")
    if faces and len(triangles) > faces:
        vertices, triangles = decimated(vertices, triangles, faces)
        if len(triangles) > 1.2 * faces + 16:
            warnings.append(f"The mesh was reduced to {len(triangles)} faces, not {faces}: fewer would tear it.")
    closed = is_closed(triangles)
    if not closed:
        warnings.append("The mesh is not closed.")
    report = MeshReport(
        threshold=float(tau),
        automatic=not threshold,
        islands_removed=islands,
        cavities_filled=cavities + pockets,
        faces=len(triangles),
        watertight=closed,
        warnings=tuple(warnings),
    )
    colors = surface_sampler(density, color, tau)(vertices, vertex_normals(vertices, triangles))
    return Mesh(vertices.astype(np.float32), triangles.astype(np.int32), colors, report)


def _checked(
    density: NDArray[np.floating], color: NDArray[np.floating], threshold: float, faces: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    density, color = np.asarray(density, np.float32), np.asarray(color, np.float32)
    if density.ndim != 3 or len(set(density.shape)) != 1 or density.shape[0] < 2:
        raise SjcError(f"A field to mesh needs density [N, N, N] with N >= 2; this has {density.shape}.")
    if color.shape != (*density.shape, 3):
        raise SjcError(f"A field to mesh needs color {(*density.shape, 3)}; this has {color.shape}.")
    if not np.isfinite(density).all():
        raise SjcError("The field holds NaN or infinite densities: the run diverged. Lower the learning rate.")
    if not (np.isfinite(threshold) and threshold >= 0 and faces >= 0):
        raise SjcError(f"Mesh threshold ({threshold}) and faces ({faces}) must be 0 or more.")
    return density, np.nan_to_num(color)


def _march(level: NDArray[np.float32], n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Marching cubes on the padded lattice -> vertices [V, 3] in [-1, 1]^3 and faces [F, 3], outward."""
    from skimage.measure import marching_cubes

    solid = level > 0
    if not solid.any():
        raise SjcError("The solid parts of the field are smaller than a voxel: nothing to mesh. Lower the threshold.")
    clear = np.where(solid, np.maximum(level, CLEARANCE), np.minimum(level, -CLEARANCE))
    vertices, triangles, _, _ = marching_cubes(clear, 0.0, gradient_direction="ascent")
    return (vertices.astype(np.float64) - 0.5) * (2 / n) - 1, triangles.astype(np.int64)


def _drop_islands(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], int, float]:
    """Keep the parts with at least ISLAND of the largest part's volume -> (vertices, faces, parts dropped, share)."""
    edges = coo_array(
        (np.ones(2 * len(triangles), bool), (triangles[:, :2].ravel(), triangles[:, 1:].ravel())),
        shape=(len(vertices), len(vertices)),
    )
    parts, of_vertex = connected_components(edges, directed=False)
    of_face = of_vertex[triangles[:, 0]]
    volumes = np.bincount(of_face, signed_volumes(vertices, triangles), minlength=parts)
    keep = volumes >= ISLAND * volumes.max()
    lost = float(volumes[~keep].sum() / volumes.sum())
    return *compact(vertices, triangles[keep[of_face]]), int(parts - keep.sum()), lost
