"""The worker: takes jobs from Blender over standard input and reports on them over standard output (protocol.py).

Three threads.  The main one runs jobs.  One reads commands; at the end of the input (Blender is gone) it gives the job
a few seconds to save itself and then ends the process, whatever the main thread does.  One sends heartbeats.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import causes, settings
from ..errors import SjcError
from ..job import folder as job_folder
from ..machine import telemetry
from ..machine.memory import give_back, large_pages
from . import protocol

if TYPE_CHECKING:
    from ..job.run import JobRun

GRACE_SECONDS = 5.0  # for a job to save itself when the process must end
NICENESS = 10
PACKAGE_HINT = "Install the backend again: a package is missing from its environment."
BUG_HINT = (
    "This is a bug: please report it with what Copy Report gives you. The job's progress is kept, and you can resume "
    "it."
)


class Worker:
    """Serves one add-on over (commands in, messages out)."""

    def __init__(self, commands: IO[bytes], messages: IO[bytes]) -> None:
        self.commands, self.messages = commands, messages
        self.lock = threading.Lock()
        self.accepted: queue.Queue[dict[str, Any]] = queue.Queue()  # commands for the main thread
        self.paused, self.cancelled, self.ending = threading.Event(), threading.Event(), threading.Event()
        self.snapshot_asked = threading.Event()
        self.busy = False
        self.stage = ""
        self.touched = time.monotonic()
        self.last_run: JobRun | None = None  # the next job may take over its model

    def send(self, type_: str, **fields: Any) -> None:
        """Send one message; a gone reader is no error (the end of the input will say so)."""
        if type_ != "heartbeat":
            self.touched = time.monotonic()
        with self.lock, contextlib.suppress(OSError, ValueError):
            line = protocol.encode({"type": type_, **fields})
            while line:
                line = line[self.messages.write(line) :]

    def serve(self) -> int:
        """Say hello and take jobs until shutdown; returns the exit status."""
        self.send("hello", **self.hello())
        threading.Thread(target=self._listen, name="commands", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        while not self.ending.is_set():
            command = self.accepted.get()
            if command["type"] == "free":
                self._free()
            elif command["type"] == "start":
                self._run(command)
        return 0

    def hello(self) -> dict[str, Any]:
        """The fields of the first message.  torch is not loaded yet, so `device` names the processor only."""
        from ..machine.devices import versions

        package = Path(__file__).parents[1]
        return {
            "protocol": protocol.VERSION,
            "pid": os.getpid(),
            "folder": str(package),
            "hash": protocol.source_hash(package),
            "device": f"{os.cpu_count() or 1} CPU cores",
            "versions": versions(),
        }

    # ---------------------------------------------------------------------------------------------------- commands

    def _listen(self) -> None:
        try:
            for line in self.commands:
                if line.strip():
                    self._understand(line)
        finally:  # whatever went wrong: a worker that nobody can talk to must not stay
            # A second way out, which needs no Python to run.
            with contextlib.suppress(RuntimeError, ValueError, OSError):
                faulthandler.dump_traceback_later(GRACE_SECONDS + 1, exit=True)
            self._obey({"type": "shutdown"})
            time.sleep(GRACE_SECONDS)
            os._exit(0)

    def _understand(self, line: bytes) -> None:
        try:
            self._obey(protocol.decode(line, protocol.UP))
        except SjcError as error:
            self.send("warning", text=f"the worker did not understand a command: {error}")

    def _obey(self, command: dict[str, Any]) -> None:
        kind = command["type"]
        if kind == "start" and self.busy:
            self.send("warning", text="the worker is busy; start one job at a time")
        elif kind == "start":
            self.paused.clear()
            self.cancelled.clear()
            self.snapshot_asked.clear()
            self.busy = True
            self.accepted.put(command)
        elif kind == "free":
            self.accepted.put(command)
        elif kind == "pause":
            self.paused.set()
        elif kind == "resume":
            self.paused.clear()
        elif kind == "snapshot_now":
            self.snapshot_asked.set()
        elif kind == "cancel":
            self.cancelled.set()
        elif kind == "shutdown":
            self.cancelled.set()
            self.ending.set()
            self.accepted.put(command)

    def _beat(self) -> None:
        while True:
            self.send("heartbeat", quiet_s=round(time.monotonic() - self.touched, 1))
            time.sleep(protocol.HEARTBEAT_SECONDS)

    # -------------------------------------------------------------------------------------------------------- jobs

    def _run(self, command: dict[str, Any]) -> None:
        from ..job.run import Stopped

        state, error = "failed", None
        try:
            self._work(Path(command["folder"]), command["settings"], command["resume"])
            state = "finished"
        except Stopped:
            state = "stopped"
        except Exception as problem:  # noqa: BLE001 (the process serves on; the log has the traceback)
            error = error_fields(problem)
            if not isinstance(problem, SjcError):
                traceback.print_exc(file=sys.stderr)
        if error:
            self.send("error", **error)
        if self.last_run:
            self.last_run.release_field()
        if error and error["code"] == "memory":  # only now: the exception held what filled it
            self._free()
        self.busy = False
        self.send("done", state=state)

    def _work(self, folder: Path, given: dict[str, Any], resume: bool) -> None:
        if "torch" not in sys.modules:
            self._report({"type": "status", "stage": "import", "text": "loading the libraries"})
        from ..job import run
        from ..job.kinds import job_run

        if resume:
            chosen = run.reopen(folder)
        else:
            chosen = settings.resolve_job(given)
            run.check_early(chosen, folder)
            job_folder.check_folder(folder, chosen)
        job = job_run(folder, chosen, self._report, self._stop, self._wants_snapshot, previous=self.last_run)
        job.preview = True
        try:
            job.load()
        finally:
            if job.has_model:  # also one that knew a word not: the next job may know better
                self.last_run = job
        if not resume:
            job_folder.prepare_folder(folder, chosen)
        if not chosen.snapshot_every:
            self.snapshot_asked.set()  # somebody waits for the volume: show it after the first step
        job.run()

    def _report(self, event: dict[str, Any]) -> None:
        event = dict(event)
        self.stage = event.get("stage", self.stage)
        self.send(event.pop("type"), **event)

    def _stop(self) -> bool:
        """Asked after every step; holds the job while it is paused."""
        if self.paused.is_set() and not self.cancelled.is_set():
            self.send("status", stage="paused", text="paused")
            while self.paused.is_set() and not self.cancelled.is_set():
                self.touched = time.monotonic()  # a paused job does not hang
                time.sleep(0.05)
            self.send("status", stage=self.stage, text="going on")
        return self.cancelled.is_set()

    def _wants_snapshot(self) -> bool:
        asked = self.snapshot_asked.is_set()
        self.snapshot_asked.clear()
        return asked

    def _free(self) -> None:
        self.last_run = None
        give_back()


def error_fields(error: BaseException) -> dict[str, str]:
    """An exception as the fields of an error message."""
    text, cause = str(error).strip(), causes.of_error(error)
    if isinstance(error, SjcError):
        return {"code": cause.code, "text": text, "hint": cause.hint} if cause else {**_INPUT, "text": text}
    if cause:
        return {"code": cause.code, "text": cause.text, "hint": cause.hint}
    first = f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"[:500]
    if isinstance(error, ImportError):
        return {"code": "environment", "text": first, "hint": PACKAGE_HINT}
    shown = "".join(traceback.format_exception(error))[-4000:]
    return {"code": "bug", "text": first, "hint": BUG_HINT, "traceback": shown}


_INPUT = {"code": "input", "hint": ""}


def lower_priority() -> None:
    """Low priority, one core left to Blender, large pages, no telemetry.  Call it before torch is imported."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(max(0, NICENESS - os.nice(0)))  # not below what whoever started Blender has already chosen
    large_pages()
    telemetry.switch_off()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))


def main(commands: IO[bytes], messages: IO[bytes]) -> int:
    """Serve over two streams; returns the exit status."""
    lower_priority()
    return Worker(commands, messages).serve()
