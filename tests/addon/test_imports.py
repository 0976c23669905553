"""What the extension's rooms bring with them: those without Blender stay without it, and none brings torch."""

import subprocess
import sys

import pytest

ROOMS = [
    "install.environment",
    "install.installer",
    "problems",
    "report",
    "queue.curves",
    "queue.queue",
    "queue.queue_file",
    "queue.records",
    "scene.history",
    "ui.job_history",
    "worker.pipes",
    "worker.process",
]
SCRIPTING = ["api", "job", "live", "session", "timer", "user_preferences"]
DOOR = [
    "backend.sjc.worker.protocol",
    "backend.sjc.settings",
    "backend.sjc.job.batch",
    "backend.sjc.job.folder",
    "backend.sjc.job.locks",
    "backend.sjc.job.pointer",
]


def imported_with(name, stage_folder):
    """Names of the top-level modules that are there once a fresh interpreter has imported a module of the stage."""
    code = f"import sys; sys.path[:0] = [sys.argv[1]]; import sjc_blender.{name}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(stage_folder.parent)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {module.split(".")[0] for module in done.stdout.split()}


@pytest.mark.parametrize("name", ROOMS + DOOR)
def test_only_the_standard_library(name, stage_folder):
    brought = imported_with(name, stage_folder)
    assert not {"bpy", "torch", "numpy", "diffusers", "warp"} & brought
    assert "sjc" not in brought  # the package has one name here


@pytest.mark.parametrize("name", SCRIPTING)
def test_what_scripts_import_asks_for_blender_only_when_called(name, stage_folder):
    assert not {"bpy", "torch", "diffusers", "warp", "sjc"} & imported_with(name, stage_folder)
