"""What runs on the computers of a cluster: a check of each, and the actor that is one slot.  Nothing of Ray in here."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from typing import Any

from .. import __version__, causes, settings
from ..errors import SjcError, one_line
from ..job import locks
from ..job.progress import Event
from ..machine import telemetry
from .destination import read_there
from .slot import Slot


def inspect(out: str, probe: str, text: str, models: list[str], loras: list[str]) -> dict[str, Any]:
    """What a computer says before any job: its name, versions, and what it lacks.

    out, probe, text: where the batch goes, a file of the head's there, and what stands in it. models, loras: all that
    the batch uses.
    """
    try:
        shared, missing = _is_shared(out, probe, text), []
    except SjcError as error:  # the package for such addresses is not there
        shared, missing = True, [str(error)]
    return {
        "host": socket.gethostname(),
        "version": __version__,
        "python": ".".join(map(str, sys.version_info[:2])),
        "shared": shared,
        "missing": missing + _missing(models, loras),
    }


def _is_shared(out: str, probe: str, text: str) -> bool:
    """Raises SjcError for an address that cannot be used here."""
    for _ in range(5):  # a network drive's list of names may be some seconds old
        with contextlib.suppress(OSError):
            if read_there(out, probe, len(text)) == text.encode():
                return True
        time.sleep(1.0)
    return False


def _missing(models: list[str], loras: list[str]) -> list[str]:
    from ..models import lora, model_files

    reasons = []
    checks = [(model_files.check_there, name) for name in models] + [(lora.check, name) for name in loras]
    for check, name in checks:
        try:
            check(name)
        except SjcError as error:
            reasons.append(str(error).splitlines()[0])
    return reasons


class SlotActor:
    """One slot: `make` works in one thread, while `state` and `stop` are asked in another.

    threads: of the CPU, for each job. lease: seconds, as in `locks.Lock`.
    """

    def __init__(self, threads: int, lease: float) -> None:
        telemetry.switch_off()
        self.threads = threads
        self.slot = Slot(self._note, lease)
        self.progress: dict[str, Any] = {}
        self.asked_to_stop = False

    def ready(self) -> dict[str, Any]:
        """Where it runs; answers once the process has started."""
        return {"host": socket.gethostname(), "pid": os.getpid()}

    def state(self) -> dict[str, Any]:
        """Of the job that is being made: stage, step, total, it_s."""
        return dict(self.progress)

    def stop(self) -> None:
        """End the job that is being made after its step, with a checkpoint; and begin no other."""
        self.asked_to_stop = True

    def make(self, place: str, chosen: dict[str, Any]) -> dict[str, Any]:
        """Make one job -> {"ending": made, there, stopped, in use or failed, "reason", "host", "seconds"}."""
        import torch

        torch.set_num_threads(self.threads)  # of this thread: each has a number of its own
        began = time.perf_counter()
        reason = ""
        try:
            if self.asked_to_stop:
                return {"ending": "stopped", "reason": "", "host": socket.gethostname(), "seconds": 0.0}
            made = self.slot.make(place, settings.resolve(None, chosen), lambda: self.asked_to_stop)
            ending = str(made)
        except Exception as error:  # noqa: BLE001 (whatever it was: the batch goes on, and the reason is recorded)
            ending = "in use" if isinstance(error, SjcError) and error.code == locks.IN_USE else "failed"
            known = causes.in_one_line(error)
            reason = known[1] if known else one_line(error)
        self.progress = {}
        seconds = round(time.perf_counter() - began, 3)
        return {"ending": ending, "reason": reason, "host": socket.gethostname(), "seconds": seconds}

    def _note(self, event: Event) -> None:
        if event["type"] == "progress":
            self.progress = {key: event[key] for key in ("stage", "step", "total", "it_s")}
        elif event["type"] == "status":
            self.progress = {**self.progress, "stage": event["stage"]}
