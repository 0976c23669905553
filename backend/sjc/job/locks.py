"""A file that says "taken" and by which processes; one whose processes are all gone counts no more.

Extension and command line both hold a job folder so while they work in it; the extension its list of jobs, too. An
operating system's own file locks would vanish with their process, but not every network drive has them, and a job
folder is held by two processes: Blender and the worker, which lives on for some seconds when Blender crashes.

On a cluster nobody can see whether a process of another computer lives. There a lock is a lease: its holder renews it,
and one that was not renewed for its time may be taken by anybody. Whoever has lost it must write nothing more:
`holding` refuses every file that `output.files` would put into the folder then. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError
from ..output import files

__all__ = ["FOLDER_LOCK", "IN_USE", "LeaseLost", "Lock", "Taken", "birth", "holding", "in_use"]

FOLDER_LOCK = ".lock"  # the name of a job folder's

IN_USE = "in use"  # the code of the error for a folder that somebody else holds
NEW_SECONDS = 5.0
RENEWALS = 4  # in the time of a lease
_held: set[Path] = set()  # by this process; a lock with our own pid that is not here was left by an unloaded add-on


class Taken(Exception):  # noqa: N818 (not an error)
    """Somebody living holds the lock; the text says who."""


class LeaseLost(SjcError):  # noqa: N818 (as Taken)
    """The lease ran out and may be another's: nothing more may be written."""


class Lock:
    """One lock file.  `take` it, `add` further processes that must be gone before it counts no more, `release` it.

    lease: seconds after which it counts no more unless it was renewed; 0 for one that counts while its holders live.
    """

    def __init__(self, path: Path, lease: float = 0.0) -> None:
        self.path = path.absolute()
        self.lease = lease
        self.holders: dict[str, str] = {}
        self._mark = secrets.token_hex(8)
        self._renewed = 0.0  # on the clock of time.monotonic

    def take(self) -> None:
        """Take it, from the dead if need be.  Raises Taken, or OSError where nothing can be written."""
        if self.path in _held:
            raise Taken("this program already")
        self.holders = {str(os.getpid()): birth(os.getpid())}
        for _ in range(3):
            with contextlib.suppress(FileExistsError):
                with self.path.open("x", encoding="utf-8") as stream:
                    stream.write(self._text())
                self._renewed = time.monotonic()
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

    def check(self) -> None:
        """Raises LeaseLost where the lease is another's by now, or was not renewed in its time."""
        late = time.monotonic() - self._renewed > self.lease * (1 - 1 / RENEWALS)
        if self.lease and (late or self._read().get("lease") != self._terms()):
            raise LeaseLost(
                f"{self.path.parent} may be another computer's by now, because this one could not renew its lease in "
                f"{self.lease:g} s; nothing more is written there. Start the batch again."
            )

    def renew(self) -> None:
        """Let the lease begin anew.  Raises LeaseLost as `check`, and OSError where the file cannot be reached."""
        self.check()
        began = time.monotonic()
        os.utime(self.path)
        self._renewed = began

    def _temporary(self) -> Path:
        """A name beside it that `folder.clear_temporary` knows and no other computer uses."""
        return self.path.with_name(f".{self.path.name.lstrip('.')}-{self._mark}.{os.getpid()}~")

    def _terms(self) -> dict[str, Any]:
        """What makes a lease this one."""
        return {"seconds": self.lease, "mark": self._mark}

    def _text(self) -> str:
        """What the file says."""
        lease = {"lease": self._terms()} if self.lease else {}
        return json.dumps({"host": socket.gethostname(), "holders": self.holders, **lease})

    def _read(self) -> dict[str, Any]:
        return _content(self.path)

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
        if content and not self._has_run_out(content):
            _check_holders(content, self.path)
        aside = self._temporary()
        with contextlib.suppress(FileNotFoundError):  # another one was quicker
            os.replace(self.path, aside)
            if _content(aside) != content:  # and holds it already: that is not the lock of the dead
                with contextlib.suppress(OSError):  # somebody has it, or there are no links here
                    os.link(aside, self.path)
                aside.unlink()
                raise Taken("another program that has just taken it")
            aside.unlink()

    def _has_run_out(self, content: dict[str, Any]) -> bool:
        """Whether it is a lease that was not renewed in time, by the clock of whoever keeps the files."""
        lease = content.get("lease")
        seconds = lease.get("seconds") if isinstance(lease, dict) else None
        if not isinstance(seconds, int | float):
            return False
        probe = self._temporary()
        try:
            probe.touch()
            age = probe.stat().st_mtime - self.path.stat().st_mtime
            probe.unlink()
        except FileNotFoundError:
            return False
        return bool(age > seconds)


def _content(path: Path) -> dict[str, Any]:
    """What a lock file says; {} for a missing or damaged one, which holds nobody off."""
    try:
        content = foreign.read_json(path, foreign.SETTINGS_BYTES)
    except (FileNotFoundError, SjcError):
        return {}
    return content if isinstance(content, dict) and isinstance(content.get("holders"), dict) else {}


def _check_holders(content: dict[str, Any], path: Path) -> None:
    """Raises Taken if somebody lives, or may live on another computer."""
    if content.get("host") != socket.gethostname():
        if "lease" in content:
            raise Taken(f"the computer {content.get('host')}")
        raise Taken(f"the computer {content.get('host')} (if that is over, delete {path})")
    for pid, born in content["holders"].items():
        other = pid != str(os.getpid()) and pid.isdecimal() and len(pid) < 20
        if other and (now := birth(int(pid))) and (now == born or "?" in (now, born)):
            raise Taken(f"another program (process {pid})")


def in_use(folder: Path) -> bool:
    """Whether somebody living holds a job folder, as far as can be known; takes nothing."""
    path = (folder / FOLDER_LOCK).absolute()
    if path in _held:
        return True
    content = _content(path)
    try:
        if content:
            _check_holders(content, path)
    except Taken:
        return True
    return False


@contextlib.contextmanager
def holding(folder: Path, lease: float = 0.0) -> Iterator[Lock]:
    """Hold a job folder, which is made if need be; what was made is removed again where nothing came into it.

    lease: as in `Lock`; it is renewed meanwhile, and once it is lost nothing is written into the folder.

    Raises SjcError if another program is at work there (code IN_USE), or nothing can be written.
    """
    made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    lock = Lock(folder / FOLDER_LOCK, lease)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.take()
    except Taken as error:
        raise SjcError(f"{folder} is in use by {error}. Wait until the job has ended there.", IN_USE) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise SjcError(f"{folder} could not be written: {reason}. Choose another output folder.") from error
    try:
        with _renewed(lock) if lease else contextlib.nullcontext():
            yield lock
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()


@contextlib.contextmanager
def _renewed(lock: Lock) -> Iterator[None]:
    """Renew the lease in a thread of its own, and let no file come into its folder once it is lost."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(lock.lease / RENEWALS):
            with contextlib.suppress(OSError, LeaseLost):  # storage may be back in time; `check` knows when it is late
                lock.renew()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        with files.only_while(lock.path.parent, lock.check):
            yield
    finally:
        over.set()
        thread.join()


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
