"""Where a job's object stands: the similarity between the engine's box and the world of what it starts from.

Standard library only: Blender reads and writes it, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import foreign
from ..errors import SjcError
from ..output.files import write_json
from .inputs import INPUTS

EXTENT = 1.35
"""Longest side in the engine's box, which is 2 wide: what the embedded model's objects have."""
FILE = "placement.json"
FIT = "fit"
"""In that file, what a finished object is moved and scaled by in the engine's box, before all else."""
LARGEST_FIT = 2.0
_FAR = 1e12
Box = tuple[Sequence[float], Sequence[float]]
"""Lowest and highest corner, [3] each, along the engine's axes."""


@dataclass(frozen=True)
class Placement:
    """world = R_z(rotation_z) (scale * engine) + location.  rotation_z in radians; scale in world units."""

    location: tuple[float, float, float]
    scale: float
    rotation_z: float = 0.0

    @classmethod
    def fitting(cls, low: Sequence[float], high: Sequence[float], rotation_z: float = 0.0) -> Placement:
        """Has the box from `low` to `high` (world, but turned back by `rotation_z`) fill EXTENT about the middle.

        Raises SjcError for a box without a size, and for numbers that are none.
        """
        longest = max(b - a for a, b in zip(low, high, strict=True))
        if not math.isfinite(longest) or not 0 < longest < _FAR:
            raise SjcError("The start has no size: all of its points lie in one place; scale it up.")
        x, y, z = ((a + b) / 2 for a, b in zip(low, high, strict=True))
        return cls(_turned(x, y, z, rotation_z), longest / EXTENT, rotation_z)

    def after(self, fit: Placement) -> Placement:
        """What places an object that `fit`, which does not turn, has moved and scaled in the engine's box."""
        return replace(self, location=self.world(*fit.location), scale=self.scale * fit.scale)

    def world(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Where a point of the engine's box stands."""
        turned = _turned(x * self.scale, y * self.scale, z * self.scale, self.rotation_z)
        a, b, c = (part + origin for part, origin in zip(turned, self.location, strict=True))
        return a, b, c


def _turned(x: float, y: float, z: float, angle: float) -> tuple[float, float, float]:
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x - sin * y, sin * x + cos * y, z


def filling(block_out: Box, result: Box) -> Placement:
    """Brings a finished object to the size of its block-out and onto the same ground, in the middle of it.

    A model knows an object by one size, whatever the block-out's. Afterwards the longest sides of both boxes are alike;
    the size changes by LARGEST_FIT at most.
    """
    longest, own = (max(b - a for a, b in zip(*box, strict=True)) for box in (block_out, result))
    scale = min(max(longest / max(own, 1e-6), 1 / LARGEST_FIT), LARGEST_FIT)
    (low, high), (own_low, own_high) = block_out, result
    x, y = ((low[i] + high[i] - scale * (own_low[i] + own_high[i])) / 2 for i in (0, 1))
    return Placement((x, y, low[2] - scale * own_low[2]), scale)


def write(folder: Path, placement: Placement, fit: Placement | None = None) -> None:
    """Keep it with a job's inputs, and how the finished object fits its block-out. Raises SjcError."""
    record: dict[str, object] = {
        "location": placement.location,
        "scale": placement.scale,
        "rotation_z": placement.rotation_z,
    }
    if fit:
        record[FIT] = {"location": fit.location, "scale": fit.scale}
    write_json(folder / INPUTS / FILE, record)


def read(folder: Path, *, fitted: bool = True) -> Placement | None:
    """Where a job's object stands; None for a job that says nothing of it, and where that cannot be read.

    fitted: once it is finished; otherwise where its growing volume stands.
    """
    path = folder / INPUTS / FILE
    if not foreign.is_file(path):
        return None
    try:
        values = foreign.read_json(path, foreign.SETTINGS_BYTES, within=folder)
        placement = _placement(values, path)
        fit = values.get(FIT) if isinstance(values, dict) and fitted else None
        return placement.after(_placement(fit, path)) if fit else placement
    except (OSError, SjcError):
        return None


def _placement(values: object, path: Path) -> Placement:
    """Raises SjcError for what is none."""
    record = foreign.Record(values, path)
    where = record.values.get("location")
    axes = foreign.Record(dict(zip("xyz", where if isinstance(where, list) else (), strict=False)), path)
    x, y, z = (axes.number(axis, -_FAR, _FAR) for axis in "xyz")
    return Placement((x, y, z), record.number("scale", 1e-12, _FAR), record.number("rotation_z", -7, 7, default=0))
