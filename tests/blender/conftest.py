"""Tests inside Blender: each runs its lines in a process of its own, with Blender as a Python module.

Blender's module may hang or crash when an interpreter that holds it ends (handlers and timers left behind); so every
such process ends with os._exit after its answer is on disk, and has a time limit.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from pathlib import Path

import pytest

from tools import package
from tools.common import ROOT, our_files

_spec = importlib.util.spec_from_file_location("venvs", Path(__file__).with_name("venvs.py"))
venvs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(venvs)

RECORDER = Path(__file__).with_name("recorder.py").read_text("utf-8")
STAGE = Path(__file__).resolve().parents[2] / "build" / "stage"

FRAME = """
import json, os, sys, traceback
answer, given = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, given["stage"])
code = 1
try:
    import bpy
    import numpy as np
    bpy.ops.wm.read_factory_settings(use_empty=True)
    names = {"bpy": bpy, "np": np, "given": given, "result": None}
    exec(compile(given["script"], "script", "exec"), names)
    with open(answer, "w", encoding="utf-8") as stream:
        json.dump(names["result"], stream)
    code = 0
except BaseException:
    traceback.print_exc()
sys.stdout.flush(); sys.stderr.flush()
os._exit(code)
"""


# The add-on switched on, its output folder beside a saved .blend, the scripted worker instead of the real one.
ON = """
import os, sys
from pathlib import Path
import sjc_blender
from sjc_blender import api, live, places, user_preferences
from sjc_blender.install import environment
from sjc_blender.problems import Problem
from sjc_blender.queue.records import JobRecord, State
from sjc_blender.backend.sjc.settings import PRESETS, SPECS, coerce, resolve, to_json

home = Path(given["home"])
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
sjc_blender.register()
from sjc_blender.ui import backend_task, labels, paragraph, preferences, properties, ui_state
from sjc_blender.ui.panels import backend, main, settings
bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))
scene, runtime = bpy.context.scene, bpy.context.window_manager.sjc

def fake(fault):
    api.queue().command = lambda: [*environment.worker_command(given["backend"]), "--fake", fault]

def refused(call, **named):
    try:
        call(**named)
    except RuntimeError as error:
        return str(error).strip()
    return ""
"""


@pytest.fixture(scope="session")
def bpy_python():
    """The interpreter with the usual bpy; made when missing."""
    return venvs.ensure_bpy()


@pytest.fixture
def in_blender(bpy_python, tmp_path):
    """Run lines in a fresh Blender: in_blender(script, **given) -> the JSON value that the script leaves in `result`.

    The script has `bpy`, `np` and `given`, a dict of JSON values, in an empty scene with factory settings, and can
    import the staged `sjc_blender`.
    """

    def run(script, *, timeout=240, python=bpy_python, **given):
        home = tmp_path / "blender"
        home.mkdir(exist_ok=True)
        answer = home / "answer.json"
        answer.unlink(missing_ok=True)
        given = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
        frame = {"script": textwrap.dedent(script), "stage": str(STAGE)}
        quiet = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
        done = subprocess.run(
            [python, "-c", FRAME, answer, json.dumps(given | frame)],
            env=quiet | {"BLENDER_USER_RESOURCES": str(home), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, (
            f"Blender ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
        return json.loads(answer.read_text("utf-8"))

    return run


@pytest.fixture
def ui(in_blender, tmp_path):
    """ui(script) -> what it leaves in `result`."""

    def run(script, **given):
        home = tmp_path / "hôme"
        home.mkdir(exist_ok=True)
        return in_blender(ON + script, home=home, **{"backend": sys.executable, **given})

    return run


@pytest.fixture(scope="session")
def archive():
    """The extension as people get it."""
    return package.build_zip()


@pytest.fixture(scope="session")
def source_zip(tmp_path_factory):
    """The source as a code host's "Download ZIP" gives it: one folder with a name of its own around everything."""
    target = tmp_path_factory.mktemp("download") / "sjc-main.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path in our_files():
            archive.write(ROOT / path, f"sjc-main/{path.as_posix()}")
    return target


@pytest.fixture(scope="session")
def lent_python(tmp_path_factory):
    """An environment outside the checkout that has the backend's packages, but not `sjc`."""
    home = tmp_path_factory.mktemp("lent")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    # A path in a .pth file brings the packages, but not their .pth files: no editable `sjc`.
    Path(site, "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", "utf-8")
    imports = subprocess.run([python, "-c", "import torch, sjc"], capture_output=True, text=True, check=False)
    assert "No module named 'sjc'" in imports.stderr
    return python


@pytest.fixture
def given(archive, lent_python, tmp_path):
    """What scripts with the installed extension need."""
    home = tmp_path / "Arbeit ü"
    home.mkdir()
    return {"archive": archive, "backend": lent_python, "home": home}


@pytest.fixture(params=venvs.usable())
def each_blender(request, in_blender):
    """`in_blender`, in every version that the scene must work in."""
    return functools.partial(in_blender, python=venvs.ensure_bpy(request.param))


def pytest_report_header():
    """Say which versions run: one that cannot is not hidden."""
    missing = "".join(f"; {version} is left out: no Python for it" for version in venvs.left_out())
    return f"bpy: {', '.join(venvs.usable())}{missing}"
