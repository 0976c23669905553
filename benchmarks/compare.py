"""What changed between two results of one benchmark: settings, versions, and every number of the summary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import report
from sjc.errors import SjcError
from sjc.output.files import read_json

CONDITIONS = ("command", "commit", "machine", "device", "versions", "settings", "threads", "torch_threads", "at_once")


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """("a.b", value) for everything inside that is no table or list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{name}.{index}")
    else:
        yield name, value


def text(first: Path, second: Path) -> str:
    """Two tables: under which conditions the results differ, and the numbers, old, new and new / old.

    Raises SjcError for files that cannot be read or are results of different benchmarks.
    """
    old, new = _read(first), _read(second)
    if old["benchmark"] != new["benchmark"]:
        raise SjcError(
            f"{first} is a result of {old['benchmark']}, {second} of {new['benchmark']}; compare two of one kind."
        )
    conditions = [["condition", first.name, second.name]]
    numbers = [["number", first.name, second.name, "ratio"]]
    for key in CONDITIONS:
        a, b = dict(leaves(old.get(key), key)), dict(leaves(new.get(key), key))
        for name in dict.fromkeys([*a, *b]):
            if a.get(name) != b.get(name):
                conditions.append([name, str(a.get(name, "-")), str(b.get(name, "-"))])
    a, b = dict(leaves(old.get("summary"))), dict(leaves(new.get("summary")))
    for name in dict.fromkeys([*a, *b]):
        before, after = a.get(name), b.get(name)
        both = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (before, after))
        ratio = f"{after / before:.3f}" if both and before else ""
        numbers.append([name, *("-" if v is None else str(v) for v in (before, after)), ratio])
    summary = report.table(conditions) if len(conditions) > 1 else "Made under the same conditions."
    return summary + "\n\n" + report.table(numbers)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SjcError(f"{path} does not exist.")
    record = read_json(path)
    if not isinstance(record, dict) or "benchmark" not in record or "summary" not in record:
        raise SjcError(f"{path} is no result of a benchmark.")
    return record
