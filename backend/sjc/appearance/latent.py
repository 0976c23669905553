"""Latent fields: what a person may see of them. Cheap, by an affine map; true, by decoding rendered latents.

A latent voxel has no colour: only pictures do, once the autoencoder has decoded them. The mesh gets its colours from
decoded views that are laid onto it, and from the volume that is fitted to them (rgb_grid.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from ..field.cameras import Cameras, look_at, rays
from ..field.render import around_kernels, renderer
from ..machine import disk_cache
from ..machine.folders import cache_folder
from ..output.bake import View, bake_points
from ..output.colour import linear_to_srgb, srgb_to_linear, to_uint8
from ..output.measures import vertex_normals
from ..output.texture import textured
from .views import PAPER, Paint, Shown

if TYPE_CHECKING:
    from ..field.grid import VoxelField
    from ..guidance.denoiser import Autoencoder
    from ..output.mesh import Mesh
    from ..output.texture import Sampler
    from ..settings import Settings

RINGS, AZIMUTHS, STEEPEST = 4, 8, 75.0
"""Of the decoded views: 4 x 6 leave 5 % more of the error on exact shapes, 5 x 10 take 2 % more away (measured)."""
BACKDROP = 0.5  # grey behind decoded views
GAIN = 0.5
"""Of what the autoencoder's own round trip takes away, how much is put back. On exact shapes 0.5 and 0.8 are alike, a
trip put back whole and unsmoothed brings as much noise as it brings truth (measured)."""
TOLERANCE = 1.5  # voxels that a vertex may lie behind what a view sees
FIT_PICTURES, FIT_EDGE = 64, 8  # latents along an edge


def decoded(
    field: VoxelField,
    autoencoder: Autoencoder,
    cameras: Cameras,
    size: int,
    render_name: str = "auto",
    mean_shade: float = 1.0,
    decode: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[View]:
    """Every camera's view, decoded from latents [C, size, size] over the latent of plain grey, divided by mean_shade.

    decode: latents [1,C,size,size] to rgb in [-1, 1]; without it the autoencoder's own way.
    Depth and opacity are rendered at the pictures' own resolution. Raises SjcError if the channels do not fit.
    """
    autoencoder.check_channels(field.channels)
    device, edge = field.grid.device, size * autoencoder.factor
    render = renderer(render_name, device)
    grey = plain_latents(autoencoder, torch.full((1, 3), BACKDROP))[0].to(device)
    for index in range(len(cameras)):
        camera = cameras[index : index + 1]
        with torch.no_grad(), around_kernels(render_name, device):
            low, high = (
                render(field, *(r.reshape(-1, 3).to(device) for r in rays(camera, n, n))) for n in (size, edge)
            )
        latents = low.color + (1 - low.opacity)[:, None] * grey
        rgb = (decode or autoencoder.decode)(latents.T.reshape(1, -1, size, size))[0]
        opacity = high.opacity.view(edge, edge).cpu().numpy()
        yield View(
            picture=((rgb.permute(1, 2, 0) + 1) / (2 * mean_shade)).clamp(0, 1).cpu().numpy(),
            depth=high.depth.view(edge, edge).cpu().numpy() / np.maximum(opacity, 1e-6),
            opacity=opacity,
            eye=camera.eye[0].numpy(),
            rotation=camera.rotation[0].numpy(),
            fov_deg=float(camera.fov_deg[0]),
        )


def views(
    field: VoxelField,
    cameras: Cameras,
    size: int,
    *,
    autoencoder: Autoencoder,
    latent_size: int,
    render_name: str = "auto",
    mean_shade: float = 1.0,
) -> Iterator[Shown]:
    """What every camera sees, decoded and brought to pictures of `size` pixels on paper."""
    for view in decoded(field, autoencoder, cameras, latent_size, render_name, mean_shade):
        layers = np.concatenate([view.picture, view.depth[..., None], view.opacity[..., None]], -1)
        tensor = torch.from_numpy(layers).permute(2, 0, 1)[None].float()
        shrunk = interpolate(tensor, (size, size), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
        picture, depth, opacity = shrunk[..., :3], shrunk[..., 3], shrunk[..., 4]
        on_paper = opacity[..., None] * picture + (1 - opacity[..., None]) * PAPER
        yield to_uint8(on_paper), depth, opacity


def around(
    field: VoxelField, autoencoder: Autoencoder, size: int, settings: Settings, mean_shade: float = 1.0
) -> list[View]:
    """RINGS * AZIMUTHS decoded views from all sides. size: latents along a view's edge."""
    steepest = max(min(settings.elevation_max, STEEPEST), settings.elevation_min)
    elevations = np.repeat(np.linspace(settings.elevation_min, steepest, RINGS), AZIMUTHS).tolist()
    azimuths = [360 * (i % AZIMUTHS + (i // AZIMUTHS % 2) / 2) / AZIMUTHS for i in range(len(elevations))]
    cameras = look_at(azimuths, elevations, settings.radius, (settings.fov_min + settings.fov_max) / 2)
    decode = partial(restored, autoencoder)
    return list(decoded(field, autoencoder, cameras, size, settings.renderer, mean_shade, decode))


def restored(autoencoder: Autoencoder, latents: Tensor) -> Tensor:
    """Latents [B,C,h,w] -> rgb [B,3,H,W] in [-1, 1], nearer to what was encoded than plain decoding.

    What encoding and decoding once more takes away from a decoded picture is about what decoding took away from the
    true one, so it is put back: twicing (Tukey 1977, Exploratory Data Analysis, ch. 16). Only its mean over two
    latents: that holds the shifts of whole colours, what is finer the second trip's own mistakes.
    """
    rgb = autoencoder.decode(latents)
    lost = rgb - autoencoder.decode(autoencoder.encode(rgb))
    reach = autoencoder.factor
    smooth = avg_pool2d(pad(lost, (reach,) * 4, mode="replicate"), 2 * reach + 1, stride=1)
    return (rgb + GAIN * smooth).clamp(-1, 1)


def true_colors(
    mesh: Mesh, decoded_views: list[View], voxel: float, texture_size: int = 0, volume: Sampler | None = None
) -> Mesh:
    """The mesh with the colours of decoded views, scene-linear, and a texture of them if one is wanted.

    voxel: edge of the field's voxels in world units. volume: the colours that were fitted to the same views. What
    either resolves is about as wide as its voxels or pixels, so the mean of both is weighted by the other's width.
    """
    first = decoded_views[0]
    pixel = 2 * np.linalg.norm(first.eye) * np.tan(np.radians(first.fov_deg) / 2) / len(first.picture)
    share = voxel / (voxel + pixel)

    def sample(points: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.floating]:
        baked, _ = bake_points(points, normals, decoded_views, TOLERANCE * voxel)
        if volume is None:
            return srgb_to_linear(baked)
        return srgb_to_linear(share * baked + (1 - share) * linear_to_srgb(volume(points, normals)))

    colors = sample(mesh.vertices.astype(np.float64), vertex_normals(mesh.vertices, mesh.faces))
    colored = replace(mesh, colors=colors.astype(np.float32))
    return textured(colored, texture_size, sample) if texture_size else colored


def measured_once(autoencoder: Autoencoder, name: str, make: Callable[[], Tensor]) -> Tensor:
    """What `make` measures of an autoencoder, from the user's cache if it was measured before."""
    if not autoencoder.fingerprint:
        return make()
    how = f"{name}-{FIT_PICTURES}-{FIT_EDGE}"
    path = cache_folder("colours") / f"{autoencoder.fingerprint}-{how}.safetensors"
    cached = disk_cache.load(path)
    if cached and "measured" in cached:
        return cached["measured"]
    measured = make()
    disk_cache.save(path, {"measured": measured})
    return measured


def latent_paint(autoencoder: Autoencoder, mean_shade: float = 1.0) -> Paint:
    """[C+1,3]: latents and a 1 to sRGB in [0, 1], as near as an affine map comes, divided by mean_shade."""
    paint = measured_once(autoencoder, "affine", lambda: torch.from_numpy(linear_map(autoencoder))).numpy() / 2
    paint[-1] += 0.5
    return paint / mean_shade


def plain_latents(autoencoder: Autoencoder, colors: Tensor) -> Tensor:
    """Latents [K,C] of pictures of one colour each; colors [K,3], sRGB in [0, 1]."""
    edge = FIT_EDGE * autoencoder.factor
    pictures = (colors * 2 - 1)[:, :, None, None].expand(-1, -1, edge, edge)
    return autoencoder.encode(pictures.contiguous()).mean((2, 3))


class Backdrop:
    """Colours to latents, quickly: those of the colour cube's corners, trilinear between."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
        self.table = measured_once(autoencoder, "corners", lambda: plain_latents(autoencoder, corners))

    def __call__(self, colors: Tensor) -> Tensor:
        """Latents [V,C] of colors [V,3], sRGB in [0, 1]."""
        pairs = torch.stack([1 - colors, colors], -1)  # [V, rgb, 2]
        weights = torch.einsum("va,vb,vc->vabc", *pairs.unbind(1)).flatten(1)
        return weights @ self.table.to(colors)


def linear_map(autoencoder: Autoencoder) -> NDArray[np.float64]:
    """[C+1,3]: latents, with a 1 appended, to rgb in [-1,1]; least squares over random smooth pictures."""
    generator = torch.Generator().manual_seed(0)
    edge = FIT_EDGE * autoencoder.factor
    pictures = torch.cat(
        [
            torch.nn.functional.interpolate(
                torch.rand(FIT_PICTURES // 4, 3, cells, cells, generator=generator) * 2 - 1,
                size=(edge, edge),
                mode="bilinear",
                align_corners=False,
            )
            for cells in (1, 2, 4, FIT_EDGE)
        ]
    )
    latents = autoencoder.encode(pictures).permute(0, 2, 3, 1).reshape(-1, autoencoder.channels)
    rgb = torch.nn.functional.avg_pool2d(pictures, autoencoder.factor).permute(0, 2, 3, 1).reshape(-1, 3)
    known = np.c_[latents.double().numpy(), np.ones(len(latents))]
    solved: NDArray[np.float64] = np.linalg.lstsq(known, rgb.double().numpy(), rcond=None)[0]
    return solved
