"""Variants and words in Blender: a row, a gallery, one taken to full length, the others cleared; the lists of words."""

import pytest

from tests.blender.conftest import RECORDER

# Stands for `sjc variants`: folders with a mesh and a picture each, made by the fake worker's own files.
VARIANTS = """
import json, pathlib, shutil, sys
words, source = sys.argv[2:], pathlib.Path(sys.argv[1])
out, count = pathlib.Path(words[words.index("--out") + 1]), int(words[words.index("-n") + 1])
assert all(path.name == "inputs" for path in out.iterdir())
rows = []
for number in range(1, count + 1):
    folder = out / f"{number:03d}-a-red-mushroom-{number - 1}"
    folder.mkdir(parents=True)
    shutil.copy(source / "mesh.glb", folder / "variant.glb")
    shutil.copy(source / "preview.png", folder / "variant.png")
    shutil.copy(source / "job.json", folder / "job.json")
    if (out / "inputs" / "placement.json").exists():
        shutil.copytree(out / "inputs", folder / "inputs")
    rows.append({"folder": folder.name})
    print(json.dumps({"type": "variant", "step": 2, "folder": str(folder)}), flush=True)
(out / "variants.json").write_text(json.dumps({"variants": rows}))
(out / "words.json").write_text(json.dumps(words))
"""
BEGIN = (
    RECORDER
    + """
def refused_count(count):
    try:
        api.variants("a cube", count)
    except api.SjcError as error:
        return str(error)

fake("ok")
done = api.generate("a red mushroom", preset="test")
places.shell_command = lambda name: [given["backend"], "-c", given["command"], str(done.folder)]
scene.sjc.prompt, scene.sjc.preset = "a red mushroom", "test"

while_made = []

def made_variants(**chosen):
    before = set(api.jobs())
    bpy.ops.sjc.variants(**chosen)
    ui_state.refresh()
    while_made.append(draw(main.SJC_PT_main, bpy.context).operators())
    made = [job for job in api.jobs() if job not in before]
    for job in made:
        job.wait()
    while api.queue().batches:
        api.pump()
    ui_state.refresh()
    return made
"""
)


def test_variants_are_a_row_and_a_click_takes_one_and_removes_the_others(ui):
    got = ui(
        BEGIN
        + """
made = made_variants(count=3)
row = [list(job.mesh_object.location)[0] for job in made]
result = {"states": [job.state for job in made], "row": row, "gallery": len(runtime.variants.split())}
result["refused"] = refused(bpy.ops.sjc.take_variant, job=done.record.id)
result["buttons"] = [sorted(set(names) & {"sjc.cancel", "sjc.clear_variants", "sjc.take_variant"})
                     for names in (while_made[0], draw(main.SJC_PT_main, bpy.context).operators())]
before = len(bpy.data.meshes)
bpy.ops.sjc.take_variant(job=made[1].record.id, keep_others=True)
made[1].wait()
ui_state.refresh()
result |= {
    "taken": made[1].state, "meshes": len(bpy.data.meshes) - before,
    "short": bool(made[1].mesh_object.get("sjc_variant")), "left": len(runtime.variants.split()),
    "before": [job.folder.is_dir() for job in made],
}
elsewhere = made_variants(count=2)
bpy.ops.sjc.take_variant(job=made[2].record.id)
made[2].wait()
ui_state.refresh()
result |= {
    "after": [job.folder.is_dir() for job in made], "gone": made[0].mesh_object is None,
    "others": [job.folder.is_dir() for job in elsewhere], "listed": len(api.jobs()),
    "history": str(made[0].folder) in runtime.history.keys(),
}
bpy.ops.sjc.clear_variants()
result |= {
    "cleared": [job.folder.is_dir() for job in elsewhere],
    "objects": [o.name for o in bpy.data.objects if o.get("sjc_variant")], "end": len(api.jobs()),
    "again": bpy.ops.sjc.clear_variants.poll(), "zero": refused_count(0), "many": refused_count(1000),
}
""",
        command=VARIANTS,
    )
    assert got["states"] == ["stopped"] * 3
    assert got["row"] == [0.0, 1.5, 3.0]
    assert (got["gallery"], got["left"]) == (3, 2)
    assert "no variant to choose from" in got["refused"]
    assert got["buttons"] == [["sjc.cancel"], ["sjc.clear_variants", "sjc.take_variant"]]
    assert (got["taken"], got["meshes"], got["short"]) == ("finished", 0, False)
    assert got["before"] == [True] * 3
    assert got["after"] == [False, True, True]
    assert got["gone"]
    assert not got["history"]
    assert got["others"] == [True, True], "those of another press stay"
    assert (got["listed"], got["end"]) == (5, 3)
    assert got["cleared"] == [False, False]
    assert got["objects"] == []
    assert not got["again"]
    assert "1 to 16" in got["zero"]
    assert "1 to 16" in got["many"]


def test_variants_start_from_the_selection_and_see_the_pictures(ui):
    """Files of the scene go to the parent folder, and the row stands beside the block-out, at its size."""
    got = ui(
        BEGIN
        + """
import json
bpy.ops.mesh.primitive_cube_add(size=2, location=(0, 4, 0), rotation=(0, 0, 0.5))
block = bpy.context.object
drawn = bpy.data.images.new("drawn", 32, 32, alpha=True)
drawn.pixels = [0.1, 0.2, 0.9, 1.0] * (32 * 32)
bpy.ops.sjc.add_picture()
scene.sjc_pictures[0].image = drawn
made = made_variants(count=2, from_selection=True)
parent = made[0].folder.parent
words = json.loads((parent / "words.json").read_text())
bpy.context.view_layer.update()
result = {
    "words": [word for word in words if word.startswith(("--start", "--picture"))],
    "inputs": str(parent / "inputs"), "row": [list(job.mesh_object.location) for job in made],
    "turn": made[0].mesh_object.rotation_euler.z, "files": sorted(p.name for p in (parent / "inputs").iterdir()),
    "longest": max(made[0].mesh_object.dimensions),
}
from sjc_blender.scene import blockout
blockout.write_bytes = lambda path, content: (_ for _ in ()).throw(api.SjcError("The disk is full."))
failed = made_variants(count=2, from_selection=True)
result["failed"] = [job.error for job in failed]
scene.sjc.prompt = "a red cube"
bpy.ops.sjc.generate_from_selection()
result["job"] = api.jobs()[-1].error
""",
        command=VARIANTS,
    )
    assert f"--start={got['inputs']}/start.glb" in got["words"]
    assert f"--picture={got['inputs']}/image-1.png@front" in got["words"]
    assert {"start.glb", "placement.json", "image-1.png"} <= set(got["files"])
    assert got["longest"] == pytest.approx(2 / 1.35, abs=0.01), "the worker's object is 1 long in the box, a start 1.35"
    assert got["turn"] == pytest.approx(0.5, abs=1e-4)
    first, second = got["row"]
    assert first[0] == pytest.approx(3, abs=0.1), "one and a half of its length beside the block-out"
    assert second[0] - first[0] == pytest.approx(3)
    assert first[1] == pytest.approx(4, abs=0.1)
    assert all("The disk is full" in error for error in got["failed"])
    assert "The disk is full" in got["job"]


def test_words_and_the_settings_of_a_result(ui):
    got = ui(
        """
from sjc_blender.ui import prompts
fake("ok")
scene.sjc.prompt, scene.sjc.preset, scene.sjc.seed = "a red mushroom", "test", 7
bpy.ops.sjc.generate()
job = api.jobs()[-1].wait()
result = {"offered": list(prompts.offered(scene.sjc, None, "a blue mushr")), "history": prompts.history().entries()}
result["earlier"] = list(prompts.offered(scene.sjc, None, "red"))
runtime.style = "knotted rope"
bpy.ops.sjc.keep_style()
bpy.ops.sjc.add_style()
result |= {"kept": "knotted rope" in prompts.styles().entries(), "prompt": scene.sjc.prompt}
result["searched"] = list(prompts.offered_styles(None, None, "knot"))
bpy.ops.sjc.drop_style()
result["dropped"] = refused(bpy.ops.sjc.drop_style)
settings_text = job.mesh_object["settings"]
scene.sjc.prompt, scene.sjc.preset, scene.sjc.seed, scene.sjc.steps = "a cube", "paper", 1, 5
bpy.context.view_layer.objects.active = job.mesh_object
bpy.ops.sjc.reuse_settings()
result["back"] = {name: getattr(scene.sjc, name) for name in ("prompt", "preset", "seed", "steps", "grid")}
import json
stored = json.loads(settings_text) | {"sparkle": 3, "optimizer": "sgd"}
job.mesh_object["settings"] = json.dumps(stored)
scene.sjc.seed = 1
bpy.ops.sjc.reuse_settings()
result |= {"seed": scene.sjc.seed, "optimizer": scene.sjc.optimizer}
result["left_out"] = properties.usable(stored, job.folder)[1]
bpy.context.view_layer.objects.active = None
result["nothing"] = refused(bpy.ops.sjc.reuse_settings)
"""
    )
    assert "a blue mushroom" in got["offered"]
    assert got["history"] == ["a red mushroom"]
    assert "a red mushroom" in got["earlier"]
    assert got["kept"]
    assert got["prompt"] == "a red mushroom, knotted rope"
    assert got["searched"] == ["knotted rope"]
    assert "is not in the list" in got["dropped"]
    assert got["back"] == {"prompt": "a red mushroom", "preset": "test", "seed": 7, "steps": 8, "grid": 16}
    assert got["seed"] == 7
    assert sorted(got["left_out"]) == ["optimizer", "sparkle"]
    assert got["optimizer"] == "adam"
    assert "Select a mesh" in got["nothing"]
