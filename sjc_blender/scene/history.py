"""A job's snapshots as files: the newest whole one, the history thinned, copies. No bpy: it may run in a thread.

A volume sequence finds its files by number, f_0001.vdb, f_0002.vdb ... without gaps, and Blender keeps what it has
read by path: a file of another content needs another path. So a thinned history gets a new folder and new numbers.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job import folder as job_folder
from ..backend.sjc.output import field_archive
from . import vdb

LARGE = 50_000_000  # bytes of a field that take too long to be unpacked here; whoever converts it finds the damage
MAX_FILES, MAX_BYTES = 100, 10**9
HISTORY = "history"


def number(path: Path) -> int:
    """The number of a snapshot's file, f_0012.vdb -> 12; 1 for a file of another name."""
    return job_folder.snapshot_number(path) or 1


def volumes(folder: Path) -> list[Path]:
    """The .vdb files f_0001, f_0002 ... of `folder`, up to the first gap."""
    return job_folder.numbered(folder, ".vdb")


def newest(job: Path) -> Path | None:
    """The newest whole snapshot of a job folder: its .vdb, or its .npz where no whole .vdb is left; None without any.

    Damaged ones (a copy cut short, a disk that was full) are passed over.
    """
    thinned = [path for folder in _histories(job) for path in volumes(folder)]
    for npz in reversed(job_folder.snapshots(job)):
        if _whole(npz.with_suffix(".vdb")):
            return npz.with_suffix(".vdb")
        if thinned and _whole(thinned[-1]):
            return thinned[-1]
        if _unharmed(npz):
            return npz
    return None


def thin(folder: Path, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> Path:
    """The folder of a history of at most `max_files` files and `max_bytes`: `folder`, or a new one beside it.

    Chosen evenly; the last is always among them, the first where there are two. The new folder holds links where the
    file system has them, else copies; it appears whole. Raises SjcError when it cannot be written.
    """
    job_folder.clear_temporary(folder.parent)  # a history that a killed Blender was filling
    paths = volumes(folder)
    chosen = _evenly(paths, max_files, max_bytes)
    if len(chosen) == len(paths):
        return folder
    target = _free(folder.parent)
    _fill(target, {f"{job_folder.snapshot_stem(n)}.vdb": path for n, path in enumerate(chosen, start=1)})
    return target


def drop(folder: Path) -> None:
    """Remove the .vdb files of `folder` once a thinned history replaces them; the .npz files belong to the job."""
    if folder.resolve() != folder.parent.resolve() / folder.name:
        return  # a link to somewhere else: those files are another's
    for path in volumes(folder):
        path.unlink(missing_ok=True)


def copy_to(folder: Path, target: Path) -> Path:
    """All volumes of `folder` in the new folder `target` under the same names. -> target. Raises SjcError."""
    _fill(target, {path.name: path for path in volumes(folder)})
    return target


def _evenly(paths: list[Path], max_files: int, max_bytes: int) -> list[Path]:
    sizes = [path.stat().st_size for path in paths]
    count = min(len(paths), max(1, max_files))
    while count > 1:
        chosen = [round(i * (len(paths) - 1) / (count - 1)) for i in range(count)]
        total = sum(sizes[i] for i in chosen)
        if total <= max_bytes:
            return [paths[i] for i in chosen]
        count = min(count - 1, max(1, count * max_bytes // total))
    return paths[-1:]


def _histories(job: Path) -> list[Path]:
    """history, history-2 ..., the newest last."""
    folders: list[Path] = []
    while (path := _nth(job, len(folders) + 1)).is_dir():
        folders.append(path)
    return folders


def _nth(job: Path, n: int) -> Path:
    return job / (HISTORY if n == 1 else f"{HISTORY}-{n}")


def _free(job: Path) -> Path:
    return _nth(job, len(_histories(job)) + 1)


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
        with field_archive.opened(npz, within=npz.parent) as archive:
            return field_archive.check_sizes(archive) > LARGE or archive.testzip() is None
    except SjcError:
        return False
