"""Finished and half-finished jobs in a folder, for the History panel.  No bpy; reads one small file a job, once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

MOST = 1000
_known: dict[tuple[Path, int], tuple[str, str] | None] = {}  # (job.json, its time) -> prompt, model; None: damaged


@dataclass(frozen=True)
class Past:
    """A job folder.  when: local time as text; finished: it holds a mesh; model: as its settings name it."""

    prompt: str
    folder: Path
    when: str
    finished: bool
    model: str = ""


def jobs_in(parent: Path, most: int = MOST) -> list[Past]:
    """The job folders in `parent`, the newest first; what cannot be read is passed over, a missing folder is empty."""
    try:
        folders = [(f.stat().st_mtime, f) for f in parent.iterdir() if (f / "job.json").is_file()]
    except OSError:
        return []
    found = (_read(folder, changed) for changed, folder in sorted(folders, reverse=True)[:most])
    return [past for past in found if past]


def _read(folder: Path, changed: float) -> Past | None:
    path = folder / "job.json"
    try:
        key = (path, path.stat().st_mtime_ns)
    except OSError:
        return None
    if key not in _known:
        _known[key] = _settings(path)
    if (settings := _known[key]) is None:
        return None
    finished = (folder / "run.json").is_file() and (folder / "mesh.glb").is_file()
    when = datetime.fromtimestamp(changed).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 (for the person at this clock)
    return Past(settings[0], folder, when, finished, settings[1])


def _settings(path: Path) -> tuple[str, str] | None:
    try:
        settings = json.loads(path.read_text("utf-8"))
        return str(settings["prompt"]), str(settings.get("model", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
