"""The scene follows a job: newest snapshot, one undo step; a deleted volume stays away; hidden at the end."""

import sys

import pytest

ON = """
import os, sys, time
from pathlib import Path
from types import SimpleNamespace
from sjc_blender import api, live, timer, user_preferences
from sjc_blender.install import environment
from sjc_blender.scene import assets, history, meshes, preview, volumes

os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
bpy.ops.wm.save_as_mainfile(filepath=str(Path(given["home"]) / "scene.blend"))
api.queue().command = lambda: [*environment.worker_command(given["backend"]), "--fake", "slow:0.1"]

# The window's Blender: it has an undo stack, which is written down here.
pushed = []
undo = SimpleNamespace(ed=SimpleNamespace(undo_push=lambda message: pushed.append(message)))
window = SimpleNamespace(
    app=SimpleNamespace(background=False, timers=bpy.app.timers), ops=undo,
    context=bpy.context, data=bpy.data, path=bpy.path,
)

def follow(job, until, each=lambda: None):
    while not (job.finished or until()):
        in_window(api.pump)
        each()
        time.sleep(0.01)

def in_window(call):
    sys.modules["bpy"] = window
    try:
        return call()
    finally:
        sys.modules["bpy"] = bpy

def ask_followed():
    "Turns of the timer until nothing beside Blender goes on any more."
    deadline = time.monotonic() + 60
    while timer.following() and time.monotonic() < deadline:
        in_window(timer.ask_all)
        time.sleep(0.01)

def begin(prompt):
    return api.generate(prompt, preset="test", steps=12, snapshot_every=3, block=False)

def volumes_here():
    return [o.name for o in bpy.data.objects if o.type == "VOLUME"]
"""


@pytest.fixture
def live(each_blender, tmp_path):
    """live(script) -> what it leaves in `result`."""
    return lambda script: each_blender(ON + script, home=tmp_path, backend=sys.executable)


def test_the_newest_snapshot_and_one_undo_step(live):
    got = live("""
user_preferences.history_limits = lambda: (2, 10**9)
job = begin("a red cube")
shown_files = []
def look():
    shown = job.volume_object
    if shown:
        entry = [Path(bpy.path.abspath(shown.data.filepath)).name, job.record.snapshots[-1].vdb.name, len(pushed)]
        if entry not in shown_files:
            shown_files.append(entry)
follow(job, lambda: False, look)
shown = job.volume_object
result = {
    "shown_files": shown_files, "state": job.state, "pushed": pushed, "mesh": job.mesh_object.name,
    "volumes": volumes_here(),
    "hidden": [shown.hide_render, shown.hide_get()], "frames": [shown.data.frame_duration, len(job.record.snapshots)],
}
ask_followed()
files = lambda name: sorted(path.name for path in (job.folder / name).glob("*.vdb"))
folder = volumes.folder_of(shown.data).name
result["thinned"] = [shown.data.frame_duration, files("history"), files("snapshots"), folder]
api.close()
""")
    assert got["state"] == "finished"
    during = [entry for entry in got["shown_files"] if entry[2] == 0]
    assert len(during) >= 3
    assert all(shown == newest for shown, newest, _ in got["shown_files"])
    assert got["pushed"] == ["Text to 3D (SJC)"]
    assert (got["mesh"], got["volumes"]) == ("a red cube", ["a red cube volume"])
    assert got["hidden"] == [True, True]
    assert got["frames"][0] == got["frames"][1] >= 4
    assert got["thinned"] == [2, ["f_0001.vdb", "f_0002.vdb"], [], "history"], "the long one takes no room any more"


def test_a_deleted_volume_stays_away_and_one_that_undo_took_comes_back(live):
    got = live("""
result = {}
job = begin("a red cube")
follow(job, lambda: job.volume_object)
bpy.data.objects.remove(job.volume_object)
follow(job, lambda: False)
result["deleted"] = [job.state, volumes_here(), bool(job.mesh_object)]
job = begin("a blue cube")
follow(job, lambda: job.volume_object)
bpy.data.objects.remove(job.volume_object)
live.renew()
follow(job, lambda: False)
result["taken by undo"] = [job.state, volumes_here()]
api.close()
""")
    assert got["deleted"] == ["finished", [], True]
    assert got["taken by undo"] == ["finished", ["a blue cube volume"]]


def test_an_import_without_volumes_is_not_waited_for(live):
    """Its process works beside Blender; a volume that it cannot write is told in the list, and nothing else happens."""
    got = live("""
import shutil
from sjc_blender.scene import convert

job = begin("a red cube")
follow(job, lambda: False)
half = job.folder.with_name("half")
shutil.copytree(job.folder, half)
for path in (*half.glob("snapshots/*.vdb"), half / "mesh.glb", half / "run.json"):
    path.unlink()
real = convert.command
slowly = "import subprocess, sys, time; time.sleep(1.5); sys.exit(subprocess.run(sys.argv[1:]).returncode)"
convert.command = lambda npz, vdb: [sys.executable, "-c", slowly, *real(npz, vdb)]
pushed.clear()
began = time.perf_counter()
brought = in_window(lambda: api.import_result(half))
result = {"seconds": time.perf_counter() - began, "at once": brought.volume_object is not None}
busy = timer.following()
ask_followed()
result["then"] = [busy, brought.volume_object.name, list(pushed), brought.error, len(api.jobs())]
for path in half.glob("snapshots/*.vdb"):
    path.unlink()
convert.command = lambda npz, vdb: [sys.executable, "-c", "import sys; sys.exit('the disk is full')"]
failed = in_window(lambda: api.import_result(half))
ask_followed()
result["failed"] = [failed.error, failed.volume_object is None, [one.prompt for one in api.jobs()]]
api.close()
""")
    assert got["seconds"] < 1
    assert got["at once"] is False
    assert got["then"] == [True, "a red cube volume.001", ["Import Volume (SJC)"], None, 1]
    error, nothing, jobs = got["failed"]
    assert "cannot be shown: the disk is full" in error
    assert "Import it again" in error
    assert (nothing, jobs) == (True, ["a red cube", "a red cube"])


def test_a_mesh_is_read_beside_blender(live):
    """Of a job, and of a large result that is imported; until then the job is not finished, and no turn takes long."""
    got = live("""
from sjc_blender import incoming
from sjc_blender.scene import glb

real, turns = glb.read, []
def slowly(path):
    time.sleep(1.5)
    return real(path)
glb.read = slowly
job = begin("a red cube")
began = time.perf_counter()
def timed():
    global began
    turns.append(time.perf_counter() - began)
    began = time.perf_counter()
follow(job, lambda: False, timed)
result = {"job": [job.state, bool(job.mesh_object), job.error], "longest": max(turns)}
incoming.AT_ONCE_BYTES = 100
began = time.perf_counter()
again = in_window(lambda: api.import_result(job.folder, location=(9, 0, 0)))
result["import"] = [time.perf_counter() - began, again.mesh_object is None]
ask_followed()
result["then"] = [tuple(again.mesh_object.location), again.error]
broken = job.folder.with_name("broken")
import shutil
shutil.copytree(job.folder, broken)
(broken / "mesh.glb").write_bytes(b"glTF" + bytes(200))
failed = in_window(lambda: api.import_result(broken))
ask_followed()
result["failed"] = failed.error
api.close()
""")
    assert got["job"] == ["finished", True, None]
    assert got["longest"] < 1.2
    assert got["import"][0] < 1
    assert got["import"][1]
    assert got["then"] == [[9, 0, 0], None]
    assert "is not a glTF 2.0 binary file. Import it again" in got["failed"]


def test_saving_takes_volumes_and_list_along(each_blender, tmp_path):
    """Made in a .blend that has no name yet, saved into a project: everything that the project needs is then in it."""
    got = each_blender(
        """
import os, shutil, sys
from pathlib import Path

home = Path(given["home"])
user, project, other = home / "user", home / "project", home / "other"
for folder in (user, project, other):
    folder.mkdir()
os.environ["HOME"] = os.environ["USERPROFILE"] = str(user)
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
import sjc_blender
sjc_blender.register()
from sjc_blender import api
from sjc_blender.install import environment
from sjc_blender.queue import queue_file
from sjc_blender.scene import volumes

bpy.ops.wm.save_as_mainfile(filepath=str(other / "b.blend"), copy=True)
api.queue().command = lambda: [*environment.worker_command(given["backend"]), "--fake", "ok"]
job = api.generate("a red cube", preset="test")
prompts = lambda: [one.prompt for one in api.jobs()]
listed = lambda folder: [one.prompt for one in queue_file.load(folder / "sjc" / "sjc_queue.json")]
result = {"folder": str(job.folder), "before": [listed(user), job.volume_object.data.filepath]}
bpy.context.scene.sjc_output.copy_beside = True
blend = str(project / "a.blend")
bpy.ops.wm.save_as_mainfile(filepath=blend)
result["after"] = [listed(user), listed(project), prompts()]
bpy.ops.wm.open_mainfile(filepath=str(other / "b.blend"))
result["other"] = [prompts(), (other / "sjc").exists()]
api.close()
shutil.rmtree(user)
bpy.ops.wm.open_mainfile(filepath=blend)
result["again"] = prompts()
volume = volumes.find(volumes.jobs()[0]).data
result["path"] = volume.filepath
bpy.context.scene.frame_set(1)
result["loads"] = [volume.grids.load(), sorted(volume.grids.keys())]
result["uses"] = [volumes.uses(volumes.folder_of(volume)), volumes.uses(project)]
api.close()
""",
        home=tmp_path,
        backend=sys.executable,
    )
    assert got["folder"].startswith(str(tmp_path / "user"))
    assert got["before"][0] == ["a red cube"]
    assert got["before"][1].startswith(got["folder"])
    assert got["after"] == [[], ["a red cube"], ["a red cube"]]
    assert got["other"] == [[], False]
    assert got["again"] == ["a red cube"]
    assert got["path"].startswith("//sjc/a-red-cube-0/snapshots/f_")
    assert got["loads"] == [True, ["color", "density"]]
    assert got["uses"] == [True, False]
