"""The one run-time layout: build/stage/sjc_blender = the add-on's folder with backend/ inside it.

Links for development; copies where the system refuses links, then refreshed by hash at every command. `backend` itself
is a real folder of links, because setuptools resolves the path of an editable install: were it a link, the installed
`sjc` would come from outside the stage.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .common import ROOT

PACKAGE = "sjc_blender"
BESIDE = ("LICENSE", "blender_manifest.toml")  # single files at the root that belong to the package
LEFT_OUT = ("__pycache__",)


def stage(root: Path = ROOT, *, link: Callable[..., None] = os.symlink) -> Path:
    """Bring build/stage up to date with the tree at `root` and return the staged package's folder."""
    target = root / "build" / "stage" / PACKAGE
    wanted = _entries(root)
    for folder in (target, target / "backend"):
        if folder.is_symlink():
            folder.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        for entry in list(folder.iterdir()):
            if entry.relative_to(target) not in wanted and not _is_ours(entry, target):
                _remove(entry)
    for name, source in wanted.items():
        _put(source, target / name, link)
    return target


def _entries(root: Path) -> dict[Path, Path]:
    """Return {name within the package: source} of everything that is staged."""
    entries = {Path(name): root / name for name in BESIDE if (root / name).exists()}
    for source, name in ((root / PACKAGE, Path()), (root / "backend", Path("backend"))):
        if source.is_dir():
            for child in sorted(source.iterdir()):
                if child.name not in LEFT_OUT:
                    entries[name / child.name] = child
    return entries


def _is_ours(entry: Path, target: Path) -> bool:
    """Whether the stage itself keeps `entry`: the backend folder and setuptools' note of the editable install."""
    return entry == target / "backend" or entry.suffix == ".egg-info" or entry.name in LEFT_OUT


def _put(source: Path, target: Path, link: Callable[..., None]) -> None:
    """Make `target` a relative link to `source`, or its copy where links are refused."""
    relative = os.path.relpath(source, target.parent)
    if target.is_symlink() and target.readlink() == Path(relative):
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        link(relative, partial, target_is_directory=source.is_dir())
    except (OSError, NotImplementedError):
        _refresh(source, target)
        return
    if not target.is_symlink() and target.is_dir():
        shutil.rmtree(target)  # a copy of an earlier day
    os.replace(partial, target)


def _refresh(source: Path, target: Path) -> None:
    """Make `target` a copy of `source`, touching only what differs."""
    if target.is_symlink():
        target.unlink()
    if source.is_dir():
        target.mkdir(exist_ok=True)
        names = {child.name for child in source.iterdir()}
        for entry in list(target.iterdir()):
            if entry.name not in names and entry.name not in LEFT_OUT:
                _remove(entry)
        for child in source.iterdir():
            if child.name not in LEFT_OUT:
                _refresh(child, target / child.name)
    elif not target.is_file() or _digest(source) != _digest(target):
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        shutil.copy2(source, partial)
        os.replace(partial, target)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
