"""What the panel offers for results, and for jobs that failed; the history."""

import json
import os
from pathlib import Path

from tests.blender.conftest import RECORDER


def test_output_offers_what_can_be_changed_later(ui):
    got = ui(
        RECORDER
        + """
fake("ok")
scene.sjc.preset, scene.sjc.prompt = "test", "a blue tree"
scene.sjc_output.smooth_repeats, scene.sjc_output.decimate, scene.sjc_output.volume_to_mesh = 3, 0.5, True
bpy.ops.sjc.generate()
mesh, surface = api.jobs()[0].mesh_object, bpy.data.objects["a blue tree volume surface"]
result = {"kinds": [[m.type for m in o.modifiers] for o in (mesh, surface)], "iterations": mesh.modifiers[0].iterations}
for target in (mesh, surface):
    bpy.context.view_layer.objects.active = target
    layout = draw(settings.SJC_PT_output, bpy.context)
    drawn = [given for name, given, _ in layout.calls if name == "prop"]
    result[target.name] = [given[1] for given in drawn if given[0] != scene.sjc_output]
api.close()
"""
    )
    assert got["kinds"] == [["LAPLACIANSMOOTH", "DECIMATE"], ["VOLUME_TO_MESH"]]
    assert got["iterations"] == 3
    assert got["a blue tree"] == ["active_material", "iterations", "ratio"]
    assert got["a blue tree volume surface"] == ["active_material", "threshold"]


def test_a_result_can_be_refined_marked_and_exported(ui):
    got = ui(
        RECORDER
        + """
import addon_utils
fake("ok")
scene.sjc.preset, scene.sjc.prompt = "test", "a blue tree"
bpy.ops.sjc.generate()
mesh = api.jobs()[0].mesh_object
bpy.context.view_layer.objects.active = mesh
mesh.select_set(True)
offered = lambda: draw(settings.SJC_PT_output, bpy.context).operators()
result = {"before": offered()}
bpy.ops.sjc.refine(kind="SMOOTH")
result["smoothed"] = offered()
bpy.ops.sjc.refine(kind="DECIMATE")
bpy.ops.sjc.mark_asset()
data = mesh.asset_data
result["after"] = [offered(), [m.type for m in mesh.modifiers], data.description, sorted(tag.name for tag in data.tags)]
result["files"] = {}
for name, options in settings.EXPORTS.items():
    room, _, word = name.partition(".")
    path = home / ("cube.glb" if "gltf" in name else "cube.obj")
    getattr(getattr(bpy.ops, room), word)(filepath=str(path), **options)
    result["files"][path.name] = str(path)
mesh.select_set(False)
bpy.context.view_layer.objects.active = None
result["refused"] = [refused(bpy.ops.sjc.refine), refused(bpy.ops.sjc.mark_asset)]
addon_utils.disable("io_scene_gltf2")
result["without glTF"] = offered()
ui_state.refresh_history()
result["history"] = draw(main.SJC_PT_history, bpy.context).operators()
folder = runtime.history[0].folder
before = set(bpy.data.objects)
bpy.ops.sjc.remesh(folder=folder, faces=60, quads=False, parts=False)
(copy,) = set(bpy.data.objects) - before
mesh_name, copy_name = mesh.name, copy.name
bpy.ops.sjc.remesh(folder=folder, faces=60, quads=False, parts=False)  # of the copy, which is what one sees
hidden = [item.name for item in (mesh, copy) if item.hide_get()]
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
bpy.ops.sjc.remesh(folder=folder, faces=60, quads=False, parts=False)  # imported first
result["quads"] = [mesh_name, copy_name, hidden, sorted(o.name for o in bpy.data.objects if o.type == "MESH")]
api.close()
"""
    )
    always = ["export_scene.gltf", "wm.obj_export", "sjc.batch_on_cluster"]
    assert got["before"] == ["sjc.refine", "sjc.refine", "sjc.reuse_settings", "sjc.mark_asset", *always]
    assert got["smoothed"] == ["sjc.refine", "sjc.reuse_settings", "sjc.mark_asset", *always]
    after = ["sjc.reuse_settings", *always]
    assert got["after"] == [after, ["LAPLACIANSMOOTH", "DECIMATE"], "a blue tree", ["blue", "tree"]]
    assert all("Select a mesh made by this add-on" in message for message in got["refused"])
    assert got["without glTF"] == always[1:]
    assert "sjc.remesh" in got["history"]
    name, copy, hidden, imported = got["quads"]
    assert copy == f"{name} remeshed"
    assert hidden == [name, copy]
    assert len(imported) == 2
    first = next(line for line in Path(got["files"]["cube.obj"]).read_text().splitlines() if line.startswith("v "))
    assert len(first.split()) == 7, "position and colour"
    raw = Path(got["files"]["cube.glb"]).read_bytes()
    document = json.loads(raw[20 : 20 + int.from_bytes(raw[12:16], "little")])
    assert "COLOR_0" in document["meshes"][0]["primitives"][0]["attributes"]


def test_settings_that_failed_can_be_edited(ui):
    got = ui("""
scene.sjc.preset, scene.sjc.prompt, scene.sjc.seed = "test", "a blue tree", 9
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
scene.sjc.model = str(home / "gone")
refused(bpy.ops.sjc.generate)
failed = runtime.jobs[0]
result = {"failed": [failed.state, failed.problem_code]}
scene.sjc.prompt, scene.sjc.seed, scene.sjc.model, scene.sjc.preset = "something else", 1, "embedded", "fast"
bpy.ops.sjc.edit_settings(job=failed.name)
result["settings"], result["jobs"] = properties.settings_from(scene), len(runtime.jobs)
result["refused"] = refused(bpy.ops.sjc.edit_settings)
api.close()
""")
    assert got["failed"] == ["failed", "input"]
    model = got["settings"].pop("model")
    assert model.endswith("gone")
    assert got["settings"] == {"preset": "test", "prompt": "a blue tree", "seed": 9}
    assert got["jobs"] == 0
    assert "No job has ended" in got["refused"]


def test_dropped_files_and_the_add_menu(ui):
    """What a drop on the viewport calls, and Add > Mesh."""
    got = ui("""
fake("ok")
scene.sjc.preset = "test"
bpy.ops.sjc.add(prompt="a red cube")
bpy.ops.sjc.add(prompt="a blue cube")
result = {"added": [o.name for o in bpy.data.objects if o.type == "MESH"], "panel": scene.sjc.prompt}
folder = Path(runtime.jobs[0].folder)
names = [path.name for path in folder.glob("*.sjc")]
result["dropped"] = list(bpy.ops.sjc.import_result(
    "INVOKE_DEFAULT", directory=str(folder), files=[{"name": name} for name in names]))
result["meshes"] = sum(o.type == "MESH" for o in bpy.data.objects)
handler = bpy.types.SJC_FH_result
result["handler"] = [handler.bl_import_operator, handler.bl_file_extensions]
class View:
    class area:
        type = "VIEW_3D"
class Text:
    class area:
        type = "TEXT_EDITOR"
class Nothing:
    area = None
result["where"] = [sjc_blender.ui.operators.scene.SJC_FH_result.poll_drop(one) for one in (View, Text, Nothing)]
api.close()
""")
    assert got["added"] == ["a blue cube", "a red cube"]
    assert got["panel"] == ""
    assert got["dropped"] == ["FINISHED"]
    assert got["meshes"] == 3
    assert got["handler"] == ["sjc.import_result", ".sjc"]
    assert got["where"] == [True, False, False]


def test_history_lists_job_folders_newest_first(tmp_path):
    from sjc_blender.ui import job_history

    for number, name in enumerate(("old", "new", "half", "broken", "other")):
        folder = tmp_path / name
        folder.mkdir()
        if name not in {"other", "broken"}:
            (folder / "job.json").write_text(json.dumps({"prompt": name}), "utf-8")
        if name in {"old", "new"}:
            (folder / "run.json").write_text("{}")
            (folder / "mesh.glb").write_text("")
        if name == "broken":
            (folder / "job.json").write_text("{", "utf-8")
        os.utime(folder, (number * 1000, number * 1000))
    entries = job_history.jobs_in(tmp_path)
    assert [(entry.prompt, entry.finished) for entry in entries] == [("half", False), ("new", True), ("old", True)]
    assert job_history.jobs_in(tmp_path, max_jobs=2) == entries[:1]
    assert job_history.jobs_in(tmp_path / "nowhere") == []


def test_history_reads_a_job_once(tmp_path, monkeypatch):
    """A thousand jobs are listed after every job: what was read is not read again, what changed is."""
    from sjc_blender.ui import job_history

    for n in range(1000):
        folder = tmp_path / f"job-{n}"
        folder.mkdir()
        (folder / "job.json").write_text(json.dumps({"prompt": f"number {n}"}), "utf-8")
    assert len(job_history.jobs_in(tmp_path)) == 1000
    read = []
    monkeypatch.setattr(job_history, "_settings", lambda folder: read.append(folder) or ("new", ""))
    assert {entry.prompt for entry in job_history.jobs_in(tmp_path)} == {f"number {n}" for n in range(1000)}
    assert read == []
    changed = tmp_path / "job-7" / "job.json"
    changed.write_text("{}", "utf-8")
    os.utime(changed, (5, 5))
    assert "new" in {entry.prompt for entry in job_history.jobs_in(tmp_path)}
    assert read == [changed.parent]


def test_what_the_embedded_model_knows_is_shown_before_it_refuses_a_word(ui):
    got = ui(
        RECORDER
        + """
from types import SimpleNamespace
from sjc_blender.ui.operators import words
layout = Layout()
result = {"done": list(bpy.ops.sjc.show_words()), "words": api.words()}
words.SJC_OT_show_words.draw(SimpleNamespace(layout=layout), bpy.context)
result["labels"] = [named["text"] for name, _, named in layout.calls if name == "label"]

def buttons():
    layout = Layout()
    main.SJC_PT_main.draw(SimpleNamespace(layout=layout), bpy.context)
    texts = [named.get("text", "") for name, _, named in layout.calls if name == "label"]
    return ["sjc.show_words" in [given[0] for name, given, _ in layout.calls if name == "operator"],
            "Negative Prompt" in texts]

result["panel"] = [buttons()]
scene.sjc.model = "some/model"
result["panel"].append(buttons())
try:
    api.words("no/such-model")
except api.SjcError as error:
    result["missing"] = str(error)
"""
    )
    assert got["done"] == ["FINISHED"]
    assert list(got["words"]) == ["objects", "colors", "parts"]
    assert "mushroom" in got["words"]["objects"]
    assert "red" in got["words"]["colors"]
    assert got["labels"][0] == "Objects"
    assert {"Colors", "Parts"} <= set(got["labels"])
    assert any("snowman" in line for line in got["labels"])
    assert got["panel"] == [[True, True], [False, True]]
    assert "no/such-model" in got["missing"]
    assert "\n" not in got["missing"]
