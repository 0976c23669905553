"""The end of the line where the person sits: a worker to Blender, which has its jobs done on another computer.

It speaks the worker's protocol, so Blender needs to know nothing else. For every job it connects if need be, sends what
the job starts from, and writes what comes back into the job folder here before it passes on the message that tells of
it. A line that is lost is made again, so many times, and the job goes on from its checkpoint there.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from .. import causes
from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs
from ..job.locks import IN_USE
from ..worker import protocol
from . import ssh, wire
from .check import wrong_version
from .job_here import JobHere
from .link import Event, Link
from .paths import needed
from .ssh import HOST, Failure, Other
from .wire import Message

WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds before each try to have a lost line back
HELLO_SECONDS = 60.0
IN_USE_SECONDS, IN_USE_PAUSE = 45.0, 1.0  # within these an earlier line has ended there (there.SILENCE)
END_SECONDS = 6.0
ALIVE_SECONDS = 5
DEAF_SECONDS = 2.0 * ssh.ALIVE_SECONDS * ssh.ALIVE_MISSED  # by then ssh has noticed that the line is lost
GARBAGE_LINES = 50


class Bridge:
    """Serves one Blender over (commands in, messages out).  words: further ones for the program there."""

    def __init__(self, commands: IO[bytes], messages: IO[bytes], other: Other, *words: str) -> None:
        self.commands, self.messages, self.other, self.words = commands, messages, other, words
        self.waits = WAITS
        self.events: queue.Queue[Event] = queue.Queue(64)
        self.link: Link | None = None
        self.job: JobHere | None = None
        self.phase = "idle"  # idle, linking, waiting (to try again), opening, running
        self.due = 0.0  # when the phase has lasted long enough
        self.ended: float | None = None
        self._heard = 0.0  # when the other computer last said something
        self._uploads: Iterator[Message] = iter(())
        self._uploading = False
        self._receiver: wire.Receiver | None = None
        self._garbage = 0
        self._out = threading.Lock()

    # ---------------------------------------------------------------------------------------------------- the loop

    def serve(self) -> int:
        """Say hello and take jobs until shutdown; returns the exit status."""
        package = Path(__file__).parents[1]
        self.send(
            "hello", protocol=protocol.VERSION, pid=os.getpid(), folder=str(package),
            hash=protocol.source_hash(package), device=self.other.host, versions={},
        )  # fmt: skip
        threading.Thread(target=self._listen, name="commands", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        while self.ended is None or time.monotonic() < self.ended:
            self._turn()
        self._drop_link()
        return 0

    def send(self, type_: str, **fields: Any) -> None:
        """A message to Blender; a gone reader is no error."""
        with self._out, contextlib.suppress(OSError, ValueError):
            line = protocol.encode({"type": type_, **fields})
            while line:
                line = line[self.messages.write(line) :]

    def _pass_on(self, message: Message) -> None:
        self.send(message.pop("type"), **message)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self.commands:
                with contextlib.suppress(SjcError):
                    self.events.put(("command", None, protocol.decode(line, protocol.UP)))
        self.events.put(("command", None, {"type": "shutdown"}))

    def _beat(self) -> None:
        """Blender hears the worker's own heartbeat once it runs; else, that this process lives, and ssh still tries."""
        number = 0
        while True:
            unheard = 2 * protocol.HEARTBEAT_SECONDS < time.monotonic() - self._heard < DEAF_SECONDS
            if self.phase in ("linking", "waiting", "opening") or unheard:
                self.send("heartbeat", quiet_s=0.0)
            number += 1
            link = self.link
            if link and number % ALIVE_SECONDS == 0:
                link.send("alive")
            time.sleep(protocol.HEARTBEAT_SECONDS)

    def _turn(self) -> None:
        try:
            kind, link, value = self.events.get(timeout=0.001 if self._uploading else 0.2)
        except queue.Empty:
            self._go_on()
            return
        try:
            if kind == "command":
                self._obey(value)
            elif link is self.link and kind == "line":
                self._take_line(value)
            elif link is self.link:
                self._line_lost(*value)
        except SjcError as error:
            self._fail(HOST, str(error))
        except OSError as error:  # a file of the job folder that another program has open, a full disk
            self._fail(
                HOST,
                f"The job folder here cannot be written: {error.strerror or error}.",
                "Close what has its files open, then press Retry.",
            )

    def _go_on(self) -> None:
        """Nothing has happened: what is due?"""
        if self._uploading:
            self._upload()
        elif self.phase == "waiting" and time.monotonic() > self.due:
            self._connect()
        elif self.phase == "linking" and time.monotonic() > self.due:
            self._fail(HOST, f"sjc did not start on {self.other.host} within {HELLO_SECONDS:.0f} s.", "Try again.")
        elif self.phase == "opening" and self.job and self.job.in_use_until and time.monotonic() > self.due:
            self._open()

    # -------------------------------------------------------------------------------------------------- from Blender

    def _obey(self, command: Message) -> None:
        kind, job = command["type"], self.job
        if kind == "start":
            self._begin(command)
        elif kind == "shutdown":
            self.ended = time.monotonic() + (END_SECONDS if self.link and job else 0.0)
            if self.link:
                self.link.send("shutdown")
        elif kind == "cancel" and job and not job.started:
            self._drop_link()
            self._done("stopped")
        elif job and kind in ("pause", "resume", "cancel"):
            job.paused = kind == "pause"
            job.cancelled = job.cancelled or kind == "cancel"
            if self.link and job.started:
                self.link.send(kind)
        elif self.link and kind in ("free", "snapshot_now"):
            self.link.send(kind)

    def _begin(self, command: Message) -> None:
        if self.job:
            self.send("warning", text="the worker is busy; start one job at a time")
            return
        try:
            self.job = JobHere.asked(Path(command["folder"]), command["settings"], command["resume"])
        except SjcError as error:
            self.send("error", code="input", text=str(error), hint="")
            self.send("done", state="failed")
            return
        if self.link:
            self._open()
        else:
            self._connect()

    # ------------------------------------------------------------------------------------------------------ the line

    def _connect(self) -> None:
        self.send("status", stage="connect", text=f"connecting to {self.other.host}")
        self.phase, self.due, self._garbage = "linking", time.monotonic() + HELLO_SECONDS, 0
        try:
            self.link = Link(self.other, self.events, *self.words)
        except OSError as error:
            self._fail(HOST, f"ssh does not start: {error.strerror or error}.", "Look whether ssh runs in a terminal.")

    def _drop_link(self) -> None:
        if self.link:
            self.link.close()
        self.link, self.phase, self._uploading = None, "idle", False
        if self._receiver:
            self._receiver.drop()
            self._receiver = None

    def _line_lost(self, code: int, failure: Failure) -> None:
        """ssh has ended: try again, or say what is wrong."""
        job, connecting = self.job, self.phase == "linking"
        self._drop_link()
        if self.ended is not None:
            self.ended = 0.0
        elif job is None:
            pass  # the next job makes a new one
        elif job.cancelled:
            self._done("stopped")
        elif code > 0 and code != ssh.LINE_LOST and not connecting:
            self._fail_of_end(code, failure)
        elif connecting and not (job.tries and failure.again):
            self._fail(failure.code, failure.text, failure.hint)
        elif job.tries >= len(self.waits):
            self._fail(
                HOST,
                f"The connection to {self.other.host} was lost and did not come back: {failure.text}",
                "Press Retry to go on from the last checkpoint there.",
            )
        else:
            self.due, self.phase = time.monotonic() + self.waits[job.tries], "waiting"
            job.tries, job.started, job.in_use_until = job.tries + 1, False, 0.0
            self.send("status", stage="connect", text=f"the connection to {self.other.host} is lost; connecting again")

    def _fail_of_end(self, code: int, failure: Failure) -> None:
        """The program there has ended by itself, as one that the system has killed."""
        cause = causes.of_exit(128 - code if code > 128 else code)
        if cause:
            self._fail(cause.code, cause.text, cause.hint)
        else:
            self._fail(failure.code, failure.text, failure.hint)

    # ----------------------------------------------------------------------------------------------------- from there

    def _take_line(self, line: bytes) -> None:
        self._heard = time.monotonic()
        try:
            message = protocol.decode(line, wire.DOWN)
        except SjcError:
            self._garbage += 1  # of a login script, before the first word
            if self._garbage > GARBAGE_LINES:
                self._fail(
                    HOST,
                    f"{self.other.host} sends something that is not a message.",
                    "Press Check Other Computer in the preferences to see what is wrong.",
                )
            return
        take = getattr(self, f"_take_{message['type']}", None)
        if take:
            take(message)
        elif message["type"] in ("file", "chunk", "whole"):
            if self._receiver:
                self._receiver.take(message)
        else:
            self._pass_on(message)

    def _take_hello(self, message: Message) -> None:
        if self.phase != "linking":
            return
        if wrong := wrong_version(self.other, str(message.get("sjc", "?")), message["hash"]):
            self._fail(wrong.code, wrong.text, wrong.hint)
            return
        self._open()

    def _open(self) -> None:
        job = self.job
        assert job is not None
        assert self.link is not None
        if not job.in_use_until:  # else it was looked through a moment ago
            job.look()
        self.phase, self.due = "opening", time.monotonic() + IN_USE_PAUSE
        self.link.send(
            "open", name=job.name_there(self.other.host), resume=job.begun, have=job.have, paths=needed(job.settings),
            checkpoint=job.have.get(job_folder.CHECKPOINT, "") if job.begun else "",
        )  # fmt: skip

    def _take_opened(self, message: Message) -> None:
        job = self.job
        if self.phase != "opening" or job is None:
            return
        job.in_use_until = 0.0
        self._receiver = wire.Receiver(job.folder)
        if message["wanted"]:
            self.send("status", stage="connect", text=f"sending files to {self.other.host}")
        self._uploads, self._uploading = job.messages_of(message["wanted"]), True

    def _upload(self) -> None:
        """Send the next piece; after the last one, start."""
        job, link = self.job, self.link
        assert job is not None
        assert link is not None
        try:
            message = next(self._uploads, None)
        except OSError as error:
            raise SjcError(f"A file of the job cannot be read: {error.strerror or error}.") from error
        if message is not None:
            link.send(message.pop("type"), **message)
            return
        self._uploading, self.phase, job.started = False, "running", True
        chosen = asdict(inputs.named(job.settings))
        link.send("start", folder=job.folder.name, settings=chosen, resume=job.begun)
        if job.paused:
            link.send("pause")

    def _take_refused(self, message: Message) -> None:
        job = self.job
        if job is None:
            return
        now = time.monotonic()
        if message["code"] == IN_USE and self.phase == "opening" and now < (job.in_use_until or now + 1):
            job.in_use_until = job.in_use_until or now + IN_USE_SECONDS  # its earlier line may not have ended there
            self.due = now + IN_USE_PAUSE
            return
        self._fail(HOST, message["text"])

    def _take_begun(self, _message: Message) -> None:
        if self.job:
            self.job.begin()

    def _take_files(self, message: Message) -> None:
        for news in self.job.follow(message["names"]) if self.job else ():
            self._pass_on(news)

    def _take_progress(self, message: Message) -> None:
        if self.job:
            self.job.tries = 0
        self._pass_on(message)

    def _take_snapshot(self, message: Message) -> None:
        if self.job:
            self._pass_on(self.job.snapshot(message))

    def _take_result(self, message: Message) -> None:
        if self.job:
            self._pass_on({**message, "folder": str(self.job.folder)})

    def _take_error(self, message: Message) -> None:
        hint = message["hint"]
        if message["code"] == "environment":
            hint = f"Install sjc again on {self.other.host}: a package is missing there."
        self._pass_on({**message, "hint": hint})

    def _take_done(self, message: Message) -> None:
        if message["state"] == "finished" and self.job and self.link:
            self.link.send("forget")
            self.job.forget_name()
        self._done(message["state"])

    # -------------------------------------------------------------------------------------------------------- endings

    def _fail(self, code: str, text: str, hint: str = "") -> None:
        self._drop_link()
        if self.job:
            self.send("error", code=code, text=text, hint=hint)
            self._done("failed")

    def _done(self, state: str) -> None:
        if self._receiver:  # what still comes is of a job that has ended
            self._receiver.drop()
            self._receiver = None
        if self.job:
            self.job, self.phase = None, "idle"
            self.send("done", state=state)


def main(commands: IO[bytes], messages: IO[bytes]) -> int:
    """Serve over two streams; returns the exit status."""
    words = sys.argv[sys.argv.index("--other") + 1 :]
    return Bridge(commands, messages, Other(**json.loads(words[0])), *words[1:]).serve()
