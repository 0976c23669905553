"""Writes requirements.lock from the environment as it stands. Runs inside it: `.venv/bin/python -m tools.lock`.

The pins are the closure of the project's dependencies with the `dev` extra, plus setuptools for the editable install.
No hashes and no local version parts: the same torch 2.13.0 is a CPU build on one machine and a CUDA build on the next,
and what a CUDA build brings along is left to torch's own pins.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import tomllib
from pathlib import Path

from .common import ROOT, BuildError
from .environment import LOCK, read_lock
from .extras import MODULES, lock_of

HEADER = """\
# Every package of the environment, pinned; build.py installs them. Not edited by hand: `python3 build.py lock` writes
# this file from .venv as it stands. To move a pin: `.venv/bin/pip install NAME==VERSION`, the lock, then the tests.
"""
ALWAYS = ("setuptools>=77",)


def closure(requirements: list[str]) -> dict[str, tuple[str, str]]:
    """Return {normalised name: (version, marker or "")} of all that `requirements` lead to in this environment.

    A marker is kept when every way to the package carries one (a package for one platform only).
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    markers: dict[str, set[str]] = {}
    queue = [(Requirement(text), "") for text in requirements]
    visited = set()
    while queue:
        requirement, extra = queue.pop()
        condition = str(requirement.marker or "")
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        markers.setdefault(name, set()).add("" if "extra" in condition else condition)
        for wanted in ("", *sorted(requirement.extras)):
            if (name, wanted) not in visited:
                visited.add((name, wanted))
                needs = importlib.metadata.requires(name) or []
                queue += [(Requirement(text), wanted) for text in needs]
    return {
        name: (
            importlib.metadata.version(name).split("+")[0],
            "" if "" in conditions else " or ".join(f"({text})" for text in sorted(conditions)),
        )
        for name, conditions in sorted(markers.items())
    }


BACKEND_HEADER = """\
# What the backend needs to run, pinned; the add-on's Install Backend reads it. Written by `python3 build.py lock`.
"""


EXTRA_HEADER = """\
# What {use} needs beside requirements.lock, pinned; `python3 build.py {extra}` installs it. Written by
# `python3 build.py lock` where {module} is in .venv.
"""
USES = {"cluster": "`sjc batch --cluster`", "mcp": "`sjc mcp`"}


def wanted(root: Path = ROOT, *, dev: bool = True) -> list[str]:
    """Return the requirements that the lock must cover, from pyproject.toml; without `dev` those to run the backend."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *([*project["optional-dependencies"]["dev"], *ALWAYS] if dev else [])]


def extra(name: str, root: Path = ROOT) -> list[str]:
    """Return the requirements of one of the project's extras."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return list(project["optional-dependencies"][name])


def write(
    path: Path, header: str = HEADER, *, dev: bool = True, own: list[str] | None = None, without: Path | None = None
) -> int:
    """Write a lock file and return the number of pins.

    own: the requirements, by default the project's. without: a lock whose pins are left out.

    Raises BuildError when a package is not installed in this environment.
    """
    try:
        pins = closure(wanted(dev=dev) if own is None else own)
    except importlib.metadata.PackageNotFoundError as error:
        raise BuildError(f"{error.name} is not in .venv: install it there, then lock again.") from None
    if without:
        pins = {name: pin for name, pin in pins.items() if name not in read_lock(without)}
    lines = [f"{name}=={version}" + (f" ; {marker}" if marker else "") for name, (version, marker) in pins.items()]
    partial = path.with_name(path.name + ".partial")
    partial.write_text(header + "\n".join(lines) + "\n", "utf-8")
    os.replace(partial, path)
    return len(lines)


if __name__ == "__main__":
    try:
        print(f"requirements.lock: {write(ROOT / 'requirements.lock')} packages")
        backend = ROOT / "backend" / "requirements.txt"
        print(f"backend/requirements.txt: {write(backend, BACKEND_HEADER, dev=False)} packages")
        for name, module in MODULES.items():
            if importlib.util.find_spec(module):
                header = EXTRA_HEADER.format(use=USES[name], extra=name, module=module)
                count = write(ROOT / lock_of(name), header, own=extra(name), without=ROOT / LOCK)
                print(f"{lock_of(name)}: {count} packages")
    except BuildError as error:
        raise SystemExit(f"build.py: {error}") from None
