"""Noise that sits on the object: the same point of the surface shows the same noise in every view and every step.

Every cell of a lattice fixed in space has one standard normal number for each channel.  A pixel gets the sum over the
distinct cells that its footprint on the surface touches, divided by the root of how many these are: its variance is 1,
pixels are independent where they share no cell, and views that show the same place agree (Flow Score Distillation,
arXiv 2405.10988; Consistent Flow Distillation, arXiv 2501.05450).  The numbers are a hash of the cell, so the lattice
takes no memory; the footprint is the depth points of SUB x SUB rays.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .cameras import CameraPrior, Cameras, rays
from .grid import VoxelField
from .render_reference import Rendered

SUB = 4  # rays along a pixel's edge
_MIX = (-4658895280553007687, -7723592293110705685)  # SplitMix64's multipliers, as signed numbers
_LOW = (1 << 24) - 1


def cell_edge(prior: CameraPrior, size: int) -> float:
    """Edge of a cell in world units: the distance of two sub-rays at the centre of the box, for pictures of a size."""
    width = 2 * (prior.framing or prior.radius * math.tan(math.radians((prior.fov_min + prior.fov_max) / 4)))
    return width / (size * SUB)


@torch.no_grad()
def surface_noise(
    render: Callable[..., Rendered],
    field: VoxelField,
    cameras: Cameras,
    elsewhere: Tensor,
    *,
    edge: float,
    step: float,
    seed: int,
) -> Tensor:
    """Noise [V,C,S,S] for V views; off the object it is `elsewhere` [V,C,S,S].

    A pixel belongs to the object where most of its sub-rays are stopped.  edge: of a cell.  step: of the march.
    """
    views, channels, size, _ = elsewhere.shape
    origins, directions = (r.reshape(-1, 3) for r in rays(cameras, size * SUB, size * SUB))
    rendered = render(field, origins, directions, step=step)
    stopped = rendered.opacity > 0.5
    points = origins + (rendered.depth / rendered.opacity.clamp(min=0.5))[:, None] * directions
    keys = cell_keys(torch.floor(points / edge).long(), seed)

    def by_pixel(values: Tensor) -> Tensor:
        parts = values.view(views, size, SUB, size, SUB).permute(0, 1, 3, 2, 4)
        return parts.reshape(views, size, size, SUB * SUB)

    # The cells of a pixel, sorted, so that equal ones are neighbours; rays that pass are one cell that counts nothing.
    cells, order = by_pixel(torch.where(stopped, keys, 0)).sort(dim=-1)
    first = torch.cat([torch.ones_like(cells[..., :1], dtype=torch.bool), cells.diff(dim=-1) != 0], dim=-1)
    counted = first & by_pixel(stopped).gather(-1, order)
    total = (normals(cells, channels) * counted).sum(-1)
    noise = total / counted.sum(-1).clamp(min=1).sqrt()
    on_object = by_pixel(stopped).sum(-1) * 2 > SUB * SUB
    return torch.where(on_object[:, None], noise.transpose(0, 1).to(elsewhere), elsewhere)


def cell_keys(cells: Tensor, seed: int) -> Tensor:
    """A number for each cell [...,3] (int64, within 2^19 of 0): equal ones where cells and seeds are equal."""
    x, y, z = cells.unbind(-1)
    return _mixed(_mixed((x << 40) + (y << 20) + z) + seed)


def normals(keys: Tensor, channels: int) -> Tensor:
    """Standard normal numbers [C,...] float32, a function of the keys [...] alone (Box and Muller)."""
    rows = []
    for channel in range(channels):
        bits = _mixed(_mixed(keys) + channel)
        one, two = ((bits >> 40) & _LOW, (bits >> 16) & _LOW)
        radius = (-2 * ((one.float() + 0.5) / (_LOW + 1)).log()).sqrt()
        rows.append(radius * (2 * math.pi * (two.float() / (_LOW + 1))).cos())
    return torch.stack(rows)


def _mixed(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64, whose products wrap around."""
    for shift, multiplier in zip((30, 27), _MIX, strict=True):
        bits = (bits ^ _shifted(bits, shift)) * multiplier
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """A logical shift to the right: int64's own keeps the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
