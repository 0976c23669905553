"""Runs the tests: one pytest process for each room (a folder of tests/), two at a time, then one total."""

from __future__ import annotations

import os
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .common import ROOT, BuildError, run, run_labelled, say

# House first and alone: it is quick and says when the others' ground is not what they think. Then the longest, so that
# both lanes end at about the same time.
ORDER = ("house", "backend", "blender", "addon", "window", "e2e", "cluster")
LANES = min(2, os.cpu_count() or 1)
TALKATIVE = {"-s", "--capture=no", "--pdb", "--trace"}  # options that want the terminal for themselves

NO_TESTS = 5  # pytest's exit code when it collected nothing


@dataclass
class Outcome:
    """What one room's pytest reported."""

    room: str
    code: int
    seconds: float
    total: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def passed(self) -> int:
        """The tests that ran and held."""
        return self.total - self.failed - self.skipped


def rooms(root: Path = ROOT) -> list[str]:
    """Return the rooms that hold tests, in the order in which they run."""
    names = {path.parent.relative_to(root / "tests").parts[0] for path in (root / "tests").glob("*/**/test_*.py")}
    return [room for room in ORDER if room in names] + sorted(names - set(ORDER))


def split(arguments: list[str], root: Path = ROOT) -> tuple[dict[str, list[str]], list[str]]:
    """Sort pytest's arguments into ({room: paths}, options).

    No path at all means every room, whole. Raises BuildError for a path under tests/ that is not there.
    """
    chosen: dict[str, list[str]] = {}
    options = []
    for argument in arguments:
        path = Path(argument.split("::")[0])
        parts = path.relative_to(root).parts if path.is_absolute() and path.is_relative_to(root) else path.parts
        if not parts or parts[0] != "tests":
            options.append(argument)
        elif not (root / Path(*parts)).exists():
            raise BuildError(
                f"there is no '{path}': the rooms are {', '.join(f'tests/{room}' for room in rooms(root))}."
            )
        elif len(parts) > 1:
            chosen.setdefault(parts[1], []).append(argument)
    return chosen or {room: [f"tests/{room}"] for room in rooms(root)}, options


def run_rooms(python: Path, arguments: list[str], root: Path = ROOT) -> int:
    """Run the rooms that `arguments` name with pytest's options among them; return an exit code."""
    chosen, options = split(arguments, root)
    reports = root / "build" / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    beside = len(chosen) > 1 and LANES > 1 and not TALKATIVE & set(options)

    def one(room: str, labelled: bool) -> Outcome:
        report = reports / f"{room}.xml"
        report.unlink(missing_ok=True)
        command: list[str | Path] = [python, "-m", "pytest", *chosen[room], f"--junitxml={report}", *options]
        started = time.monotonic()
        if labelled:
            threads = str(max(1, (os.cpu_count() or 1) // LANES))
            code = run_labelled(f"{room:8}| ", command, cwd=root, OMP_NUM_THREADS=threads)
        else:
            say(f"\n=== {room} ===")
            code = run(command, cwd=root)
        return _read(report, Outcome(room, code, time.monotonic() - started))

    alone = [room for room in chosen if room == "house" or not beside]
    outcomes = [one(room, labelled=False) for room in alone]
    with ThreadPoolExecutor(LANES) as lanes:
        outcomes += lanes.map(lambda room: one(room, labelled=True), [room for room in chosen if room not in alone])
    return summarise(outcomes)


def summarise(outcomes: list[Outcome]) -> int:
    """Print one line a room and the total; return 0, the first failing room's code, or 5 when nothing ran."""
    say("")
    for outcome in outcomes:
        state = "ok" if outcome.code == 0 else "no tests" if outcome.code == NO_TESTS else f"FAILED ({outcome.code})"
        say(f"{outcome.room:10} {outcome.passed:5} passed {outcome.seconds:8.1f} s  {state}")
    ran = sum(outcome.total for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    passed = sum(outcome.passed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    say(f"total: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    bad = [outcome.code for outcome in outcomes if outcome.code not in (0, NO_TESTS)]
    return bad[0] if bad else 0 if ran else NO_TESTS


def _read(report: Path, outcome: Outcome) -> Outcome:
    """Fill `outcome` with the counts of pytest's own report; a process that died before writing counts as a failure."""
    if not report.exists():
        if outcome.code not in (0, NO_TESTS):
            outcome.total = outcome.failed = 1
        return outcome
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 (written by our own pytest)
        outcome.total += int(suite.get("tests", 0))
        outcome.failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        outcome.skipped += int(suite.get("skipped", 0))
    return outcome
