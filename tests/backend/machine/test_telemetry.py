"""No library leaves traces of a person: importing all that a job needs writes nothing outside our own caches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sjc.machine import telemetry


@pytest.mark.skipif(sys.platform != "linux", reason="the home folder is elsewhere there")
def test_the_doctor_writes_only_our_cache(tmp_path):
    """It imports torch, Warp and ONNX Runtime, the last of which would leave a device id behind."""
    packages = str(Path(telemetry.__file__).parents[2])
    foreign = ("XDG_", "ORT_", "HF_", "DO_NOT_TRACK", "SJC_", *telemetry.CACHES)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": packages}
    words = [sys.executable, "-m", "sjc", "doctor", "--json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    lines = {line["name"]: line["text"] for line in json.loads(done.stdout)}
    assert lines["runtime"].startswith("ONNX Runtime")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(tmp_path / ".cache" / "sjc") for path in files), files


def environment_of_a_child(**given):
    """What a child finds that a process with its reports switched off starts."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    switched = "import subprocess, sys; from sjc.machine import telemetry; telemetry.switch_off(); "
    switched += f"subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    unset = {*telemetry.SWITCHES, *telemetry.CACHES, "SJC_CACHE"}
    environment = {name: value for name, value in os.environ.items() if name not in unset} | given
    environment["PYTHONPATH"] = str(Path(telemetry.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", switched], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_switch_reaches_the_children():
    assert telemetry.SWITCHES.items() <= environment_of_a_child(DO_NOT_TRACK="0").items()


def test_caches_are_ours_unless_the_person_has_named_others(tmp_path):
    got = environment_of_a_child(SJC_CACHE=str(tmp_path), MPLCONFIGDIR="/mine")
    places = {name: str(tmp_path / kind) for name, kind in telemetry.CACHES.items()} | {"MPLCONFIGDIR": "/mine"}
    assert places.items() <= got.items()
