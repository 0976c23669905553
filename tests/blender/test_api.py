"""The scripting API in the installed extension, with the real worker and embedded model, and with a scripted one."""

import numpy as np
import pytest
from PIL import Image

from sjc.output.colour import srgb_to_linear

ENABLE = """
import importlib, os, sys
from pathlib import Path

module = "bl_ext.user_default.sjc_blender"
bpy.ops.extensions.package_install_files(
    filepath=given["archive"], repo="user_default", enable_on_install=True, overwrite=True
)
api, live, places, environment = (
    importlib.import_module(f"{module}.{name}") for name in ("api", "live", "places", "install.environment")
)
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
home = Path(given["home"])
bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))

def fake(fault):
    real = environment.worker_command(given["backend"])
    api.queue().command = lambda: [*real, "--fake", fault]

def about(job):
    mesh, volume = job.mesh_object, job.volume_object
    return {
        "state": job.state, "error": job.error, "folder": str(job.folder), "progress": job.progress,
        "mesh": mesh and mesh.name, "volume": volume and volume.name,
    }
"""


# Photographs of what a saved and reopened .blend shows: {"mesh", "volume"} -> files in `home`.
PICTURES = """
compat = importlib.import_module(f"{module}.scene.compat")
scene = bpy.context.scene
world = bpy.data.worlds.new("even")
compat.node_tree(world).nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
scene.world = world
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
camera.data.type, camera.data.ortho_scale = "ORTHO", 1.5
camera.location, camera.rotation_euler = (1, -3, 3.5), (np.pi / 2, 0, 0)
scene.collection.objects.link(camera)
scene.camera = camera
scene.render.engine, scene.cycles.samples, scene.cycles.device = "CYCLES", 8, "CPU"
scene.render.resolution_x = scene.render.resolution_y = 96
scene.render.film_transparent = True
scene.render.image_settings.color_mode = "RGBA"
scene.view_settings.view_transform = "Standard"
shown = {kind: bpy.data.objects[again[kind]] for kind in ("mesh", "volume")}
for kind in shown:
    for other, item in shown.items():
        item.hide_set(other != kind)
        item.hide_render = other != kind
    scene.render.filepath = str(home / f"{kind}.png")
    bpy.ops.render.render(write_still=True)
"""


def measure(path):
    """(linear RGB of the upper third, of the lower third of what is opaque, its height and its middle in pixels)."""
    picture = np.asarray(Image.open(path).convert("RGBA")) / 255
    opaque = picture[..., 3] > 0.9
    rows = np.flatnonzero(opaque.sum(1) > 3)
    top, bottom, third = rows[0], rows[-1] + 1, (rows[-1] + 1 - rows[0]) // 3
    color = srgb_to_linear(picture[..., :3])

    def mean(low, high):
        return color[low:high][opaque[low:high]].mean(0)

    middle = np.flatnonzero(opaque.any(0)).mean()
    return mean(top, top + third), mean(bottom - third, bottom), bottom - top, middle


@pytest.mark.timeout(900)
def test_generate_with_the_real_worker(each_blender, given):
    """A mushroom in seconds: it stands where it shall, looks like one, and is still there in the reopened .blend."""
    got = each_blender(
        ENABLE
        + """
heard = []
bpy.context.scene.cursor.location = (1, 2, 3)
job = api.generate("a red mushroom", preset="fast", seed=3, on_progress=lambda j: heard.append(j.state))
mesh, volume = job.mesh_object, job.volume_object
points = np.empty(len(mesh.data.vertices) * 3, "f4")
mesh.data.vertices.foreach_get("co", points)
points = points.reshape(-1, 3) + np.array(mesh.location)
import addon_utils
addon_utils._is_first_reset()
hello = api.queue().hello
bpy.ops.wm.save_mainfile()
bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
again = about(job)
result = {
    **about(job), "again": again, "heard": sorted(set(heard)),
    "inside": hello["folder"], "package": str(places.BACKEND),
    "low": points.min(0).tolist(), "high": points.max(0).tolist(),
    "prompt": bpy.data.objects[again["mesh"]]["prompt"], "seed": bpy.data.objects[again["mesh"]]["seed"],
    "hidden": bpy.data.objects[again["volume"]].hide_render, "path": bpy.data.objects[again["volume"]].data.filepath,
    "colors": [c.name for c in bpy.data.objects[again["mesh"]].data.color_attributes],
    "warnings": addon_utils._extensions_warnings_get(), "blend": bpy.data.filepath,
}
"""
        + PICTURES
        + "\napi.close()\n",
        timeout=600,
        **given,
    )
    assert got["state"] == "finished", got["error"]
    assert got["progress"] == 1
    assert {"running", "finished"} <= set(got["heard"])
    assert got["inside"].startswith(got["package"])
    assert "/extensions/user_default/sjc_blender/backend" in got["inside"]
    assert got["folder"] == str(given["home"] / "sjc" / "a-red-mushroom-3")
    low, high = got["low"], got["high"]
    assert max(h - lo for lo, h in zip(low, high, strict=True)) == pytest.approx(1, abs=1e-4)
    assert [(lo + h) / 2 for lo, h in zip(low[:2], high[:2], strict=True)] == pytest.approx([1, 2], abs=1e-4)
    assert low[2] == pytest.approx(3, abs=1e-4)
    assert (got["prompt"], got["seed"]) == ("a red mushroom", 3)
    assert got["hidden"]
    assert got["path"].startswith("//sjc")
    assert got["colors"] == ["Color"]
    assert got["again"]["mesh"]
    assert got["again"]["volume"]
    assert got["warnings"] == {}
    for kind, least in (("mesh", 60), ("volume", 50)):
        cap, stem, height, middle = measure(given["home"] / f"{kind}.png")
        assert height > least, f"{kind}: 96 pixels are 1.5 m, so one of a metre has 64"
        assert middle == pytest.approx(48, abs=6)
        assert cap[0] > 0.3, (kind, cap)
        assert cap[0] > 3 * cap[1:].max(), (kind, cap)
        assert stem.min() > 0.25, (kind, stem)
        assert stem.min() > 0.6 * stem.max(), (kind, stem)


def test_a_batch_survives_a_failing_item(in_blender, given):
    got = in_blender(
        ENABLE
        + """
fake("ok")
made = api.batch(["a red cube", "a blue cube", "a green cube"], preset="test", block=False)
made[1].folder.rmdir()
made[1].folder.write_text("in the way")
for job in made:
    job.wait(60)
result = {"jobs": [about(job) for job in made], "x": [job.mesh_object.location.x for job in made if job.mesh_object]}
api.close()
""",
        **given,
    )
    assert [job["state"] for job in got["jobs"]] == ["finished", "failed", "finished"]
    assert got["jobs"][1]["error"]
    assert got["x"] == pytest.approx([0, 3.0])


def test_odd_prompts_and_a_path_of_more_than_two_hundred_characters(in_blender, given):
    prompt = "a \"red\" cube 'with' \\ a 버섯 🍄"
    got = in_blender(
        ENABLE
        + """
fake("ok")
folder = home / ("é" * 100 + "x" * 20) / ("y" * 120)
job = api.generate(given["prompt"], preset="test", folder=folder)
bpy.ops.wm.save_mainfile()
bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
volume, mesh = job.volume_object, job.mesh_object
result = {
    **about(job), "property": mesh["prompt"], "length": len(str(folder)), "whole": job.folder == folder,
    "loads": [volume.data.grids.load(), sorted(volume.data.grids.keys())],
    "again": about(api.import_result(folder)), "listed": [one.prompt for one in api.jobs()],
}
api.close()
""",
        **given,
        prompt=prompt,
    )
    assert got["state"] == "finished", got["error"]
    assert got["property"] == prompt
    assert got["mesh"].startswith('a "red" cube')
    assert got["length"] > 240
    assert got["whole"]
    assert got["loads"] == [True, ["color", "density"]]
    assert got["again"]["mesh"]
    assert got["listed"] == [prompt]


def test_bad_ones_are_refused_before_anything_starts(in_blender, given):
    got = in_blender(
        ENABLE
        + """
def refused(call):
    try:
        call()
    except api.SjcError as error:
        return str(error)
    return None
result = {
    "empty": refused(lambda: api.generate("  ")),
    "steps": refused(lambda: api.generate("a cube", steps="many")),
    "name": refused(lambda: api.generate("a cube", stepz=3)),
    "batch": refused(lambda: api.batch(["a cube", "", {"prompt": "a cone", "grid": 4}])),
    "folder": refused(lambda: api.import_result(home)),
    "nothing": refused(lambda: api.import_result(home / "gone")),
    "jobs": len(api.queue().jobs),
}
api.close()
""",
        **given,
    )
    assert got["jobs"] == 0
    assert "empty" in got["empty"]
    assert "steps" in got["steps"]
    assert "did you mean steps" in got["name"]
    assert len(got["batch"].splitlines()) == 2
    assert "not a job folder" in got["folder"]
    assert "does not exist" in got["nothing"]


def test_import_of_finished_and_half_finished_folders(in_blender, given):
    got = in_blender(
        ENABLE
        + """
import shutil
fake("ok")
job = api.generate("a red cube", preset="test")
done = Path(job.folder)
half = done.with_name("half")
shutil.copytree(done, half)
for name in ("mesh.glb", "run.json"):
    (half / name).unlink()
bare = half.with_name("bare")
shutil.copytree(half, bare)
for path in (bare / "snapshots").glob("*.vdb"):
    path.unlink()
broken = half.with_name("broken")
shutil.copytree(done, broken)
(broken / "mesh.glb").write_bytes((done / "mesh.glb").read_bytes()[:100])
jobs = [api.import_result(p) for p in (done, next(done.glob("*.sjc")), half, bare)]
try:
    api.import_result(broken)
    said = None
except api.SjcError as error:
    said = str(error)
result = {"jobs": [about(j) for j in jobs], "said": said, "first": about(job)}
api.close()
""",
        **given,
    )
    whole, pointed, half, bare = got["jobs"]
    assert whole["mesh"] and pointed["mesh"]  # noqa: PT018
    assert not half["mesh"]
    assert half["volume"]
    assert bare["volume"]
    assert "\n" not in got["said"]


def test_the_queue_survives_a_restart(in_blender, given):
    first = in_blender(
        ENABLE
        + """
fake("slow")
job = api.generate("a red cube", preset="test", block=False)
later = api.generate("a blue cube", preset="test", block=False)
import time
while job.record.step < 2:
    api.pump(); time.sleep(0.02)
result = {"folder": str(job.folder)}
""",
        **given,
    )
    got = in_blender(
        ENABLE.replace("bpy.ops.wm.save_as_mainfile", "bpy.ops.wm.open_mainfile")
        + """
fake("ok")
records = api.queue().jobs
before = [(r.state.value, str(r.folder)) for r in records]
jobs = [api.Job(r) for r in records]
jobs[0].resume()
for job in jobs:
    job.wait(60)
result = {"before": before, "after": [about(job) for job in jobs]}
api.close()
""",
        **given,
    )
    assert got["before"][0] == ["stopped", first["folder"]]
    assert [job["state"] for job in got["after"]] == ["finished", "finished"]
    assert all(job["mesh"] for job in got["after"])


def test_news_that_come_at_once(in_blender, given):
    """A slow main thread gets many messages in one turn: none is lost, and a finished job has its mesh by then."""
    got = in_blender(
        ENABLE
        + """
import time
fake("ok")
told = []
def slow(job):
    told.append([job.state, job.mesh_object is not None])
def broken(job):
    told.append("broken")
    raise RuntimeError("somebody else's mistake")
first = api.generate("a red cube", preset="test", block=False, on_progress=slow)
second = api.generate("a blue cube", preset="test", block=False, on_progress=broken)
queue = api.queue()
real, kept = queue.pump, []
while not second.finished:
    kept += real()
    time.sleep(0.02)
damaged = first.record.snapshots[-1].vdb
damaged.write_bytes(damaged.read_bytes()[:-50])
queue.pump = lambda: kept
api.pump()
result = {
    "told": [one for one in told if one != "broken"], "broken": told.count("broken"),
    "jobs": [about(job) for job in api.jobs()], "same": api.jobs()[0] is first,
}
first.resume()
result["resumed"] = first.state
api.close()
""",
        **given,
    )
    assert got["told"]
    assert all(news == ["finished", True] for news in got["told"])
    assert got["broken"] == 1
    assert [job["mesh"] for job in got["jobs"]] == ["a red cube", "a blue cube"]
    assert got["same"]
    assert got["resumed"] == "finished"


def test_batch_reads_a_text_and_waiting_ends_with_the_queue(in_blender, given):
    got = in_blender(
        ENABLE
        + """
fake("slow")
text = bpy.data.texts.new("prompts")
text.write('# two\\na red cube\\n{"prompt": "a blue cube", "seed": 5}\\n')
made = api.batch(text, preset="test", block=False) + api.batch("a green cube", preset="test", block=False)
result = {"prompts": [job.prompt for job in made], "seeds": [job.record.settings.seed for job in made]}
api.remove(made[1])
result["removed"] = [made[1].wait(5).state, len(api.jobs())]
api.close()
def refused(call):
    try:
        call()
    except api.SjcError as error:
        return str(error)
result["closed"] = refused(made[2].wait)
result["bad"] = [refused(lambda given=given: api.batch(given)) for given in ("", bpy.data.texts.new("none"), [3])]
result["beside"] = str(api.generate("a cone", preset="test", block=False, folder="//here").folder)
api.close()
""",
        **given,
    )
    assert got["prompts"] == ["a red cube", "a blue cube", "a green cube"]
    assert got["seeds"][1] == 5
    assert got["removed"] == ["stopped", 2]
    assert "no longer in the queue" in got["closed"]
    assert ["contains no prompts" in message for message in got["bad"]] == [True, True, False]
    assert got["bad"][2] == "1: prompt: needs text, not int."
    assert got["beside"] == str(given["home"] / "here")
