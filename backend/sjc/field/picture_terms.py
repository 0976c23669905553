"""What pulls a field towards reference pictures: terms on the render of a picture's own camera.

A render has premultiplied colours C = sum w c and opacity O; a picture has colours p and a mask m, how much of each
pixel the object covers. Like the score's, the terms are sums over pixels: of weight 1 they pull a pixel as strongly as
the score pulls the same pixel of one view.

    photometric  1/2 sum m |M(C, O) - O p|^2     linear in C within the norm: nothing is divided by an opacity
    mask         1/2 sum (O - m)^2

M(C, O) = C W + O b is an affine map of colours. It lets a model paint the colours that it knows for the words, while
the object has those of the picture on all sides: M is fitted to the pictures and repaints the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .cameras import Cameras, pixel_rays
from .grid import VoxelField
from .render_reference import Rendered

RIDGE = 0.1  # how strongly differences of colour that hardly show in the pictures are taken for noise
TINY = 1e-6  # of the identity: all that counts where nothing is seen


def photometric(color: Tensor, opacity: Tensor, target: Tensor, affine: Tensor) -> Tensor:
    """The photometric term [] of R pixels.

    color [R,C], opacity [R], target [R,C+1] with the mask last, affine [C+1,C].
    """
    shown = torch.cat([color, opacity[:, None]], 1) @ affine
    difference = shown - opacity[:, None] * target[:, :-1]
    return 0.5 * (target[:, -1:] * difference.square()).sum()


def silhouette(opacity: Tensor, target: Tensor) -> Tensor:
    """The mask term [] of R pixels: opacity [R], target [R,C+1] with the mask last."""
    return 0.5 * (opacity - target[:, -1]).square().sum()


def identity_map(channels: int, like: Tensor) -> Tensor:
    """The affine map [C+1,C] that changes nothing."""
    return torch.eye(channels + 1, channels, dtype=like.dtype, device=like.device)


@torch.no_grad()
def color_map(color: Tensor, opacity: Tensor, target: Tensor) -> Tensor:
    """The affine map [C+1,C] of least photometric error, with no more contrast than the pictures bear out.

    argmin over M = (W, b) of sum m |C W + O b - O p|^2 + RIDGE (sum m O^2) |W|^2 (ridge regression, the offset b free):
    small differences of colour that the model made by chance would else become large ones. Where nothing is seen, the
    map that changes nothing.
    """
    values = torch.cat([color, opacity[:, None]], 1)
    weighted = values * target[:, -1:]
    same = identity_map(color.shape[1], color)
    ridge = torch.full_like(values[0], TINY)
    ridge[:-1] += RIDGE * (target[:, -1] * opacity.square()).sum()
    normal = weighted.T @ values + torch.diag(ridge)
    right = weighted.T @ (opacity[:, None] * target[:, :-1]) + TINY * same
    solution: Tensor = torch.linalg.solve(normal, right)
    return solution


def seen_from(
    render: Callable[..., Rendered], field: VoxelField, given: Mapping[str, Tensor], ray_step: float, count: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """What a picture's camera sees, and the picture: colour [R,C], premultiplied, opacity [R], target [R,C+1].

    given: picture_eye [1,3], picture_rotation [1,3,3], picture_fov_deg [1], picture [C+1,S,S]. count: rays per pixel.
    """
    target, fov = given["picture"], given["picture_fov_deg"]
    size, nowhere = target.shape[-1], torch.zeros_like(fov)
    cameras = Cameras(given["picture_eye"], given["picture_rotation"], fov, nowhere, nowhere)
    origins, directions = (r.reshape(-1, 3) for r in pixel_rays(cameras, size, size, count))
    rendered = render(field, origins, directions, step=ray_step * field.voxel)
    color, opacity = (x.view(size * size, count, -1).mean(1) for x in (rendered.color, rendered.opacity))
    return color, opacity[:, 0], target.flatten(1).T
