"""A job at an address, borrowed: leased, worked in a folder of this computer, and written back, run.json last."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from .. import foreign
from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs, locks
from ..machine.folders import cache_folder
from ..settings import Settings
from .address import AddressFolder

LEASE_SECONDS = 60.0
SETTLE_SECONDS = 0.5  # after which a lock that two have written at once is the later one's for both


class AddressLease:
    """Who works on a job at an address: `.lock` there, an object with its holder and the time at which it ends.

    No storage that fsspec knows promises to write a file only if it is not there, so the lock is read again after it
    was written, and before every file that is sent. Two that take it within the same moment may both work for a while;
    the one whose lock was replaced writes nothing more. The time is that of the computers' clocks.
    """

    def __init__(self, folder: AddressFolder, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self._mark = token_hex(8)
        self._renewed = 0.0  # on the clock of time.monotonic
        self._lost = False
        self._one_at_a_time = threading.Lock()

    def take(self) -> None:
        """Raises SjcError, with the code IN_USE where somebody holds it."""
        held = self._read()
        if held and not _is_over(held):
            raise self._in_use(held)
        began = time.monotonic()
        if held:
            self.folder.write(locks.FOLDER_LOCK, self._text())
        elif not self.folder.create(locks.FOLDER_LOCK, self._text()):
            raise self._in_use(self._read())
        time.sleep(SETTLE_SECONDS)
        if (now := self._read()).get("mark") != self._mark:
            raise self._in_use(now)
        self._renewed = began

    def renew(self) -> None:
        """Let it begin anew. Raises as `confirm`."""
        self.confirm()
        began = time.monotonic()
        with self._one_at_a_time:
            self.folder.write(locks.FOLDER_LOCK, self._text())
        self._renewed = began

    def check(self) -> None:
        """Raises LeaseLost where it is known to be another's, or was not renewed in its time; asks nobody."""
        late = time.monotonic() - self._renewed > self.seconds * (1 - 1 / locks.RENEWALS)
        if self._lost or late:
            raise locks.LeaseLost(
                f"{self.folder.address} may be another computer's by now, because this one could not renew its lease "
                f"in {self.seconds:g} s; nothing more is written there. Start the batch again."
            )

    def confirm(self) -> None:
        """As `check`, and asks the storage whose it is."""
        self.check()
        if self._read().get("mark") != self._mark:
            self._lost = True
            self.check()

    def release(self) -> None:
        """Give it back, if it is still this one's."""
        with contextlib.suppress(SjcError):
            if self._read().get("mark") == self._mark:
                self.folder.remove(locks.FOLDER_LOCK)

    def _text(self) -> bytes:
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "born": locks.birth(os.getpid())}
        return json.dumps({**holder, "mark": self._mark, "expires": time.time() + self.seconds}).encode()

    def _read(self) -> dict[str, Any]:
        with self._one_at_a_time:
            content = self.folder.read_json(locks.FOLDER_LOCK, foreign.SETTINGS_BYTES)
        return content if isinstance(content, dict) else {}

    def _in_use(self, held: dict[str, Any]) -> SjcError:
        who = foreign.shown(held.get("host") or "another computer")
        return SjcError(f"{self.folder.address} is in use by {who}. Wait until the job has ended there.", locks.IN_USE)


def _is_over(held: dict[str, Any]) -> bool:
    """Whether its time has ended, or its process, where that was one of this computer."""
    expires, pid = held.get("expires"), held.get("pid")
    if held.get("host") == socket.gethostname() and isinstance(pid, int) and pid > 0:
        born = locks.birth(pid)
        if born != held.get("born") and "?" not in (born, held.get("born")):
            return True
    return not isinstance(expires, int | float) or time.time() > expires


class Borrowed:
    """A job's folder here, and what stands of it at the address."""

    def __init__(self, address: AddressFolder, folder: Path, lease: AddressLease) -> None:
        self.address, self.folder, self.lease = address, folder, lease
        self._there = set(address.sizes()) - {locks.FOLDER_LOCK}
        self._sent: dict[str, tuple[int, int]] = {}
        self._one_at_a_time = threading.Lock()

    def fetch(self, chosen: Settings) -> None:
        """Make the folder here what it is at the address. One that is finished here and was not sent stays."""
        if job_folder.RUN not in self._there and _is_finished_as(self.folder, chosen):
            return
        _clear(self.folder)
        finished = {job_folder.RUN, job_folder.MESH} <= self._there
        for name in self._there:
            bring(
                self.address, name, self.folder / name, whole=not finished or name in (job_folder.JOB, job_folder.RUN)
            )
            if state := _state(self.folder / name):
                self._sent[name] = state

    def send(self) -> None:
        """Write to the address what another computer needs: the result, or what it goes on from."""
        if job_folder.finished(self.folder):
            self.send_result()
        else:
            self.send_checkpoint()

    def send_checkpoint(self) -> None:
        """Write to the address what another computer goes on from; the checkpoint after the snapshots before it."""
        with self._one_at_a_time:
            checkpoint, copy = self.folder / job_folder.CHECKPOINT, self.folder.with_name(f"{self.folder.name}.sending")
            state = _state(checkpoint)
            if state is None or self._sent.get(job_folder.CHECKPOINT) == state:
                return
            shutil.copyfile(checkpoint, copy)  # whole, whatever replaces it meanwhile
            if job_folder.RUN in self._there:  # it says that the result is whole, which is no longer so
                self._remove(job_folder.RUN)
            try:
                self._send_changed(lambda name: name == job_folder.JOB or "/" in name)
                self._send(copy, job_folder.CHECKPOINT, state)
            finally:
                copy.unlink(missing_ok=True)

    def send_result(self) -> None:
        """Write the finished folder to the address, and remove there what is not in it; run.json comes last."""
        with self._one_at_a_time:
            state = _state(self.folder / job_folder.RUN)
            if self._sent.get(job_folder.RUN) == state:
                return  # it was finished before
            if job_folder.RUN in self._there:
                self._remove(job_folder.RUN)
            self._send_changed(lambda name: name != job_folder.RUN)
            for name in sorted(self._there - set(_names(self.folder))):
                self._remove(name)
            self._send(self.folder / job_folder.RUN, job_folder.RUN, state)

    def _send_changed(self, wanted: Callable[[str], bool]) -> None:
        for name in filter(wanted, _names(self.folder)):
            state = _state(self.folder / name)
            if state is not None and self._sent.get(name) != state:
                self._send(self.folder / name, name, state)

    def _send(self, path: Path, name: str, state: tuple[int, int] | None) -> None:
        self.lease.confirm()
        self.address.send(path, name)
        self._there.add(name)
        if state:
            self._sent[name] = state

    def _remove(self, name: str) -> None:
        self.lease.confirm()
        self.address.remove(name)
        self._there.discard(name)


def bring(address: AddressFolder, name: str, path: Path, *, whole: bool) -> None:
    """A file of an address to `path`; else an empty one that says that it is there."""
    if whole:
        address.fetch(name, path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _clear(folder: Path) -> None:
    """Empty a folder but for its lock."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != locks.FOLDER_LOCK:
            path.unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    """All files of a job folder but locks and what is being written."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _state(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written again; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _is_finished_as(folder: Path, chosen: Settings) -> bool:
    try:
        same = job_folder.read_settings(folder) == replace(inputs.named(chosen), overwrite=False)
    except SjcError:
        return False
    return same and job_folder.finished(folder) and not chosen.overwrite


def working_folder(address: str) -> Path:
    """Where a job at an address is worked on this computer."""
    parent, _, name = address.rpartition("/")
    return cache_folder("batch") / hashlib.sha256(parent.encode()).hexdigest()[:16] / name


@contextlib.contextmanager
def borrowed(address: str, chosen: Settings, seconds: float = 0.0) -> Iterator[Borrowed]:
    """Hold the lease of a job at an address, with its folder here; what another computer needs is sent meanwhile.

    seconds: of the lease. The folder here is emptied at the end, unless its files could not be sent.

    Raises SjcError, with the code IN_USE where another one works on it.
    """
    seconds = seconds or LEASE_SECONDS
    folder = working_folder(address)
    lease = AddressLease(AddressFolder(address), seconds)
    lease.take()
    try:
        with _again(seconds / locks.RENEWALS, lease.renew), locks.holding(folder, seconds):
            one = Borrowed(AddressFolder(address), folder, lease)
            one.fetch(chosen)
            try:
                with _again(seconds / locks.RENEWALS, one.send_checkpoint):
                    yield one
            finally:
                one.send()
            _clear(folder)
    finally:
        lease.release()


@contextlib.contextmanager
def _again(seconds: float, work: Callable[[], None]) -> Iterator[None]:
    """Do something every so many seconds in a thread of its own; what goes wrong is tried again."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(seconds):
            with contextlib.suppress(SjcError, OSError):
                work()

    thread = threading.Thread(target=repeat, name="address", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
