"""Objects of the scene as what a job starts from: read as they stand, refused in one line, and put back in place."""

import numpy as np

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
low, high = scan.start.points.min(0), scan.start.points.max(0)
points = ((scan.start.points - (low + high) / 2) / stands.scale).astype("f4")
triangles = glb.Triangles(points, scan.start.faces.astype("i4"), np.ones((len(points), 4), "f4"))
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
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
bpy.context.scene.collection.objects.link(camera)
empty = bpy.data.objects.new("empty", bpy.data.meshes.new("empty"))
bpy.context.scene.collection.objects.link(empty)
bpy.context.view_layer.update()
blockout.MOST_FACES = 13
before = state()
lines = [refused(lambda: blockout.scan(*pair)) for pair in (
    ([], ""), ([camera], ""), ([zero], ""), ([empty], ""), ([good, zero], ""), ([good], camera), ("", good),
)]
sheared = cube("sheared")
sheared.matrix_world = sheared.matrix_world @ __import__("mathutils").Matrix.Shear("XY", 4, (0.5, 0.2))
bpy.context.view_layer.objects.active = good
bpy.ops.object.mode_set(mode="EDIT")
edited = refused(lambda: blockout.scan([good], good))
result = {"lines": lines, "edited": edited, "mode": good.mode, "written": sorted(p.name for p in home.glob("job"))}
""",
        home=str(tmp_path),
    )
    none, only_camera, zero, empty, heavy, camera, alone = got["lines"]
    assert none == only_camera == "The start has no mesh: select one or more mesh objects."
    assert "has no size" in zero
    assert "have no faces" in empty
    assert heavy == "The start has 24 triangles; decimate it to fewer than 13."
    assert camera == "camera is no mesh object, so nothing can be inside it; choose a mesh."
    assert "nothing to keep without a start" in alone
    assert (got["edited"], got["mode"], got["written"]) == ("", "EDIT", [])
