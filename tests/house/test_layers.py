"""Who may import whom: by the table in CONTRIBUTING.md, and what light modules load in a fresh interpreter."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import imports

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
    paths = sorted(folder.rglob("*.py"))
    assert paths, f"no modules in {folder}"
    return paths


@pytest.mark.parametrize("name", ["sjc", "sjc.errors", "sjc.settings"])
def test_light_modules_import_the_standard_library_only(name, stage_folder):
    foreign = imported_by(f"import {name}", stage_folder) - STDLIB - {"sjc"}
    assert not foreign, f"{name} brings {foreign}"


def test_output_works_without_torch(stage_folder):
    names = [f"sjc.output.{path.stem}" for path in modules(BACKEND / "sjc" / "output") if path.stem != "__init__"]
    brought = imported_by("import " + ", ".join(names), stage_folder)
    assert "numpy" in brought
    assert "torch" not in brought


@pytest.mark.parametrize(("folder", "forbidden"), [("sjc", "bpy"), ("training", "bpy")])
def test_backend_never_imports(folder, forbidden):
    breaches = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules(BACKEND / folder)
        for line, name in imports_of(path)
        if name.split(".")[0] == forbidden
    ]
    assert not breaches


def test_inside_sjc_imports_are_relative():
    breaches = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules(BACKEND / "sjc")
        for line, name in imports_of(path)
        if name.split(".")[0] == "sjc"
    ]
    assert not breaches


def test_no_modules_import_each_other_in_a_circle():
    circle = imports.find_circle(imports.import_graph())
    assert not circle, " -> ".join(circle)


def test_rooms_import_what_the_table_of_layers_allows():
    layers = imports.read_layers((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(layers) > 20
    problems = imports.check_layers(layers, imports.import_graph())
    assert not problems, "\n".join(problems)


@pytest.fixture
def tree(tmp_path):
    """A project of two rooms, in which `sjc.a` imports `sjc.b` and nothing imports back."""
    for name, text in (
        ("backend/sjc/__init__.py", ""),
        ("backend/sjc/a/__init__.py", ""),
        ("backend/sjc/a/one.py", "from ..b.two import x\n"),
        ("backend/sjc/b/__init__.py", ""),
        ("backend/sjc/b/two.py", "x = 1\n"),
        ("sjc_blender/__init__.py", "from .backend.sjc.a import one\n"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def test_the_graph_sees_relative_staged_and_late_imports_but_no_typing(tree):
    two = tree / "backend/sjc/b/two.py"
    two.write_text("if TYPE_CHECKING:\n    from ..a import one\n", "utf-8")
    graph = imports.import_graph(tree)
    assert graph["sjc.a.one"] == {"sjc.b.two"}
    assert graph["sjc_blender"] == {"sjc.a.one"}
    assert imports.find_circle(graph) == []
    two.write_text("def f():\n    from ..a import one\n", "utf-8")
    circle = imports.find_circle(imports.import_graph(tree))
    assert set(circle) == {"sjc.a.one", "sjc.b.two"}
    assert circle[0] == circle[-1]


TABLE = {"sjc.b": "", "sjc.a": "`sjc.b`", "sjc": "", "sjc_blender": "`sjc.a`"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"sjc_blender": "`sjc.*`"}, None),
        ({"sjc.a": ""}, "sjc.a.one imports sjc.b.two: CONTRIBUTING.md does not allow sjc.a -> sjc.b"),
        ({"sjc_blender": "`sjc.a`, `sjc.b`"}, "allows sjc_blender -> sjc.b, which no module uses"),
        ({"sjc.b": "`sjc.a`"}, "CONTRIBUTING.md allows a circle of rooms: "),
        ({"sjc.c": ""}, "has a room sjc.c without modules"),
        ({"sjc.a": "`sjc.b`, `sjc.d`"}, "allows to import sjc.d, which is no room"),
        ({"sjc.b": None, "sjc.a": ""}, "sjc.b.two belongs to no room"),
    ],
)
def test_table_and_imports_are_compared_both_ways(tree, change, message):
    rows = {room: allowed for room, allowed in {**TABLE, **change}.items() if allowed is not None}
    table = "".join(f"| `{room}` | {allowed} | words |\n" for room, allowed in rows.items())
    layers = imports.read_layers(
        f"# T\n\n## Layers\n\n| room | may import | what it is |\n|---|---|---|\n{table}\n## N\n"
    )
    assert len(layers) == len(rows)
    problems = imports.check_layers(layers, imports.import_graph(tree))
    assert (not problems) if message is None else any(message in problem for problem in problems)
