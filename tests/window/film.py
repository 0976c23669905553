"""The animated picture of the README: a prompt is typed, a volume grows, a mesh stands there.

It is filmed as a puppet film is: before every picture the worker's process is held still, so that Blender, which draws
without a graphics card here, has the time to finish its drawing. The job itself is the default one, from the first step
to the mesh; only its volume comes more often.
"""

import os
import signal
import time
from pathlib import Path

from tests.window import camera
from tests.window.camera import Frame
from tests.window.desk import PATIENCE

SIZE = (800, 600)  # of the screen; its top bar is cut away
PROMPT = "a red mushroom"
SNAPSHOT_EVERY = 8  # steps; by itself a job shows its volume 20 times
SNAPSHOTS = (*range(2, 15), *range(16, 30, 2), *range(32, 49, 4))  # which of them have a picture
QUALITY = 82
LETTER, PRESS, GROWTH, MESH = 110, 700, 240, 2600  # milliseconds that a picture stands

# A viewport as large as the window, in Material Preview, with nothing in it but the prompt's object, and no overlays.
# Without a graphics card EEVEE draws volumes before black: so the background is black all along.
STAGE = """
window = bpy.context.window_manager.windows[0]
area = next(a for a in window.screen.areas if a.type == 'VIEW_3D')
region = next(r for r in area.regions if r.type == 'WINDOW')
for item in bpy.data.objects:
    item.hide_set(True)
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.screen.screen_full_area()
"""
LIGHT = """
screen = bpy.context.window_manager.windows[0].screen
screen.show_statusbar = False
view = next(a for a in screen.areas if a.type == 'VIEW_3D').spaces.active
view.show_region_toolbar = view.show_region_tool_header = view.show_gizmo = False
view.overlay.show_cursor = view.overlay.show_object_origins = view.overlay.show_text = view.overlay.show_floor = False
view.overlay.show_axis_x = view.overlay.show_axis_y = False
view.shading.type = 'MATERIAL'
sky = bpy.context.preferences.themes[0].view_3d.space.gradients
sky.background_type, sky.high_gradient = 'SINGLE_COLOR', (0, 0, 0)
view.region_3d.view_distance, view.region_3d.view_location = 2.3, (0.3, 0, 0.36)
view.region_3d.view_rotation = __import__('mathutils').Euler((1.25, 0, 0.6)).to_quaternion()
"""
# What the panel shows as left counts the time in which the worker was held; here is what it would be without.
TIME_LEFT = """
bpy.context.window_manager.sjc.jobs[0].eta = {:.1f}
area = next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == 'VIEW_3D')
next(r for r in area.regions if r.type == 'UI').tag_redraw()
"""
PATIENT = "bpy.context.preferences.addons['bl_ext.user_default.sjc_blender'].preferences.silence_seconds = 3600"


def make(desk, path):
    """Film it into `path`. The desk's backend is ready."""
    desk.ask(STAGE)
    desk.ask(LIGHT)
    desk.open_tab("SJC")
    desk.ask(PATIENT)
    desk.ask(f"bpy.context.scene.sjc.snapshot_every = {SNAPSHOT_EVERY}")
    frames = [*_typed(desk), *_growing(desk), *_mesh(desk)]
    return camera.save_animation(frames, path, QUALITY)


def _shot(desk, milliseconds):
    """A picture without Blender's top bar."""
    desk.settle()
    image = camera.grab(desk)
    top = desk.ask("result = region_of('VIEW_3D', 'HEADER')")["box"][1]
    return Frame(image.crop((0, top, image.width, image.height)), milliseconds)


def _typed(desk):
    """The prompt letter by letter, then Generate."""
    desk.click_at(*desk.find("sjc.prompt"))
    desk.settle()
    desk.press("ctrl+a")
    yield _shot(desk, PRESS)
    for letter in PROMPT:
        if letter == " ":
            desk.press("space")
        else:
            desk.does(f"type {letter}")
        yield _shot(desk, LETTER)
    desk.press("Return")
    desk.settle()
    assert desk.ask("result = bpy.context.scene.sjc.prompt") == PROMPT
    desk.point(*desk.find("sjc.generate"))
    yield _shot(desk, PRESS)
    desk.click("sjc.generate", until="api.jobs()")
    desk.over_the_viewport()
    yield _shot(desk, PRESS)


def _growing(desk):
    """A picture for each of SNAPSHOTS, or the one after it."""
    job = desk.ask("job = api.jobs()[0]; result = [str(job.folder), job.record.total]")
    folder, total = desk.system / Path(job[0]).relative_to("/") / "snapshots", job[1]
    _until((folder / "f_0001.vdb").exists)
    began, held = time.monotonic(), 0.0
    worker = desk.process(desk.ask("result = api.queue().process.pid"))
    for number in SNAPSHOTS:
        _until((folder / f"f_{number:04d}.vdb").exists)
        os.kill(worker, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            desk.wait_for(f"len(api.jobs()[0].record.snapshots) >= {number - 1}", f"snapshot {number}")
            step = desk.ask("result = api.jobs()[0].record.step")
            left = (stopped - began - held) / max(1, step - SNAPSHOT_EVERY) * (total - step)
            desk.ask(TIME_LEFT.format(left))
            yield _shot(desk, GROWTH)
        finally:
            held += time.monotonic() - stopped
            os.kill(worker, signal.SIGCONT)
    desk.wait_for("api.jobs()[0].record.stage == 'export' or api.jobs()[0].finished", "the last step")
    yield _shot(desk, PRESS)


def _until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "the worker's snapshot did not come"
        time.sleep(0.005)


def _mesh(desk):
    """The mesh, when it is drawn to the end."""
    desk.wait_for("api.jobs()[0].finished", "the end of the job")
    assert desk.ask("result = api.jobs()[0].state") == "finished"
    desk.settle()
    yield _shot(desk, MESH)
