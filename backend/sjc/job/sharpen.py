"""Sharpen Colours: a finished result's mesh is painted again from its present colours.  Standard library only.

Guidance exaggerates a latent model's colours; pictures of the mesh that are made without it say by how much
(texturing/correction.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from .. import settings
from ..settings import Settings
from . import folder as job_folder
from . import inputs
from .refine import check_finished

STRENGTH = 0.7
"""How far up from the lowest noise level the pictures begin that tell how true the present colours are."""


def settings_of(parent: Path, given: Mapping[str, object] | None = None) -> Settings:
    """The settings of a job that sharpens the colours of the finished result in the job folder `parent`.

    given: settings by name, over those that follow from the parent's.

    Raises SjcError, one line, for a folder that is no job's, is not finished (one without its mesh is not), or is at
    work, and for bad settings.
    """
    old = job_folder.read_settings(parent)
    check_finished(parent)
    derived: dict[str, object] = {
        "surface": str(parent.absolute() / job_folder.MESH),
        "surface_strength": STRENGTH,
        "sharpen_colors": True,
        "parent": parent.absolute().name,
        **dict.fromkeys(("start", "keep", "picture"), ""),
        "overwrite": False,
    }
    return settings.resolve_job({**asdict(inputs.outside(old, parent)), **derived, **(given or {})})


def free_folder(parent: Path, taken: Collection[Path] = ()) -> Path:
    """A new folder beside the parent: NAME-sharpened, numbered where it exists."""
    place = parent.absolute()
    return job_folder.free_name(place.with_name(f"{place.name}-sharpened"), taken)
