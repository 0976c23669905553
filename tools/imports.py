"""Which module of the project imports which, and whether that keeps the table of layers in CONTRIBUTING.md.

Imports inside functions count: a circle that is only closed later is a circle. Imports for the type checker alone
(`if TYPE_CHECKING:`) do not count.
"""

from __future__ import annotations

import ast
import graphlib
import re
from dataclasses import dataclass
from pathlib import Path

from .common import ROOT

# Where the sources lie: the folder that module names are counted from, and the packages below it.
SOURCES = (("backend", ("sjc", "training")), (".", ("sjc_blender", "benchmarks", "experiments", "tools")))
STAGED = "sjc_blender.backend."  # the engine as the staged extension imports it

Graph = dict[str, set[str]]


@dataclass(frozen=True)
class Layer:
    """A row of the table: the modules of a room, and the rooms that it may import, by the names in the table."""

    names: tuple[str, ...]
    allowed: tuple[str, ...]


def import_graph(root: Path = ROOT) -> Graph:
    """Return {module: the project's modules that it imports} of the sources at `root`."""
    files = {
        _module_name(path.relative_to(root / base)): path
        for base, packages in SOURCES
        for package in packages
        for path in sorted((root / base / package).rglob("*.py"))
        if "__pycache__" not in path.parts
    }
    graph = {}
    for name, path in files.items():
        targets = {target for node in _imports(path) for target in _targets(node, name, path, files)}
        graph[name] = targets - {name}
    return graph


def find_circle(graph: Graph) -> list[str]:
    """Return modules that import each other in a circle, the first one again at the end; [] where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return []


def read_layers(text: str) -> list[Layer]:
    """Return the rows of the table in the section "Layers" of CONTRIBUTING.md."""
    section = re.split(r"^## ", text.split("\n## Layers\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (`[^|]+)\|([^|]*)\| [^|]+ \|$", section, re.MULTILINE)
    return [Layer(*(tuple(re.findall(r"`([\w.*]+)`", cell)) for cell in cells)) for cells in rows]


def check_layers(layers: list[Layer], graph: Graph) -> list[str]:
    """Return one line for everything in which table and imports disagree.

    A module belongs to the longest name in the table that it lies below; a room is called by its row's first name.
    "sjc.*" allows that room and all below it.
    """
    room_of_name = {name: layer.names[0] for layer in layers for name in layer.names}
    unknown = sorted({name for layer in layers for name in layer.allowed if not _matches(name, room_of_name)})
    problems = [f"CONTRIBUTING.md allows to import {name}, which is no room of its table" for name in unknown]
    problems += [
        f"CONTRIBUTING.md has a room {name} without modules"
        for name in room_of_name
        if not any(_below(module, name) for module in graph)
    ]
    allowed = {layer.names[0]: {name: _matches(name, room_of_name) for name in layer.allowed} for layer in layers}
    circle = find_circle({room: set().union(*rooms.values()) - {room} for room, rooms in allowed.items()})
    if circle:
        problems.append(f"CONTRIBUTING.md allows a circle of rooms: {' -> '.join(circle)}")
    used: set[tuple[str, str]] = set()
    for module, targets in sorted(graph.items()):
        room = _room(module, room_of_name)
        if room is None:
            problems.append(f"{module} belongs to no room of CONTRIBUTING.md's table")
            continue
        for target in sorted(targets):
            other = _room(target, room_of_name)
            if other is None or other == room:
                continue
            permitting = [name for name, rooms in allowed[room].items() if other in rooms]
            used |= {(room, name) for name in permitting}
            if not permitting:
                problems.append(f"{module} imports {target}: CONTRIBUTING.md does not allow {room} -> {other}")
    problems += [
        f"CONTRIBUTING.md allows {room} -> {name}, which no module uses"
        for room, names in allowed.items()
        for name in names
        if name not in unknown and (room, name) not in used
    ]
    return problems


def _module_name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements of a file, without those for the type checker alone."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return [node for node in imports if id(node) not in typing_only]


def _targets(node: ast.Import | ast.ImportFrom, module: str, path: Path, files: dict[str, Path]) -> set[str]:
    """Return the project's modules that one statement imports."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
        base = package[: len(package) - node.level + 1] if node.level else []
        source = ".".join([*base, *([node.module] if node.module else [])])
        names = [f"{source}.{alias.name}" for alias in node.names]
        names = [name if name.removeprefix(STAGED) in files else source for name in names]
    return {name.removeprefix(STAGED) for name in names} & files.keys()


def _below(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


def _matches(allowed: str, room_of_name: dict[str, str]) -> set[str]:
    """Return the rooms that a name in the second column means."""
    if allowed.endswith(".*"):
        return {room for name, room in room_of_name.items() if _below(name, allowed[:-2])}
    return {room_of_name[allowed]} if allowed in room_of_name else set()


def _room(module: str, room_of_name: dict[str, str]) -> str | None:
    """Return the room of a module, None where the table has none.

    "sjc" and "sjc_blender" mean their own __init__.py alone, because every module below them has a room of its own.
    """
    names = [name for name in room_of_name if _below(module, name)]
    name = max(names, key=len, default=None)
    if name is None:
        return None
    if "." not in name and name != module and any(other.startswith(f"{name}.") for other in room_of_name):
        return None
    return room_of_name[name]
