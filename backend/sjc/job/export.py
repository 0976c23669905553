"""From a field to what leaves the program: arrays in scene-linear colour, views, mesh, and the files of a job folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..field.cameras import Cameras, look_at, rays
from ..field.render import around_kernels, renderer
from ..output.colour import painted, srgb_to_linear, to_uint8
from ..output.files import snapshot_stem, write_npz
from ..output.glb import write_glb
from ..output.mesh import Mesh, extract_mesh, surface_color
from ..output.pictures import contact_sheet, turntable, write_png
from ..output.texture import textured
from ..output.vdb import write_live_vdb, write_vdb

if TYPE_CHECKING:
    from ..field.grid import VoxelField
    from ..settings_schema import Settings

Paint = NDArray[np.float64]
"""[C+1, 3]: a model's values and a 1 to albedo, sRGB-encoded (`colour.painted`)."""
Shown = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]
"""A picture [S,S,3] on paper, depth [S,S] of what is there, opacity [S,S]."""
Look = Callable[[Cameras, int], Iterator[Shown]]
"""What cameras see in pictures of so many pixels: `views` or, for latents, `latent.views`, bound to a field."""

PAPER = 0.92  # the grey that pictures are shown on, sRGB-encoded
SHEET_ELEVATION, SHEET_VIEWS, SHEET_SIZE = 20.0, 8, 256
LIVE_AZIMUTH, LIVE_SIZE = 30.0, 128
TURN_FRAMES, TURN_SIZE = 72, 256
FINE_STEP = 0.5  # voxels between samples in pictures
CLEAR_ENOUGH = 2e-3  # transmittance below which nothing behind changes a byte


def arrays(field: VoxelField, paint: Paint) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """density [N,N,N] per unit length and colour [N,N,N,3] scene-linear albedo of a field."""
    density = field.activated_density().detach().cpu().numpy()
    linear = srgb_to_linear(painted(channels(field), paint))
    return np.ascontiguousarray(density, np.float32), np.ascontiguousarray(linear, np.float32)


def channels(field: VoxelField) -> NDArray[np.float32]:
    """[N,N,N,C] the field's values as the model knows them."""
    return np.asarray(field.activated_color().detach().cpu().numpy().transpose(1, 2, 3, 0))


def views(field: VoxelField, cameras: Cameras, size: int, paint: Paint, render_name: str = "auto") -> Iterator[Shown]:
    """What every camera sees of a field, by its paint."""
    import torch

    device = field.grid.device
    mixed = torch.as_tensor(paint, dtype=torch.float32, device=device)
    render = renderer(render_name, device, skip_alpha=1e-3, stop_transmittance=CLEAR_ENOUGH)
    for index in range(len(cameras)):
        with torch.no_grad(), around_kernels(render_name, device):
            origins, directions = (r.reshape(-1, 3).to(device) for r in rays(cameras[index : index + 1], size, size))
            seen = render(field, origins, directions, step=FINE_STEP * field.voxel)
            # Colour is premultiplied, sum w c, and so is what the paint adds to it.
            rgb = seen.color @ mixed[:-1] + seen.opacity[:, None] * mixed[-1]
        opacity = seen.opacity.cpu().numpy()[:, None]
        picture = np.clip(rgb.cpu().numpy(), 0, 1) + (1 - opacity) * PAPER
        depth = seen.depth.cpu().numpy() / np.maximum(opacity[:, 0], 1e-6)
        yield to_uint8(picture.reshape(size, size, 3)), depth.reshape(size, size), opacity.reshape(size, size)


def write_snapshot(
    folder: Path,
    number: int,
    density: NDArray[Any],
    color: NDArray[Any],
    meta: dict[str, Any],
    latent: NDArray[Any] | None = None,
) -> Path:
    """snapshots/f_NNNN.vdb, fit to be shown live, then .npz, all of it (which counts); returns the npz."""
    path = folder / "snapshots" / f"{snapshot_stem(number)}.npz"
    write_live_vdb(path.with_suffix(".vdb"), density, color)
    write_npz(path, density, color, meta=meta, latent=latent, half=True, compress=False)
    return path


def write_volumes(
    folder: Path, density: NDArray[Any], color: NDArray[Any], meta: dict[str, Any], latent: NDArray[Any] | None = None
) -> None:
    """field.npz and field.vdb."""
    write_npz(folder / "field.npz", density, color, meta=meta, latent=latent, compress=False)
    write_vdb(folder / "field.vdb", density, color)


def write_mesh(
    folder: Path,
    density: NDArray[Any],
    color: NDArray[Any],
    settings: Settings,
    extras: dict[str, Any],
    recolor: Callable[[Mesh], Mesh] = lambda mesh: mesh,
) -> Mesh:
    """mesh.glb, named after the prompt; `recolor` may replace its colours.

    Raises SjcError when there is nothing to
    mesh.
    """
    mesh = recolor(extract_mesh(density, color, settings.mesh_threshold, settings.mesh_faces))
    if settings.texture_size and mesh.texture is None and mesh.report:
        sampler = partial(surface_color, density, color, mesh.report.threshold)
        mesh = textured(mesh, settings.texture_size, sampler)
    write_glb(folder / "mesh.glb", mesh, settings.prompt, extras)
    return mesh


def write_preview(folder: Path, look: Look, settings: Settings) -> None:
    """preview.png: eight views around the object, their depths below."""
    azimuths = [360 * i / SHEET_VIEWS for i in range(SHEET_VIEWS)]
    seen = list(look(_around(azimuths, settings), SHEET_SIZE))
    pictures, depths, opacities = (np.stack(x) for x in zip(*seen, strict=True))
    contact_sheet(pictures, depths, folder / "preview.png", azimuths, opacities)


def write_picture(path: Path, look: Look, settings: Settings) -> None:
    """One small view, for whoever watches."""
    write_png(path, next(iter(look(_around([LIVE_AZIMUTH], settings), LIVE_SIZE)))[0])


def write_turntable(folder: Path, look: Look, settings: Settings) -> None:
    """turntable.mp4: once around."""
    cameras = _around([360 * i / TURN_FRAMES for i in range(TURN_FRAMES)], settings)
    turntable((seen[0] for seen in look(cameras, TURN_SIZE)), folder / "turntable.mp4", fps=24)


def _around(azimuths: list[float], settings: Settings) -> Cameras:
    fov = (settings.fov_min + settings.fov_max) / 2
    return look_at(azimuths, [SHEET_ELEVATION] * len(azimuths), settings.radius, fov)
