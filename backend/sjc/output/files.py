"""Files that are whole or not there.  Standard library only.

Everything is written to a temporary name in the same folder and renamed, so a reader (Blender's live preview, a resumed
job, a cluster's collector) never meets half a file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError

TEMPORARY = r"\..+\.\d+~(\.\w+)?"  # the names of what is being written: .mesh.4711~.glb

_conditions: dict[Path, Callable[[], None]] = {}  # of `only_while`: folder -> what must hold
_MOMENTARY = {errno.EACCES, errno.EPERM, errno.EBUSY}  # as long as a virus scanner, a cloud's client or a viewer reads
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quotas here


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside `path`; when the block ends well it replaces `path`, else it is removed.

    The temporary name keeps the extension, because writers choose their format by it, and is one that `TEMPORARY`
    knows: what a killed process leaves behind can be removed. The contents are on the disk before the name is: a power
    cut leaves the old file or the new one. A full disk, a missing right or a folder that cannot be made raise SjcError;
    what stood at `path` before stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}~{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)  # a link of that name would lead the writer elsewhere
        yield temporary
        _to_disk(temporary)
        _check_conditions(path)
        _replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        if error.errno in _FULL:
            raise SjcError(f"The disk is full: {path} was not written. Free some space and resume the job.") from error
        reason = error.strerror or str(error)
        raise SjcError(f"{path} could not be written: {reason}. Choose another output folder.") from error
    except BaseException:
        _remove(temporary)
        raise


@contextlib.contextmanager
def only_while(folder: Path, condition: Callable[[], None]) -> Iterator[None]:
    """Within the block `condition` is called before a file takes its name below `folder`; what it raises prevents it.

    In all threads, as the job writes in several.
    """
    folder = folder.absolute()
    _conditions[folder] = condition
    try:
        yield
    finally:
        del _conditions[folder]


def _check_conditions(path: Path) -> None:
    for folder, condition in list(_conditions.items()):
        if path.absolute().is_relative_to(folder):
            condition()


@contextlib.contextmanager
def alone(temporary: Path) -> Iterator[Path]:
    """Gives a path in a folder of its own; what the block writes there becomes `temporary`, of `replacing`.

    For a library that writes to a file beside the one that it is given, of a name that nobody can foresee and with
    rights for its owner alone: what a kill leaves has a name that `TEMPORARY` knows, and the rights are the usual ones.
    """
    temporary.touch()
    private = temporary.with_suffix("")
    private.mkdir(exist_ok=True)
    try:
        yield private / temporary.name
        shutil.copymode(temporary, private / temporary.name)
        os.replace(private / temporary.name, temporary)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as stream, contextlib.suppress(OSError):  # some network drives cannot
        os.fsync(stream.fileno())


def _replace(temporary: Path, path: Path, tries: int = 10) -> None:
    """os.replace, tried for a second: another program may hold the target for a moment, as Blender's preview does."""
    for attempt in range(tries):
        try:
            os.replace(temporary, path)
            return
        except OSError as error:
            if error.errno not in _MOMENTARY or attempt == tries - 1:
                raise
            time.sleep(0.1)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` whole."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | os.PathLike[str], value: Any, indent: int = 2) -> None:
    """Write `value` as indented UTF-8 JSON. NaN and infinity raise ValueError: JSON has no such numbers."""
    write_bytes(path, (json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a small JSON file; a missing or broken one raises SjcError."""
    try:
        return foreign.read_json(path)
    except FileNotFoundError as error:
        raise SjcError(f"{path} is missing: this is not a whole job folder.") from error
