"""Which run a job needs: one that makes a shape, or one that textures a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..settings import Settings
from . import run


def job_run(folder: Path, settings: Settings, *given: Any, **named: Any) -> run.JobRun:
    """The run of a job by what its settings ask for; arguments as `JobRun` has them."""
    if settings.surface:
        from .texture_run import TextureRun

        return TextureRun(folder, settings, *given, **named)
    return run.JobRun(folder, settings, *given, **named)
