"""Where the queue's list of jobs is kept on disk, if anywhere, and how it moves to another file.  No bpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..problems import Problem
from .queue_file import ListFile
from .records import JobRecord

__all__ = ["KeptList"]


class KeptList:
    """The queue's list on disk.  path: its file; None keeps none."""

    def __init__(self, path: Path | None) -> None:
        self._file = ListFile(path) if path else None

    @property
    def path(self) -> Path | None:
        """Its file."""
        return self._file.path if self._file else None

    @property
    def problem(self) -> Problem | None:
        """What is wrong with it: another Blender has it, it is damaged, the disk is full."""
        return self._file.problem if self._file else None

    @property
    def saving(self) -> bool:
        """Whether what was saved last is not on disk yet. Nothing has to wait for it, but `problem` may change then."""
        return self._file is not None and self._file.saving

    def begin(self) -> list[JobRecord]:
        """The jobs that it holds from before."""
        return self._file.take(known=()) if self._file and self._file.path.exists() else []

    def save(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Have these jobs written, by a thread -> those that it held besides, if only now it could be made ours."""
        if self._file is None or not (jobs or self._file.path.exists()):
            return []
        others = [] if self._file.ours else self._file.take(known={job.folder for job in jobs})
        self._file.save([*jobs, *others])
        return others

    def move(self, path: Path, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Keep these jobs in another file from now on, joined with those that it holds, which are returned.

        Where another Blender has that file, or it cannot be read, the list stays in its old one.
        """
        if self._file is None or self._file.path == path:
            return []
        moved, others = ListFile(path), []
        if jobs or path.exists():  # else its folder is not made yet
            others = moved.take(known={job.folder for job in jobs})
            if moved.problem:
                moved.release()
                return []
        old, self._file = self._file, moved
        others += self.save([*jobs, *others])
        moved.flush()  # before the old one is emptied: killed in between, the jobs stand in both
        if moved.problem is None:
            old.save([])
        old.release()
        return others

    def flush(self) -> None:
        """Wait until it is on disk, or cannot be written."""
        if self._file:
            self._file.flush()

    def release(self) -> None:
        """Leave it to the next, written."""
        if self._file:
            self._file.release()
