"""A job's snapshots as files: the newest whole one, the history thinned, copies. No bpy: it may run in a thread.

A volume sequence finds its files by number, f_0001.vdb, f_0002.vdb ... without gaps, and Blender keeps what it has read
by
path: a file of another content needs another path. So a thinned history gets a new folder and new numbers.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path

from ..backend.sjc.errors import SjcError
from ..backend.sjc.output import files
from . import vdb

MOST, MOST_BYTES = 100, 10**9
SNAPSHOTS, HISTORY = "snapshots", "history"
_NAME = re.compile(r"f_(\d{4,})\.vdb")


def number(path: Path) -> int:
    """The number of a snapshot's file, f_0012.vdb -> 12; 1 for a file of another name."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else 1


def volumes(folder: Path) -> list[Path]:
    """The .vdb files f_0001, f_0002 ... of `folder`, up to the first gap."""
    there = {number(path): path for path in folder.glob("f_*.vdb") if _NAME.fullmatch(path.name)}
    return [there[n] for n in range(1, len(there) + 1) if all(m in there for m in range(1, n + 1))]


def newest(job_folder: Path) -> Path | None:
    """The newest whole snapshot of a job folder: its .vdb, or its .npz where no whole .vdb is left; None without any.

    Damaged ones (a copy cut short, a disk that was full) are passed over.
    """
    thinned = [path for folder in _histories(job_folder) for path in volumes(folder)]
    for npz in reversed(files.snapshots(job_folder / SNAPSHOTS)):
        if _whole(npz.with_suffix(".vdb")):
            return npz.with_suffix(".vdb")
        if thinned and _whole(thinned[-1]):
            return thinned[-1]
        if zipfile.is_zipfile(npz) and _unharmed(npz):
            return npz
    return None


def thin(folder: Path, most: int = MOST, most_bytes: int = MOST_BYTES) -> Path:
    """The folder of a history of at most `most` files and `most_bytes`: `folder`, or a new one beside it.

    Chosen evenly; the last is always among them, the first where there are two. The new folder holds links where the
    file system has them, else copies; it appears whole. Raises SjcError when it cannot be written.
    """
    paths = volumes(folder)
    kept = _evenly(paths, most, most_bytes)
    if len(kept) == len(paths):
        return folder
    target = _free(folder.parent)
    _fill(target, {f"{files.snapshot_stem(n)}.vdb": path for n, path in enumerate(kept, start=1)})
    return target


def drop(folder: Path) -> None:
    """Remove the .vdb files of `folder` after its thinned history took their place; the .npz files belong to the job."""
    for path in volumes(folder):
        path.unlink(missing_ok=True)


def copy_to(folder: Path, target: Path) -> Path:
    """All volumes of `folder` in the new folder `target` under the same names. -> target. Raises SjcError."""
    _fill(target, {path.name: path for path in volumes(folder)})
    return target


def _evenly(paths: list[Path], most: int, most_bytes: int) -> list[Path]:
    sizes = [path.stat().st_size for path in paths]
    count = min(len(paths), max(1, most))
    while count > 1:
        chosen = [round(i * (len(paths) - 1) / (count - 1)) for i in range(count)]
        total = sum(sizes[i] for i in chosen)
        if total <= most_bytes:
            return [paths[i] for i in chosen]
        count = min(count - 1, max(1, count * most_bytes // total))
    return paths[-1:]


def _histories(job_folder: Path) -> list[Path]:
    """history, history-2 ..., the newest last."""
    found = []
    while (path := _nth(job_folder, len(found) + 1)).is_dir():
        found.append(path)
    return found


def _nth(job_folder: Path, n: int) -> Path:
    return job_folder / (HISTORY if n == 1 else f"{HISTORY}-{n}")


def _free(job_folder: Path) -> Path:
    return _nth(job_folder, len(_histories(job_folder)) + 1)


def _fill(target: Path, sources: dict[str, Path]) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}~")
    try:
        partial.mkdir(parents=True)
        for name, source in sources.items():
            _link(source, partial / name)
        os.replace(partial, target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise SjcError(f"{target} could not be written: {error.strerror or error}.") from error


def _link(source: Path, target: Path) -> None:
    """A hard link, safe because a snapshot's file is never written to again; else a copy."""
    try:
        os.link(source, target)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target)


def _whole(path: Path) -> bool:
    try:
        vdb.read_header(path)
    except SjcError:
        return False
    return True


def _unharmed(npz: Path) -> bool:
    try:
        with zipfile.ZipFile(npz) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
