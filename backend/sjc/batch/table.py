"""The table of a batch on a cluster: what each slot makes, how fast, and how long all take; plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..job.progress import Event

if TYPE_CHECKING:
    from rich.console import RenderableType

    from .dispatch import Dispatch

FAILURES_SHOWN = 8


class SlotTable:
    """Drawn anew at every turn on a terminal."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(file=stream or sys.stderr, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.lines = not self.console.is_terminal

    def report(self, event: Event) -> None:
        """One event of the batch: a line for a job that is over, above the table."""
        if event["type"] == "status":
            self._line(event["text"])
        elif event["type"] == "job" and event["state"] in ("finished", "failed"):
            host = f" on {event['host']}" if event.get("host") else ""
            reason = f": {event['reason']}" if event.get("reason") else ""
            self._line(f"{event['state']}{host} {Path(event['folder']).name}{reason}")

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def show(self, dispatch: Dispatch) -> None:
        """The table as it is now."""
        if self.lines:
            return
        if not self.live.is_started:
            self.live.start()
        self.live.update(_table(dispatch), refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.live.is_started:
            self.live.stop()


def remaining_seconds(dispatch: Dispatch) -> float | None:
    """How long the rest of the list takes at the pace so far; None before the first job is over."""
    slots = max(1, len([worker for worker in dispatch.workers if worker.ready is None]))
    if not dispatch.made:
        return None
    begun = sum(worker.progress.get("step", 0) / max(1, worker.progress.get("total", 1)) for worker in dispatch.working)
    return max(0.0, dispatch.left - begun) * sum(dispatch.made) / len(dispatch.made) / slots


def _table(dispatch: Dispatch) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table("slot", "host", "makes", "stage", "step", "step/s", box=None, pad_edge=False)
    for worker in dispatch.workers:
        at = worker.progress
        makes = worker.task.job.folder.name if worker.task else "starting" if worker.ready is not None else ""
        step = f"{at['step']}/{at['total']}" if "step" in at else ""
        speed = f"{at['it_s']:.1f}" if "it_s" in at else ""
        cells = [str(worker.number), worker.place.host, makes, at.get("stage", ""), step, speed]
        table.add_row(*(Text(cell) for cell in cells))  # a prompt may hold brackets
    done = dispatch.total - dispatch.left
    left = remaining_seconds(dispatch)
    rest = "" if left is None else f", about {_time(left)} left"
    spent = _time(time.monotonic() - dispatch.began)
    lines = [Text(f"{done} of {dispatch.total} done in {spent}{rest}; {len(dispatch.failed)} failed")]
    lines += [Text(f"failed: {folder.name}: {reason}") for folder, reason in _newest(dispatch.failed)]
    return Group(table, *lines)


def _newest(failed: dict[Path, str]) -> list[tuple[Path, str]]:
    return list(failed.items())[-FAILURES_SHOWN:]


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
