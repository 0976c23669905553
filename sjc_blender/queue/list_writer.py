"""Writes the list of jobs to disk in a thread, so that Blender's main thread never waits for it.  No bpy.

The main thread hands over rows: what the list keeps of each job, in values that nobody changes. The thread turns them
into text, only those that have changed, and writes the file whole under another name before it takes the old one's
place. Of several lists that come while one is being written, the newest counts. One that cannot be written is tried
again, because a virus scanner or a cloud's sync may hold the file for a moment.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..backend.sjc import settings
from ..backend.sjc.settings import Settings
from ..problems import Problem
from .records import JobRecord, State

__all__ = ["ListWriter", "Row", "row_of", "write_rows"]

VERSION = 1
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds before a list that could not be written is tried again
LONGEST_FLUSH = 10.0  # seconds: a drive that has gone must not keep Blender from quitting


class Row(NamedTuple):
    """What the list keeps of a job."""

    id: str
    state: State
    folder: Path
    resume: bool
    variant: bool
    settings: Settings
    step: int
    total: int
    seconds: float
    text: str
    warnings: tuple[str, ...]
    problem: Problem | None


def row_of(job: JobRecord) -> Row:
    """The row of a job as it is now; about a microsecond."""
    return Row(
        job.id,
        job.state,
        job.folder,
        job.resume,
        job.variant,
        job.settings,
        job.step,
        job.total,
        round(job.seconds, 1),
        job.text,
        tuple(job.warnings),
        job.problem,
    )


class ListWriter:
    """Writes one file, in a thread that lives as long as there is something to write.

    error: why the last attempt failed; None after one that did not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: Exception | None = None
        self._rows: list[Row] = []
        self._texts: dict[str, tuple[Row, str]] = {}  # by id of the job: the row that was turned into that text
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._asked = self._tried = 0  # numbers of lists
        self._patient = True

    @property
    def pending(self) -> bool:
        """Whether a list is not on disk yet, be it that the disk refuses it."""
        return self._thread is not None

    def write(self, rows: list[Row]) -> None:
        """Have this list written; returns at once."""
        with self._change:
            self._rows, self._patient = rows, True
            self._ask()

    def flush(self) -> None:
        """Wait until the newest list is on disk, or could not be written once more: see `error`."""
        with self._change:
            if self._thread is not None and self._tried == self._asked:  # it waits to try again
                self._ask()
            self._change.wait_for(lambda: self._tried == self._asked, LONGEST_FLUSH)

    def close(self) -> None:
        """Flush, and try no more."""
        self.flush()
        with self._change:
            self._patient = False
            self._change.notify_all()
            thread = self._thread
        if thread:
            thread.join(LONGEST_FLUSH)

    def _ask(self) -> None:
        """Wake the thread, or make one; the caller holds the lock."""
        self._asked += 1
        self._change.notify_all()
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._work, name="list of jobs", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # Python is ending and makes no threads any more
            self._thread = None
            self._try(self._rows, self._asked)

    def _work(self) -> None:
        wait = FIRST_WAIT
        while True:
            with self._change:
                rows, number = self._rows, self._asked
            self._try(rows, number)
            with self._change:
                if self._asked != number:
                    continue
                if self.error is not None and self._patient:
                    self._change.wait_for(lambda n=number: self._asked != n or not self._patient, wait)  # type: ignore[misc]
                    wait = min(2 * wait, LONGEST_WAIT)
                if self._asked == number and (self.error is None or not self._patient):
                    self._thread = None
                    return

    def _try(self, rows: list[Row], number: int) -> None:
        try:
            write_rows(self.path, rows, self._texts)
            error = None
        except Exception as caught:  # noqa: BLE001 (a thread that ends would lose every later list)
            error = caught
        with self._change:
            self.error, self._tried = error, number
            self._change.notify_all()


def write_rows(path: Path, rows: Iterable[Row], texts: dict[str, tuple[Row, str]] | None = None) -> None:
    """Write the list, whole.  texts: entries of an earlier call, used again and brought up to date. Raises OSError."""
    texts = {} if texts is None else texts
    entries = []
    for row in rows:
        known = texts.get(row.id)
        if known is None or known[0] != row:
            known = texts[row.id] = row, _entry(row, path.parent)
        entries.append(known[1])
    if len(texts) > 2 * len(entries) + 100:  # of jobs that have left the list
        texts.clear()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}~")
    try:
        text = f'{{\n "sjc_queue": {VERSION},\n "jobs": [\n' + ",\n".join(entries) + "\n ]\n}"
        temporary.write_text(text, "utf-8", errors="replace")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _entry(row: Row, parent: Path) -> str:
    """A row as JSON.  Folders inside the list's own are relative to it: both may be moved together."""
    folder = row.folder.relative_to(parent) if row.folder.is_relative_to(parent) else row.folder
    values: Mapping[str, Any] = {
        **row._asdict(),
        "state": row.state.value,
        "folder": folder.as_posix(),
        "settings": _changes(row.settings),
        "problem": asdict(row.problem) if row.problem else None,
    }
    return json.dumps(values, ensure_ascii=False)


def _changes(chosen: Settings) -> dict[str, Any]:
    """The preset and what differs from it: a list of a thousand jobs stays small."""
    base = _preset(chosen.preset)
    return {"preset": chosen.preset} | {k: v for k, v in vars(chosen).items() if v != base[k]}


@cache
def _preset(name: str) -> dict[str, Any]:
    return asdict(settings.resolve(name))
