"""Quads and exports by a background Blender: what comes of them, and one line for each failure."""

import pytest

from tests.blender import shading

MESH = """
from sjc_blender.scene import glb, meshes
from sjc_blender import api, remeshing

def ball(upper, lower, subdivisions=4):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=subdivisions, radius=0.5)
    made = bpy.context.object
    points = np.empty(3 * len(made.data.vertices), np.float32)
    made.data.vertices.foreach_get("co", points)
    faces = np.array([face.vertices[:] for face in made.data.polygons], np.int32)
    bpy.data.objects.remove(made)
    points = points.reshape(-1, 3)
    colors = np.where(points[:, 2:] > 0, upper + (1.0,), lower + (1.0,)).astype(np.float32)
    shape = glb.Triangles(points=points, colors=colors, faces=faces, uv=None)
    return meshes.place(shape, name="ball", location=(1, 2, 0), size=2.0,
                        properties={"prompt": "a ball"}, job_id="7")

target = ball((0.6, 0.01, 0.01), (0.02, 0.07, 0.6))
"""


def test_quads_with_parts_and_colours(each_blender):
    got = each_blender(
        MESH
        + """
work = api.remesh(target, 400)
made = work.result
mesh = made.data
sizes = [len(face.vertices) for face in mesh.polygons]
groups = {group.name: [vertex.index for vertex in mesh.vertices if any(g.group == group.index for g in vertex.groups)]
          for group in made.vertex_groups}
color = mesh.attributes["Color"]
def mean(indices):
    return np.mean([color.data[i].color[:3] for i in indices], 0).round(2).tolist()
result = {
    "state": work.state, "error": work.error, "report": work.report, "sizes": sizes,
    "location": list(made.location), "dimensions": [round(x, 2) for x in made.dimensions],
    "heights": {name: [min(mesh.vertices[i].co.z for i in some), max(mesh.vertices[i].co.z for i in some)]
                for name, some in groups.items()},
    "colors": {name: mean(some) for name, some in groups.items()},
    "hidden": [target.hide_get(), target.hide_render], "prompt": made["prompt"], "materials": len(mesh.materials),
    "smooth": all(face.use_smooth for face in mesh.polygons), "name": made.name,
}
"""
    )
    assert (got["state"], got["error"]) == ("finished", None)
    assert got["report"]["way"] == "quadriflow"
    assert 200 < len(got["sizes"]) < 800
    assert sum(size == 4 for size in got["sizes"]) == len(got["sizes"])
    assert got["location"] == [1, 2, 0]
    assert got["dimensions"] == pytest.approx([2, 2, 2], abs=0.05)
    assert set(got["heights"]) == {"red", "blue"}
    assert got["heights"]["red"][0] > 0.85  # the ball stands on its origin; its middle is at 1
    assert got["heights"]["blue"][1] < 1.15
    assert got["colors"]["red"][0] > 0.5 > got["colors"]["red"][2] + 0.3
    assert got["hidden"] == [True, True]
    assert got["prompt"] == "a ball"
    assert got["materials"] == 1
    assert got["smooth"]
    assert got["name"] == "ball remeshed"


def test_each_colour_becomes_an_object_and_undo_takes_them_back(in_blender):
    """Together they are the whole, in place and shaded as one; a job's mesh is not mistaken for one of them."""
    got = in_blender(
        MESH
        + """
target.rotation_mode, target.rotation_quaternion = "QUATERNION", (np.cos(0.5), 0, 0, np.sin(0.5))  # as glTF's are
bpy.ops.ed.undo_push(message="before")
bpy.context.view_layer.update()
low, high = np.array(target.bound_box).min(0), np.array(target.bound_box).max(0)
work = api.remesh(target, 300, separate=True, texture=256)
whole, name = work.result, target.name
bpy.context.view_layer.update()
pieces = {item.name: item for item in whole.children}

def corners(item):
    mesh = item.data
    return [[[round(x, 4) for x in (*mesh.vertices[mesh.loops[i].vertex_index].co, *mesh.corner_normals[i].vector)]
             for i in face.loop_indices] for face in mesh.polygons]

def at_the_border():
    \"\"\"Normals at places that both parts have: {place: [normal, normal]}.\"\"\"
    places = {}
    for item in pieces.values():
        own = {tuple(corner[:3]): corner[3:] for face in corners(item) for corner in face}
        for place, normal in own.items():
            places.setdefault(place, []).append(normal)
    return [normals for normals in places.values() if len(normals) == 2]

border = at_the_border()
result = {
    "error": work.error, "type": whole.type, "names": sorted(pieces), "place": list(whole.matrix_world.translation),
    "turned": whole.rotation_euler.z, "faces": work.report["faces"],
    "sum": sum(len(item.data.polygons) for item in pieces.values()),
    "loose": [len(item.data.vertices) - len({i for face in item.data.polygons for i in face.vertices})
              for item in pieces.values()],
    "border": len(border), "off": max(float(np.abs(np.subtract(a, b)).max()) for a, b in border),
    "bounds": [np.array([v.co for item in pieces.values() for v in item.data.vertices]).min(0).tolist(), low.tolist()],
    "groups": [len(item.vertex_groups) for item in pieces.values()],
    "matrix": [item.matrix_world == whole.matrix_world for item in pieces.values()],
    "results": [item.name for item in bpy.data.objects if "sjc_job" in item],
    "color": [round(x, 1) for x in pieces["red: ball"].color],
    "materials": len({item.data.materials[0] for item in pieces.values()}),
    "uvs": [len(item.data.uv_layers) for item in pieces.values()],
}
bpy.ops.ed.undo_push(message="Remesh")
bpy.ops.ed.undo()
result["undone"] = sorted((item.name, item.hide_get()) for item in bpy.data.objects)
bpy.ops.ed.redo()
result["redone"] = sorted((item.name, item.hide_get()) for item in bpy.data.objects)
"""
    )
    assert (got["error"], got["type"]) == (None, "EMPTY")
    assert got["names"] == ["blue: ball", "red: ball"]
    assert got["place"] == [1, 2, 0]
    assert got["turned"] == pytest.approx(1.0)
    assert got["sum"] == got["faces"]
    assert got["loose"] == [0, 0]
    assert got["border"] > 8
    assert got["off"] < 0.02
    assert got["bounds"][0] == pytest.approx(got["bounds"][1], abs=0.05)
    assert got["groups"] == [0, 0]
    assert got["matrix"] == [True, True]
    assert got["results"] == ["ball"]
    assert got["color"] == [0.6, 0.0, 0.0, 1.0]
    assert got["materials"] == 1
    assert got["uvs"] == [1, 1]
    assert got["undone"] == [["ball", False]]
    assert got["redone"] == [
        ["ball", True], ["ball remeshed", False], ["blue: ball", False], ["red: ball", False],
    ]  # fmt: skip


def test_a_baked_picture_shows_the_original(in_blender, tmp_path):
    """Colours, normals and occlusion of the dense ball on few quads: Blender shades with the dense ball's normals."""
    got = in_blender(
        MESH
        + shading.OFF_A_BALL
        + """
import json, struct

target.hide_render = True  # as after an earlier remesh
work = api.remesh(target, 60, texture=256)
assert work.error is None, work.error
made = work.result
made.location = 0, 0, 0
off = off_a_ball(made, (0, 0, 1), 128)  # read at half the size

def pixels(name):
    image = next(image for image in bpy.data.images if image.name == made.name + name)
    values = np.empty(4 * 256 * 256, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(-1, 4)

def refused(size):
    try:
        api.remesh(target, 60, texture=size)
    except api.SjcError as error:
        return str(error)

color, sky = pixels(""), pixels(" occlusion")[:, 0]
path = given["home"] + "/ball.glb"
bpy.ops.export_scene.gltf(filepath=path, use_selection=True)
data = open(path, "rb").read()
result = {
    "maps": sorted(work.report["maps"]), "texels": len(off), "median": float(np.median(off)),
    "most": float(np.quantile(off, 0.95)), "red": float((color[:, 0] > 0.5).mean()),
    "blue": float((color[:, 2] > 0.5).mean()), "sky": float(np.median(sky[sky > 0])),
    "bends": float(np.ptp(pixels(" normal")[:, 0])),
    "gltf": sorted(json.loads(data[20:20 + struct.unpack_from("<I", data, 12)[0]])["materials"][0]),
    "refused": [refused(255), refused(4097)],
}
""",
        home=str(tmp_path),
    )
    assert got["maps"] == ["color", "normal", "occlusion"]
    assert got["texels"] > 3000
    assert got["median"] < 2
    assert got["most"] < 4
    assert got["red"] > 0.2
    assert got["blue"] > 0.2
    assert got["sky"] > 0.97
    assert got["bends"] > 0.02  # a map without anything in it is even
    assert {"normalTexture", "occlusionTexture"} <= set(got["gltf"])
    assert all("choose 256 to 4096, or 0 for none." in line for line in got["refused"])


def test_voxels_where_quadriflow_fails_and_what_goes_wrong_is_one_line(in_blender, tmp_path):
    got = in_blender(
        MESH
        + """
from pathlib import Path
import bmesh
from sjc_blender.background import process

def line(call):
    try:
        return call().error
    except api.SjcError as error:
        return str(error)

shape = bmesh.new()
shape.from_mesh(target.data)
shape.faces.ensure_lookup_table()
top = max(shape.verts, key=lambda v: v.co.z)
fin = [shape.verts.new((0.1, 0, 2.5)), shape.verts.new((0, 0.1, 2.5))]
shape.faces.new([top, *fin])  # three faces at one edge's end: no surface any more
shape.to_mesh(target.data)
voxels = api.remesh(target, 300, quads=False, parts=False)
result = {
    "voxels": [voxels.state, voxels.report.get("way"), voxels.report.get("quads")],
    "none": line(lambda: api.remesh(None)),
    "faces": line(lambda: api.remesh(voxels.result, 3)),
    "angle": line(lambda: api.remesh(voxels.result, 300, smooth_angle=200)),
    "ending": line(lambda: api.export(voxels.result, given["home"] + "/a.gltf")),
    "folder": line(lambda: api.export(voxels.result, given["home"] + "/gone/a.fbx")),
}
process.LIMIT = 0.2
slow = process.BackgroundBlender(limit=0.2)
slow.start(bpy.app.binary_path, {"action": "remesh"})
import time
while slow.poll() == "running":
    time.sleep(0.05)
result["slow"] = slow.problem
broken = process.BackgroundBlender()
broken.start(bpy.app.binary_path, {"action": "remesh", "blend": "gone.blend", "object": "x"})
while broken.poll() == "running":
    time.sleep(0.05)
result["broken"] = broken.problem
inside, process.INSIDE = process.INSIDE, Path(given["home"]) / "none.py"
crashed = process.BackgroundBlender()
crashed.start(bpy.app.binary_path, {"action": "remesh"})
while crashed.poll() == "running":
    time.sleep(0.05)
result["crashed"] = crashed.problem
for one in (slow, broken, crashed):
    one.close()
process.INSIDE = inside
units = bpy.context.scene.unit_settings
units.scale_length = 0.01  # a scene in centimetres
result["whole"] = max(voxels.result.dimensions) / 100
fbx = api.export(voxels.result, given["home"] + "/ball.fbx")
usd = api.export(voxels.result, given["home"] + "/ball.usda")
units.scale_length = 1.0
def size_of(read, path):
    before = set(bpy.data.objects)
    read(filepath=path)
    bpy.context.view_layer.update()
    return max(max(item.dimensions) for item in set(bpy.data.objects) - before if item.type == "MESH")
import addon_utils
addon_utils.enable("io_scene_fbx")
result["sizes"] = [size_of(bpy.ops.import_scene.fbx, given["home"] + "/ball.fbx")]
if bpy.app.build_options.usd:
    result["sizes"].append(size_of(bpy.ops.wm.usd_import, given["home"] + "/ball.usda"))
result["files"] = [str(fbx.result), fbx.error, str(usd.result), usd.error]
result["usd"] = bpy.app.build_options.usd
""",
        home=str(tmp_path),
    )
    assert got["voxels"][0] == "finished"
    assert got["voxels"][1] == "voxels"
    assert got["voxels"][2] > 0.9
    assert got["none"] == "Select a mesh first."
    assert got["faces"].startswith("3 faces cannot be made")
    assert got["angle"].startswith("200 is no angle")
    assert "has no ending of USD or FBX" in got["ending"]
    assert "does not exist" in got["folder"]
    assert "took longer than 1 minutes" in got["slow"]
    assert "could not do it" in got["broken"]
    assert "ended with code" in got["crashed"]
    assert got["sizes"] == pytest.approx(
        [got["whole"]] * len(got["sizes"]), rel=0.01
    )  # real sizes, whatever the scene's unit
    assert (tmp_path / "ball.fbx").stat().st_size > 1000, got["files"]
    if got["usd"]:
        assert "def Mesh" in (tmp_path / "ball.usda").read_text("utf-8"), got["files"]
    else:
        assert "without USD" in got["files"][3]
