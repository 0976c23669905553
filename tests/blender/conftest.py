"""Tests inside Blender: each runs its lines in a process of its own, with Blender as a Python module.

Blender's module may hang or crash when an interpreter that holds it ends (handlers and timers left behind); so every
such process ends with os._exit after its answer is on disk, and has a time limit.
"""

import importlib.util
import json
import os
import subprocess
import textwrap
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("venvs", Path(__file__).with_name("venvs.py"))
venvs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(venvs)

FRAME = """
import json, os, sys, traceback
answer, given = sys.argv[1], json.loads(sys.argv[2])
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


@pytest.fixture(scope="session")
def bpy_python():
    """The interpreter with the usual bpy; made when missing."""
    return venvs.ensure_bpy()


@pytest.fixture
def in_blender(bpy_python, tmp_path):
    """Run lines in a fresh Blender: in_blender(script, **given) -> the JSON value that the script leaves in `result`.

    The script has `bpy`, `np` and `given`, a dict of JSON values, in an empty scene with factory settings.
    """

    def run(script, *, timeout=240, python=bpy_python, **given):
        home = tmp_path / "blender"
        home.mkdir(exist_ok=True)
        answer = home / "answer.json"
        answer.unlink(missing_ok=True)
        given = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
        quiet = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
        done = subprocess.run(
            [python, "-c", FRAME, answer, json.dumps(given | {"script": textwrap.dedent(script)})],
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
