"""No library leaves traces of a person: importing all that a job needs writes nothing outside our own caches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sjc.machine import telemetry


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(sys.platform != "linux", reason="the home folder is elsewhere there")
def test_the_doctor_writes_nothing_into_the_home_folder(tmp_path):
    """It imports torch, Warp and ONNX Runtime, the last of which would leave a device id behind."""
    packages = str(Path(telemetry.__file__).parents[2])
    ours = {"HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path.parent / "matplotlib"), "PYTHONPATH": packages}
    foreign = ("XDG_", "ORT_", "HF_", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | ours
    words = [sys.executable, "-m", "sjc", "doctor", "--json"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    lines = {line["name"]: line["text"] for line in json.loads(done.stdout)}
    assert lines["runtime"].startswith("ONNX Runtime")
    assert not files_below(tmp_path)


def test_every_switch_reaches_the_children(monkeypatch):
    for name in telemetry.SWITCHES:
        monkeypatch.delenv(name, raising=False)
    telemetry.switch_off()
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert telemetry.SWITCHES.items() <= json.loads(done.stdout).items()
