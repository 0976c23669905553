"""Reads what a job's settings name as its start, whatever kind of file it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..settings import Settings
from . import inputs, placement
from .placement import Box, Placement

if TYPE_CHECKING:
    from torch import Tensor

    from ..field.start import Start
    from ..guidance.denoiser import Denoiser
    from ..output.mesh import Mesh


@dataclass(frozen=True)
class Started:
    """begun: what the run begins with. placement: where that stands in the world, None where nobody knows.

    box: of a block-out whose size the finished object takes. record: what run.json says of it.
    """

    begun: Start
    placement: Placement | None = None
    box: Box | None = None
    record: dict[str, Any] = field(default_factory=dict)


def read(folder: Path, settings: Settings, denoiser: Denoiser) -> Started | None:
    """The start of a job that is to begin or to go on in `folder`; None without one. Raises SjcError."""
    from ..field.start import is_block_out

    if is_block_out(settings.start):
        return _block_out(folder, settings, denoiser)
    return _kept_field(folder, settings, denoiser) if settings.keep else None


def begin(folder: Path, started: Started | None) -> Start | None:
    """What the run begins with; where it stands is kept in the folder, unless Blender has said so. Raises SjcError."""
    if started and started.placement and not placement.read(folder):
        placement.write(folder, started.placement)
    return started.begun if started else None


def fit(folder: Path, started: Started | None, mesh: Mesh) -> None:
    """Have the finished object stand where its block-out stood, at that size; with a kept part it does already.

    Raises SjcError.
    """
    from .blockout import box_of

    where = placement.read(folder, fitted=False)
    if started and started.box and where:
        placement.write(folder, where, placement.filling(started.box, box_of(mesh)))


def _kept_field(folder: Path, settings: Settings, denoiser: Denoiser) -> Started:
    """A finished field (`start_files.finished_field`) that may change only within a mesh, placed as its mesh.glb is."""
    import torch

    from ..field import start
    from . import blockout

    size = settings.grid
    keep = inputs.path(folder, settings.keep)
    changeable = torch.from_numpy(blockout.changeable(keep, Placement((0, 0, 0), 1.0), np.ones((size,) * 3, bool)))
    grid = torch.full((size, size, size, 1 + denoiser.channels), torch.nan)
    return Started(start.Start(grid, changeable=changeable), record={"changeable_share": _share(changeable)})


def _share(changeable: Tensor) -> float:
    return round(float(changeable.float().mean()), 6)


def _block_out(folder: Path, settings: Settings, denoiser: Denoiser) -> Started:
    """A mesh: soft density inside it, its colours where it has any, and the prior that keeps to it."""
    import torch

    from ..field import start
    from . import blockout

    size, strength = settings.grid, settings.start_strength
    block = blockout.block_out(inputs.path(folder, settings.start), size)
    solid = torch.from_numpy(block.solid)
    occupancy = start.softened(solid)
    grid = torch.full((size, size, size, 1 + denoiser.channels), torch.nan)
    grid[..., 0] = start.raw_density(occupancy, strength)
    if block.color is not None and denoiser.color_activation == "tanh_sigmoid":
        grid[..., 1:] = start.raw_color(torch.from_numpy(block.color))
    changeable = None
    if settings.keep:
        keep = inputs.path(folder, settings.keep)
        changeable = torch.from_numpy(blockout.changeable(keep, block.placement, block.solid))
    begun = start.Start(grid, occupancy, start.surface_distance(solid), changeable)
    record = {
        "placement": asdict(block.placement),
        "solid_share": round(float(block.solid.mean()), 6),
        "colors": block.color is not None,
        "changeable_share": 1.0 if changeable is None else _share(changeable),
    }
    return Started(begun, block.placement, None if settings.keep else block.box, record)
