"""Where bpy 5.2 runs on a machine without a Python 3.13: in the Debian of the window's Blender, or nowhere, and that is
said.
"""

import importlib.util
import subprocess

import pytest

from tools import window
from tools.common import ROOT


@pytest.fixture
def venvs(tmp_path, monkeypatch):
    """The module, on a machine without Python 3.13."""
    spec = importlib.util.spec_from_file_location("venvs", ROOT / "tests" / "blender" / "venvs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    real = module._find_python

    def find(minor):
        if minor == "3.13":
            raise RuntimeError("Python 3.13 is needed for this version of bpy and was not found.")
        return real(minor)

    monkeypatch.setattr(module, "_find_python", find)
    monkeypatch.setattr(module, "HOME", tmp_path)
    monkeypatch.delenv("SJC_BPY", raising=False)
    return module


@pytest.mark.parametrize(
    ("obstacle", "mounts", "runs"),
    [("", True, True), ("only root can make one", True, False), ("", False, False)],
    ids=["root on Debian", "anybody else", "no mounts"],
)
def test_the_newest_runs_in_debian_or_is_said_to_be_left_out(venvs, monkeypatch, obstacle, mounts, runs):
    monkeypatch.setattr(window, "obstacle", lambda: obstacle)
    monkeypatch.setattr(window, "may_mount", lambda: mounts)
    assert ("5.2.3" in venvs.usable()) is runs
    assert venvs.left_out() == ([] if runs else ["5.2.3"])
    assert {"5.0.1", "4.5.15"} <= set(venvs.usable())


def test_a_script_stands_for_debians_python(venvs, monkeypatch, tmp_path):
    """It takes what a Python takes, sees the wheels, and is made once."""
    ran = []

    def run(command, failure):
        ran.append([str(word) for word in command])

    monkeypatch.setattr(window, "obstacle", lambda: "")
    monkeypatch.setattr(window, "may_mount", lambda: True)
    monkeypatch.setattr(window, "ensure", lambda: tmp_path / "debian")
    monkeypatch.setattr(window, "inside", lambda _folder, command, further: ["echo", *map(str, further), *command])
    monkeypatch.setattr(venvs, "_run", run)
    script = venvs.ensure_bpy("5.2.3")
    assert venvs.ensure_bpy("5.2.3") == script
    assert len(ran) == 2
    pip, loads = ran
    assert pip[1:4] == ["-m", "pip", "install"]
    assert pip[-1] == "bpy==5.2.3"
    assert "3.13" in pip
    assert loads[:2] == [str(script), "-c"]
    output = subprocess.run([script, "-c", "two words"], capture_output=True, text=True, check=True).stdout
    assert output.startswith(f"{ROOT} ")
    assert output.endswith("/usr/bin/python3.13 -c two words\n")
    assert f"PYTHONPATH={tmp_path}/bpy52/site" in script.read_text()
