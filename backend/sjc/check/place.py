"""How a report names a model, and where it goes.  Standard library only: Blender's side needs it, too."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import SjcError
from ..models.hub_ids import is_hub_id
from ..paths import OWN_MODELS, user_path

JSON, PICTURE = "check.json", "check.png"


def short_name(model: str) -> str:
    """A model as a report names it: embedded, a hub id, or the last part of a path."""
    path = user_path(model)
    if model in OWN_MODELS or (is_hub_id(model) and not path.exists()):
        return model
    return path.resolve().name


def free_folder(parent: Path, model: str) -> Path:
    """A folder that does not exist yet: check-<model>, with a number where that is taken."""
    slug = re.sub(r"[^a-z0-9]+", "-", short_name(model).lower()).strip("-")[:60] or "model"
    number, folder = 1, parent / f"check-{slug}"
    while folder.exists():
        number += 1
        folder = parent / f"check-{slug}-{number}"
    return folder


def prepare(folder: Path) -> None:
    """Make the folder.  Raises SjcError where that cannot be done: better before the measurement than after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SjcError(f"{folder} cannot be made: {error.strerror or error}. Choose another output folder.") from error
