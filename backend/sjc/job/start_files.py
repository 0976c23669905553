"""Reads the files that a job's settings name: the finished field that it goes on from, and its reference pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import foreign, picture_text
from ..settings import Settings
from . import checkpoint, inputs

if TYPE_CHECKING:
    from ..appearance.reference import Reference
    from ..field.finished import FinishedField
    from ..guidance.denoiser import Denoiser

FIELD_SUFFIX = ".safetensors"


def finished_field(folder: Path, settings: Settings, denoiser: Denoiser) -> FinishedField | None:
    """The finished field that a job starts from; None for another start, or none. Raises SjcError."""
    if not settings.start.endswith(FIELD_SUFFIX):
        return None
    from ..field.finished import FinishedField

    tensors, meta = checkpoint.load_field(inputs.path(folder, settings.start), folder)
    made = foreign.Record(meta, settings.start).record("field")
    return FinishedField.from_checkpoint(
        tensors,
        density_shift=made.number("density_shift", default=settings.density_shift),
        color_activation=made.text("color_activation", denoiser.color_activation),
    )


def references(folder: Path, settings: Settings, denoiser: Denoiser) -> tuple[Reference, ...]:
    """The reference pictures as this model would paint them. Raises SjcError."""
    if not settings.picture:
        return ()
    from ..appearance.reference import reference
    from ..field.cameras import CameraPrior

    s = settings
    prior = CameraPrior(s.radius, s.fov_min, s.fov_max, s.elevation_min, s.elevation_max, s.framing)
    return tuple(
        reference(inputs.path(folder, file), picture_text.view_of(file, view), prior, denoiser)
        for file, view in picture_text.split(s.picture)
    )


def parent(folder: Path, settings: Settings) -> dict[str, str] | None:
    """Whose result a job went on from: the folder's name, and an id by which its checkpoint or mesh is known again."""
    if not settings.parent:
        return None
    return {"folder": settings.parent, "id": inputs.digest(folder, settings.start or settings.surface)}
