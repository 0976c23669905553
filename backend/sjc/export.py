"""From a field to what leaves the program: arrays in scene-linear colour, views, mesh, and the files of a job folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .field.cameras import Cameras, look_at, rays
from .field.render import renderer
from .output.colour import albedo_from_model, srgb_to_linear, to_uint8
from .output.files import snapshot_stem, write_npz
from .output.glb import write_glb
from .output.mesh import Mesh, extract_mesh
from .output.pictures import contact_sheet, turntable, write_png
from .output.vdb import write_vdb

if TYPE_CHECKING:
    from .field.grid import VoxelField
    from .settings_schema import Settings

PAPER = 0.92  # the grey that pictures are shown on, sRGB-encoded
SHEET_ELEVATION, SHEET_VIEWS, SHEET_SIZE = 20.0, 8, 256
LIVE_AZIMUTH, LIVE_SIZE = 30.0, 128
TURN_FRAMES, TURN_SIZE = 72, 256
FINE_STEP = 0.5  # voxels between samples in pictures


def arrays(field: VoxelField, mean_shade: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """density [N,N,N] per unit length and colour [N,N,N,3] scene-linear albedo of a pixel model's field."""
    density = field.activated_density().detach().cpu().numpy()
    rgb = (field.activated_color().detach().cpu().numpy().transpose(1, 2, 3, 0) + 1) / 2
    linear = srgb_to_linear(albedo_from_model(rgb, mean_shade))
    return np.ascontiguousarray(density, np.float32), np.ascontiguousarray(linear, np.float32)


def views(
    field: VoxelField, cameras: Cameras, size: int, mean_shade: float, render_name: str = "auto"
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]:
    """Every camera's picture [S,S,3] u8 on paper, depth [S,S] (of what is there) and opacity [S,S]."""
    import torch

    device = field.grid.device
    render = renderer(render_name, device, skip_alpha=1e-3)
    for index in range(len(cameras)):
        origins, directions = (
            r.reshape(-1, 3).to(device) for r in rays(cameras[index : index + 1], size, size)
        )
        with torch.no_grad():
            seen = render(field, origins, directions, step=FINE_STEP * field.voxel)
        opacity = seen.opacity.cpu().numpy()[:, None]
        # Colour is premultiplied: sum w c with c in [-1, 1] is sum w (2 rgb - 1).
        rgb = (seen.color.cpu().numpy() + opacity) / 2
        picture = np.clip(rgb / mean_shade, 0, 1) + (1 - opacity) * PAPER
        depth = seen.depth.cpu().numpy() / np.maximum(opacity[:, 0], 1e-6)
        yield to_uint8(picture.reshape(size, size, 3)), depth.reshape(size, size), opacity.reshape(size, size)


def write_snapshot(
    folder: Path, number: int, density: NDArray[Any], color: NDArray[Any], meta: dict[str, Any]
) -> Path:
    """snapshots/f_NNNN.vdb, then .npz (which counts); returns the npz."""
    path = folder / "snapshots" / f"{snapshot_stem(number)}.npz"
    write_vdb(path.with_suffix(".vdb"), density, color, half=True, compress=False)
    write_npz(path, density, color, meta=meta, half=True, compress=False)
    return path


def write_volumes(folder: Path, density: NDArray[Any], color: NDArray[Any], meta: dict[str, Any]) -> None:
    """field.npz and field.vdb."""
    write_npz(folder / "field.npz", density, color, meta=meta, compress=False)
    write_vdb(folder / "field.vdb", density, color)


def write_mesh(
    folder: Path, density: NDArray[Any], color: NDArray[Any], settings: Settings, extras: dict[str, Any]
) -> Mesh:
    """mesh.glb, named after the prompt. Raises SjcError when there is nothing to mesh."""
    mesh = extract_mesh(density, color, settings.mesh_threshold, settings.mesh_faces)
    write_glb(folder / "mesh.glb", mesh, settings.prompt, extras)
    return mesh


def write_preview(folder: Path, field: VoxelField, settings: Settings, mean_shade: float) -> None:
    """preview.png: eight views around the object, their depths below."""
    fov = (settings.fov_min + settings.fov_max) / 2
    azimuths = [360 * i / SHEET_VIEWS for i in range(SHEET_VIEWS)]
    cameras = look_at(azimuths, [SHEET_ELEVATION] * SHEET_VIEWS, settings.radius, fov)
    seen = list(views(field, cameras, SHEET_SIZE, mean_shade, settings.renderer))
    pictures, depths, opacities = (np.stack(x) for x in zip(*seen, strict=True))
    contact_sheet(pictures, depths, folder / "preview.png", azimuths, opacities)


def write_picture(path: Path, field: VoxelField, settings: Settings, mean_shade: float) -> None:
    """One small view, for whoever watches."""
    cameras = look_at(
        [LIVE_AZIMUTH], [SHEET_ELEVATION], settings.radius, (settings.fov_min + settings.fov_max) / 2
    )
    seen = next(iter(views(field, cameras, LIVE_SIZE, mean_shade, settings.renderer)))
    write_png(path, seen[0])


def write_turntable(folder: Path, field: VoxelField, settings: Settings, mean_shade: float) -> None:
    """turntable.mp4: once around."""
    fov = (settings.fov_min + settings.fov_max) / 2
    azimuths = [360 * i / TURN_FRAMES for i in range(TURN_FRAMES)]
    cameras = look_at(azimuths, [SHEET_ELEVATION] * TURN_FRAMES, settings.radius, fov)
    frames = (v[0] for v in views(field, cameras, TURN_SIZE, mean_shade, settings.renderer))
    turntable(frames, folder / "turntable.mp4", fps=24)
