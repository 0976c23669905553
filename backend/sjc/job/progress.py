"""What a job says while it runs: events for people (a bar), for machines (JSON lines), or for nobody.

An event is a dict with a "type": status, progress, snapshot, warning, result, error. Reporters are called in the
job's own thread and must be quick.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any

from ..machine.streams import as_json

Event = dict[str, Any]
Report = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Says nothing."""


def mute(stream: IO[str]) -> None:
    """Let all that is written from now on go nowhere: whoever read it is gone, as after `sjc ... | head -1`."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class JsonLines:
    """One JSON object a line. Once they cannot be written the events end, and the job goes on."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.stream = stream or sys.stdout

    def __call__(self, event: Event) -> None:
        """Write one event."""
        try:
            self.stream.write(as_json(event, self.stream) + "\n")
            self.stream.flush()
        except OSError:
            mute(self.stream)


class Bar:
    """A bar with stage, steps per second and ETA on a terminal; elsewhere a plain line every ten percent."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(file=stream or sys.stderr, highlight=False)
        self.console.on_broken_pipe = lambda: mute(self.console.file)  # type: ignore[method-assign]
        self.live = self.console.is_terminal
        self.progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
        )
        self.task: Any = None
        self.tenth = -1

    def __call__(self, event: Event) -> None:
        """Show one event."""
        kind = event["type"]
        if kind == "progress":
            self._progress(event)
            return
        if kind != "snapshot":
            self._close()
        if kind == "status":
            self._line(event["text"])
        elif kind == "warning":
            self._line(f"warning: {event['text']}")

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)  # a prompt may hold brackets

    def _progress(self, event: Event) -> None:
        speed = f"{event['it_s']:.1f} {event.get('unit', 'step')}/s"
        if self.live:
            if self.task is None:
                self.progress.start()
                self.task = self.progress.add_task(event["stage"], total=event["total"], speed=speed)
            self.progress.update(self.task, completed=event["step"], speed=speed, total=event["total"])
        elif (tenth := 10 * event["step"] // event["total"]) != self.tenth:
            self.tenth = tenth
            self._line(f"{event['stage']} {event['step']}/{event['total']}, {speed}, {event['eta_s']:.0f} s left")

    def _close(self) -> None:
        if self.task is not None:
            self.progress.stop()
            self.progress.remove_task(self.task)
            self.task = None

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._close()


class Rate:
    """Steps per second, smoothed over about the last `memory` steps, and the time that is left."""

    def __init__(self, memory: int = 20) -> None:
        self.memory, self.seconds, self.last = memory, 0.0, time.perf_counter()

    def tick(self) -> float:
        """Call after every step; returns steps per second."""
        now = time.perf_counter()
        spent, self.last = now - self.last, now
        weight = 1 / self.memory if self.seconds else 1.0
        self.seconds += weight * (spent - self.seconds)
        return 1 / max(self.seconds, 1e-9)
