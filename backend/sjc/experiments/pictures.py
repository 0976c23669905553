"""Pictures that experiments measure against, and pictures as text inside JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class PictureSource:
    """Where pictures come from. draw(count, size, seed) -> [count, 3, size, size] in [-1, 1], float32."""

    name: str
    draw: Callable[[int, int, int], Tensor]


def discs(count: int, size: int, seed: int) -> Tensor:
    """Soft discs of random position, radius and colour on random grey: [count, 3, size, size] in [-1, 1]."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, columns: int) -> Tensor:
        drawn = torch.rand(count, columns, 1, 1, generator=generator)
        return low + (high - low) * drawn

    centre, radius = uniform(-0.4, 0.4, 2), uniform(0.25, 0.6, 1)
    color, ground = uniform(-1, 1, 3), uniform(-1, 1, 1)
    axis = (torch.arange(size) + 0.5) * 2 / size - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    distance = ((x - centre[:, :1]).square() + (y - centre[:, 1:]).square()).sqrt()
    inside = ((radius - distance) * size / 2 + 0.5).clamp(0, 1)  # the edge is one pixel wide
    return ground + inside * (color - ground)


DISCS = PictureSource("discs", discs)


def orange_blob(size: int) -> Tensor:
    """[1, 3, size, size] an orange blob on grey: what Fig. 2 starts from, a picture that no data set holds."""
    import torch

    axis = (torch.arange(size) + 0.5) * 2 / size - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    inside = torch.exp(-(x.square() + y.square()) / (2 * 0.35**2))
    orange = torch.tensor([0.9, 0.0, -0.9]).view(3, 1, 1)
    return (orange * inside)[None]


def to_text(picture: Tensor) -> str:
    """A picture [3, H, W] in [-1, 1] as a PNG in base64, for a cell's JSON."""
    from PIL import Image

    values = ((picture.detach().cpu().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def from_text(text: str) -> NDArray[np.uint8]:
    """The picture [H, W, 3] that `to_text` wrote."""
    import numpy as np
    from PIL import Image

    image: Any = Image.open(io.BytesIO(base64.b64decode(text)))
    return np.asarray(image)


def row(pictures: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] side by side, [3, H, B * W]."""
    return pictures.permute(1, 2, 0, 3).flatten(2)
