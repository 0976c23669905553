"""The skin of a half-grown field is taken away, once.

A run begins with a ball of fog and lets it shrink onto the object. What is left around a flat side or an edge has that
side's colour, so only the few views along the side see it, and most of it stays: fields come out fat where they are
flat. A field that is pruned half-way ends nearer to the truth there, with the same calls of the network.
"""

from __future__ import annotations

import torch

from ..errors import SjcError
from ..output.optical_depth import refined
from ..output.threshold import solid_voxels
from .grid import VoxelField

FLAT, RISE = 0.05, 2.0
"""The level of `output/threshold.py`, with less than half the depth that the mesh is cut at."""


@torch.no_grad()
def prune(field: VoxelField) -> int:
    """Thin what lies outside of the field's surface to the fog that a run begins with -> how many voxels.

    A field in which no surface can be found yet stays as it is.
    """
    density = field.activated_density().cpu().numpy()
    try:
        solid = solid_voxels(density, refined(density), FLAT, RISE)
    except SjcError:
        return 0
    outside = torch.from_numpy(~solid).to(field.grid.device)
    raw = field.grid[..., 0]
    raw[outside] = raw[outside].clamp(max=0)
    return int(outside.sum())
