"""What is made comes into the scene, or the person is told why not and how to try again."""

import sys

from tests.blender.conftest import ON

JOB = """
fake("ok")
def made(prompt="a red cube", **more):
    return api.generate(prompt, preset="test", **more)
"""


def test_a_linked_or_overridden_collection_takes_no_result(each_blender, tmp_path):
    """The artist has linked the collection SJC of another file: the result goes into one of this file's own."""
    got = each_blender(
        ON
        + JOB
        + """
made("a blue cube")
library = str(home / "library.blend")
bpy.ops.wm.save_as_mainfile(filepath=library, copy=True)
result = {}
for name in ("linked", "overridden"):
    api.close()
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(home / f"{name}.blend"))
    with bpy.data.libraries.load(library, link=True) as (there, here):
        here.collections = ["SJC"]
    scene, (linked,) = bpy.context.scene, here.collections
    scene.collection.children.link(linked)
    if name == "overridden":
        linked.override_hierarchy_create(scene, bpy.context.view_layer)
    fake("ok")
    job = made()
    mesh = job.mesh_object
    owners = [c for c in mesh.users_collection] if mesh else []
    result[name] = [job.state, job.error, mesh and mesh.name, [c.library is None for c in owners],
                    [c.override_library is None for c in owners], bool(job.volume_object)]
api.close()
""",
        home=tmp_path,
        backend=sys.executable,
    )
    whole = ["finished", None, "a red cube", [True], [True], True]
    assert got == {"linked": whole, "overridden": whole}


def test_whatever_keeps_a_result_out_is_told_and_retry_brings_it_in(ui):
    got = ui(
        JOB
        + """
from sjc_blender.scene import meshes, volumes

def refuse(*_given, **_named):
    raise RuntimeError("Error: Cannot edit this.\\nMore of it.")

result = {}
for name, module, function in (("early", meshes, "place"), ("late", meshes, "smooth")):
    real = getattr(module, function)
    setattr(module, function, refuse)
    job = made(f"a {name} cube")
    entry = runtime.jobs[job.record.id]
    result[name] = [job.state, entry.problem_text, entry.problem_hint, "Traceback" in entry.problem_details]
    setattr(module, function, real)
    api.retry(job)
    api.pump()
    ours = [o for o in bpy.data.objects if o.type == "MESH" and o.get("sjc_job") == job.record.id]
    marks = [key for key in ours[0].keys() if "incomplete" in key]
    result[name] += [job.state, job.error, len(ours), job.mesh_object == ours[0], marks]
real, volumes.show_snapshot = volumes.show_snapshot, refuse
job = made("a cone")
result["volume"] = [job.state, job.error, bool(job.mesh_object), job.record.warnings]
api.close()
"""
    )
    text = "The result is finished but could not be brought into the scene: RuntimeError: Error: Cannot edit this."
    problem = ["finished", text, "Press Retry to import the result again.", True]
    assert got["early"] == got["late"] == [*problem, "finished", None, 1, True, []]
    warning = "The volume cannot be shown: RuntimeError: Error: Cannot edit this."
    assert got["volume"] == ["finished", None, True, [warning]]


def test_a_blend_whose_folder_cannot_be_written_has_its_results_elsewhere(ui, tmp_path):
    """In the folder of the preferences, and the job says so; what lies beside the .blend is still in the history."""
    got = ui(
        JOB
        + """
import shutil
os.environ["HOME"] = os.environ["USERPROFILE"] = str(home / "user")
(home / "user").mkdir()
first = made("a blue cube")
beside = first.folder.parent
api.close()

def refused(dir, **_named):
    if Path(dir).is_relative_to(beside) or Path(dir) == home:
        raise PermissionError(13, "Permission denied")
    return real(dir=dir)

real, places.tempfile.TemporaryFile = places.tempfile.TemporaryFile, refused
bpy.ops.wm.open_mainfile(filepath=str(home / "scene.blend"))
fake("ok")
job = made()
result = {"folder": str(job.folder), "warnings": job.record.warnings, "state": job.state,
          "list": str(api.queue().state_file)}
ui_state.refresh_history()
result["history"] = sorted(entry.prompt for entry in bpy.context.window_manager.sjc.history)
places.tempfile.TemporaryFile = real
api.close()
bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))
fake("ok")
result["again"] = [str(made("a cone").folder.parent), places.why_not_beside()]
shutil.rmtree(beside)
beside.write_text("a file")
places.look_again()
result["a file"] = [str(places.output_folder()), bool(places.why_not_beside())]
api.close()
"""
    )
    elsewhere = str(tmp_path / "hôme" / "user" / "sjc")
    beside = str(tmp_path / "hôme" / "sjc")
    assert got["folder"].startswith(elsewhere)
    assert got["list"].startswith(elsewhere)
    assert got["warnings"] == [f"{beside} cannot be written: the results are in {elsewhere}."]
    assert got["state"] == "finished"
    assert got["history"] == ["a blue cube", "a red cube"]
    assert got["again"] == [beside, ""]
    assert got["a file"] == [elsewhere, True]
