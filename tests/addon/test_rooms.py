"""The rooms without Blender stay without Blender, and without what Blender's Python may not have."""

import subprocess
import sys

import pytest

ROOMS = [
    "install.environment",
    "install.installer",
    "problems",
    "queue.curves",
    "queue.locks",
    "queue.queue",
    "queue.queue_file",
    "queue.records",
    "scene.history",
    "ui.job_history",
    "worker.pipes",
    "worker.process",
]
DOOR = [
    "backend.sjc.worker.protocol",
    "backend.sjc.settings",
    "backend.sjc.job.batch",
    "backend.sjc.job.folder",
    "backend.sjc.job.pointer",
]


@pytest.mark.parametrize("name", ROOMS + DOOR)
def test_only_the_standard_library(name, stage_folder):
    code = f"import sys; sys.path[:0] = [sys.argv[1]]; import sjc_blender.{name}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(stage_folder.parent)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    brought = {module.split(".")[0] for module in done.stdout.split()}
    assert not {"bpy", "torch", "numpy", "diffusers", "warp"} & brought
    assert "sjc" not in brought  # the package has one name here
