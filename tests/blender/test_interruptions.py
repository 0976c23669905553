"""What people do to Blender while a job runs: undo, another scene, another file, the add-on off or upgraded."""

import sys

import pytest

from tests.blender.test_api import ENABLE

BUSY = """
import time
from sjc_blender.backend.sjc.job import locks

def turn_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, [(one.state, one.error) for one in api.jobs()]
        api.pump()
        time.sleep(0.01)

def begin():
    "A job that takes long, its volume in the scene."
    job = api.generate("a red cube", preset="test", steps=5000, snapshot_every=5, block=False)
    turn_until(lambda: job.volume_object)
    return job
"""

SCENE = """
import os, sys
from pathlib import Path
import sjc_blender
from sjc_blender import api
from sjc_blender.install import environment

home = Path(given["home"])
os.environ["HOME"] = os.environ["USERPROFILE"] = str(home)
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
bpy.ops.wm.save_as_mainfile(filepath=str(home / "other.blend"))
bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))
sjc_blender.register()
api.queue().command = lambda: [*environment.worker_command(given["backend"]), "--fake", "slow:0.02"]
"""


def test_undo_another_scene_a_new_file_and_another_one(each_blender, tmp_path):
    """The job goes on through all of it: its volume is there again each time, once, and the mesh comes where one is."""
    got = each_blender(
        SCENE
        + BUSY
        + """
bpy.ops.ed.undo_push(message="start")
job = begin()
worker = api.queue().process.pid
result = {}

def after(name):
    "One more snapshot, then what there is."
    known = len(job.record.snapshots)
    turn_until(lambda: len(job.record.snapshots) > known + 1)
    volumes = [o for o in bpy.data.objects if o.type == "VOLUME"]
    newest = job.record.snapshots[-1].vdb
    shown = job.volume_object and Path(os.path.normpath(bpy.path.abspath(job.volume_object.data.filepath)))
    result[name] = [job.state, len(volumes), shown == newest, api.queue().process.pid == worker]

bpy.ops.object.empty_add()
bpy.ops.ed.undo_push(message="the person's own step")
bpy.ops.ed.undo()
after("undo")
bpy.ops.ed.redo()
after("redo")
bpy.ops.scene.new(type="EMPTY")
after("another scene")
bpy.ops.wm.read_homefile(use_empty=True)
after("a new file")
bpy.ops.wm.open_mainfile(filepath=str(home / "other.blend"))
after("another file")
listed = [one.prompt for one in api.jobs()]
job.cancel()
turn_until(lambda: job.finished)
result["stopped"] = [job.state, job.error, listed, bool(job.volume_object)]
api.close()
""",
        home=tmp_path,
        backend=sys.executable,
    )
    stopped = got.pop("stopped")
    assert all(state == ["running", 1, True, True] for state in got.values()), got
    assert set(got) == {"undo", "redo", "another scene", "a new file", "another file"}
    assert stopped == ["stopped", None, ["a red cube"], True]


OFF = """
job = begin()
worker = api.queue().process.pid
step = job.record.step
repo = next(r for r in bpy.context.preferences.extensions.repos if r.module == "user_default")
change()
began = time.monotonic()
while locks.birth(worker) and time.monotonic() < began + 10:
    time.sleep(0.05)
result = {"worker": locks.birth(worker), "seconds": time.monotonic() - began, "state": job.state}
try:
    job.wait(5)
except Exception as error:
    result["waiting"] = type(error).__name__
if module not in bpy.context.preferences.addons:
    bpy.ops.preferences.addon_enable(module=module)
again = importlib.import_module(module + ".api")
environment = importlib.import_module(module + ".install.environment")
real = environment.worker_command(given["backend"])
again.queue().command = lambda: [*real, "--fake", "slow:0.02"]
(job,) = again.jobs()
result["taken up"] = [job.prompt, job.state, job.record.step >= step]
job.resume()
while not job.curves and not job.finished:
    again.pump()
    time.sleep(0.005)
result["resumed"] = [job.state, job.curves["loss"][0][0] > step]  # the first step that was heard of
job.cancel()
job.wait(60)
result["end"] = job.state
again.close()
"""


SWITCH_OFF = "bpy.ops.preferences.addon_disable(module=module)"
UPGRADE = """bpy.ops.extensions.package_install_files(
        filepath=given["archive"], repo="user_default", enable_on_install=True, overwrite=True
    )"""


@pytest.mark.parametrize("change", [SWITCH_OFF, UPGRADE], ids=["switched off", "upgraded"])
def test_the_add_on_goes_in_the_middle(each_blender, given, change):
    """No process stays behind, nobody waits for ever, and the job goes on from where it was when the add-on is back."""
    got = each_blender(
        ENABLE
        + BUSY.replace(
            "from sjc_blender.backend.sjc.job import locks",
            'locks = importlib.import_module(f"{module}.backend.sjc.job.locks")',
        )
        + f'\nfake("slow:0.02")\ndef change():\n    {change}\n'
        + OFF,
        **given,
    )
    assert got["worker"] == ""
    assert got["seconds"] < 10
    assert got["state"] == "stopped"
    assert got.get("waiting") in (None, "SjcError")
    assert got["taken up"] == ["a red cube", "stopped", True]
    assert got["resumed"] == ["running", True]
    assert got["end"] == "stopped"
