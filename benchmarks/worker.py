"""What Blender waits for: the first volume from a cold and from a warm worker, and what snapshots cost the worker.

The worker is started as the add-on starts it, behind the add-on's own process class; "the first volume" is the message
that its file is there. What Blender then does with the file is in `bridge`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import imports, report
from benchmarks.job import PROMPT
from sjc.errors import SjcError
from sjc.settings import Settings
from sjc_blender.install.environment import worker_command
from sjc_blender.worker.process import WorkerProcess

PACE = 1.0  # seconds between snapshots
TURN = 0.01  # seconds between looks at what the worker says; Blender looks every 0.1
PATIENCE = 600.0


class Server:
    """A worker process and what it says."""

    def __init__(self) -> None:
        self.process = WorkerProcess(worker_command(sys.executable))
        self.process.start()

    def start(self, folder: Path, settings: Settings) -> None:
        """Give it a job."""
        self.process.send("start", folder=str(folder), settings=asdict(settings), resume=False)

    def hear(self, until: str, pace: float = 0.0) -> list[tuple[float, dict[str, Any]]]:
        """(moment, message) up to the first of the type `until`; pace: seconds between snapshots. Raises SjcError."""
        heard: list[tuple[float, dict[str, Any]]] = []
        deadline = time.perf_counter() + PATIENCE
        asked = time.perf_counter()
        while time.perf_counter() < deadline:
            for message in self.process.poll():
                heard.append((time.perf_counter(), message))
                if message["type"] == "error":
                    raise SjcError(f"the worker failed: {message['text']}")
                if message["type"] == until:
                    return heard
            if pace and time.perf_counter() - asked >= pace:
                self.process.send("snapshot_now")
                asked = time.perf_counter()
            time.sleep(TURN)
        raise SjcError(f"the worker said no {until} in {PATIENCE:.0f} s")

    def close(self) -> None:
        """End it."""
        self.process.stop()
        while self.process.alive:
            self.process.poll()
            time.sleep(TURN)


def first_volume(folder: Path, settings: Settings) -> tuple[float, float]:
    """(cold, warm) seconds from the start of the process, and of a second job in it, to the first snapshot."""
    began = time.perf_counter()
    server = Server()
    try:
        server.start(folder / "cold", settings)
        cold = server.hear("snapshot")[-1][0] - began
        server.process.send("cancel")
        server.hear("done")
        began = time.perf_counter()
        server.start(folder / "warm", settings)
        return cold, server.hear("snapshot")[-1][0] - began
    finally:
        server.close()


def loss(folder: Path, settings: Settings, pairs: int) -> dict[str, Any]:
    """Seconds from start to last step without and with a snapshot a second, in turns, in one warm process."""
    spent: dict[str, list[float]] = {"without": [], "with": []}
    snapshots = []
    server = Server()
    try:
        for pair in range(-1, pairs):  # the first loads and warms up
            for kind, pace in (("without", 0.0), ("with", PACE)):
                none = replace(settings, snapshot_every=settings.steps)
                began = time.perf_counter()  # a step's time is never 0, two messages read at once have one moment
                server.start(folder / f"{kind} {pair}", none)
                heard = server.hear("done", pace)
                steps = [at for at, message in heard if message["type"] == "progress"]
                if pair < 0:
                    continue
                spent[kind].append(steps[-1] - began)
                if pace:
                    shown = sum(at <= steps[-1] for at, message in heard if message["type"] == "snapshot")
                    snapshots.append(shown)
    finally:
        server.close()
    medians = {kind: statistics.median(each) for kind, each in spent.items()}
    return {
        "seconds": {kind: [round(s, 3) for s in each] for kind, each in spent.items()},
        "snapshots": snapshots,
        "loss": round(medians["with"] / medians["without"] - 1, 4),
    }


def benchmark(settings: Settings, quick: bool) -> dict[str, Any]:
    """{"summary", "first", "loss", "imports"}: seconds, and the share of time that snapshots cost. Raises SjcError."""
    settings = replace(settings, prompt=settings.prompt or PROMPT, turntable=False)
    short = replace(settings, steps=max(2, settings.steps // (40 if quick else 4)))
    with tempfile.TemporaryDirectory(prefix="sjc-bench-") as name:
        folder = Path(name)
        first = [first_volume(folder / str(i), settings) for i in range(1 if quick else 3)]
        lost = loss(folder, short, 1 if quick else 5)
        imported = imports.measure(folder, settings.prompt)
    cold, warm = (statistics.median(each) for each in zip(*first, strict=True))
    return {
        "first": [{"cold_s": round(c, 2), "warm_s": round(w, 2)} for c, w in first],
        "loss": {"steps": short.steps, "every_s": PACE, **lost},
        "imports": imported,
        "summary": {
            "first_volume_cold_s": round(cold, 2),
            "first_volume_warm_s": round(warm, 2),
            "loss_to_snapshots": lost["loss"],
            "imports_s": imported["total_s"],
        },
    }


def text(record: report.Record) -> str:
    """The result as a table."""
    s = record["summary"]
    rows = [
        ["what", "measured"],
        ["first volume, cold worker", f"{s['first_volume_cold_s']:.1f} s"],
        ["first volume, warm worker", f"{s['first_volume_warm_s']:.1f} s"],
        ["time lost to a snapshot a second", f"{100 * s['loss_to_snapshots']:.1f} %"],
        ["a job's imports", f"{s['imports_s']:.1f} s"],
        *([f"- {name}", f"{seconds:.2f} s"] for name, seconds in record["imports"]["packages"].items()),
    ]
    return report.table(rows)
