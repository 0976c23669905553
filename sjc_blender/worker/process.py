"""One worker process from outside: started, heard, told, watched, ended.  No bpy, no torch.

Threads do what may wait (one writes commands, one reads messages, one reads the log); the caller polls and never waits.
Whatever is wrong with the process comes out of `poll` as one message: {"type": "error", "code": "worker", ...}.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .. import problems
from ..backend.sjc import foreign
from ..backend.sjc.errors import SjcError
from ..backend.sjc.worker import protocol
from ..install import environment as environments
from .pipes import CHUNK, Inbox, lines_of

__all__ = ["USUAL", "Times", "WorkerProcess", "kill_all"]

Message = dict[str, Any]
NO_MESSAGE = "The worker sent something that is not a message, so it was ended."
LOADING = frozenset({"import", "load"})  # stages of a job in which libraries are loaded
TAIL_LINES, LOG_BYTES, GARBAGE_LINES = 100, 5_000_000, 20

_living: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


@dataclass(frozen=True)
class Times:
    """Seconds.  hello: from the start to the first message. silence: without any message, then the worker hangs.

    loading: the same while libraries and model are loaded: a cold disk may hold the process for half a minute, its
    heartbeats included.

    message, terminate: how long the first two stages of stopping may take; the third is a kill. gap: two polls further
    apart than this count as so long: a sleeping computer or a blocked Blender is no silence of the worker's.
    """

    hello: float = 60.0
    silence: float = 30.0
    loading: float = 300.0
    message: float = 5.0
    terminate: float = 3.0
    gap: float = 1.0


USUAL = Times()


class WorkerProcess:
    """One process that speaks protocol.py.  command: program and arguments. environment: further variables.

    log: a file that its standard error is appended to; may be changed at any time. package: the folder of the `sjc`
    that it must run. times, clock: for tests.
    """

    def __init__(
        self,
        command: list[str],
        *,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        package: Path | None = None,
        times: Times = USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.command, self.environment, self.log = list(command), environment, log
        self.package = package or environments.PACKAGE / "sjc"
        self.times, self.clock = times, clock
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.hello: Message | None = None
        self.quiet_s = 0.0  # as the last heartbeat says
        self.inbox = Inbox()
        self._commands: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = self._garbage = 0
        self._refused = ""
        self._loading = False  # from a job's start to the first word that is not about loading
        self._reported = self._over = self._stopping = False
        self._stages: list[tuple[float, Callable[[], None]]] = []
        self._readers: list[threading.Thread] = []
        self._polled = self._waited = self._ended_at = 0.0
        self._heard_before = 0

    # ------------------------------------------------------------------------------------------------ for the caller

    def start(self) -> None:
        """Start it; returns at once.  Raises SjcError when there is no such program."""
        try:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                env=environments.clean_environment(self.environment), cwd=tempfile.gettempdir(), **_own_group(),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SjcError(f"The worker could not be started: {self.command[0]}: {reason}.") from error
        _living.add(self)
        self._polled = self.clock()
        process = self._process
        self._readers = [self._thread(self._read, process.stdout), self._thread(self._read_log, process.stderr)]
        self._thread(self._write, process.stdin)

    def _thread(self, work: Callable[[IO[bytes]], None], stream: IO[bytes] | None) -> threading.Thread:
        thread = threading.Thread(target=work, args=(stream,), name=f"worker{work.__name__}", daemon=True)
        thread.start()
        return thread

    @property
    def pid(self) -> int:
        """0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether it was started and `poll` has not yet seen the end of it."""
        return self._process is not None and not self._over

    @property
    def stopping(self) -> bool:
        """Whether it is being ended, by `stop` or because of an error, or is dead already."""
        return self._stopping or (self._process is not None and self._process.returncode is not None)

    def send(self, type_: str, **fields: Any) -> None:
        """Send a command; one that the process can no longer read is lost."""
        self._loading = self._loading or type_ == "start"
        self._commands.put(protocol.encode({"type": type_, **fields}))

    def poll(self) -> list[Message]:
        """What it has said since the last time; drives `stop`.  Never waits."""
        if self._process is None or self._over:
            return []
        ended = self._has_ended()
        messages = self.inbox.take()
        problem = self._current_problem(ended)
        if problem and not self._reported and not self._stopping:
            self._reported = True
            self.stop()
            messages.append(problem)
        if ended:
            self._forget()
        elif self._stages and self.clock() >= self._stages[0][0]:
            self._stages.pop(0)[1]()
        return messages

    def stop(self, grace: float | None = None) -> None:
        """Begin to end it: a message, after `grace` seconds (Times.message) a signal, then a kill.  Returns at once."""
        if not self.alive or (self._stopping and grace is None):
            return
        if not self._stopping:
            self.send("shutdown")
            self._commands.put(None)
        self._stopping = True
        first = self.clock() + (self.times.message if grace is None else grace)
        second = first + self.times.terminate
        self._stages = [(first, self._terminate), (second, self._kill_group), (second + 5, self._forget)]

    def kill(self, seconds: float = 2.0) -> None:
        """End it now, with all its children; waits for at most `seconds`."""
        if self._process is None or self._over:
            return
        self._stopping = True
        self._kill_group()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._forget()

    # ------------------------------------------------------------------------------------------------------ watching

    def _has_ended(self) -> bool:
        """Dead, and all that it said is read; a child that keeps the pipe open is not waited for."""
        assert self._process is not None
        if self._process.poll() is None:
            return False
        self._ended_at = self._ended_at or self.clock()
        return not any(r.is_alive() for r in self._readers) or self.clock() - self._ended_at > 1.0

    def _current_problem(self, ended: bool) -> Message | None:
        assert self._process is not None
        now = self.clock()
        self._waited += min(now - self._polled, self.times.gap)
        self._polled = now
        if self._heard != self._heard_before:
            self._heard_before, self._waited = self._heard, 0.0
        if self._refused:
            return self._error("backend", f"{self._refused}.", "Install the add-on again, then restart Blender.")
        if self._garbage > GARBAGE_LINES:
            return self._error("worker", NO_MESSAGE, problems.RETRY)
        if ended:
            exit_problem = problems.of_exit(self._process.returncode, self.tail, self.hello is not None)
            return self._error(exit_problem.code, exit_problem.text, exit_problem.hint)
        if self.hello is None and self._waited > self.times.hello:
            text = f"The worker did not respond for {self.times.hello:.0f} s after its start, so it was ended."
            return self._error("backend", text, "Try again. If it happens again, use Check or Install Backend.")
        silence = max(self.times.silence, self.times.loading) if self._loading else self.times.silence
        if self.hello is not None and self._waited > silence:
            text = f"The worker stopped responding for {silence:.0f} s, so it was ended."
            return self._error("worker", text, problems.RETRY)
        return None

    def _error(self, reason: str, text: str, hint: str) -> Message:
        details = "\n".join(self.tail)
        return {"type": "error", "code": "worker", "reason": reason, "text": text, "hint": hint, "details": details}

    # -------------------------------------------------------------------------------------------------------- ending

    def _terminate(self) -> None:
        assert self._process is not None
        if sys.platform == "win32":
            self._process.terminate()
        else:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def _kill_group(self) -> None:
        assert self._process is not None
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                _kill_tree(self._process.pid)
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    def _forget(self) -> None:
        """It is over: whatever it has left behind goes too."""
        if sys.platform != "win32":
            self._kill_group()
        self._commands.put(None)
        self._over = True
        _living.discard(self)

    # -------------------------------------------------------------------------------------------------- in the threads

    def _write(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError), stream:
            while (line := self._commands.get()) is not None:
                while line:
                    line = line[stream.write(line) :]

    def _read(self, stream: IO[bytes]) -> None:
        for line in lines_of(stream, protocol.LONGEST_LINE):
            try:
                if line is None:
                    raise SjcError("a line without end")  # noqa: TRY301 (counted like every other)
                self._receive(protocol.decode(line, protocol.DOWN))
            except Exception as error:  # noqa: BLE001 (whatever a line holds, the next one is read)
                self._garbage += 1
                if self._garbage <= GARBAGE_LINES:
                    self._note(f"(not understood: {error})")

    def _receive(self, message: Message) -> None:
        if self._refused:
            return
        if self.hello is None:
            self._refused = protocol.check_hello(message, self.package)
            if self._refused:
                return
            self.hello = message
        self._heard += 1
        if message["type"] not in ("heartbeat", "warning"):
            self._loading = message["type"] == "status" and message["stage"] in LOADING
        if message["type"] == "heartbeat":
            self.quiet_s = float(message["quiet_s"])
        else:
            self.inbox.put(message)

    def _read_log(self, stream: IO[bytes]) -> None:
        for line in lines_of(stream, CHUNK):
            self._note("(a very long line)" if line is None else line.decode("utf-8", "replace").rstrip())

    def _note(self, line: str) -> None:
        self.tail.append(line[:1000])
        log = self.log
        if log is None:
            return
        # Its folder may be gone, or something else may stand there.
        with contextlib.suppress(OSError, ValueError, SjcError), foreign.appended(log) as file:
            if file.tell() < LOG_BYTES:
                file.write(line.encode("utf-8", "replace") + b"\n")


def _own_group() -> dict[str, Any]:
    """Out of Blender's reach of Ctrl-C; on Windows without a window, and below Blender's priority."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    return {"start_new_session": True}


def _kill_tree(pid: int) -> None:
    subprocess.Popen(
        ["taskkill", "/F", "/T", "/PID", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_own_group()
    )


def kill_all() -> None:
    """End every worker that is still there; at exit, should nobody have done so before."""
    for process in list(_living):
        process.kill(seconds=1.0)


atexit.register(kill_all)
