"""The queue's list of jobs on disk, which survives a restart, and jobs read from their folders.  No bpy, no NumPy."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ..backend.sjc import foreign, settings
from ..backend.sjc.causes import DISK
from ..backend.sjc.errors import SjcError
from ..backend.sjc.job import folder as job_folder
from ..backend.sjc.job.folder import resumable
from ..backend.sjc.job.locks import FOLDER_LOCK, Lock, Taken
from ..problems import Problem
from .list_writer import VERSION, ListWriter, row_of, write_rows
from .records import JobRecord, Snapshot, State

__all__ = [
    "Failed", "ListFile", "load", "lock_folder", "read_folder", "rescan", "resumable", "save", "snapshot_at",
]  # fmt: skip

LONGEST_PATH, LONGEST_ID, LONGEST_DETAILS = 4096, 100, 1_000_000  # characters of an entry's texts
LONGEST_JOB = 1e9  # seconds
NOT_KEPT = "You can still run jobs here, but Blender forgets them when it quits."
INTERRUPTED = "Blender quit while this job was running; Retry continues from its last checkpoint."


class Failed(SjcError):  # noqa: N818 (it carries the problem; SjcError is the error)
    """A failure whose problem is known."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class ListFile:
    """The list of jobs on disk, of one Blender at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._refused: Problem | None = None  # why the list could not be taken
        self._lock, self._mine = Lock(path.with_name(f".{path.name}.lock")), False
        self._writer = ListWriter(path)

    @property
    def problem(self) -> Problem | None:
        """Why the list is not kept just now; None if it is."""
        error = self._writer.error
        return self._refused if error is None else self._cannot(error)

    @property
    def ours(self) -> bool:
        """Whether this Blender has it."""
        return self._mine

    @property
    def saving(self) -> bool:
        """Whether a list is not on disk yet, be it that the disk refuses it."""
        return self._writer.pending

    def take(self, known: Collection[Path]) -> list[JobRecord]:
        """Make it ours if nobody has it; returns the jobs that it holds, except those of folders that are `known`."""
        if self._mine:
            return []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.take()
            self._mine, self._refused = True, None
            for half in self.path.parent.glob(f".{self.path.name}.*~"):  # what a killed Blender was writing
                half.unlink(missing_ok=True)
            return [job for job in load(self.path) if job.folder not in known]
        except Taken as error:
            self._refused = Problem("locked", f"The list of jobs in {self.path.parent} is in use by {error}.", NOT_KEPT)
        except OSError as error:
            self._refused = self._cannot(error)
        except SjcError as error:
            aside = self.path.with_name(f"{self.path.name}.damaged")
            with contextlib.suppress(OSError):
                os.replace(self.path, aside)
            self._refused = Problem(
                "folder", str(error), f"It was renamed to {aside.name}; the job folders are not affected."
            )
        return []

    def save(self, jobs: Iterable[JobRecord]) -> None:
        """Have it written as it is now, if it is ours; returns at once."""
        if self._mine:
            self._writer.write([row_of(job) for job in jobs])

    def flush(self) -> None:
        """Wait until it is written, or cannot be."""
        self._writer.flush()

    def release(self) -> None:
        """Leave it to the next, written."""
        self._writer.close()
        if self._mine:
            self._mine = False
            self._lock.release()

    def _cannot(self, error: Exception) -> Problem:
        reason = getattr(error, "strerror", None) or error
        return Problem("folder", f"The list of jobs {self.path} cannot be written: {reason}.", NOT_KEPT)


def lock_folder(folder: Path) -> Lock:
    """Make a job folder and lock it.  Raises Failed if somebody has it or nothing can be written."""
    lock = Lock(folder / FOLDER_LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.take()
    except Taken as error:
        text = f"{folder} is in use by {error}."
        raise Failed(Problem("locked", text, "Wait until the job has ended there, then press Retry.")) from error
    except OSError as error:
        text = f"{folder} cannot be written: {error.strerror or error}."
        full = error.errno == errno.ENOSPC
        hint = DISK.hint if full else "Choose another output folder, then generate again."
        raise Failed(Problem("disk" if full else "folder", text, hint)) from error
    return lock


def save(path: Path, jobs: Iterable[JobRecord]) -> None:
    """Write the list, whole, and wait for it.  Raises OSError."""
    write_rows(path, map(row_of, jobs))


def load(path: Path) -> list[JobRecord]:
    """The list as it was; what was running is stopped now, or finished if its folder says so.

    An entry that cannot be read is left out. Raises SjcError for a file that is no queue, or a newer program's.
    """
    try:
        document = foreign.read_json(path)
    except FileNotFoundError:
        return []
    if not isinstance(document, dict) or not isinstance(document.get("jobs"), list) or "sjc_queue" not in document:
        raise SjcError(f"{path} is not a list of jobs.")
    if document["sjc_queue"] != VERSION:
        raise SjcError(f"The list of jobs {path} was written by another version of this program.")
    jobs = (_read(entry, path.parent) for entry in document["jobs"])
    return [job for job in jobs if job is not None]


def _read(entry: Any, parent: Path) -> JobRecord | None:
    try:
        record = foreign.Record(entry, "a job")
        problem = record.record("problem") if entry["problem"] else None
        job = JobRecord(
            settings=settings.resolve(None, record.record("settings").values),
            folder=parent / record.text("folder", longest=LONGEST_PATH),
            resume=record.flag("resume"),
            variant=record.flag("variant", default=False),
            id=record.text("id", longest=LONGEST_ID) or uuid.uuid4().hex,
            state=State(record.text("state")),
            step=record.whole("step", 0, foreign.MOST_STEPS),
            total=record.whole("total", 0, foreign.MOST_STEPS),
            seconds=record.number("seconds", 0, LONGEST_JOB),
            text=record.text("text"),
            warnings=record.texts("warnings"),
            problem=Problem(**{key: problem.text(key, longest=LONGEST_DETAILS) for key in problem.values})
            if problem
            else None,
        )
    except (KeyError, TypeError, ValueError, SjcError):
        return None
    if job.active:
        rescan(job)
        if job.state is not State.FINISHED:
            job.state, job.text = State.STOPPED, INTERRUPTED
    return job


# ----------------------------------------------------------------------------------------------------------- folders


def read_folder(folder: Path) -> JobRecord:
    """A job made elsewhere: finished, or stopped and to be resumed.  Raises SjcError where no settings can be read."""
    chosen = job_folder.read_settings(folder)
    job = JobRecord(settings=chosen, folder=folder, resume=True, state=State.STOPPED, total=chosen.steps)
    rescan(job)
    return job


def rescan(job: JobRecord) -> None:
    """Take from the folder what it says: snapshots, the step of the newest, whether the job is finished."""
    snapshots = (snapshot_at(npz) for npz in job_folder.snapshots(job.folder))
    job.snapshots = [snapshot for snapshot in snapshots if snapshot]  # damaged ones are left out
    job.total = job.total or job.settings.steps
    if job.snapshots:
        job.step = max(job.step, job.snapshots[-1].step)
    if job_folder.finished(job.folder):
        job.state, job.step, job.text, job.problem = State.FINISHED, job.total, "finished", None


def snapshot_of(folder: Path, path: str, step: int) -> Snapshot | None:
    """The snapshot that a worker tells of, by its name in the job's own folder; None if it is not there or damaged."""
    try:
        npz = folder / job_folder.SNAPSHOTS / Path(path).name
        known = job_folder.snapshot_number(npz) is not None and 0 <= step <= foreign.MOST_STEPS
        return snapshot_at(npz, step) if known else None
    except ValueError:  # a NUL in it
        return None


def add_snapshot(job: JobRecord, message: dict[str, Any]) -> bool:
    """Put the snapshot that a worker tells of among the job's; False where there is none, or a damaged one."""
    snapshot = snapshot_of(job.folder, message["path"], message["step"])
    if snapshot:
        job.snapshots = [s for s in job.snapshots if s.npz != snapshot.npz] + [snapshot]
    return snapshot is not None


def snapshot_at(npz: Path, step: int | None = None) -> Snapshot | None:
    """The snapshot of an npz file, None if it is cut off or its volume is missing.  Reads a few hundred bytes."""
    vdb, png = npz.with_suffix(".vdb"), npz.with_suffix(".png")
    meta = job_folder.snapshot_meta(npz)
    if meta is None or not foreign.is_file(vdb) or vdb.stat().st_size == 0:
        return None
    return Snapshot(meta["step"] if step is None else step, npz, vdb, png if foreign.is_file(png) else None)
