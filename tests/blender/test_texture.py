"""Texturing objects of the scene: read as they stand, refused in one line, and given back in their places."""

import json

import numpy as np

from sjc.output.glb import read_glb
from tests.blender.conftest import RECORDER

SCENE = (
    RECORDER
    + """
from sjc_blender.scene import texturing
from sjc_blender.ui.operators import object_menu, texture as button
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
whole = Layout()
object_menu.SJC_MT_object.draw(SimpleNamespace(layout=whole), bpy.context)
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
    "menu": menu.operators(), "whole": whole.operators(),
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
    assert got["whole"] == ["sjc.texture", "sjc.remesh", "sjc.export"]
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
result["edited"] = len(texturing.scan([good]).parts[0].first)
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


def test_several_objects_as_one_and_objects_of_other_files(ui, tmp_path):
    """Linked, overridden, not manifold, with a loose edge, and a kilometre large far from the origin."""
    got = ui(
        SCENE
        + """
fake("ok")
scene.sjc.preset = "test"
first, second = cube("first", (10, 0, 0), turn=0.5), cube("second", (10, 3, 0), (1, 2, 1))
job, = api.texture([first, second], "a red wall", together=True)
made = job.mesh_object
result = {"one": [len(api.jobs()), made.location.to_tuple(1), round(made.rotation_euler.z, 3)],
          "surface": str(job.folder / "inputs/surface.glb"),
          "hidden": [item.hide_get() for item in (first, second)]}
library = given["folder"] + "/library.blend"
other = cube("other")
bpy.data.libraries.write(library, {other}, fake_user=True)
bpy.data.objects.remove(other)
with bpy.data.libraries.load(library, link=True) as (source, target):
    target.objects = ["other"]
linked = target.objects[0]
scene.collection.objects.link(linked)
bpy.context.view_layer.update()
jobs = api.texture([linked], "a red wall")
override = linked.override_create(remap_local_usages=True)
bpy.context.view_layer.update()
jobs += api.texture([override], "a red wall")
fan = bpy.data.meshes.new("fan")
fan.from_pydata([(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0), (-1, 0, 0), (5, 5, 5)],
                [(0, 5)], [(0, 1, 2), (0, 1, 3), (0, 1, 4)])
fan = bpy.data.objects.new("fan", fan)
scene.collection.objects.link(fan)
huge = cube("huge", (1e5, 0, 0), (500, 500, 500))
jobs += api.texture([fan, huge], "a red wall")
result["states"] = [one.state for one in jobs]
result["huge"] = str(jobs[-1].folder / "inputs/surface.glb")
result["where"] = jobs[-1].mesh_object.location.to_tuple(0)
result["library"] = [item.library is not None or item.override_library is not None for item in (linked, override)]
api.close()
""",
        folder=str(tmp_path),
    )
    assert got["one"][0] == 1
    assert got["one"][2] == 0.5
    assert got["hidden"] == [True, True]
    both = read_glb(got["surface"])
    assert len(both.faces) == 24
    assert np.ptp(both.vertices, axis=0).max() > 4  # they stand as they stood to each other
    assert got["states"] == ["finished"] * 4
    np.testing.assert_allclose(np.ptp(read_glb(got["huge"]).vertices, axis=0), 1000, rtol=1e-4)
    assert abs(got["where"][0] - 1e5) < 2
    assert got["library"] == [True, True]


PREVIEW = (
    SCENE
    + """
import time
def until(there):
    end = time.monotonic() + 60
    while not there() and time.monotonic() < end:
        api.pump()
        time.sleep(0.02)
    return bool(there())

def previews():
    return [item for item in bpy.data.objects if "sjc_painted_by" in item]
"""
)


def test_a_mesh_is_seen_while_it_is_painted_and_a_cancelled_job_leaves_the_scene(ui):
    got = ui(
        PREVIEW
        + """
fake("slow:0.2")
scene.sjc.preset = "test"
item = cube("wall", (1, 2, 3), (2, 1, 1))
before = [sorted(one.name for one in kind) for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.materials)]
job, = api.texture([item], "a red wall", block=False, steps=30, snapshot_every=1)
result = {"seen": until(previews)}
shown, = previews()
result["where"] = [round(x, 2) for x in shown.location]
result["only seen"] = [shown.hide_render, shown.hide_select, item.hide_get(), item.hide_render, len(shown.modifiers)]
result["found"] = job.mesh_object is None
step = job.record.step
until(lambda: job.record.step > step + 3)
result["one"] = previews() == [shown]
job.cancel()
result["stopped"] = until(lambda: job.state == "stopped")
until(lambda: not previews())
after = [sorted(one.name for one in kind) for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.materials)]
result["as before"] = before == after
result["shown again"] = not item.hide_get()
api.retry(job)
result["again"] = until(previews)
bpy.data.objects.remove(previews()[0])  # the person does not want to see it
step = job.record.step
until(lambda: job.record.step > step + 3)
result["gone"] = not previews()
until(lambda: job.state == "finished")
result["end"] = [job.state, len(previews()), item.hide_get(), job.mesh_object is not None]
api.close()
"""
    )
    assert got["seen"]
    assert got["where"] == [1, 2, 2.5]  # the middle of the base of the worker's cube of edge 1
    assert got["only seen"] == [True, True, False, False, 1]
    assert got["found"]
    assert got["one"]
    assert got["stopped"]
    assert got["as before"]
    assert got["shown again"]
    assert got["again"]
    assert got["gone"]
    assert got["end"] == ["finished", 0, True, True]


def test_what_is_painted_anew_is_the_same_object_with_another_picture(ui, tmp_path):
    got = ui(
        SCENE
        + """
from sjc_blender.scene import glb, meshes
import io, struct, zlib

def png(color):
    raw = b"".join(b"\\0" + bytes(color) * 2 for _ in range(2))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\\x89PNG\\r\\n\\x1a\\n" + body

def painted(color):
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1]], np.float32)
    return glb.Triangles(points, np.array([[0, 1, 2]], np.int32), np.tile(np.array([*color, 255], np.float32) / 255,
                         (3, 1)), np.zeros((1, 3, 2), np.float32), png(color))

counts = lambda: [len(kind) for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.materials, bpy.data.images)]
before = counts()
first = texturing.show("job", painted((255, 0, 0)), "wall", (0, 0, 0), 1.0, None, make_again=True)
second = texturing.show("job", painted((0, 0, 255)), "wall", (0, 0, 0), 1.0, None, make_again=False)
image = next(node.image for node in first.data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE")
result = {"same": first == second, "pixel": list(image.pixels[:3]),
          "color": list(first.data.color_attributes["Color"].data[0].color[:3])}
texturing.drop("job")
result["left"] = counts() == before
result["not again"] = texturing.show("job", painted((0, 0, 9)), "", (0, 0, 0), 1.0, None, make_again=False) is None
"""
    )
    assert got == {"same": True, "pixel": [0, 0, 1], "color": [0, 0, 1], "left": True, "not again": True}
