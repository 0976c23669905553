"""Ctrl-C on a real process: it ends with 130, the folder goes on, and the result is that of an uninterrupted run."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from sjc.output import npz
from tests.backend.tiny_models import CARD, word_model


def start(*arguments):
    """The command line in its own process, as a person starts it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "sjc", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.timeout(600)
def test_ctrl_c_and_resume(tmp_path):
    model = word_model(tmp_path / "model", card=CARD)
    given = ("--model", model, "--preset", "test", "--steps", 60, "--device", "cpu", "--json")
    process = start("generate", "a red mushroom", "--out", tmp_path / "parts", *given)
    for line in process.stdout:
        if '"step": 5,' in line and '"progress"' in line:
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "sjc resume" in err
    assert "Traceback" not in err
    names = {p.name for p in (tmp_path / "parts").iterdir()}
    assert {"job.json", "checkpoint.safetensors"} <= names
    assert not {"run.json", "mesh.glb"} & names

    resume = start("resume", tmp_path / "parts")
    whole = start("generate", "a red mushroom", "--out", tmp_path / "whole", *given)
    assert resume.communicate(timeout=300)[0].splitlines() == [
        str(tmp_path / "parts" / name) for name in ("mesh.glb", "preview.png")
    ]
    whole.communicate(timeout=300)
    assert resume.returncode == whole.returncode == 0
    one, two = (npz.read_npz(tmp_path / name / "field.npz") for name in ("parts", "whole"))
    np.testing.assert_array_equal(one.density, two.density)
    np.testing.assert_array_equal(one.color, two.color)
