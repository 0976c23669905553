"""Which rooms the models, guidance and the field import, and that modules of the models do not import in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sjc

SJC = Path(sjc.__file__).parent
ALLOWED = {
    "models": {"errors", "guidance", "machine", "output", "settings_schema", "lora_text"},
    "guidance": {"errors"},
    "field": {"errors", "machine"},
}


def relative_imports(path):
    """(level, dotted name) of every relative import in a module, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                yield node.level, name


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_no_more_than_it_may(room):
    imported = {
        (path.name, name.split(".")[0])
        for path in (SJC / room).glob("*.py")
        for level, name in relative_imports(path)
        if level == 2
    }
    assert imported
    assert [pair for pair in sorted(imported) if pair[1] not in ALLOWED[room]] == []


@pytest.mark.parametrize("room", ALLOWED)
def test_no_module_imports_itself_over_others(room):
    """TopologicalSorter raises CycleError with the circle."""
    graph = {
        path.stem: {name.split(".")[0] for level, name in relative_imports(path) if level == 1}
        for path in (SJC / room).glob("*.py")
    }
    assert any(graph.values())
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", ["settings", "settings_schema", "lora_text"])
def test_settings_do_not_know_the_models(module):
    assert not [name for _, name in relative_imports(SJC / f"{module}.py") if name.split(".")[0] == "models"]
