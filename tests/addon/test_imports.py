"""Who imports whom in the extension: rooms without Blender stay without it, and nothing imports in a circle."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "sjc_blender"
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
SCRIPTING = ["api", "job", "live", "session", "timer", "user_preferences"]
DOOR = [
    "backend.sjc.worker.protocol",
    "backend.sjc.settings",
    "backend.sjc.job.batch",
    "backend.sjc.job.folder",
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


def modules():
    """{dotted name: path} of the extension's modules, "" for its root."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path in PACKAGE.rglob("*.py")
    }


def imports_of(name, path, names):
    """Modules that one imports from its own package, also within functions; what only a type checker reads is none."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    skipped = {inner for node in for_types for statement in node.body for inner in ast.walk(statement)}
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in skipped:
            base = [part for part in package if part][: len([part for part in package if part]) - node.level + 1]
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                target = f"{source}.{alias.name}".lstrip(".")
                yield target if target in names else source


def circle_in(graph):
    """The modules that are left once every module without imports among the others is taken out, again and again."""
    left = {name: set(targets) & set(graph) - {name} for name, targets in graph.items()}
    while ends := [name for name, targets in left.items() if not targets]:
        left = {name: targets - set(ends) for name, targets in left.items() if name not in ends}
    return sorted(left)


def test_nothing_imports_in_a_circle():
    names = modules()
    graph = {name: set(imports_of(name, path, names)) for name, path in names.items()}
    assert {"session", "live"} <= graph["api"]
    assert circle_in(graph) == []


def test_a_circle_would_be_noticed():
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]
