"""Texturing objects of the scene: read as they stand, refused in one line, and given back in their places."""

import json

import numpy as np

from sjc.output.glb import read_glb
from tests.blender.conftest import RECORDER

SCENE = (
    RECORDER
    + """
from sjc_blender.scene import texturing
from sjc_blender.ui.operators import texture as button
from types import SimpleNamespace

def cube(name, at=(0, 0, 0), scale=(1, 1, 1), turn=0.0):
    bpy.ops.mesh.primitive_cube_add(size=2, location=at, rotation=(0, 0, turn))
    made = bpy.context.object
    made.name, made.scale = name, scale
    bpy.context.view_layer.update()
    return made

def select(*objects):
    for item in bpy.data.objects:
        item.select_set(item in objects)
"""
)


def test_objects_are_textured_each_by_itself_and_step_aside(ui, tmp_path):
    """A turned one with a modifier, far away, and a mirrored one; the first with a material that stays."""
    got = ui(
        SCENE
        + """
fake("ok")
scene.sjc.preset, scene.sjc.prompt = "test", "a blue tree"
turned = cube("turned", (1e4, 5, 1), (2, 1, 1), np.pi / 2)
turned.modifiers.new("subdivided", "SUBSURF").subdivision_type = "SIMPLE"
old = bpy.data.materials.new("old")
turned.data.materials.append(old)
mirrored = cube("mirrored", (5, 0, 0), (-1, 1, 1))
mirrored.data.uv_layers.remove(mirrored.data.uv_layers[0])
mirrored.data.update_tag()
bpy.context.view_layer.update()
select(turned, mirrored)
scene.sjc.start = "ignored.glb"
menu = Layout()
button.draw_context_menu(SimpleNamespace(layout=menu), bpy.context)
bpy.ops.sjc.texture(prompt="a red wall", strength=0.5)
jobs = api.jobs()
made = [job.mesh_object for job in jobs]
result = {
    "jobs": [[job.state, job.record.settings.prompt, job.record.settings.surface, job.record.settings.start,
              job.record.settings.surface_strength] for job in jobs],
    "hidden": [item.hide_get() and item.hide_render for item in (turned, mirrored)],
    "kept": [slot.name for slot in turned.data.materials] == ["old"] and len(turned.data.vertices) == 8,
    "marks": ["sjc_textured_by" in item for item in (turned, mirrored)],
    "flat": [not item.data.polygons[0].use_smooth for item in made],
    "modifiers": [len(item.modifiers) for item in made],
    "near": [round((item.location - source.location).length, 1) < 2 for item, source in zip(made, (turned, mirrored))],
    "turn": made[0].rotation_euler.z,
    "surfaces": [str(job.folder / job.record.settings.surface) for job in jobs],
    "menu": menu.operators(),
}
api.close()
"""
    )
    assert got["jobs"] == [["finished", "a red wall", "inputs/surface.glb", "", 0.5]] * 2
    assert got["hidden"] == got["flat"] == got["near"] == [True, True]
    assert got["kept"]
    assert got["marks"] == [False, False]
    assert got["modifiers"] == [0, 0]
    np.testing.assert_allclose(got["turn"], np.pi / 2, atol=1e-5)
    assert got["menu"] == ["sjc.texture"]
    turned, mirrored = (read_glb(path, keep_uv=True) for path in got["surfaces"])
    np.testing.assert_allclose(np.ptp(turned.vertices, axis=0), (4, 2, 2), atol=1e-3)
    assert len(turned.faces) == 48
    assert turned.texture is not None
    assert turned.texture.uv.min() >= -1e-6
    assert mirrored.texture is None
    for mesh in (turned, mirrored):  # faces look outward
        a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
        assert (np.einsum("ki,ki->k", np.cross(b - a, c - a), a) > 0).all()


def test_what_cannot_be_textured_is_one_line_and_the_scene_stays(ui):
    got = ui(
        SCENE
        + """
fake("ok")
scene.sjc.preset = "test"
good, zero = cube("good"), cube("zero", scale=(0, 0, 0))
empty = bpy.data.objects.new("empty", bpy.data.meshes.new("empty"))
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
broken = cube("broken")
broken.data.vertices[0].co.x = float("nan")
for item in (empty, camera):
    scene.collection.objects.link(item)
bpy.context.view_layer.update()
texturing.blockout.MOST_FACES = 13
dense = cube("dense")
dense.modifiers.new("subdivided", "SUBSURF").levels = 2
bpy.context.view_layer.update()

def tried(call):
    try:
        call()
    except api.SjcError as error:
        return str(error)
    return ""

lines = [tried(lambda: api.texture([good, item], "a red wall")) for item in (zero, empty, camera, broken, dense)]
lines.append(tried(lambda: api.texture([], "a red wall")))
lines.append(tried(lambda: api.texture([good], "")))
select(good)
lines.append(refused(bpy.ops.sjc.texture))
result = {"lines": lines, "jobs": len(api.jobs()), "shown": not good.hide_get(), "marked": "sjc_textured_by" in good}
bpy.context.view_layer.objects.active = good
bpy.ops.object.mode_set(mode="EDIT")
result["edited"] = len(texturing.scan(good).part.first)
result["mode"] = good.mode
api.close()
"""
    )
    zero, empty, camera, broken, dense, none, silent, button = got["lines"]
    assert "zero has no size" in zero
    assert "empty has no faces" in empty
    assert "camera is no mesh object" in camera
    assert "not a number" in broken
    assert dense == "dense has 192 triangles; decimate it to at most 13."
    assert "nothing to texture" in none
    assert "prompt" in silent
    assert "Type a prompt" in button
    assert all(len(line.splitlines()) == 1 for line in got["lines"]), json.dumps(got["lines"])
    assert (got["jobs"], got["shown"], got["marked"]) == (0, True, False)
    assert (got["edited"], got["mode"]) == (12, "EDIT")
