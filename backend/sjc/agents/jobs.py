"""The jobs of an MCP server: commands of the command line, one after the other, each in a process of its own.

The server itself loads no model: it answers while a job computes, and outlives one that crashes. A job that is ended
can be resumed, as after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any, Literal

State = Literal["waiting", "running", "finished", "stopped", "failed"]
PATIENCE = 20.0  # seconds for a job to save its state when it is asked to end
INTERRUPTED = 130
_NEW_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows: who else is interrupted is ours to say


def command(*words: str | Path) -> list[str]:
    """The command line with these words, by the Python that runs here; -P: no file where it runs is imported."""
    return [sys.executable, "-P", "-m", "sjc", *map(str, words)]


@dataclass
class AgentJob:
    """One command. folder: where its files go. problem: one line, where it failed."""

    folder: Path
    words: list[str]
    state: State = "waiting"
    step: int = 0
    total: int = 0
    seconds_left: float | None = None
    problem: str = ""
    warnings: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """What a client is told."""
        return {
            "folder": str(self.folder),
            "state": self.state,
            "step": self.step,
            "steps": self.total,
            "seconds_left": self.seconds_left,
            "problem": self.problem,
            "warnings": self.warnings,
        }

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the job."""
        if event.get("type") == "progress":
            self.step, self.total, self.seconds_left = event["step"], event["total"], event.get("eta_s")
        elif event.get("type") == "warning":
            self.warnings.append(str(event["text"]))
        elif event.get("type") == "error":
            self.problem = str(event["text"])


class Jobs:
    """Begins jobs in the order in which they were asked for. root: where they run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.all: list[AgentJob] = []
        self._waiting: Queue[AgentJob | None] = Queue()
        self._process: subprocess.Popen[str] | None = None
        self._running: AgentJob | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def add(self, folder: Path, words: list[str]) -> AgentJob:
        """A job that waits for its turn."""
        job = AgentJob(folder, words)
        self.all.append(job)
        self._waiting.put(job)
        return job

    def newest(self, folder: Path) -> AgentJob | None:
        """The last job that was begun for a folder."""
        return next((job for job in reversed(self.all) if job.folder == folder), None)

    def cancel(self, job: AgentJob) -> None:
        """A job that waits does not begin; one that runs saves its state and ends."""
        with self._lock:
            if job.state == "waiting":
                job.state = "stopped"
            elif job is self._running and self._process:
                _interrupt(self._process)

    def close(self) -> None:
        """End the job that runs, and begin no other."""
        for job in self.all:
            self.cancel(job)
        self._waiting.put(None)
        self._thread.join(PATIENCE)
        with self._lock:
            if self._process:
                self._process.kill()
        self._thread.join(PATIENCE)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            with self._lock:
                if job.state != "waiting":
                    continue
                job.state, self._running = "running", job
                self._process = subprocess.Popen(
                    command(*job.words),
                    cwd=self.root,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    env={**os.environ, "PYTHONUTF8": "1"},
                    creationflags=_NEW_GROUP,
                )
            with self._process as process:
                self._follow(job, process)
            with self._lock:
                self._process = self._running = None

    def _follow(self, job: AgentJob, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
        reader.start()
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                job.hear(event)
        code = process.wait()
        reader.join()
        job.seconds_left = None
        job.state = "finished" if code == 0 else "stopped" if code == INTERRUPTED else "failed"
        if job.state == "failed" and not job.problem:
            lines = [line.strip() for line in errors if line.strip()]
            job.problem = lines[-1].removeprefix("sjc: ") if lines else f"The job ended with code {code}."


def _interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT) if _NEW_GROUP else signal.SIGINT)
