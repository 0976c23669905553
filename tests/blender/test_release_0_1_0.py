"""A project of release 0.1.0 (tests/data/release_0_1_0) in today's extension: the .blend, its jobs, the preset."""

import shutil
import sys
from pathlib import Path

import pytest

RELEASE = Path(__file__).parents[1] / "data" / "release_0_1_0"

ON = """
import os, sys
from pathlib import Path
import sjc_blender
from sjc_blender import api
from sjc_blender.install import environment

project = Path(given["project"])
os.environ["HOME"] = os.environ["USERPROFILE"] = str(project)
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
sjc_blender.register()
from sjc_blender.scene import volumes
from sjc_blender.ui import presets, properties

def shown(volume):
    return Path(os.path.normpath(bpy.path.abspath(volume.filepath))).relative_to(project).as_posix()

def state_of(item):
    "Of a Volume object: its file, what loads of it, whether it is hidden, and how it plays."
    volume = item.data
    bpy.context.scene.frame_set(bpy.context.scene.frame_current)  # a sequence asks which of its files it is
    loads = volume.grids.load() and sorted(volume.grids.keys())
    play = [volume.is_sequence, volume.frame_duration if volume.is_sequence else 1]
    return [shown(volume), loads, item.hide_render, play]
"""


@pytest.fixture
def project(tmp_path):
    """A copy of the project, elsewhere than where it was made."""
    return Path(shutil.copytree(RELEASE, tmp_path / "Projekt ü"))


@pytest.fixture
def opened(each_blender, project):
    """opened(script) -> what it leaves in `result`, with the project's .blend open."""
    begin = '\nbpy.ops.wm.open_mainfile(filepath=str(project / "live.blend"))\n'
    return lambda script: each_blender(ON + begin + script, project=project, backend=sys.executable)


def test_the_blend_opens_with_its_jobs_their_objects_and_its_settings(opened):
    got = opened("""
finished, failed, half, waiting = jobs = api.jobs()
result = {
    "jobs": [[job.folder.relative_to(project).as_posix(), job.state] for job in jobs],
    "of this file": sorted(volumes.jobs()) == sorted([finished.record.id, half.record.id]),
    "live": state_of(half.volume_object),
    "history": state_of(finished.volume_object),
    "mesh": [finished.mesh_object["prompt"], len(finished.mesh_object.data.polygons)],
    "none": [job.volume_object or job.mesh_object for job in (failed, waiting)] + [half.mesh_object],
    "settings": properties.settings_from(bpy.context.scene),
}
made = api.import_result(project / "sjc" / "half", location=(1.5, 0, 0)).volume_object
bpy.context.view_layer.update()
result["matrices"] = [[list(row) for row in item.matrix_world] for item in (half.volume_object, made)]
api.close()
""")
    assert got["jobs"] == [
        ["sjc/finished", "finished"], ["sjc/failed", "failed"], ["sjc/half", "stopped"], ["sjc/waiting", "waiting"],
    ]  # fmt: skip
    assert got["of this file"]
    assert got["live"] == ["sjc/half/snapshots/f_0003.vdb", ["color", "density"], False, [False, 1]]
    assert got["history"][0].startswith("sjc/finished/snapshots/f_")
    assert got["history"][1:] == [["color", "density"], True, [True, 5]]
    assert got["mesh"][0] == "a red mushroom"
    assert got["mesh"][1] > 100
    assert got["none"] == [None, None, None]
    assert got["settings"] == {
        "preset": "quality", "prompt": "a red mushroom", "seed": 7, "steps": 250, "guidance": 3.5,
        "background": "fixed", "background_color": [0.25, 0.5, 0.75], "view_words": "paper", "mesh_faces": 5000,
        "turntable": False, "views_per_step": 6, "learning_rate": 0.2, "sigma_min": 0.7,
    }  # fmt: skip
    live, made = ([number for row in matrix for number in row] for matrix in got["matrices"])
    assert live == pytest.approx(made, abs=1e-5), "it stands where one that is made now stands"


def test_the_stopped_job_goes_on_and_the_volume_of_the_blend_follows(opened, project):
    """Played by the scripted worker, which finds step 7 in a file of its own."""
    (project / "sjc" / "half" / "fake.json").write_text('{"step": 7}', "utf-8")
    got = opened("""
import time
api.queue().command = lambda: [*environment.worker_command(given["backend"]), "--fake", "slow:0.1"]
(half,) = (job for job in api.jobs() if job.state == "stopped")
item, files = half.volume_object.name, []
half.resume()
while not half.finished:
    api.pump()
    if half.volume_object and shown(half.volume_object.data) not in files:
        files.append(shown(half.volume_object.data))
    time.sleep(0.01)
result = {
    "state": [half.state, half.error], "first step": half.curves["loss"][0][0], "files": files,
    "same": [half.volume_object.name == item, [o.name for o in bpy.data.objects if o.type == "VOLUME"].count(item)],
    "end": state_of(half.volume_object), "mesh": half.mesh_object["prompt"],
}
api.close()
""")
    assert got["state"] == ["finished", None]
    assert got["first step"] == 8
    assert got["files"][0] == "sjc/half/snapshots/f_0003.vdb"
    assert "sjc/half/snapshots/f_0004.vdb" in got["files"]
    assert got["same"] == [True, 1]
    assert got["end"] == ["sjc/half/snapshots/f_0006.vdb", ["color", "density"], True, [True, 6]]
    assert got["mesh"] == "a red mushroom"


def test_the_job_folders_import(each_blender, project):
    got = each_blender(
        ON
        + """
bpy.ops.wm.save_as_mainfile(filepath=str(project / "new.blend"))
finished, half = (api.import_result(project / "sjc" / name) for name in ("finished", "half"))
mesh = finished.mesh_object
result = {
    "mesh": [mesh["prompt"], mesh["seed"], len(mesh.data.polygons), max(mesh.dimensions)],
    "colours": [len(attribute.data) > 0 for attribute in mesh.data.color_attributes],
    "half": [half.mesh_object, *state_of(half.volume_object)],
}
api.close()
""",
        project=project,
        backend=sys.executable,
    )
    assert got["mesh"][:2] == ["a red mushroom", 7]
    assert got["mesh"][2] > 100
    assert got["mesh"][3] == pytest.approx(1, abs=1e-4)
    assert got["colours"] == [True]
    assert got["half"] == [None, "sjc/half/snapshots/f_0003.vdb", ["color", "density"], False, [False, 1]]


def test_the_preset_applies_and_leaves_prompt_and_seed(each_blender, project):
    got = each_blender(
        ON
        + """
group = bpy.context.scene.sjc
group.preset, group.prompt, group.seed = "test", "a ball", 6
path = str(project / "presets" / "Blue_Ground.py")
result = [bpy.ops.script.execute_preset(filepath=path, menu_idname="SJC_PT_presets") == {"FINISHED"}]
result.append(properties.settings_from(bpy.context.scene))
""",
        project=project,
        backend=sys.executable,
    )
    assert got == [
        True,
        {
            "preset": "quality", "prompt": "a ball", "seed": 6, "steps": 250, "guidance": 3.5, "view_words": "paper",
            "background": "fixed", "background_color": [0.25, 0.5, 0.75], "mesh_faces": 5000, "turntable": False,
            "views_per_step": 6, "learning_rate": 0.2, "sigma_min": 0.7,
        },
    ]  # fmt: skip
