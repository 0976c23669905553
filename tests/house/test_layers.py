"""Who may import whom; asked of a fresh interpreter, because this one has long imported everything."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / "backend"
STDLIB = sys.stdlib_module_names


def imported_by(statement, stage_folder):
    """Return the top-level names in sys.modules after `statement` ran on the stage alone."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(stage_folder / "backend")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def imports_of(path):
    """Yield (line, absolute module name) of every import in a file, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module


def modules(folder):
    found = sorted(folder.rglob("*.py"))
    assert found, f"no modules in {folder}"
    return found


@pytest.mark.parametrize("name", ["sjc", "sjc.errors", "sjc.settings"])
def test_light_modules_import_the_standard_library_only(name, stage_folder):
    foreign = imported_by(f"import {name}", stage_folder) - STDLIB - {"sjc"}
    assert not foreign, f"{name} brings {foreign}"


def test_output_works_without_torch(stage_folder):
    names = [f"sjc.output.{path.stem}" for path in modules(BACKEND / "sjc" / "output") if path.stem != "__init__"]
    brought = imported_by("import " + ", ".join(names), stage_folder)
    assert "numpy" in brought
    assert "torch" not in brought


@pytest.mark.parametrize(("folder", "forbidden"), [("sjc", "training"), ("sjc", "bpy"), ("training", "bpy")])
def test_backend_never_imports(folder, forbidden):
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules(BACKEND / folder)
        for line, name in imports_of(path)
        if name.split(".")[0] == forbidden
    ]
    assert not found


@pytest.mark.parametrize("room", ["guidance", "field", "output"])
def test_rooms_of_the_engine_do_not_know_each_other(room):
    others = {"guidance", "field", "output", "optimize", "job", "cli"} - {room}
    found = []
    for path in modules(BACKEND / "sjc" / room):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                found += [f"{path.name}:{node.lineno}" for name in names if name.split(".")[0] in others]
    assert not found


def test_inside_sjc_imports_are_relative():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules(BACKEND / "sjc")
        for line, name in imports_of(path)
        if name.split(".")[0] == "sjc"
    ]
    assert not found
