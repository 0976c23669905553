"""The long tests, for a short while: jobs killed at their writing calls lose nothing, and the command goes on."""

import json
import os
import re
import subprocess
import sys

import pytest


def soak(folder, *more):
    words = [sys.executable, "-m", "tests.soak.kills", "--seed", "7", "--folder", str(folder), *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.timeout(600)
def test_kills_lose_nothing(tmp_path):
    done = soak(tmp_path, "--kills", "24")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost" in done.stdout
    rounds = [json.loads(line) for line in (tmp_path / "seed-7.jsonl").read_text().splitlines()]
    kills = [place for entry in rounds for place in entry["kills"]]
    assert len(kills) >= 24
    assert len({place.split()[1] for place in kills}) >= 4, "at several sorts of calls"
    again = soak(tmp_path, "--kills", str(len(kills) + 1))
    assert f"{len(kills)} kills in {len(rounds)} rounds done before" in again.stdout
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_what_is_lost_is_noticed(tmp_path):
    """A round ends with 1 and says how to repeat it."""
    code = """
from sjc.job import folder
from tests.soak import kills
folder.clear_temporary = lambda _folder: None
raise SystemExit(kills.main())
"""
    words = [sys.executable, "-c", code, "--seed", "7", "--kills", "24", "--folder", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert re.search(r"left over: \[[^]]*~", done.stdout), "a temporary file, wherever it lies"
    assert "again: build.py soak kills --seed 7 --round " in done.stdout
