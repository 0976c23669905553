"""True colour of a field that holds latents: its views are rendered as latents, decoded, and laid onto the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .field.cameras import look_at, rays
from .field.render import renderer
from .output.bake import View

if TYPE_CHECKING:
    from .field.grid import VoxelField
    from .guidance.autoencoder import Autoencoder

ELEVATIONS, AZIMUTHS = (-40.0, 0.0, 35.0, 70.0), 6
FIT_PICTURES, FIT_EDGE = 64, 8  # latents along an edge


def decoded_views(
    field: VoxelField, autoencoder: Autoencoder, size: int, radius: float, fov_deg: float
) -> list[View]:
    """24 views around the object, decoded from latents [C, size, size] over the latent of plain grey.

    Depth and opacity are rendered at the pictures' own resolution. Raises SjcError if the channels do not fit.
    """
    autoencoder.check_channels(field.channels)
    device, edge = field.grid.device, size * autoencoder.factor
    render = renderer("auto", device)
    plain = torch.zeros(1, 3, edge, edge, device=device)
    background = autoencoder.encode(plain).mean((0, 2, 3))
    elevations = [e for e in ELEVATIONS for _ in range(AZIMUTHS)]
    azimuths = [360 * (i % AZIMUTHS) / AZIMUTHS for i in range(len(elevations))]
    found = []
    cameras = look_at(azimuths, elevations, radius, fov_deg)
    for index in range(len(cameras)):
        camera = cameras[index]
        with torch.no_grad():
            low, high = (
                render(field, *(r.reshape(-1, 3).to(device) for r in rays(camera, n, n)))
                for n in (size, edge)
            )
        latents = low.color + (1 - low.opacity)[:, None] * background
        rgb = autoencoder.decode(latents.T.reshape(1, -1, size, size))[0]
        opacity = high.opacity.view(edge, edge).cpu().numpy()
        found.append(
            View(
                picture=((rgb.permute(1, 2, 0) + 1) / 2).cpu().numpy(),
                depth=high.depth.view(edge, edge).cpu().numpy() / np.maximum(opacity, 1e-6),
                opacity=opacity,
                eye=camera.eye[0].numpy(),
                rotation=camera.rotation[0].numpy(),
                fov_deg=float(camera.fov_deg[0]),
            )
        )
    return found


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
