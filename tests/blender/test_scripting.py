"""Every example of docs/for-scripters.md, as it stands there, in the installed extension."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "for-scripters.md"
MODULE_EXAMPLE = "In the bpy module"
RESTART_EXAMPLE = "After a restart"
# Texts that stand in the examples' comments are what they print.
PRINTED = re.compile(r"^(?:.*\S  )?# (.+)$", re.MULTILINE)

PRELUDE = """
import contextlib, importlib, io, os, shutil, time
from pathlib import Path

module = "bl_ext.user_default.sjc_blender"
bpy.ops.extensions.package_install_files(
    filepath=given["archive"], repo="user_default", enable_on_install=True, overwrite=True
)
api = importlib.import_module(f"{module}.api")
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
home = Path(given["home"])
os.chdir(home)
blend = str(home / "scene.blend")
if os.path.exists(blend):
    bpy.ops.wm.open_mainfile(filepath=blend)
else:
    bpy.ops.wm.save_as_mainfile(filepath=blend)

# A short run where the example names none.
real = api.generate
api.generate = lambda prompt, **settings: real(prompt, **{"preset": "test", **settings})

def meshes():
    return sorted(o["prompt"] for o in bpy.data.objects if o.type == "MESH")

def run(source):
    "What an example leaves: its names, what it printed, the meshes that it brought."
    before, printed, names = meshes(), io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "example", "exec"), names)
    brought = meshes()
    for prompt in before:
        brought.remove(prompt)
    return names, printed.getvalue(), brought
"""

RUN_ALL = """
result = {}
for name, source in given["examples"]:
    if name == "Results made elsewhere":
        for folder in (home / "sjc").glob("a-blue-tree-*"):
            shutil.copytree(folder, home / "outputs" / folder.name)
    names, printed, brought = run(source)
    made = names.get("jobs") or [names.get("job")]
    result[name] = {"printed": printed, "brought": brought, "states": [job.state for job in made if job]}
    if name == "In the background":
        bpy.ops.wm.open_mainfile(filepath=blend)
        saved = max((o for o in bpy.data.objects if o.type == "MESH"), key=lambda o: o.location.z)
        result[name]["saved"] = [saved.location.z, saved.rotation_euler.z]
    if name == "Progress":
        result[name]["renamed"] = "Mushroom" in bpy.data.objects
api.close()
"""


def examples():
    """[(heading, source)] of the Python blocks; several under one heading are numbered from the second on."""
    named_blocks, heading = [], ""
    for part in re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE):
        if part.startswith("\n"):
            blocks = re.findall(r"^```python\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)
            named_blocks += [(heading if n == 1 else f"{heading} {n}", block) for n, block in enumerate(blocks, 1)]
        heading = part
    return named_blocks


BY_NAME = dict(examples())
REAL = (
    "In Blender's console",
    "Go on from a result",
    "Errors 2",
)  # with the model that ships; the others have a scripted worker
IN_ONE = [(name, source) for name, source in BY_NAME.items() if name not in {MODULE_EXAMPLE, RESTART_EXAMPLE}]


@pytest.fixture
def scripted(given, tmp_path):
    """scripted(fault) -> what the scripts need, with a Python whose worker is the scripted one: quick, and no model."""

    def make(fault="ok"):
        program = tmp_path / f"python-{fault}"
        program.write_text(f'#!/bin/sh\nexec "{given["backend"]}" "$@" --fake {fault}\n', "utf-8")
        program.chmod(0o755)
        return {**given, "backend": program}

    return make


def test_in_every_blender(each_blender, scripted):
    """What each example has done; one without a line here fails."""
    got = each_blender(
        # Slow enough to be seen running.
        PRELUDE + RUN_ALL,
        **scripted("slow:0.05"),
        examples=[one for one in IN_ONE if one[0] not in REAL],
    )
    red, tree, duck = "a red mushroom", "a blue tree", "a yellow duck"
    brought = {
        "In the background": [red],
        "Many": [tree, red, duck],
        "Many 2": [tree, red],
        "Quads and other formats": [red, red],
        "Progress": [red],
        "Results made elsewhere": [tree, tree],
        "Errors": [],
    }
    assert {name: one["brought"] for name, one in got.items()} == brought
    assert got["In the background"]["saved"] == pytest.approx([1, 1.5], abs=1e-5)
    assert [line.split(" finished ")[0] for line in got["Many"]["printed"].splitlines()] == [tree, duck, red]
    assert got["Many"]["states"] == ["finished"] * 3
    remeshed, exported = got["Quads and other formats"]["printed"].splitlines()
    assert remeshed.startswith("finished a red mushroom")
    assert exported == "finished mushroom.fbx"
    lines = got["Progress"]["printed"].splitlines()
    assert any(f"{red}: running" in line for line in lines)
    assert lines[-1] == f"{red}: finished 100%"
    assert got["Progress"]["renamed"]
    assert got["Results made elsewhere"]["states"] == ["finished"]
    assert got["Errors"]["printed"].splitlines() == PRINTED.findall(BY_NAME["Errors"])


def test_with_the_real_worker(in_blender, given):
    got = in_blender(PRELUDE + RUN_ALL, **given, examples=[(name, BY_NAME[name]) for name in REAL])
    assert got["In Blender's console"]["printed"].startswith("<Job 'a red mushroom' finished 100%")
    assert got["In Blender's console"]["brought"] == ["a red mushroom"]
    assert got["Go on from a result"]["printed"].splitlines() == ["a-red-mushroom-0 finished"] * 2
    assert len(got["Go on from a result"]["brought"]) == 3
    assert got["Errors 2"]["printed"].splitlines() == PRINTED.findall(BY_NAME["Errors 2"])


def test_after_a_restart(each_blender, scripted):
    left = each_blender(
        PRELUDE
        + """
job, later = (api.generate(prompt, block=False) for prompt in ("a blue tree", "a yellow duck"))
while job.record.step < 2:
    api.pump(); time.sleep(0.02)
result = str(job.folder)
""",
        **scripted("slow"),
    )
    got = each_blender(
        PRELUDE
        + """
names, printed, brought = run(given["example"])
result = {"printed": printed.splitlines(), "brought": brought, "folders": [str(job.folder) for job in api.jobs()]}
run(given["example"])
result["once more"] = meshes()
api.close()
""",
        **scripted(),
        example=BY_NAME[RESTART_EXAMPLE],
    )
    assert got["printed"] == ["a blue tree stopped", "a yellow duck waiting"]
    assert got["brought"] == got["once more"] == ["a blue tree", "a yellow duck"]
    assert got["folders"][0] == left


def test_in_the_bpy_module(each_blender, scripted, tmp_path):
    """A script of its own, which ends by itself: with handlers left behind Blender 5.2 would not."""
    given = scripted()
    script = tmp_path / "mushroom.py"
    script.write_text(BY_NAME[MODULE_EXAMPLE], "utf-8")
    blend = given["home"] / "mushroom.blend"
    quiet = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        [each_blender.keywords["python"], script, given["archive"], blend],
        env=quiet | {"BLENDER_USER_RESOURCES": str(tmp_path), "SJC_BACKEND_PYTHON": str(given["backend"])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "<Job 'a red mushroom' finished 100%" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "a red mushroom  finished: " in done.stderr
    got = each_blender(
        """
bpy.ops.wm.open_mainfile(filepath=given["blend"])
result = sorted((o.type, o.name) for o in bpy.data.objects)
""",
        blend=blend,
    )
    assert [kind for kind, _ in got] == ["MESH", "VOLUME"]
    assert (given["home"] / "sjc" / "a-red-mushroom-0" / "mesh.glb").is_file()
