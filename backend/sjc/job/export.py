"""Writes the files of a job folder: volumes, snapshots, mesh and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..field.cameras import Cameras, look_at
from ..output.glb import write_glb
from ..output.mesh import Mesh, extract_mesh
from ..output.npz import write_npz
from ..output.pictures import contact_sheet, turntable, write_png
from ..output.surface_color import surface_sampler
from ..output.texture import textured
from ..output.vdb import write_live_vdb, write_vdb
from .extras import extra
from .folder import FIELD, MESH, PREVIEW, TURNTABLE, VOLUME

if TYPE_CHECKING:
    from ..appearance.views import Look
    from ..settings import Settings

SHEET_ELEVATION, SHEET_VIEWS, SHEET_SIZE = 20.0, 8, 256
LIVE_AZIMUTH, LIVE_SIZE = 30.0, 128
TURN_FRAMES, TURN_SIZE = 72, 256


def write_snapshot(
    path: Path, density: NDArray[Any], color: NDArray[Any], meta: dict[str, Any], latent: NDArray[Any] | None = None
) -> None:
    """A snapshot: f_NNNN.vdb, fit to be shown live, then f_NNNN.npz at `path`, all of it (which counts)."""
    write_live_vdb(path.with_suffix(".vdb"), density, color)
    write_npz(path, density, color, meta=meta, latent=latent, half=True, compress=False)


def write_volumes(
    folder: Path, density: NDArray[Any], color: NDArray[Any], meta: dict[str, Any], latent: NDArray[Any] | None = None
) -> None:
    """field.npz and field.vdb."""
    write_npz(folder / FIELD, density, color, meta=meta, latent=latent, compress=False)
    write_vdb(folder / VOLUME, density, color)


def mesh_extras(settings: Settings) -> dict[str, Any]:
    """What a mesh's file says of where it comes from."""
    return {"prompt": settings.prompt, "seed": settings.seed}


def write_mesh(
    folder: Path,
    density: NDArray[Any],
    color: NDArray[Any],
    settings: Settings,
    recolor: Callable[[Mesh], Mesh] = lambda mesh: mesh,
    warn: Callable[[str], None] = lambda _text: None,
) -> Mesh:
    """mesh.glb, named after the prompt; `recolor` may replace its colours. Raises SjcError without anything to mesh.

    warn: told of colours and texture that could not be made; the mesh has those of the volume then.
    """
    mesh = extract_mesh(density, color, settings.mesh_threshold, settings.mesh_faces)
    with extra("the mesh's own colour", warn):
        mesh = recolor(mesh)
    if settings.texture_size and mesh.texture is None and mesh.report:
        with extra("the texture", warn):
            mesh = textured(mesh, settings.texture_size, surface_sampler(density, color, mesh.report.threshold))
    write_glb(folder / MESH, mesh, settings.prompt, mesh_extras(settings))
    return mesh


def write_preview(folder: Path, look: Look, settings: Settings) -> None:
    """preview.png: eight views around the object, their depths below."""
    azimuths = [360 * i / SHEET_VIEWS for i in range(SHEET_VIEWS)]
    shown = list(look(_around(azimuths, settings), SHEET_SIZE))
    pictures, depths, opacities = (np.stack(layer) for layer in zip(*shown, strict=True))
    contact_sheet(pictures, depths, folder / PREVIEW, azimuths, opacities)


def write_pictures(
    folder: Path, look: Look, settings: Settings, warn: Callable[[str], None], go_on: Callable[[], None]
) -> None:
    """preview.png and, where it is wanted, turntable.mp4; `go_on`, called between them, may raise."""
    with extra(PREVIEW, warn):
        write_preview(folder, look, settings)
    go_on()
    if settings.turntable:
        with extra(TURNTABLE, warn):
            write_turntable(folder, look, settings)


def write_picture(path: Path, look: Look, settings: Settings) -> None:
    """One small view, for whoever watches."""
    write_png(path, next(iter(look(_around([LIVE_AZIMUTH], settings), LIVE_SIZE)))[0])


def write_turntable(folder: Path, look: Look, settings: Settings) -> None:
    """turntable.mp4: once around."""
    cameras = _around([360 * i / TURN_FRAMES for i in range(TURN_FRAMES)], settings)
    turntable((picture for picture, _, _ in look(cameras, TURN_SIZE)), folder / TURNTABLE, fps=24)


def _around(azimuths: list[float], settings: Settings) -> Cameras:
    fov = (settings.fov_min + settings.fov_max) / 2
    return look_at(azimuths, [SHEET_ELEVATION] * len(azimuths), settings.radius, fov)
