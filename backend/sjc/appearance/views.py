"""A field as arrays and as what cameras see of it, by an affine map from the model's values to colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..field.cameras import Cameras, rays
from ..field.render import around_kernels, renderer
from ..output.colour import painted, srgb_to_linear, to_uint8

if TYPE_CHECKING:
    from ..field.grid import VoxelField

Paint = NDArray[np.float64]
"""[C+1, 3]: a model's values and a 1 to albedo, sRGB-encoded (`colour.painted`)."""
Shown = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]
"""A picture [S,S,3] on paper, depth [S,S] of what is there, opacity [S,S]."""
Look = Callable[[Cameras, int], Iterator[Shown]]
"""What cameras see in pictures of so many pixels: `views` or, for latents, `latent.views`, bound to a field."""

PAPER = 0.92  # the grey that pictures are shown on, sRGB-encoded
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
            rendered = render(field, origins, directions, step=FINE_STEP * field.voxel)
            # Colour is premultiplied, sum w c, and so is what the paint adds to it.
            rgb = rendered.color @ mixed[:-1] + rendered.opacity[:, None] * mixed[-1]
        opacity = rendered.opacity.cpu().numpy()[:, None]
        picture = np.clip(rgb.cpu().numpy(), 0, 1) + (1 - opacity) * PAPER
        depth = rendered.depth.cpu().numpy() / np.maximum(opacity[:, 0], 1e-6)
        yield to_uint8(picture.reshape(size, size, 3)), depth.reshape(size, size), opacity.reshape(size, size)
