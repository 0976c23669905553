"""Jobs on another computer from Blender: the preferences, the check, and a job through a real sshd."""

import re
import sys
from pathlib import Path

import pytest

from sjc_blender.install import environment
from tests.addon.other_computers import python_of, script, served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the other computer is no Windows one")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "for-artists.md"

SWITCH_ON = """
import os
from pathlib import Path
import addon_utils

os.environ.pop("SJC_BACKEND_PYTHON", None)
addon_utils.enable("sjc_blender", default_set=True)
from sjc_blender import api, places, session

home = Path(given["home"])
bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))
chosen, runtime = places.preferences(), bpy.context.window_manager.sjc
bpy.context.scene.sjc.prompt = "a red mushroom"
bpy.context.scene.sjc.preset = "test"
"""


def example(folder, python):
    """The one of the page, with our other computer and a short job."""
    source = re.search(r"^```python\n(.*?other_host.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[1]
    ours = {
        "anna@workstation": "friend",
        "~/sjc_blender/.venv": str(python),
        "~/sjc-jobs": str(folder),
        "bl_ext.user_default.sjc_blender": "sjc_blender",
        '"a red mushroom"': '"a red mushroom", preset="test"',
    }
    for theirs, mine in ours.items():
        assert theirs in source
        source = source.replace(theirs, mine)
    return source


def test_a_job_by_the_preferences(in_blender, tmp_path, monkeypatch):
    """Without a backend here: the other computer alone computes."""
    home = tmp_path / "home"
    home.mkdir()
    with served(tmp_path / "there") as server:
        monkeypatch.setenv("PATH", server.computer.path)
        real = python_of(tmp_path / "there" / "python-real", environment.PACKAGE)
        python = script(tmp_path / "there" / "python", f'#!/bin/sh\nexec "{real}" "$@" --fake ok\n')
        got = in_blender(
            SWITCH_ON
            + """
result = {"offered": [bpy.ops.sjc.generate.poll()]}
chosen.other_use = True
result["offered"].append(bpy.ops.sjc.generate.poll())

def refused():
    try:
        bpy.ops.sjc.check_other()
    except RuntimeError as error:
        return str(error).strip()

result["no host"] = refused()
chosen.other_host, chosen.other_python, chosen.other_folder = "friend", given["there"] + "x", given["folder"]
result["no python"] = refused(), runtime.other_text, runtime.other_ok
chosen.other_python = given["there"]
result["forgotten"] = runtime.other_text
result["check"] = list(bpy.ops.sjc.check_other()), runtime.other_text, runtime.other_ok
chosen.other_use, chosen.other_host, chosen.other_python = False, "", ""
names = {}
exec(given["example"], names)
job = names["job"]
result["job"] = job.state, job.error, str(job.folder), job.mesh_object is not None, job.volume_object is not None
result["worker"] = session.queue().hello["device"]
chosen.other_use = False
result["ended"] = api.generate("a blue cube", preset="test").error
addon_utils.disable("sjc_blender", default_set=True)
""",
            home=home,
            there=python,
            example=example(server.computer.folder, python),
            folder=server.computer.folder,
        )
    assert got["offered"] == [False, True]
    assert '"" names no computer' in got["no host"]
    refusal, text, ok = got["no python"]
    assert text == f"friend has no Python {python}x.\nGive the path of the Python there that has sjc."
    assert text in refusal.replace("Error: ", "")
    assert not ok
    assert got["forgotten"] == ""  # it was about another Python
    state, text, ok = got["check"]
    assert (state, ok) == (["FINISHED"], True)
    assert text.startswith("sjc ")
    assert text.endswith(f" GB free in {server.computer.folder}")
    assert got["job"] == ["finished", None, str(home / "sjc" / "a-red-mushroom-0"), True, True]
    assert got["worker"] == "friend"
    assert (home / "sjc" / "a-red-mushroom-0" / "mesh.glb").is_file()
    assert "The backend is not installed" in got["ended"]  # the next job is made here again
