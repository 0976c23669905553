"""A file that says "taken" and by which processes; one whose processes are all gone counts no more.

Extension and command line both hold a job folder so while they work in it; the extension its list of jobs, too. An
operating system's own file locks would vanish with their process, but not every network drive has them, and a job
folder is held by two processes: Blender and the worker, which lives on for some seconds when Blender crashes.
Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError

__all__ = ["FOLDER_LOCK", "Lock", "Taken", "birth", "holding"]

FOLDER_LOCK = ".lock"  # the name of a job folder's

NEW_SECONDS = 5.0
_held: set[Path] = set()  # by this process; a lock with our own pid that is not here was left by an unloaded add-on


class Taken(Exception):  # noqa: N818 (not an error)
    """Somebody living holds the lock; the text says who."""


class Lock:
    """One lock file.  `take` it, `add` further processes that must be gone before it counts no more, `release` it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.holders: dict[str, str] = {}

    def take(self) -> None:
        """Take it, from the dead if need be.  Raises Taken, or OSError where nothing can be written."""
        if self.path in _held:
            raise Taken("this program already")
        self.holders = {str(os.getpid()): birth(os.getpid())}
        for _ in range(3):
            with contextlib.suppress(FileExistsError):
                with self.path.open("x", encoding="utf-8") as stream:
                    stream.write(self._text())
                _held.add(self.path)
                return
            self._bury()
        raise Taken("another program that has just taken it")

    def add(self, pid: int) -> None:
        """The lock counts as long as this process lives, too."""
        self.holders[str(pid)] = birth(pid)
        temporary = self._temporary()
        with contextlib.suppress(OSError):  # the folder may be gone
            temporary.write_text(self._text(), "utf-8")
            os.replace(temporary, self.path)

    def release(self) -> None:
        """Give it back; nothing happens to one that is another's by now."""
        if self.path in _held:
            _held.discard(self.path)
            with contextlib.suppress(OSError):
                if self._read().get("holders") == self.holders:
                    self.path.unlink()

    def _temporary(self) -> Path:
        """A name beside it that `folder.clear_temporary` knows."""
        return self.path.with_name(f".{self.path.name.lstrip('.')}.{os.getpid()}~")

    def _text(self) -> str:
        """What the file says."""
        return json.dumps({"host": socket.gethostname(), "holders": self.holders})

    def _read(self) -> dict[str, Any]:
        """What the file says; {} for a missing or damaged one, which holds nobody off."""
        try:
            content = foreign.read_json(self.path, foreign.SETTINGS_BYTES)
        except (FileNotFoundError, SjcError):
            return {}
        return content if isinstance(content, dict) and isinstance(content.get("holders"), dict) else {}

    def _is_new(self) -> bool:
        """Whether an empty file may be one that is just being written."""
        try:
            return abs(time.time() - self.path.stat().st_mtime) < NEW_SECONDS
        except OSError:
            return False

    def _bury(self) -> None:
        """Put the lock of the dead out of the way.  Raises Taken if somebody lives."""
        content = self._read()
        if not content and self._is_new():
            raise Taken("another program that is just taking it")
        if content and content.get("host") != socket.gethostname():
            raise Taken(f"the computer {content.get('host')} (if that is over, delete {self.path})")
        for pid, born in content.get("holders", {}).items():
            other = pid != str(os.getpid()) and pid.isdecimal() and len(pid) < 20
            if other and (now := birth(int(pid))) and (now == born or "?" in (now, born)):
                raise Taken(f"another program (process {pid})")
        aside = self._temporary()
        with contextlib.suppress(FileNotFoundError):  # another one was quicker
            os.replace(self.path, aside)
            aside.unlink()


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a job folder, which is made if need be; what was made is removed again where nothing came into it.

    Raises SjcError if another program is at work there, or nothing can be written.
    """
    made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    lock = Lock(folder / FOLDER_LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.take()
    except Taken as error:
        raise SjcError(f"{folder} is in use by {error}. Wait until the job has ended there.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise SjcError(f"{folder} could not be written: {reason}. Choose another output folder.") from error
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()


def birth(pid: int) -> str:
    """A mark of a living process that no later process with the same number has; "" if it is dead, "?" if unknown."""
    if sys.platform == "win32":
        return _birth_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except (PermissionError, OverflowError):
        pass  # another person's, or no number of a process
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return "?"  # no /proc: macOS
    return "" if fields[0] in "ZX" else fields[19]  # a zombie is dead; ticks from the computer's start to its own


def _birth_on_windows(pid: int) -> str:
    """Never os.kill here: on Windows signal 0 ends or interrupts the process."""
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return "?" if kernel.GetLastError() == 5 else ""  # access denied: it lives
    try:
        code, times = wintypes.DWORD(), [wintypes.FILETIME() for _ in range(4)]
        kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(code))
        if code.value != 259:  # STILL_ACTIVE
            return ""
        kernel.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times))
        return f"{times[0].dwHighDateTime}-{times[0].dwLowDateTime}"
    finally:
        kernel.CloseHandle(wintypes.HANDLE(handle))
