"""Reference pictures: files that show the object from known cameras, as what a model works with, and what is object.

An alpha channel says what is object; without one, a plain background does: what is connected to the border and has its
colour is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .. import foreign
from ..errors import SjcError
from ..field.cameras import CameraPrior, Cameras, look_at

if TYPE_CHECKING:
    from ..field.grid import VoxelField
    from ..guidance.denoiser import Denoiser
    from ..picture_text import View

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
LARGEST_EDGE, SMALLEST_EDGE = 16_384, 16  # pixels
PLAIN, PLAIN_SHARE = 16 / 255, 0.9  # how far a background's colours may lie from their median, and how many may
LEAST_OBJECT = 1e-3  # of the picture
FITTED_STEP = 0.5  # voxels between samples where the finished field is compared


@dataclass(frozen=True)
class Reference:
    """A picture from one camera.

    cameras: that one. target [C+1,S,S]: the model's values where the object is, and how much of each pixel it covers,
    0 to 1, last.
    """

    cameras: Cameras
    target: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """As a step is given it (see `step.Given`)."""
        return {
            "picture_eye": self.cameras.eye,
            "picture_rotation": self.cameras.rotation,
            "picture_fov_deg": self.cameras.fov_deg,
            "picture": self.target,
        }


def reference(path: Path, view: View, prior: CameraPrior, denoiser: Denoiser) -> Reference:
    """A file as what the model would have to paint from that view.

    The picture's edge is what a camera of the prior's mean field of view shows, unless the view says otherwise.
    Raises SjcError, one line, for a file that is no picture or shows no object.
    """
    color, mask = read_picture(path)
    fov = torch.tensor([view.fov or (prior.fov_min + prior.fov_max) / 2])
    distance = torch.tensor([view.distance]) if view.distance else prior.distance(fov)
    cameras = look_at(view.azimuth, view.elevation, distance, fov)
    return Reference(cameras, target(color, mask, denoiser))


def fitted_map(field: VoxelField, references: Sequence[Reference], render_name: str) -> NDArray[np.float64]:
    """The affine map [C+1,C] of a field's colours that makes it look most like the pictures, all of them together."""
    from ..field.picture_terms import color_map, seen_from
    from ..field.render import around_kernels, renderer

    device, views = field.grid.device, []
    render = renderer(render_name, device)
    for one in references:
        given = {name: value.to(device) for name, value in one.tensors().items()}
        with torch.no_grad(), around_kernels(render_name, device):
            views.append(seen_from(render, field, given, FITTED_STEP))
    color, opacity, wanted = (torch.cat(parts) for parts in zip(*views, strict=True))
    return np.asarray(color_map(color, opacity, wanted).double().cpu().numpy())


def target(color: NDArray[np.float32], mask: NDArray[np.float32], denoiser: Denoiser) -> Tensor:
    """[C+1,S,S] of a square picture: colour [E,E,3] sRGB-encoded in [0,1], mask [E,E]."""
    size, autoencoder = denoiser.size, denoiser.autoencoder
    full = size * (autoencoder.factor if autoencoder is not None else 1)
    alpha = torch.from_numpy(np.ascontiguousarray(mask))[None, None]
    premultiplied = torch.from_numpy(np.ascontiguousarray(color)).permute(2, 0, 1)[None] * alpha
    covered, rgb = (_resized(part, full) for part in (alpha, premultiplied))
    mean = rgb.sum((2, 3), keepdim=True) / covered.sum((2, 3), keepdim=True)
    # Where nothing is stands the object's mean colour: a latent sees its neighbours.
    rgb = torch.where(covered > 1e-3, rgb / covered.clamp(min=1e-3), mean).clamp(0, 1) * 2 - 1
    if autoencoder is not None:
        with torch.no_grad():
            values = autoencoder.encode(rgb).float().cpu()
        return torch.cat([values, _resized(covered, size)], 1)[0]
    return torch.cat([rgb, covered], 1)[0]


def _resized(picture: Tensor, size: int) -> Tensor:
    """[1,C,E,E] -> [1,C,size,size], each pixel the mean of what it covers."""
    if picture.shape[-1] >= size:
        return F.interpolate(picture, (size, size), mode="area")
    return F.interpolate(picture, (size, size), mode="bilinear", align_corners=False)


def read_picture(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(colour [E,E,3] sRGB-encoded, mask [E,E]), both in [0,1], of a picture file padded to a square.

    Raises SjcError, one line.
    """
    rgba, has_alpha = _read(path)
    color, mask = rgba[..., :3], rgba[..., 3]
    if not has_alpha or mask.min() > 0.99:
        plain = plain_background(color)
        if plain is None:
            raise SjcError(
                f"picture: {path} has neither transparency nor a plain background, so nobody can tell what the object "
                "is; cut it out, or take it before one color."
            )
        mask = plain
    if mask.mean() < LEAST_OBJECT:
        raise SjcError(f"picture: {path} shows no object: all of it is background.")
    height, width = mask.shape
    edge = max(height, width)
    top, left = (edge - height) // 2, (edge - width) // 2
    square, covered = np.zeros((edge, edge, 3), np.float32), np.zeros((edge, edge), np.float32)
    square[top : top + height, left : left + width] = color
    covered[top : top + height, left : left + width] = mask
    return square, covered


def _read(path: Path) -> tuple[NDArray[np.float32], bool]:
    """(RGBA [H,W,4] in [0,1], whether the file has transparency)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with foreign.opened(path, foreign.PICTURE_BYTES) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a large picture: its size is checked here
            with Image.open(stream, formats=FORMATS) as image:
                _check_size(path, *image.size)
                return _as_rgba(image)
    except FileNotFoundError as error:
        raise SjcError(f"picture: {path} does not exist.") from error
    except UnidentifiedImageError as error:
        raise SjcError(f"picture: {path} is not a picture; use {', '.join(FORMATS)}.") from error
    except Image.DecompressionBombError as error:
        raise SjcError(f"picture: {path} has too many pixels; use at most {LARGEST_EDGE} an edge.") from error
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise SjcError(f"picture: {path} is damaged ({foreign.first_line(error)}).") from error


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < SMALLEST_EDGE:
        raise SjcError(
            f"picture: {path} has {width} x {height} pixels; use at least {SMALLEST_EDGE} x {SMALLEST_EDGE}."
        )
    if max(width, height) > LARGEST_EDGE:
        raise SjcError(f"picture: {path} has {width} x {height} pixels; use at most {LARGEST_EDGE} an edge.")


def _as_rgba(image: Any) -> tuple[NDArray[np.float32], bool]:
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):  # gray of 16 bit: `convert` would cut it off at 255
        values = np.asarray(image, np.float32)
        gray = (values / (65535.0 if values.max() > 1 else 1.0)).clip(0, 1)
        return np.stack([gray, gray, gray, np.ones_like(gray)], -1), False
    return np.asarray(image.convert("RGBA"), np.float32) / np.float32(255), has_alpha


def plain_background(color: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The mask [H,W] of what is not background of a picture [H,W,3]; None where its border has many colours."""
    from scipy import ndimage

    border = np.concatenate([color[0], color[-1], color[:, 0], color[:, -1]])
    backdrop = np.median(border, axis=0)
    if (np.abs(border - backdrop).max(-1) <= PLAIN).mean() < PLAIN_SHARE:
        return None
    alike = np.abs(color - backdrop).max(-1) <= PLAIN
    labels, _ = ndimage.label(alike)
    outer = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.asarray(~np.isin(labels, outer[outer > 0]), np.float32)
