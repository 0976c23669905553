"""A slot makes one job folder after the other and hands the loaded model from each to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs, locks
from ..job.pointer import repair_pointer
from ..job.progress import Event, Report
from ..settings import Settings
from .address import is_address
from .borrowing import borrowed

if TYPE_CHECKING:
    from ..job.run import JobRun

Ending = Literal["made", "there", "stopped"]


class Slot:
    """Makes, goes on with, or passes over jobs.

    report: called with the events of all. lease: seconds, as in `locks.Lock`.
    """

    def __init__(self, report: Report, lease: float = 0.0) -> None:
        self.report, self.lease = report, lease
        self.last_run: JobRun | None = None

    def make(self, place: str, chosen: Settings, stop: Callable[[], bool]) -> Ending:
        """One job in a folder or at an address, from wherever it stands. stop: asked before every step.

        Raises SjcError.
        """
        if is_address(place):
            return self._make_at(place, chosen, stop)
        folder = Path(place)
        with locks.holding(folder, self.lease) as lock:

            def asked() -> bool:
                lock.check()
                return stop()

            return self._held(folder, chosen, asked)

    def _make_at(self, address: str, chosen: Settings, stop: Callable[[], bool]) -> Ending:
        """In a folder of this computer, whose messages then speak of the address."""
        report = self.report
        with borrowed(address, chosen, self.lease) as one:

            def asked() -> bool:
                one.lease.check()
                return stop()

            def tell(event: Event) -> None:
                report({**event, "folder": address} if event.get("folder") == str(one.folder) else event)

            self.report = tell
            try:
                return self._held(one.folder, chosen, asked)
            except SjcError as error:
                raise type(error)(str(error).replace(str(one.folder), address), error.code) from error
            finally:
                self.report = report

    def _held(self, folder: Path, chosen: Settings, stop: Callable[[], bool]) -> Ending:
        from ..job import run

        old = job_folder.read_settings(folder) if job_folder.has_settings(folder) else None
        if old != replace(inputs.named(chosen), overwrite=False) or chosen.overwrite:
            job_folder.check_folder(folder, chosen)
            return self._run(folder, chosen, stop, new=True)
        if job_folder.finished(folder):
            repair_pointer(folder)
            self.report({"type": "status", "stage": "batch", "text": "already there"})
            return "there"
        return self._run(folder, run.reopen(folder), stop, new=False)

    def _run(self, folder: Path, chosen: Settings, stop: Callable[[], bool], *, new: bool) -> Ending:
        """A new folder is prepared when model, device and prompt have proved good."""
        from ..job.kinds import job_run
        from ..job.run import Stopped

        job = job_run(folder, chosen, self.report, stop, previous=self.last_run)
        try:
            job.load()
            if new:
                job_folder.prepare_folder(folder, chosen)
            job.run()
            return "made"
        except Stopped:
            return "stopped"
        finally:
            job.release_field()
            if job.has_model:
                self.last_run = job
