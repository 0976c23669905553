"""The table of a batch on a cluster: what a person at the terminal reads of slots, pace and failures."""

import io
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from sjc.batch import table


def worker(number, name="", ready=None, **progress):
    task = SimpleNamespace(job=SimpleNamespace(folder=Path("out") / name)) if name else None
    place = SimpleNamespace(host=f"host-{number}")
    return SimpleNamespace(number=number, place=place, task=task, ready=ready, progress=progress)


@pytest.fixture
def dispatch():
    """Two slots that make a job, the first at half of it, and one that starts; 6 of 10 are over, one of them failed."""
    workers = [
        worker(1, "007-a-[red]-cube-0", stage="optimise", step=4, total=8, it_s=2.04),
        worker(2, "008-a-cone-0", stage="load"),
        worker(3, ready="a reference"),
    ]
    return SimpleNamespace(
        workers=workers, working=workers[:2], total=10, left=4, made=[10.0, 20.0], began=time.monotonic() - 45,
        failed={Path("out/003-a-zebra-0"): "no such word"},
    )  # fmt: skip


def test_the_rest_takes_as_long_as_the_pace_so_far_says(dispatch):
    assert table.remaining_seconds(dispatch) == pytest.approx((4 - 0.5) * 15 / 2)
    dispatch.made = []
    assert table.remaining_seconds(dispatch) is None


def test_the_table_shows_every_slot_the_whole_list_and_failures_with_their_reasons(dispatch):
    console = Console(file=io.StringIO(), width=100)
    console.print(table._table(dispatch))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert lines[0] == ["slot", "host", "makes", "stage", "step", "step/s"]
    assert lines[1] == ["1", "host-1", "007-a-[red]-cube-0", "optimise", "4/8", "2.0"]
    assert lines[2] == ["2", "host-2", "008-a-cone-0", "load"]
    assert lines[3] == ["3", "host-3", "starting"]
    assert " ".join(lines[4]) == "6 of 10 done in 45 s, about 26 s left; 1 failed"
    assert " ".join(lines[5]) == "failed: 003-a-zebra-0: no such word"


def test_a_terminal_is_drawn_on_and_a_file_gets_lines(dispatch, monkeypatch):
    file = io.StringIO()
    plain = table.SlotTable(file)
    plain.report({"type": "status", "stage": "batch", "text": "10 jobs on 2 slots"})
    plain.report({"type": "job", "state": "running", "folder": "out/007-x"})
    plain.report({"type": "job", "state": "failed", "folder": "out/003-a-zebra-0", "host": "h", "reason": "[no]"})
    plain.show(dispatch)
    plain.close()
    assert file.getvalue().splitlines() == ["10 jobs on 2 slots", "failed on h 003-a-zebra-0: [no]"]

    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    drawn = table.SlotTable(terminal)
    drawn.show(dispatch)
    drawn.close()
    assert "007-a-[red]-cube-0" in terminal.getvalue()
