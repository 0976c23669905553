"""Finished and half-finished jobs in a folder, for the History panel.  No bpy; reads one small file a job, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..backend.sjc import foreign
from ..backend.sjc.errors import SjcError
from ..backend.sjc.job import folder as job_folder
from ..backend.sjc.variants.plan import PREFIX
from ..places import BATCH

MAX_JOBS = 1000
_LATEST = 4e9  # a time of the year 2096: some disks give nonsense
_known: dict[tuple[Path, int], tuple[str, ...] | None] = {}  # (job.json, its time) -> as `_settings`


@dataclass(frozen=True)
class HistoryEntry:
    """A job folder.

    when: local time as text; finished: it holds a mesh; model: as its settings name it; parent: the name of the folder
    whose result it went on from.
    """

    prompt: str
    folder: Path
    when: str
    finished: bool
    model: str = ""
    parent: str = ""


def jobs_in(parent: Path, max_jobs: int = MAX_JOBS) -> list[HistoryEntry]:
    """The job folders in `parent`, the newest first; what cannot be read is passed over, a missing folder is empty."""
    try:
        folders = [(_time(folder), folder) for folder in _folders(parent) if foreign.is_file(folder / job_folder.JOB)]
    except (OSError, ValueError):
        return []
    entries = (_read(folder, changed) for changed, folder in sorted(folders, reverse=True)[:max_jobs])
    return [entry for entry in entries if entry]


def _folders(parent: Path) -> Iterator[Path]:
    """What lies in a folder, and in those of batches on a cluster and of variants."""
    for folder in parent.iterdir():
        yield folder
        if folder.name.startswith((BATCH, PREFIX)) and foreign.is_folder(folder):
            yield from folder.iterdir()


def as_tree(entries: Iterable[HistoryEntry]) -> list[tuple[HistoryEntry, int]]:
    """(entry, depth): every result stands behind the one that it went on from, a step deeper; else the order is kept.

    One whose parent is not in the same folder stands by itself.
    """
    listed = list(entries)
    at = {entry.folder: entry for entry in listed}
    children: dict[Path, list[HistoryEntry]] = {}
    roots = []
    for entry in listed:
        parent = entry.folder.with_name(entry.parent) if entry.parent else None
        if parent in at and parent != entry.folder:
            children.setdefault(parent, []).append(entry)
        else:
            roots.append(entry)
    ordered: list[tuple[HistoryEntry, int]] = []
    waiting = [(entry, 0) for entry in reversed(roots)]
    while waiting:
        entry, depth = waiting.pop()
        ordered.append((entry, depth))
        waiting += [(child, depth + 1) for child in reversed(children.pop(entry.folder, []))]
    return ordered + [(entry, 0) for group in children.values() for entry in group]  # parents in a circle


def entry_of(folder: Path) -> HistoryEntry | None:
    """One job folder; None for one that cannot be read, or is none."""
    try:
        return _read(folder, folder.stat().st_mtime)
    except OSError:
        return None


def _read(folder: Path, changed: float) -> HistoryEntry | None:
    path = folder / job_folder.JOB
    try:
        key = (path, path.stat().st_mtime_ns)
    except OSError:
        return None
    if key not in _known:
        _known[key] = _settings(folder)
    if (settings := _known[key]) is None:
        return None
    changed = min(max(0.0, changed), _LATEST)
    when = datetime.fromtimestamp(changed).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006 (for the person at this clock)
    return HistoryEntry(settings[0], folder, when, job_folder.finished(folder), *settings[1:])


def _settings(folder: Path) -> tuple[str, ...] | None:
    """Prompt, model and parent, unchecked: a job of another version, whose settings we do not know, stands in the list.

    None for a damaged one.
    """
    try:
        stored = foreign.Record(job_folder.stored_settings(folder), folder)
        return stored.text("prompt"), stored.text("model", ""), stored.text("parent", "")
    except SjcError:
        return None


def _time(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # deleted in this moment
        return 0.0
