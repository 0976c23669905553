"""The fuzzer: a short run of it, and that it notices each of the things that it looks for."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
ROOT = Path(__file__).resolve().parents[2]
CASES = 64


def test_bad_files_and_lines_through_every_door(tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz", "--out", str(tmp_path), "--cases"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if "stage" in path)}
    for cases in (CASES // 2, CASES):  # the second goes on where the first ended
        done = subprocess.run(
            [*command, str(cases)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{cases} cases in" in done.stdout
    assert f"cases {CASES // 2} to {CASES}" in done.stdout


def _hang(_case, _generator):
    time.sleep(60)


def _raise(_case, _generator):
    raise KeyError("no line")


def _die(_case, _generator):
    os._exit(9)


def _touch(case, _generator):
    (case.parent / "outside" / "run.json").write_text("ours")


def _write_beside(case, _generator):
    (case.parent / "more").write_text("")


def _grow(_case, _generator):
    _ = bytearray(os.urandom(1)) * 50_000_000


def _fine(_case, _generator):
    pass


@pytest.mark.parametrize(
    ("take", "problem"),
    [
        (_fine, ""),
        (_hang, "hangs"),
        (_raise, "KeyError: 'no line'"),
        (_die, "the process ended with 9"),
        (_touch, "touched a file outside"),
        (_write_beside, "wrote outside"),
        (_grow, " MB"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_notices(tmp_path, monkeypatch, take, problem):
    from tests.fuzz import __main__ as fuzz
    from tests.fuzz import doors

    good = tmp_path / "good" / "lines"
    good.mkdir(parents=True)
    monkeypatch.setattr(fuzz, "SECONDS", 1.0 if take is _hang else 30.0)
    monkeypatch.setattr(fuzz, "MEMORY", 20_000_000 if take is _grow else 10**9)
    monkeypatch.setattr(fuzz, "ADDRESSES", 10**12)
    monkeypatch.setitem(doors.DOORS, "lines", (doors.make_lines, take, 1))
    options = argparse.Namespace(seed=0, door="lines", case=None)
    _, actions, answer = fuzz.attempt(3, options, {"lines": good}, tmp_path)
    assert actions == []
    assert problem in answer
    assert bool(problem) == bool(answer)
