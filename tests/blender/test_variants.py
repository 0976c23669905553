"""Variants and words in Blender: a row, a gallery, one taken to full length, the others cleared; the lists of words."""

# Stands for `sjc variants`: three folders with a mesh and a picture each, made by the fake worker's own files.
VARIANTS = """
import json, pathlib, shutil, sys
words, source = sys.argv[2:], pathlib.Path(sys.argv[1])
out, count = pathlib.Path(words[words.index("--out") + 1]), int(words[words.index("-n") + 1])
rows = []
for number in range(1, count + 1):
    folder = out / f"{number:03d}-a-red-mushroom-{number - 1}"
    folder.mkdir(parents=True)
    shutil.copy(source / "mesh.glb", folder / "variant.glb")
    shutil.copy(source / "preview.png", folder / "variant.png")
    shutil.copy(source / "job.json", folder / "job.json")
    rows.append({"folder": folder.name})
    print(json.dumps({"type": "variant", "step": 2, "folder": str(folder)}), flush=True)
(out / "variants.json").write_text(json.dumps({"variants": rows}))
"""


def test_variants_are_a_row_one_is_taken_and_the_others_go(ui):
    got = ui(
        """
fake("ok")
done = api.generate("a red mushroom", preset="test")
places.shell_command = lambda name: [given["backend"], "-c", given["command"], str(done.folder)]
scene.sjc.prompt, scene.sjc.preset = "a red mushroom", "test"
bpy.ops.sjc.variants(count=3)
made = [job for job in api.jobs() if job.record.variant]
for job in made:
    job.wait()
while api.queue().batches:
    api.pump()
ui_state.refresh()
row = [list(job.mesh_object.location)[0] for job in made]
result = {"states": [job.state for job in made], "row": row, "gallery": len(runtime.variants.split())}
layout_errors = refused(bpy.ops.sjc.take_variant, job=done.record.id)
before = len(bpy.data.meshes)
bpy.ops.sjc.take_variant(job=made[1].record.id)
made[1].wait()
ui_state.refresh()
result |= {
    "refused": layout_errors, "taken": made[1].state, "meshes": len(bpy.data.meshes) - before,
    "short": bool(made[1].mesh_object.get("sjc_variant")), "left": len(runtime.variants.split()),
}
folders = [job.folder.is_dir() for job in made]
bpy.ops.sjc.clear_variants()
result |= {
    "before": folders, "after": [job.folder.is_dir() for job in made], "gone": made[0].mesh_object is None,
    "objects": [o.name for o in bpy.data.objects if o.get("sjc_variant")], "listed": len(api.jobs()),
    "again": bpy.ops.sjc.clear_variants.poll(), "zero": refused_count(0), "many": refused_count(1000),
}
""".replace(
            'fake("ok")',
            """
def refused_count(count):
    try:
        api.variants("a cube", count)
    except api.SjcError as error:
        return str(error)
fake("ok")
""",
        ),
        command=VARIANTS,
    )
    assert got["states"] == ["stopped"] * 3
    assert got["row"] == [0.0, 1.5, 3.0]
    assert (got["gallery"], got["left"]) == (3, 2)
    assert "no variant to choose from" in got["refused"]
    assert (got["taken"], got["meshes"], got["short"]) == ("finished", 0, False)
    assert got["before"] == [True] * 3
    assert got["after"] == [False, True, False]
    assert got["gone"]
    assert got["objects"] == []
    assert got["listed"] == 2
    assert not got["again"]
    assert "1 to 16" in got["zero"]
    assert "1 to 16" in got["many"]


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
