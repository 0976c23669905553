"""A batch on a cluster: `sjc batch --cluster` as a process, whose events become those of the queue's jobs.  No bpy."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job.folder import numbered_folder
from ..backend.sjc.settings import Settings
from ..install import environment
from ..problems import Problem
from .preparation import Preparation
from .records import JobRecord, State

LIST = "prompts.jsonl"
RETRY_HERE = "Press Retry to continue on this computer from the last checkpoint."
NO_REASON = "The process gave no reason."
END_SECONDS = 5.0

Message = dict[str, Any]


class ProcessBatch:
    """Jobs that one process of the command line makes.

    folder: the parent of their folders. command: how the process is started; `words` follow. preparation: what must be
    done before that; where it fails, all jobs do.
    """

    beginning = "starting"
    code, no_reason, hint = "worker", NO_REASON, ""  # of the problem, if it ends without a word

    def __init__(self, settings: Sequence[Settings], folder: Path, command: list[str]) -> None:
        self.folder, self.command = Path(folder).absolute(), command
        self.jobs = [
            JobRecord(
                settings=chosen, folder=numbered_folder(self.folder, number, chosen), total=chosen.steps,
                state=State.STARTING, text=self.beginning,
            )
            for number, chosen in enumerate(settings, 1)
        ]  # fmt: skip
        self.alive = True
        self._by_folder = {str(job.folder): job for job in self.jobs}
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()  # None: there will be no more
        self._last: dict[str, Message] = {}
        self._over: set[str] = set()  # jobs whose "done" is told, though the queue may not have read it yet
        self._problem: Message | None = None
        self._errors: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.preparation: Preparation | None = None

    def words(self) -> list[str]:
        """The arguments of the command; writes what they name.  Raises OSError."""
        raise NotImplementedError

    def messages(self, job: JobRecord, event: Message) -> list[Message]:
        """An event of the process as a worker would say it; "done" is the last of a job."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process, at once or when its preparation is done.  Raises SjcError."""
        if self.preparation is None:
            self._start_process()

    def _start_process(self) -> None:
        try:
            self._process = subprocess.Popen(
                [*self.command, *self.words()], env=environment.clean_environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace",
                **environment.quiet(),
            )  # fmt: skip
        except OSError as error:
            raise SjcError(f"{self.folder} could not be written: {error.strerror or error}.") from error
        self._reader = threading.Thread(target=self._read, name="batch", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        errors = threading.Thread(target=self._errors.extend, args=(self._process.stderr,), daemon=True)
        errors.start()
        for line in self._process.stdout:
            self._lines.put(line)
        self._process.wait()
        errors.join()
        self._lines.put(None)

    def stop(self) -> None:
        """Ask it to end: the jobs stop after their step, with a checkpoint."""
        for job in self.jobs:
            if not job.finished:
                job.state, job.text = State.STOPPING, "stopping after this step"
        if self._process and self._process.poll() is None:
            if os.name == "nt":
                self._process.terminate()
            else:
                self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End it, and wait for that a moment."""
        self.stop()
        self.preparation = None
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            self._process.kill()
            self._process.wait()
        self._lines.put(None)

    def poll(self) -> list[tuple[JobRecord, Message]]:
        """What has happened since; never waits.  Of each job the last message is "done", with its state."""
        news: list[tuple[JobRecord, Message]] = []
        if self.preparation:
            if not self.preparation.done:
                return news
            self._start_prepared(self.preparation.problem)
            self.preparation = None
        while self.alive:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                break
            if line is None:
                self.alive = False
                news += self._ends()
                break
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # not an event of ours
                news += self._take(json.loads(line))
        return news

    def _start_prepared(self, problem: Problem | None) -> None:
        """Start the process, unless that cannot be, or is no longer wanted."""
        if problem is None and any(job.state is not State.STOPPING for job in self.jobs):
            try:
                self._start_process()
            except SjcError as error:
                problem = Problem("folder", str(error))
            else:
                return
        if problem:
            self._problem = {"type": "error", "code": problem.code, "text": problem.text, "hint": problem.hint}
        self._lines.put(None)

    def _take(self, event: Message) -> Iterator[tuple[JobRecord, Message]]:
        if event["type"] == "error" and "folder" not in event:
            self._problem = {"type": "error", "code": str(event["code"]), "text": str(event["text"]), "hint": ""}
        job = self._by_folder.get(event.get("folder", ""))
        if job is None or job.id in self._over or self._last.get(job.id) == event:
            return iter(())
        self._last[job.id] = event
        messages = self.messages(job, event)
        if messages and messages[-1]["type"] == "done":
            self._over.add(job.id)
        return iter([(job, message) for message in messages])

    def _ends(self) -> Iterator[tuple[JobRecord, Message]]:
        """The process is over: what it has not made was stopped, or could not begin."""
        for job in self.jobs:
            if job.id in self._over:
                continue
            if job.state is State.STOPPING:
                yield job, {"type": "done", "state": "stopped"}
                continue
            words = [line.strip() for line in self._errors if line.strip()]
            last = words[-1] if words else self.no_reason
            yield job, self._problem or {"type": "error", "code": self.code, "text": last, "hint": self.hint}
            yield job, {"type": "done", "state": "failed"}


class ClusterBatch(ProcessBatch):
    """Jobs that a cluster makes.

    command: how `sjc batch` is started. address: local, auto or HOST:PORT.
    """

    beginning = "waiting for the cluster"
    code, no_reason, hint = "cluster", "The cluster gave no reason.", RETRY_HERE

    def __init__(self, settings: Sequence[Settings], folder: Path, command: list[str], address: str) -> None:
        super().__init__(settings, folder, command)
        self.address = address

    def words(self) -> list[str]:
        """A list of the jobs, which is written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(asdict(job.settings), ensure_ascii=False) for job in self.jobs)
        (self.folder / LIST).write_text("\n".join(lines), "utf-8")
        return [str(self.folder / LIST), "--out", str(self.folder), "--cluster", self.address, "--json"]

    def messages(self, job: JobRecord, event: Message) -> list[Message]:
        """Of the events that are about a job."""
        return _messages(job, event) if event["type"] == "job" else []


def _messages(job: JobRecord, event: Message) -> list[Message]:
    """An event of the batch as a worker would say it."""
    if event["state"] == "finished":
        return [{"type": "result", "folder": str(job.folder)}, {"type": "done", "state": "finished"}]
    if event["state"] == "failed":
        reason = {"type": "error", "code": "cluster", "text": str(event["reason"]), "hint": RETRY_HERE}
        return [reason, {"type": "done", "state": "failed"}]
    if "step" in event and event["stage"] == "optimise":
        speed = max(float(event["it_s"]), 1e-9)
        left = (event["total"] - event["step"]) / speed
        names = ("stage", "step", "total", "it_s")
        return [{"type": "progress", **{name: event[name] for name in names}, "eta_s": left, "metrics": {}}]
    return [{"type": "status", "stage": str(event.get("stage", "start")), "text": f"on {event.get('host', '')}"}]
