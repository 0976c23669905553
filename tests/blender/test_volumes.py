"""The live volume in every Blender: where it stands, that updating touches nothing else, and how it ends."""

import numpy as np
import pytest

from sjc.output.vdb import write_vdb

COMMON = """
from pathlib import Path
from sjc_blender.scene import collect, compat, history, materials, meshes, volumes
from sjc_blender.backend.sjc.errors import SjcError

folder = Path(given["folder"])

def show(n, **options):
    return volumes.show_snapshot(
        "job", folder / f"f_{n:04d}.vdb", name="a red mushroom", location=(1, 2, 3), **options
    )

def surface(volume_object, threshold):
    "Points of the object's surface in the world."
    target = meshes.volume_to_mesh(volume_object, threshold)
    graph = bpy.context.evaluated_depsgraph_get()
    mesh = target.evaluated_get(graph).to_mesh()
    points = np.empty(len(mesh.vertices) * 3, "f4")
    mesh.vertices.foreach_get("co", points)
    world = np.array(target.matrix_world)
    bpy.data.objects.remove(target)
    return points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]

def shown_number(item):
    "Which snapshot the object shows: number n has its ball at x = -0.5 + 0.1 n."
    points = surface(item, 50)
    local = np.array(item.matrix_world.inverted())
    return round(((points @ local[:3, :3].T + local[:3, 3])[:, 0].mean() + 0.5) / 0.1)
"""

N = 40
VOXEL = 2 / N
SCALE = 1 / 1.4  # of an object whose usual extent shall be 1 m
LIFT = 0.5


def balls(*centers_and_radii, n=N):
    """density [n, n, n] of solid balls; what lies within one is 100."""
    c = (np.arange(n) + 0.5) * 2 / n - 1
    p = np.stack(np.meshgrid(c, c, c, indexing="ij"), -1)
    distances = [np.linalg.norm(p - middle, axis=-1) - radius for *middle, radius in centers_and_radii]
    return (100 * np.clip(0.5 - np.min(distances, 0) * n / 2, 0, 1)).astype("f4")


@pytest.fixture
def snapshots(tmp_path):
    """f_0001.vdb ... f_0006.vdb, each with one ball further along x."""
    folder = tmp_path / "Spaß 머시룸" / "snapshots"
    for n in range(1, 7):
        density = balls((-0.5 + 0.1 * n, 0.2, -0.1, 0.3))
        write_vdb(folder / f"f_{n:04d}.vdb", density, np.full((N, N, N, 3), 0.5), half=True, compress=False)
    return folder


def test_a_volume_stands_where_its_voxels_are(each_blender, tmp_path):
    """Three unlike balls and a lone voxel, turned and scaled by the user: every surface within a tenth of a voxel."""
    truth = np.array([(0.5, -0.2, -0.3, 0.3), (-0.4, 0.5, 0.0, 0.25), (-0.3, -0.5, 0.6, 0.2)])
    paint = np.full((N, N, N, 3), 0.5)
    write_vdb(tmp_path / "f_0001.vdb", balls(*truth), paint)
    lone = np.zeros((N, N, N), "f4")
    lone[31, 7, 22] = 100
    write_vdb(tmp_path / "f_0002.vdb", lone, paint)
    got = each_blender(
        COMMON
        + """
from mathutils import Euler
import math
result = {}
for n in (1, 2):
    item = volumes.show_snapshot(f"{n}", folder / f"f_{n:04d}.vdb", name="x", location=(1, 2, 3))
    result[f"plain {n}"] = surface(item, 50).tolist()
    item.rotation_euler, item.scale = (0.3, -0.5, 1.1), (1.5, 0.5, 2.0)
    item.location = (-4, 5, 6)
    volumes.show_snapshot(f"{n}", folder / f"f_{n:04d}.vdb", name="x", location=(1, 2, 3))
    bpy.context.view_layer.update()
    result[f"moved {n}"] = surface(item, 50).tolist()
result["turn"] = [list(row) for row in Euler((0.3, -0.5, 1.1)).to_matrix()]
result["location"] = list(item.location)
""",
        folder=tmp_path,
    )
    moved = np.array(got["turn"]) @ np.diag([1.5, 0.5, 2.0])
    assert got["location"] == [-4, 5, 6]
    frames = {"plain": (np.eye(3) * SCALE, [1, 2, 3 + LIFT]), "moved": (moved, [-4, 5, 6])}
    for name, (matrix, origin) in frames.items():
        points = (np.array(got[f"{name} 1"]) - origin) @ np.linalg.inv(matrix).T
        nearest = np.linalg.norm(points[:, None] - truth[:, :3], axis=-1).argmin(1)
        for ball, (*middle, radius) in enumerate(truth):
            own = points[nearest == ball]
            assert len(own) > 100
            np.testing.assert_allclose((own.min(0) + own.max(0)) / 2, middle, atol=0.1 * VOXEL)
            np.testing.assert_allclose(np.ptp(own, 0) / 2, radius, atol=0.25 * VOXEL)
        points = (np.array(got[f"{name} 2"]) - origin) @ np.linalg.inv(matrix).T
        center = (np.array([31, 7, 22]) + 0.5) * VOXEL - 1
        np.testing.assert_allclose((points.min(0) + points.max(0)) / 2, center, atol=0.1 * VOXEL)


def test_updating_touches_the_path_alone(each_blender, snapshots):
    got = each_blender(
        COMMON
        + """
other = bpy.data.objects.new("other", None)
bpy.context.collection.objects.link(other)
other.select_set(True)
bpy.context.view_layer.objects.active = other
item = show(1)
first = {
    "name": item.name, "location": list(item.location), "scale": list(item.scale), "type": item.type,
    "collections": [c.name for c in item.users_collection], "selected": item.select_get(),
    "material": [slot.material.name for slot in item.material_slots],
}
item.data.grids.load()
first["grids"] = {grid.name: i for i, grid in enumerate(item.data.grids)}
first["active"] = item.data.grids.active_index
# What a person may do meanwhile.
item.name, item.location, item.scale = "my own", (7, 8, 9), (2, 2, 2)
item.hide_set(True)
item.hide_render = True
item.data.materials[0] = None
place = list(item.matrix_basis.translation - item.delta_location)
counts = [len(bpy.data.volumes), len(bpy.data.objects), len(bpy.data.materials), len(bpy.data.collections)]
for n in range(2, 7):
    again = show(n)
item.data.grids.load()
result = {
    "first": first, "same": again == item, "name": item.name, "location": list(item.location),
    "place": np.subtract(item.matrix_basis.translation - item.delta_location, place).tolist(),
    "hidden": [item.hide_get(), item.hide_render], "path": item.data.filepath,
    "active": item.data.grids.active_index, "material": item.data.materials[0],
    "selected": [o.name for o in bpy.context.selected_objects], "current": bpy.context.view_layer.objects.active.name,
    "same counts": counts == [
        len(bpy.data.volumes), len(bpy.data.objects), len(bpy.data.materials), len(bpy.data.collections)
    ],
    "shown": shown_number(item),
}
""",
        folder=snapshots,
    )
    first = got["first"]
    assert (first["name"], first["type"], first["collections"]) == ("a red mushroom", "VOLUME", ["SJC"])
    np.testing.assert_allclose(first["location"], [1, 2, 3 + LIFT], atol=1e-6)
    np.testing.assert_allclose(first["scale"], [SCALE] * 3, atol=1e-6)
    assert first["selected"] is False
    assert first["material"] == ["SJC Volume"]
    assert first["active"] == first["grids"]["density"] == got["active"]
    assert got["same"]
    assert (got["name"], got["location"], got["hidden"]) == ("my own", [7, 8, 9], [True, True])
    np.testing.assert_allclose(got["place"], 0, atol=1e-6)
    assert got["path"] == str(snapshots / "f_0006.vdb")
    assert got["material"] is None
    assert (got["selected"], got["current"]) == (["other"], "other")
    assert got["same counts"]
    assert got["shown"] == 6


def test_deleted_means_deleted_and_a_new_scene_brings_it_back(each_blender, snapshots):
    got = each_blender(
        COMMON
        + """
result = {}
bpy.data.objects.remove(show(1))
result["deleted"] = [show(2), show(3), volumes.find("job"), len(bpy.data.objects)]
result["again"] = show(3, make_again=True).name
result["volumes"] = len(bpy.data.volumes)
bpy.ops.object.select_all(action="DESELECT")
volumes.find("job").select_set(True)
bpy.ops.object.delete()
result["by the operator"] = show(4)
bpy.ops.wm.read_factory_settings(use_empty=True)
result["other file"] = show(5)
item = show(5, make_again=True)
result["loaded"] = [item.name, item.data.materials[0].name, item.users_collection[0].name, shown_number(item)]
# A copy made by the user keeps what it shows.
copy = item.copy()
copy.data = item.data.copy()
bpy.context.collection.objects.link(copy)
show(6)
result["copy"] = [Path(copy.data.filepath).name, Path(item.data.filepath).name]
bpy.data.objects.remove(item)
result["the copy is no stand-in"] = show(6)
item = show(6, make_again=True)
result["beside the copy"] = [volumes.find("job") == item, Path(copy.data.filepath).name]
""",
        folder=snapshots,
    )
    assert got["deleted"] == [None, None, None, 0]
    assert (got["again"], got["volumes"]) == ("a red mushroom", 1)
    assert got["by the operator"] is None
    assert got["other file"] is None
    assert got["loaded"] == ["a red mushroom", "SJC Volume", "SJC", 5]
    assert got["copy"] == ["f_0005.vdb", "f_0006.vdb"]
    assert got["the copy is no stand-in"] is None
    assert got["beside the copy"] == [True, "f_0005.vdb"]


def test_undo_and_redo(each_blender, snapshots):
    """Undo takes a volume made by the timer as if it had been deleted; afterwards there is one again, never two."""
    got = each_blender(
        COMMON
        + """
def state():
    item = volumes.find("job")
    return [sum(i.type == "VOLUME" for i in bpy.data.objects), item and Path(item.data.filepath).name]

bpy.ops.ed.undo_push(message="start")
show(1)
bpy.ops.object.empty_add()
bpy.ops.ed.undo_push(message="the user's own step")
show(2)
result = [state()]
bpy.ops.ed.undo()
result += [state(), show(3), state()]
show(3, make_again=True)
result.append([*state(), len(volumes.find("job").users_collection), shown_number(volumes.find("job"))])
bpy.ops.ed.redo()
show(4, make_again=True)
result.append([*state(), [c.name for c in bpy.data.collections], [m.name for m in bpy.data.materials]])
""",
        folder=snapshots,
    )
    assert got[:4] == [[1, "f_0002.vdb"], [0, None], None, [0, None]]
    assert got[4] == [1, "f_0003.vdb", 1, 3]
    assert got[5] == [1, "f_0004.vdb", ["SJC"], ["SJC Volume"]]


def test_the_timeline_shows_the_history_and_its_end_stays_live(each_blender, snapshots):
    got = each_blender(
        COMMON
        + """
scene = bpy.context.scene
scene.frame_start = 10
scene.frame_set(15)
for n in (1, 2, 3):
    item = show(n)
def at(frame):
    scene.frame_set(frame)
    volumes.follow_timeline("job")
    bpy.context.view_layer.update()
    return shown_number(item)
result = {"live": shown_number(item), "sequence before": item.data.is_sequence}
volumes.follow_timeline("job")
result["untouched"] = item.data.is_sequence
result["scrubbed"] = [at(frame) for frame in (10, 11, 12, 13, 5, 200)]
show(4)
result["grows"] = [at(frame) for frame in (12, 13, 14, 200)]
show(5), show(6)
result["end is live"] = shown_number(item)
result["mode"] = [item.data.is_sequence, item.data.frame_start, item.data.frame_duration, item.data.sequence_mode]
""",
        folder=snapshots,
    )
    assert (got["live"], got["sequence before"], got["untouched"]) == (3, False, False)
    assert got["scrubbed"] == [1, 2, 3, 3, 1, 3]
    assert got["grows"] == [3, 4, 4, 4]
    assert got["end is live"] == 6
    assert got["mode"] == [True, 10, 6, "EXTEND"]


def test_hidden_at_the_end_with_its_history(each_blender, snapshots):
    """Untouched, the timeline shows the result where the user stands, and from the next frame on the history, again."""
    got = each_blender(
        COMMON
        + """
scene = bpy.context.scene
scene.frame_set(3)
for n in range(1, 7):
    item = show(n)
volumes.hide("job")
def at(frame):
    scene.frame_set(frame)
    volumes.follow_timeline("job")
    return shown_number(item)
result = {
    "hidden": [item.hide_get(), item.hide_render, item.visible_get()],
    "frames": [at(frame) for frame in (3, 4, 5, 9, 10)],
}
scene.frame_set(3)
volumes.use_history("job", history.thin(folder, max_files=3))
result["thinned"] = [at(frame) for frame in (3, 4, 5, 6, 7)]
result["nobody"] = [volumes.hide("other job"), volumes.rest("other job")]
""",
        folder=snapshots,
    )
    assert got["hidden"] == [True, True, False]
    assert got["frames"] == [6, 1, 2, 6, 1]
    assert got["thinned"] in ([6, 1, 3, 6, 1], [6, 1, 4, 6, 1])
    assert got["nobody"] == [None, None]


def test_hidden_with_a_timeline_in_use_and_outside_the_view_layer(each_blender, snapshots):
    got = each_blender(
        COMMON
        + """
scene = bpy.context.scene
item = show(3)
scene.frame_set(2)
volumes.hide("job")
result = {"frames": []}
for frame in (1, 2, 3, 50):
    scene.frame_set(frame)
    result["frames"].append(shown_number(item))
bpy.data.objects.remove(item)
item = show(1, make_again=True)
for c in item.users_collection:
    bpy.context.view_layer.layer_collection.children[c.name].exclude = True
volumes.hide("job")
result["outside the view layer"] = [item.hide_viewport, item.hide_render]
""",
        folder=snapshots,
    )
    assert got["frames"] == [1, 2, 3, 3]
    assert got["outside the view layer"] == [True, True]


def test_paths_beside_the_blend(each_blender, snapshots, tmp_path):
    """Relative where near; they survive save, moving the whole folder, and a copy beside another .blend."""
    got = each_blender(
        COMMON
        + """
import shutil
home = Path(given["home"])
item = show(1)
result = {"unsaved": item.data.filepath}
bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))
show(2)
result["saved"] = item.data.filepath
volumes.hide("job")
bpy.ops.wm.save_mainfile()
moved = home.with_name("moved")
shutil.copytree(home, moved)
shutil.rmtree(home)
bpy.ops.wm.open_mainfile(filepath=str(moved / "scene.blend"))
item = volumes.find("job")
bpy.context.scene.frame_set(2)
result["reopened"] = [item.data.is_sequence, item.data.frame_duration, item.name, shown_number(item)]
volumes.centre_all()
result["delta"] = list(item.delta_location)
far = moved.with_name("far") / "deep" / "er"
far.mkdir(parents=True)
bpy.ops.wm.save_as_mainfile(filepath=str(far / "scene.blend"))
result["copied"] = str(volumes.copy_beside("job").relative_to(far))
result["copy"] = item.data.filepath
shutil.rmtree(moved)
bpy.ops.wm.save_mainfile()
bpy.ops.wm.open_mainfile(filepath=str(far / "scene.blend"))
item = volumes.find("job")
bpy.context.scene.frame_set(3)
result["from the copy"] = shown_number(item)
volumes.copy_beside("job")
result["twice"] = item.data.filepath
bpy.ops.wm.read_factory_settings(use_empty=True)
try:
    volumes.copy_beside("job")
except SjcError as error:
    result["none"] = str(error)
result["root"] = volumes.blend_path(Path("/elsewhere/f_0001.vdb"))
""",
        folder=snapshots,
        home=snapshots.parents[0],
    )
    assert got["unsaved"] == str(snapshots / "f_0001.vdb")
    assert got["saved"] == "//snapshots/f_0002.vdb"
    assert got["reopened"] == [True, 2, "a red mushroom", 1]
    assert got["copied"] == "sjc/moved/snapshots"
    assert got["copy"].startswith("//sjc/moved/snapshots/f_000")
    assert got["from the copy"] == 2
    assert got["twice"] == got["copy"]
    assert got["none"] == "This job has no volume in the scene."
    assert got["root"] == "/elsewhere/f_0001.vdb"


def test_a_damaged_snapshot_changes_nothing(each_blender, snapshots):
    got = each_blender(
        COMMON
        + """
item = show(1)
path = folder / "f_0002.vdb"
path.write_bytes(path.read_bytes()[:-100])
result = []
for attempt in (2, 9):
    try:
        show(attempt)
    except SjcError as error:
        result.append(str(error))
result += [Path(item.data.filepath).name, shown_number(item)]
""",
        folder=snapshots,
    )
    assert got[0] == f"{snapshots / 'f_0002.vdb'} is cut short."
    assert "f_0009.vdb cannot be read" in got[1]
    assert got[2:] == ["f_0001.vdb", 1]


def test_a_volume_that_blender_cannot_read_is_one_line_and_leaves_nothing(each_blender, snapshots):
    """Its head is good: the grid named density is of a type that OpenVDB does not know."""
    got = each_blender(
        COMMON
        + """
path = folder / "f_0001.vdb"
path.write_bytes(path.read_bytes().replace(b"Tree_float", b"Tree_wrong"))
try:
    show(1)
except SjcError as error:
    result = [str(error), len(bpy.data.volumes), len([item for item in bpy.data.objects if item.type == "VOLUME"])]
""",
        folder=snapshots,
    )
    assert got == [f"{snapshots / 'f_0001.vdb'} contains no grid named density.", 0, 0]


def test_names(each_blender, snapshots):
    """Quotes, line breaks, emoji and other scripts are names; an endless prompt is cut between characters."""
    prompts = ['a "red"\nmushroom', "🍄 버섯", "버섯" * 200, " \n ", "x" * 500]
    got = each_blender(
        COMMON
        + """
result = [
    volumes.show_snapshot(str(i), folder / "f_0001.vdb", name=prompt, location=(0, 0, 0)).name
    for i, prompt in enumerate(given["prompts"])
]
""",
        folder=snapshots,
        prompts=prompts,
    )
    assert got[:2] == ['a "red" mushroom', "🍄 버섯"]
    assert len(got[2]) >= 19
    assert ("버섯" * 200).startswith(got[2])
    assert got[3] == "SJC"
    assert "x" * 59 in got[4]
