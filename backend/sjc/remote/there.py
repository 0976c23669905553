"""The end of the line on the other computer: the usual worker, whose job folder is sent to where the person sits.

It stands between the line and the worker. Commands about files are done here, all others reach the worker; of its
messages a snapshot, a result and the end of a job wait until their files are sent. Where the line is lost, the worker
saves its checkpoint and ends, as it does when Blender is gone.

A job has a folder `NAME/` in the folder that was chosen. In it are `job/`, the job folder, and `checkpoints.json`,
the digests of checkpoints that both ends have had: by these it is known who has gone on since.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .. import __version__, foreign
from ..errors import SjcError
from ..job import folder as job_folder
from ..job.inputs import INPUTS
from ..job.locks import FOLDER_LOCK, IN_USE, Lock, Taken
from ..output import files
from ..worker import protocol
from . import ssh, wire
from .wire import Message

SILENCE = 30.0  # seconds without a word from the other end: the line is lost, whatever the system says
FLUSH_SECONDS = 60.0  # for what is still to be sent when the worker has ended
MIN_FREE = 200 * foreign.MB
KNOWN, MOST_KNOWN = "checkpoints.json", 50
_NAME = re.compile(r"[\w-]{1,80}")


class There:
    """What the worker takes for its two pipes.  commands, messages: the line. jobs: the folder for jobs."""

    def __init__(self, commands: IO[bytes], messages: IO[bytes], jobs: Path, silence: float = SILENCE) -> None:
        self.line_in, self.line_out, self.jobs, self.silence = commands, messages, jobs, silence
        read_end, self._write_end = os.pipe()
        self.commands = os.fdopen(read_end, "rb")
        self.heard = time.monotonic()
        self.place: Path | None = None
        self._lock: Lock | None = None
        self._receiver: wire.Receiver | None = None
        self._known: wire.Names = {}  # what the other end has
        self._begun = False
        self._ended = ""  # how the job's last run ended
        self._out = threading.Lock()
        self._in = threading.Lock()
        self._to_send: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_in_order, name="files", daemon=True)

    @property
    def job(self) -> Path:
        """The job folder."""
        assert self.place is not None
        return self.place / "job"

    def start(self) -> None:
        """Begin to listen."""
        self._sender.start()
        threading.Thread(target=self._listen, name="line", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def close(self) -> None:
        """The worker has ended: send what is left."""
        self._to_send.put(None)
        self._sender.join(FLUSH_SECONDS)

    # ------------------------------------------------------------------------------------------- from the other end

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self.line_in:
                self.heard = time.monotonic()
                if line.strip():
                    self._understand(line)
        self._hang_up()

    def _watch(self) -> None:
        while time.monotonic() - self.heard < self.silence:
            time.sleep(min(1.0, self.silence / 4))
        self._hang_up()

    def _hang_up(self) -> None:
        """The end of the worker's input, upon which it saves its checkpoint and ends."""
        with self._in:
            if self._write_end >= 0:
                os.close(self._write_end)
            self._write_end = -1

    def _understand(self, line: bytes) -> None:
        try:
            message = protocol.decode(line, wire.UP)
        except SjcError:
            self._to_worker(line)  # which says that it is none
            return
        kind = message["type"]
        try:
            if kind == "open":
                self._open(message)
            elif kind in ("file", "chunk", "whole"):
                self._take_file(message)
            elif kind == "start":
                self._start(message)
            elif kind == "forget":
                self._forget()
            elif kind != "alive":
                self._to_worker(line)
        except SjcError as error:
            self._refuse(error.code or ssh.HOST, str(error))
        except OSError as error:
            reason = error.strerror or error
            self._refuse(
                ssh.HOST,
                f"{self.jobs} cannot be written on the other computer: {reason}. Choose another folder for jobs.",
            )

    def _to_worker(self, line: bytes) -> None:
        with self._in, contextlib.suppress(OSError):
            while line and self._write_end >= 0:
                line = line[os.write(self._write_end, line) :]

    def _refuse(self, code: str, text: str) -> None:
        self._receiver = None
        self._say({"type": "refused", "code": code, "text": text})

    def _open(self, message: Message) -> None:
        """Make a job's folder ready, or say what is in the way."""
        if not _NAME.fullmatch(message["name"]):
            raise SjcError("That is no name of a job's folder.")
        for setting, path in message["paths"].items():
            if not foreign.kind(str(path)):
                raise SjcError(
                    f"{setting}: {path} is not on the other computer; copy it there under the same path, or give the "
                    "path that it has there."
                )
        self._release()
        self.place = self.jobs / message["name"]
        self.job.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        free = shutil.disk_usage(self.job).free
        if free < MIN_FREE:
            raise SjcError(
                f"The disk of the other computer is full: {self.jobs} has {free // foreign.MB} MB left. Free some "
                "space there, or choose another folder for jobs."
            )
        have = {name: str(value) for name, value in message["have"].items() if wire.fits(name)}
        here_only = message["checkpoint"] not in ("", *self._checkpoints())
        resume = message["resume"]
        if resume and job_folder.has_settings(self.job) and not here_only:
            wanted: list[str] = []
        else:
            job_folder.remove_files(self.job, wire.names_in(self.job))
            wanted = [name for name in have if resume or name.startswith(f"{INPUTS}/")]
        self._note_checkpoint(message["checkpoint"])
        self._known, self._receiver = have, wire.Receiver(self.job)
        self._begun, self._ended = resume, ""
        self._say({"type": "opened", "folder": str(self.job), "wanted": wanted, "resume": resume})

    def _take_lock(self) -> None:
        lock = Lock(self.job / FOLDER_LOCK)
        try:
            lock.take()
        except Taken as error:
            raise SjcError(
                f"{self.job} on the other computer is in use by {error}. Wait until that has ended, then press Retry.",
                IN_USE,
            ) from error
        self._lock = lock

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
            self._lock = None

    def _take_file(self, message: Message) -> None:
        if self._receiver:
            self._receiver.take(message)

    def _start(self, message: Message) -> None:
        """Have the worker begin; a job that is finished here already is only sent."""
        if self._lock is None:
            raise SjcError("No job is open on the other computer.")
        if message["resume"] and job_folder.finished(self.job):
            for last in ({"type": "result", "folder": str(self.job)}, {"type": "done", "state": "finished"}):
                self.write(protocol.encode(last))
            return
        if message["resume"]:  # what was made while the line was lost
            self._to_send.put({"type": "files", "names": []})
        chosen = {**message["settings"], "overwrite": True}
        self._to_worker(protocol.encode({**message, "folder": str(self.job), "settings": chosen}))

    def _forget(self) -> None:
        """All is at the other end: remove the finished job from here."""
        if self._lock is None or self._ended != "finished":
            return
        job_folder.remove_files(self.job, wire.names_in(self.job))
        self._release()
        for folder in (self.job / job_folder.SNAPSHOTS, self.job / INPUTS, self.job):
            with contextlib.suppress(OSError):
                folder.rmdir()
        (self.job.parent / KNOWN).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.job.parent.rmdir()

    def _checkpoints(self) -> list[str]:
        with contextlib.suppress(OSError, SjcError):
            known = foreign.read_json(self.job.parent / KNOWN)
            return [value for value in known if isinstance(value, str)] if isinstance(known, list) else []
        return []

    def _note_checkpoint(self, value: str) -> None:
        known = self._checkpoints()
        if value and value not in known:
            files.write_json(self.job.parent / KNOWN, [*known, value][-MOST_KNOWN:])

    # ---------------------------------------------------------------------------------------------- from the worker

    def write(self, data: bytes) -> int:
        """One message of the worker's, as a pipe takes it."""
        try:
            message = protocol.decode(data, wire.DOWN)
        except SjcError:
            self._put(data)
            return len(data)
        kind = message["type"]
        if kind == "hello":
            message["sjc"] = __version__
        if kind in ("progress", "snapshot", "painted", "result") and not self._begun:
            self._begun = True  # before any file of it: the folder at the other end is made anew then
            self._say({"type": "begun"})
        if kind in ("snapshot", "painted", "result", "done"):
            self._to_send.put(message)
            return len(data)
        self._say(message)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def _say(self, message: Message) -> None:
        self._put(protocol.encode(message))

    def _put(self, data: bytes) -> None:
        with self._out, contextlib.suppress(OSError, ValueError):
            while data:
                data = data[self.line_out.write(data) :]

    def _send_in_order(self) -> None:
        while (message := self._to_send.get()) is not None:
            try:
                self._send_with_files(message)
            except Exception as error:  # noqa: BLE001 (the message goes all the same)
                self._say({"type": "warning", "text": f"Files were not sent by the other computer: {error}"})
            if message["type"] != "files":
                self._say(message)

    def _send_with_files(self, message: Message) -> None:
        kind = message["type"]
        if kind == "snapshot":
            stem = Path(message["path"]).stem
            names = [f"{job_folder.SNAPSHOTS}/{stem}{suffix}" for suffix in (".vdb", ".png", ".npz")]
            self._send_files([name for name in names if foreign.is_file(self.job / name)])
            return
        if kind == "painted":
            self._send_files([name for name in (job_folder.PAINTED,) if foreign.is_file(self.job / name)])
            return
        names = wire.names_in(self.job)
        unread = self._send_files(names)
        if len(names) <= wire.MOST_NAMES:
            self._say({"type": "files", "names": names})
        if kind == "done":
            self._note_checkpoint(self._known.get(job_folder.CHECKPOINT, ""))
            self._ended = message["state"]
            if unread:
                self._ended = "unread"
                self._say(
                    {
                        "type": "warning",
                        "text": f"{unread[0]} cannot be read on the other computer; the job stays there in {self.job}.",
                    }
                )
            if self._ended != "finished":
                self._release()

    def _send_files(self, names: list[str]) -> list[str]:
        """Send what the other end has not; gives the names of those that are there and cannot be read."""
        unread = []
        for name in names:
            value = wire.digest(self.job / name, self.job)
            if not value and foreign.is_file(self.job / name):
                unread.append(name)
            if not value or self._known.get(name) == value:
                continue
            with contextlib.suppress(FileNotFoundError):  # one that the job is about to make again
                with foreign.opened(self.job / name, foreign.FIELD_BYTES, within=self.job) as stream:
                    for part in wire.messages_of(name, stream):
                        self._say(part)
                self._known[name] = value
        return unread


def run(commands: IO[bytes], messages: IO[bytes], jobs: Path, work: Callable[[Any, Any], int]) -> int:
    """Serve one line; returns the exit status.  work: the `main` of a worker, which serves two streams."""
    there = There(commands, messages, jobs)
    there.start()
    code = work(there.commands, there)
    there.close()
    return code
