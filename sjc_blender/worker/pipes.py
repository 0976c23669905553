"""What comes out of a worker's pipes: lines of bounded length at a bounded pace, messages in a bounded box.  No bpy."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

__all__ = ["CHUNK", "Inbox", "lines_of", "newest"]

Message = dict[str, Any]
CHUNK = 1 << 16
FLOOD_SECONDS = 0.1  # whoever says more than a chunk in this time waits for the rest of it


class Inbox:
    """Messages from the reading thread to the polling one.  Bounded: what nobody fetches is merged, then dropped."""

    LIMIT = 500
    LESS_NEEDED = frozenset({"progress", "status", "warning", "snapshot"})

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[Message] = []

    def put(self, message: Message) -> None:
        """Add one; progress takes the place of progress."""
        with self._lock:
            last = self._messages[-1]["type"] if self._messages else ""
            if message["type"] == last == "progress":
                self._messages.pop()
            elif len(self._messages) >= self.LIMIT:
                kinds = (i for i, m in enumerate(self._messages) if m["type"] in self.LESS_NEEDED)
                del self._messages[next(kinds, 0)]
            self._messages.append(message)

    def take(self) -> list[Message]:
        """All that came since the last time."""
        with self._lock:
            taken, self._messages = self._messages, []
        return taken


def lines_of(stream: IO[bytes], longest: int, wait: Callable[[float], None] = time.sleep) -> Iterator[bytes | None]:
    """The lines of a pipe until its end; None for one of more than `longest` bytes.  Slows a flood down."""
    rest, skipping = b"", False
    began, spent = time.monotonic(), 0
    with contextlib.suppress(OSError, ValueError):
        while chunk := stream.read(CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if not skipping and line.strip():
                    yield line if len(line) <= longest else None
                skipping = False
            if len(rest) > longest:
                if not skipping:
                    yield None
                rest, skipping = b"", True
            now = time.monotonic()
            began, spent = (began, spent + len(chunk)) if now - began < FLOOD_SECONDS else (now, len(chunk))
            if spent > CHUNK:
                wait(FLOOD_SECONDS)
    if rest.strip() and not skipping:
        yield rest


def newest(events: list[tuple[Any, Message]]) -> list[tuple[Any, Message]]:
    """Without what newer progress, snapshots and paintings of the same job have overtaken; (job, message) pairs."""
    overtaken: set[tuple[int, str]] = set()
    remaining: list[tuple[Any, Message]] = []
    for job, message in reversed(events):
        key = (id(job), message["type"])
        if message["type"] in {"progress", "snapshot", "painted"} and key in overtaken:
            continue
        overtaken.add(key)
        remaining.append((job, message))
    return remaining[::-1]
