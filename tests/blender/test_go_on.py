"""Going on from a result, and reference pictures, inside Blender."""

import json

import numpy as np
import pytest
from PIL import Image

from sjc.job import sharpen
from tests.blender.conftest import RECORDER


def test_a_result_is_refined_and_reworded_from_history_and_from_its_mesh(ui):
    got = ui(
        RECORDER
        + """
from sjc_blender.scene import glb
fake("ok")
scene.sjc.preset, scene.sjc.prompt = "test", "a blue tree"
bpy.ops.sjc.generate()
first = api.jobs()[0]
buttons = [name for name in draw(main.SJC_PT_history, bpy.context).operators()]
result = {"buttons": buttons, "gone": refused(bpy.ops.sjc.refine_result, folder=str(first.folder))}
(first.folder / "checkpoint.safetensors").write_bytes(b"a field")
bpy.ops.sjc.refine_result(folder=str(first.folder), steps=5, grid=24)
mesh = first.mesh_object
bpy.context.view_layer.objects.active = mesh
bpy.ops.sjc.change_words(prompt="a red tree", steps=6)
more = api.refine(first, "a pink tree", steps=3, density_rate=0.5)
second, third = api.jobs()[1:3]
result["jobs"] = [[job.folder.name, job.state, job.record.settings.prompt, job.record.settings.steps,
                   job.record.settings.grid, job.record.settings.parent] for job in (second, third, more)]
result["copied"] = (second.folder / "inputs" / "start.safetensors").read_bytes().decode()
result["places"] = [round(job.mesh_object.location.x - mesh.location.x, 3) for job in (first, second)]
result["tree"] = [[entry.prompt, entry.depth] for entry in runtime.history]
result["same"] = refused(bpy.ops.sjc.change_words, folder=str(first.folder), prompt="a blue tree")
result["empty"] = refused(bpy.ops.sjc.change_words, folder=str(first.folder), prompt="  ")
mesh.location, mesh.rotation_euler.z, mesh.scale = (5, 6, 7), 0.4, (3, 3, 3)  # wherever the result stands
bpy.ops.mesh.primitive_cube_add(size=1)
part = scene.sjc_start.keep = bpy.context.object
bpy.context.view_layer.update()
part.matrix_world = mesh.matrix_world  # above the middle of its base, as high as half a side
bpy.context.view_layer.objects.active = mesh
bpy.context.view_layer.update()
bpy.ops.sjc.change_words(prompt="a green tree", steps=2)
fifth = api.jobs()[-1]
result["part"] = [corner.tolist() for path in ("inputs/keep.glb", "mesh.glb")
                  for corner in glb.bounds((fifth if "keep" in path else first).folder / path)]
result["kept"] = fifth.record.settings.keep
mesh["folder"] = "elsewhere"
result["not there"] = refused(bpy.ops.sjc.change_words, folder=str(first.folder), prompt="a cyan tree")
mesh["folder"], scene.sjc_start.keep = str(first.folder), None
bpy.context.view_layer.objects.active = None
result["none"] = refused(bpy.ops.sjc.refine_result)
menu = Layout()
from types import SimpleNamespace
from sjc_blender.ui.operators import results
results.draw_context_menu(SimpleNamespace(layout=menu), SimpleNamespace(active_object=mesh))
result["menu"] = menu.operators()
api.close()
"""
    )
    assert {"sjc.refine_result", "sjc.change_words", "sjc.sharpen_colors"} <= set(got["buttons"])
    assert "has no checkpoint.safetensors" in got["gone"]
    assert got["jobs"] == [
        ["a-blue-tree-0-refined", "finished", "a blue tree", 5, 24, "a-blue-tree-0"],
        ["a-red-tree-0", "finished", "a red tree", 6, 16, "a-blue-tree-0"],
        ["a-pink-tree-0", "finished", "a pink tree", 3, 16, "a-blue-tree-0"],
    ]
    assert got["copied"] == "a field"
    assert got["places"] == [0, 1.5]
    assert got["tree"][0] == ["a blue tree", 0]
    assert sorted(got["tree"][1:]) == [["a blue tree", 1], ["a pink tree", 1], ["a red tree", 1]]
    assert got["kept"] == "inputs/keep.glb"
    low, high, mesh_low, mesh_high = np.array(got["part"])
    size = (mesh_high - mesh_low).max()  # the object is 1 long in Blender, as the cube is
    base = np.array([*(mesh_low + mesh_high)[:2] / 2, mesh_low[2]])
    np.testing.assert_allclose([low, high], [base - size / 2, base + size / 2], atol=1e-4)
    assert "Import the result first" in got["not there"]
    assert "own words" in got["same"]
    assert "Type the new words" in got["empty"]
    assert "Select a mesh made by this add-on" in got["none"]
    assert got["menu"] == ["sjc.refine_result", "sjc.change_words", "sjc.sharpen_colors"]


def test_a_results_colors_are_sharpened_from_history_and_from_its_mesh(ui):
    got = ui(
        RECORDER
        + """
fake("ok")
scene.sjc.preset, scene.sjc.prompt = "test", "a blue tree"
bpy.ops.sjc.generate()
first = api.jobs()[0]
bpy.ops.sjc.sharpen_colors(folder=str(first.folder), strength=0.25)
bpy.context.view_layer.objects.active = first.mesh_object
bpy.ops.sjc.sharpen_colors()
third = api.sharpen(first.folder, strength=1.0, texture_size=256, folder=first.folder.with_name("mine"))
jobs = api.jobs()[1:]
result = {
    "jobs": [[job.folder.name, job.state, job.record.settings.prompt, round(job.record.settings.surface_strength, 3),
              (job.folder / "inputs" / "surface.glb").is_file(), job.record.settings.parent] for job in jobs],
    "texels": third.record.settings.texture_size,
    "places": [round(job.mesh_object.location.x - first.mesh_object.location.x, 3) for job in jobs[:1]],
    "shown": not first.mesh_object.hide_get(),
    "tree": sorted([entry.prompt, entry.depth] for entry in runtime.history),
    "none": refused(bpy.ops.sjc.sharpen_colors, folder=str(first.folder.parent)),
}
(first.folder / "mesh.glb").unlink()
result["gone"] = refused(bpy.ops.sjc.sharpen_colors, folder=str(first.folder))
(first.folder / "run.json").unlink()
result["unfinished"] = refused(bpy.ops.sjc.sharpen_colors, folder=str(first.folder))
result["left"] = len(api.jobs())
api.close()
"""
    )
    own = ["finished", "a blue tree"]
    parent = "a-blue-tree-0"
    assert got["jobs"] == [
        [f"{parent}-sharpened", *own, 0.25, True, parent],
        [f"{parent}-sharpened-2", *own, sharpen.STRENGTH, True, parent],
        ["mine", *own, 1.0, True, parent],
    ]
    assert got["texels"] == 256
    assert got["places"] == [1.5]
    assert got["shown"], "the result stays, to be compared"
    assert got["tree"] == [["a blue tree", 0], *[["a blue tree", 1]] * 3]
    assert got["none"]
    assert "is not finished" in got["gone"]
    assert "is not finished" in got["unfinished"]
    assert got["left"] == 4


def test_reference_pictures_reach_the_job(ui, tmp_path):
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[8:24, 8:24] = (20, 40, 230, 255)
    Image.fromarray(picture).save(tmp_path / "front.png")
    got = ui(
        RECORDER
        + """
fake("ok")
scene.sjc.preset, scene.sjc.prompt = "test", "a blue tree"
bpy.ops.sjc.add_picture()
result = {"empty": refused(bpy.ops.sjc.generate)}
first = scene.sjc_pictures[0]
first.image = bpy.data.images.load(given["picture"])
bpy.ops.sjc.add_picture()
drawn = bpy.data.images.new("drawn", 32, 32, alpha=True)
drawn.pixels = [0.1, 0.2, 0.9, 1.0] * (32 * 32)
second = scene.sjc_pictures[1]
second.image, second.view = drawn, "CAMERA"
result["views"] = [one.view for one in scene.sjc_pictures]
result["no camera"] = refused(bpy.ops.sjc.generate)
camera = bpy.data.objects.new("Side", bpy.data.cameras.new("Side"))
scene.collection.objects.link(camera)
scene.cursor.location = (1, 2, 0)
camera.location, camera.rotation_euler = (6, 2, 0.5), (np.pi / 2, 0, np.pi / 2)
camera.data.angle = np.radians(36)
bpy.context.view_layer.update()
second.camera = camera
layout = draw(settings.SJC_PT_start, bpy.context)
result["drawn"] = [name for name, *_ in layout.calls]
bpy.ops.sjc.generate()
job = api.jobs()[0]
result["picture"] = job.record.settings.picture
result["files"] = sorted(path.name for path in (job.folder / "inputs").iterdir())
result["job.json"] = __import__("json").loads((job.folder / "job.json").read_text())["picture"]
camera.rotation_euler.x += 0.5
bpy.context.view_layer.update()
result["turned"] = refused(bpy.ops.sjc.generate)
camera.data.type = "ORTHO"
result["flat"] = refused(bpy.ops.sjc.generate)
try:
    api.generate("a tree", preset="test", pictures=[(given["picture"], "above")])
except api.SjcError as error:
    result["view"] = str(error)
bpy.ops.sjc.remove_picture(index=0)
result["left"] = len(scene.sjc_pictures)
api.close()
""",
        picture=tmp_path / "front.png",
    )
    assert "Reference picture 1 has no image" in got["empty"]
    assert got["views"] == ["FRONT", "CAMERA"]
    assert "Reference picture 2 has no camera" in got["no camera"]
    assert got["drawn"].count("template_ID") == 2
    first, second = got["picture"].split(", ")
    assert first == f"{tmp_path / 'front.png'}@front"
    numbers = [float(number) for number in second.rpartition("@")[2].split(",")]
    assert numbers == pytest.approx([90, 0, 5 * 1.4, 36], abs=1e-3)
    assert {"picture.png", "picture-2.png"} <= set(got["files"])
    assert got["job.json"].startswith("inputs/picture.png@front, inputs/picture-2.png@90")
    assert "does not look straight and upright" in got["turned"]
    assert "not a perspective one" in got["flat"]
    assert 'has the view "above"' in got["view"]
    assert got["left"] == 1


def test_what_was_painted_and_not_saved_is_in_the_file(ui, tmp_path):
    """Blender's own copy of an image has what the file has, or nothing."""
    got = ui("""
from sjc_blender.scene import reference_pictures
painted = bpy.data.images.new("painted", 8, 8, alpha=True)
painted.pixels = [0.0, 0.0, 1.0, 1.0] * 32 + [0.0] * 128
path = reference_pictures.image_file(painted, home, 1)
again = bpy.data.images.load(str(path))
result = [list(again.pixels[:4]), list(again.pixels[-4:]), len(bpy.data.images), painted.is_dirty]
""")
    assert got == [[0, 0, 1, 1], [0, 0, 0, 0], 2, True]


def test_results_stand_below_the_one_that_they_went_on_from(tmp_path):
    from sjc_blender.ui import job_history

    parents = {"old": "", "child": "old", "grandchild": "child", "stranger": "elsewhere", "self": "self"}
    for name, parent in parents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.json").write_text(json.dumps({"prompt": name, "parent": parent}), "utf-8")
    tree = job_history.as_tree(sorted(job_history.jobs_in(tmp_path), key=lambda entry: entry.prompt))
    assert [(entry.prompt, depth) for entry, depth in tree] == [
        ("old", 0), ("child", 1), ("grandchild", 2), ("self", 0), ("stranger", 0),
    ]  # fmt: skip
    for name, parent in (("a", "b"), ("b", "a")):  # in a circle: still listed
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.json").write_text(json.dumps({"prompt": name, "parent": parent}), "utf-8")
    assert len(job_history.as_tree(job_history.jobs_in(tmp_path))) == 7
