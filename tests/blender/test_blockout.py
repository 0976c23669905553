"""Objects of the scene as what a job starts from: read as they stand, refused in one line, and put back in place."""

import numpy as np
import pytest

from sjc.job import blockout
from sjc.output.glb import read_glb

SCENE = """
import json
from pathlib import Path
from mathutils import Euler
import sjc_blender
from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.job import placement
from sjc_blender.scene import blockout, glb, meshes

home = Path(given["home"])

def cube(name, at=(0, 0, 0), scale=(1, 1, 1), turn=0.0, color=None):
    bpy.ops.mesh.primitive_cube_add(size=2, location=at, rotation=(0, 0, turn))
    made = bpy.context.object
    made.name, made.scale = name, scale
    if color:
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*color, 1)
        made.data.materials.append(material)
    bpy.context.view_layer.update()
    return made

def state():
    items = [item for item in bpy.data.objects if item.type == "MESH"]
    return sorted((item.name, tuple(map(tuple, item.matrix_world)), len(item.data.vertices)) for item in items)

def refused(call):
    try:
        call()
    except SjcError as error:
        return str(error)
    return ""
"""


def test_selected_meshes_become_a_block_out_and_the_result_stands_there(in_blender, tmp_path):
    """Two cubes, one with a modifier and mirrored, turned by 90 degrees about Z, far from the origin."""
    got = in_blender(
        SCENE
        + """
body = cube("body", (10, 5, 1), (2, 1, 1), np.pi / 2, (1, 0, 0))
top = cube("top", (10, 5, 2.5), (-0.5, 0.5, 0.5), 0, (0, 0, 1))
top.modifiers.new("subdivided", "SUBSURF").subdivision_type = "SIMPLE"
bpy.context.view_layer.update()
before = state()
scan = blockout.scan([body, top, bpy.data.objects.new("camera", None)], "")
scan.write(home / "job")
stands = placement.read(home / "job")
# A result that fills the block-out's place in the engine's box.
points, faces, _ = zip(*(part.triangles() for part in scan.start))
faces = np.concatenate([faces[0], faces[1] + len(points[0])])
points = np.concatenate(points)
low, high = points.min(0), points.max(0)
points = ((points - (low + high) / 2) / stands.scale).astype("f4")
triangles = glb.Triangles(points, faces.astype("i4"), np.ones((len(points), 4), "f4"))
made = meshes.place(triangles, name="made", location=(0, 0, 0), stands=stands)
bpy.context.view_layer.update()
corners = np.array([made.matrix_world @ vertex.co for vertex in made.data.vertices])
result = {
    "unchanged": [row for row in state() if row[0] != "made"] == before,
    "settings": scan.settings,
    "low": corners.min(0).tolist(), "high": corners.max(0).tolist(),
    "turn": made.rotation_euler.z,
}
""",
        home=str(tmp_path),
    )
    assert got["unchanged"]
    assert got["settings"] == {"start": "inputs/start.glb", "keep": ""}
    np.testing.assert_allclose(got["low"], (9, 3, 0), atol=1e-4)
    np.testing.assert_allclose(got["high"], (11, 7, 3), atol=1e-4)
    np.testing.assert_allclose(got["turn"], np.pi / 2, atol=1e-5)
    path = tmp_path / "job" / "inputs" / "start.glb"
    mesh = read_glb(path)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), (4, 2, 3), atol=1e-4)
    assert {tuple(color) for color in mesh.colors.round(3)} == {(1, 0, 0), (0, 0, 1)}
    block = blockout.block_out(path, 32)
    share = block.solid.mean() * (2 * block.placement.scale) ** 3
    np.testing.assert_allclose(share, 4 * 2 * 2 + 1, rtol=0.1)


def test_what_cannot_be_a_start_is_refused_and_the_scene_stays(in_blender, tmp_path):
    got = in_blender(
        SCENE
        + """
good, zero = cube("good"), cube("zero", scale=(0, 0, 0))
dense = cube("dense")
dense.modifiers.new("fine", "SUBSURF").levels = 2
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
bpy.context.scene.collection.objects.link(camera)
empty = bpy.data.objects.new("empty", bpy.data.meshes.new("empty"))
bpy.context.scene.collection.objects.link(empty)
broken = cube("broken")
broken.data.vertices[0].co.x = float("nan")
bpy.context.view_layer.update()
blockout.MOST_FACES = 13
before = state()
lines = [refused(lambda: blockout.scan(*pair)) for pair in (
    ([], ""), ([camera], ""), ([zero], ""), ([empty], ""), ([good, zero], ""), ([dense], ""), ([broken], ""),
    ([good], camera), ("", good),
)]
blockout.MOST_FACES = 12
asked = []
blockout._part = asked.append
lines.append(refused(lambda: blockout.scan([good], "")))
same = repr(state()) == repr(before)
result = {"lines": lines, "asked": len(asked), "same": same, "written": len(list(home.glob("job")))}
""",
        home=str(tmp_path),
    )
    none, only_camera, zero, empty, heavy, dense, broken, camera, alone, base = got["lines"]
    assert none == only_camera == "The start has no mesh: select one or more mesh objects."
    assert "has no size" in zero
    assert "have no faces" in empty
    assert heavy == "zero brings the block-out to 24 triangles; decimate it to fewer than 13."
    assert dense == "dense brings the block-out to 192 triangles; decimate it to fewer than 13."
    assert "not a number" in broken
    assert camera == "camera is no mesh object, so nothing can be inside it; choose a mesh."
    assert "nothing to keep without a start" in alone
    assert base.startswith("good has 12 triangles without its modifiers; apply a Decimate modifier")
    assert got["asked"] == 0, "no modifier was evaluated for a mesh that is too large without them"
    assert got["same"]
    assert got["written"] == 0


def test_odd_meshes_are_read_as_they_stand(in_blender, tmp_path):
    """Sheared, mirrored, open, with a hollow n-gon and a loose point, linked from a file, and while it is edited."""
    got = in_blender(
        SCENE
        + """
import bmesh
from mathutils import Matrix

def read(*objects):
    scan = blockout.scan(objects, "")
    low, high = zip(*(part.bounds() for part in scan.start))
    scan.write(home / objects[0].name)
    return {"low": np.min(low, 0).tolist(), "high": np.max(high, 0).tolist(), "turn": scan.stands.rotation_z,
            "faces": sum(len(part.triangles()[1]) for part in scan.start)}

shear = Matrix(((1, 0, 0, 0), (0.5, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)))
sheared = cube("sheared")
sheared.parent = bpy.data.objects.new("parent", None)  # only a parent's scale can shear an object
bpy.context.scene.collection.objects.link(sheared.parent)
sheared.matrix_parent_inverse = shear
turned = cube("turned", turn=0.5)
mirrored = cube("mirrored", (5, 0, 0), (-1, 1, 1), 0.5)
opened = cube("opened")
edit = bmesh.new()
edit.from_mesh(opened.data)
edit.faces.ensure_lookup_table()
bmesh.ops.delete(edit, geom=[edit.faces[0]], context="FACES_ONLY")
edit.verts.new((50, 0, 0))  # a loose point has no say in size and place
edit.to_mesh(opened.data)
bpy.context.view_layer.update()
before = state()
result = {item.name: read(item) for item in (sheared, turned, mirrored, opened)}
result["same"] = state() == before

arrow = bpy.data.meshes.new("hollow")  # the one face at the bottom is hollow
rim = [(0, 0), (2, 2), (0, 1), (-2, 2)]
arrow.from_pydata([(x, y, z) for z in (0, 1) for x, y in rim], [], [
    (3, 2, 1, 0), (4, 5, 6, 7), *[(i, (i + 1) % 4, (i + 1) % 4 + 4, i + 4) for i in range(4)]])
hollow = bpy.data.objects.new("hollow", arrow)
bpy.context.scene.collection.objects.link(hollow)
bpy.context.view_layer.update()
read(hollow)

path = str(home / "library.blend")
bpy.data.libraries.write(path, {mirrored})
with bpy.data.libraries.load(path, link=True) as (source, target):
    target.objects = ["mirrored"]
linked = next(item for item in bpy.data.objects if item.library)
bpy.context.scene.collection.objects.link(linked)
bpy.context.view_layer.update()
result["linked"] = read(linked)

bpy.context.view_layer.objects.active = turned
bpy.ops.object.mode_set(mode="EDIT")
edit = bmesh.from_edit_mesh(turned.data)
for vertex in edit.verts:
    vertex.co.z += 7 * (vertex.co.z > 0)
bmesh.update_edit_mesh(turned.data)
result["edited"] = read(turned)
result["mode"] = turned.mode
""",
        home=str(tmp_path),
    )
    np.testing.assert_allclose(got["sheared"]["low"], (-1, -1.5, -1), atol=1e-5)
    np.testing.assert_allclose(got["sheared"]["high"], (1, 1.5, 1), atol=1e-5)
    assert got["sheared"]["turn"] == 0, "a sheared object has no front of its own"
    np.testing.assert_allclose(got["turned"]["high"], (1, 1, 1), atol=1e-5)
    np.testing.assert_allclose(got["turned"]["turn"], 0.5, atol=1e-5)
    assert got["mirrored"]["turn"] == 0
    assert got["mirrored"] == got["linked"]
    assert got["opened"]["high"] == [1, 1, 1]
    assert got["opened"]["faces"] == 10
    assert got["same"]
    assert got["edited"]["high"][2] == 8
    assert got["mode"] == "EDIT"
    sheared = blockout.block_out(tmp_path / "sheared" / "inputs" / "start.glb", 32)
    assert sheared.solid.mean() * (2 * sheared.placement.scale) ** 3 == pytest.approx(8, rel=0.1)
    opened = blockout.block_out(tmp_path / "opened" / "inputs" / "start.glb", 32)
    assert opened.solid.mean() * (2 * opened.placement.scale) ** 3 == pytest.approx(8, rel=0.1)
    hollow = blockout.block_out(tmp_path / "hollow" / "inputs" / "start.glb", 32)
    assert hollow.solid.mean() * (2 * hollow.placement.scale) ** 3 == pytest.approx(2, rel=0.15)


def test_a_large_block_out_holds_the_main_thread_for_a_moment(in_blender, tmp_path):
    """200,000 triangles after their modifier: numbers are copied here; triangles and the file are a thread's matter."""
    got = in_blender(
        SCENE
        + """
import time
ball = cube("ball")
ball.modifiers.new("fine", "SUBSURF").levels = 6
bpy.ops.mesh.primitive_grid_add(x_subdivisions=280, y_subdivisions=280)
grid = bpy.context.object
grid.modifiers.new("thick", "SOLIDIFY")
bpy.context.view_layer.update()
bpy.context.evaluated_depsgraph_get()  # as the viewport has done
times = []
for _ in range(3):  # this thread's own time, however busy the machine is
    began = time.thread_time()
    scan = blockout.scan([ball, grid], "")
    times.append(time.thread_time() - began)
result = {"faces": sum(len(part.triangles()[1]) for part in scan.start), "seconds": min(times)}
""",
        home=str(tmp_path),
    )
    assert got["faces"] > 200_000
    assert got["seconds"] < 0.1
