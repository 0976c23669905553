"""The demo's second half, inside Blender: `python demo_scene.py JSON`, by an interpreter that has bpy.

Installs the built zip as a person would, has the extension's API make the prompt with the real worker, stands volume
and mesh side by side, saves the .blend and renders a picture of both. JSON: {archive, python, prompt, settings, folder,
home, blend, picture, samples}.
"""

import importlib
import json
import math
import os
import sys
from pathlib import Path

MODULE = "bl_ext.user_default.sjc_blender"
APART = 0.62  # metres from the middle, for objects one metre long
PAPER = 0.8  # grey of the world, scene-linear


def main(given) -> int:
    """Make, save, render. Returns the exit code."""
    os.environ["BLENDER_USER_RESOURCES"] = given["home"]
    os.environ["SJC_BACKEND_PYTHON"] = given["python"]
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(
        filepath=given["archive"], repo="user_default", enable_on_install=True, overwrite=True
    )
    bpy.context.preferences.addons[MODULE].preferences.output_folder = given["home"]  # the list of jobs goes there
    api = importlib.import_module(f"{MODULE}.api")
    try:
        job = api.generate(given["prompt"], folder=given["folder"], **given["settings"])
        if job.state != "finished":
            return 130 if job.state == "stopped" else 2
        mesh, volume = job.mesh_object, job.volume_object
        mesh.location.x += APART
        volume.location.x -= APART
        volume.hide_render = False
        volume.hide_set(False)
        studio(bpy, given["samples"])
        bpy.ops.wm.save_as_mainfile(filepath=given["blend"], relative_remap=True)
        bpy.context.scene.render.filepath = given["picture"]
        bpy.context.scene.render.use_stamp_filename = False  # a picture to show tells nobody's folders
        bpy.ops.render.render(write_still=True)
    except api.SjcError as error:
        print(f"sjc: {error}", file=sys.stderr)
        return 2
    finally:
        api.close()
    return 0


def studio(bpy, samples) -> None:
    """A camera in front, even light, colours as they are."""
    scene = bpy.context.scene
    world = bpy.data.worlds.new("Studio")
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (PAPER, PAPER, PAPER, 1)
    scene.world = world
    lens = bpy.data.cameras.new("Camera")
    camera = bpy.data.objects.new("Camera", lens)
    camera.location, camera.rotation_euler = (0, -4.2, 1.5), (math.radians(77), 0, 0)
    lens.lens = 58
    scene.collection.objects.link(camera)
    scene.camera = camera
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.data.angle = 1.5, 0.3
    sun.rotation_euler = (math.radians(50), 0, math.radians(35))
    scene.collection.objects.link(sun)
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", samples, True
    scene.render.image_settings.compression = 100  # noise apart, the paper is one grey: a few tens of kB
    scene.render.resolution_x, scene.render.resolution_y = 800, 480
    scene.view_settings.view_transform = "Standard"


if __name__ == "__main__":
    try:
        code = main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except KeyboardInterrupt:
        code = 130
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender's module may hang while an interpreter that holds it ends
