"""Pictures of depths for a depth ControlNet: what is near is bright."""

from __future__ import annotations

import torch
from torch import Tensor

from ..field.cameras import Cameras, rays
from .surface import Surface

FARTHEST = 0.2
"""Brightness of the farthest place of the surface; the background is black, as what lies far behind is."""

FLAT = 1e-2  # share of the depth by which a surface must differ at least


def pictures(surface: Surface, cameras: Cameras, size: int) -> Tensor:
    """What V cameras see of the surface, [V,3,size,size] in [0,1]: one over the depth, from FARTHEST to 1 in each view.

    Depth is measured along the camera's axis. Depth ControlNets were trained on such pictures, which MiDaS (Ranftl et
    al., arXiv 1907.01341) makes up to an unknown scale and shift.
    """
    cameras = cameras.to(surface.vertices.device)
    origins, directions = rays(cameras, size, size)
    hits = surface.rays(origins.reshape(-1, 3).contiguous(), directions.reshape(-1, 3).contiguous())
    along = -torch.einsum("vhwi,vi->vhw", directions.view(len(cameras), size, size, 3), cameras.rotation[:, :, 2])
    there = (hits.face >= 0).view(along.shape)
    nearness = 1 / (hits.distance.view(along.shape) * along)
    low = nearness.masked_fill(~there, torch.inf).amin((1, 2), keepdim=True)
    high = nearness.masked_fill(~there, 0).amax((1, 2), keepdim=True)
    # A plane across the axis is equally deep everywhere, but for rounding: all of it is near.
    behind = ((high - nearness) / torch.maximum(high - low, FLAT * high)).nan_to_num(0).clamp(0, 1)
    shown = torch.where(there, 1 - (1 - FARTHEST) * behind, 0.0)
    return shown[:, None].expand(-1, 3, -1, -1).contiguous()
