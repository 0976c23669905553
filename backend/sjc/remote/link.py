"""One ssh process: what is written to it, and what it says, put into one queue of events."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from typing import IO, Any

from ..worker import protocol
from . import ssh
from .ssh import Failure, Other

TAIL = 20
LONGEST_NOTE = 1 << 16
Event = tuple[str, Any, Any]
"""("line", this link, bytes) or ("lost", this link, Failure)."""


class Link:
    """A connection that is being made or is there.  Raises SjcError where there is no program ssh, and OSError."""

    def __init__(self, other: Other, events: queue.Queue[Event], *words: str) -> None:
        self.other, self.events = other, events
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._write = threading.Lock()
        command = ssh.command(other, other.folder, *words)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **ssh.quiet()
        )
        notes = threading.Thread(target=self._read_notes, args=(self.process.stderr,), name="notes", daemon=True)
        notes.start()
        threading.Thread(target=self._read, args=(self.process.stdout, notes), name="line", daemon=True).start()

    def send(self, type_: str, **fields: Any) -> None:
        """Send a message; where the line is lost, its end says so."""
        line = protocol.encode({"type": type_, **fields})
        stream = self.process.stdin
        assert stream is not None
        with self._write, contextlib.suppress(OSError, ValueError):
            while line:
                line = line[stream.write(line) :]

    def close(self) -> None:
        """End it; nothing more is heard of it."""
        with contextlib.suppress(OSError, ValueError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()

    def _read(self, stream: IO[bytes], notes: threading.Thread) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in _lines(stream):
                self.events.put(("line", self, line))
        code = self.process.wait()
        notes.join(1.0)
        self.events.put(("lost", self, (code, self._failure(code))))

    def _failure(self, code: int) -> Failure:
        return ssh.failure(self.other, code, self.tail)

    def _read_notes(self, stream: IO[bytes]) -> None:
        """What ssh and the program there say on standard error goes into the log of whoever started us."""
        with contextlib.suppress(OSError, ValueError):
            for line in _lines(stream):
                self.tail.append(line[:LONGEST_NOTE].decode("utf-8", "replace"))
                with contextlib.suppress(OSError):
                    os.write(sys.stderr.fileno(), line)


def _lines(stream: IO[bytes]) -> Any:
    """Lines of bounded length; of a longer one its beginning."""
    with open(stream.fileno(), "rb", closefd=False) as buffered:
        while line := buffered.readline(protocol.LONGEST_LINE + 1):
            yield line
