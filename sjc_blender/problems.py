"""What went wrong, in words that help: exit codes, log lines and error messages become a text and a hint.  No bpy."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem", "of_error", "of_exit"]

MEMORY = (
    "Close other programs or use Free GPU Memory, then press Retry to continue from the last checkpoint. If that is "
    "not enough, use Edit Settings to lower Grid or Views per Step or to choose a smaller model, and generate "
    "again."
)
DISK = (
    "Free some disk space, then press Retry to continue from the last checkpoint; or choose another output folder and "
    "generate again."
)
BACKEND = "Install the backend again, or choose another Python for it in the Backend panel."
RETRY = "Press Retry to continue from the last checkpoint. If it happens again, use Open Log for details."
CRASH = (
    "Press Retry to continue from the last checkpoint. If it happens again, update the graphics driver, or set Device "
    "to cpu and generate again."
)

# What the last lines of a process's log say about its end: (pattern, code, text, hint).
_EXIT_MESSAGES = (
    (
        r"MemoryError|out of memory|not enough memory|cannot allocate memory",
        "memory",
        "The computer or its graphics card ran out of memory.",
        MEMORY,
    ),
    (r"No space left on device|disk is full|disk quota|not enough space", "disk", "The disk is full.", DISK),
    (
        r"(ModuleNotFoundError|ImportError|DLL load failed).*",
        "backend",
        "The backend's Python cannot load a package: {}",
        BACKEND,
    ),
    (r"can't open file.*", "backend", "The worker's program is missing: {}", "Install the add-on again."),
)
_WINDOWS_MEMORY, _WINDOWS_LEAST = (0xC0000017, 0xC000012D), 0xC0000000


@dataclass(frozen=True)
class Problem:
    """Why a job failed.

    code: input, folder, locked, memory, disk, backend, worker, bug; the panel chooses its Fix button by it. text: what
    happened; hint: what to do; details: log lines, a traceback.
    """

    code: str
    text: str
    hint: str = ""
    details: str = ""


def of_exit(code: int, tail: Iterable[str], had_started: bool = True) -> Problem:
    """Why a process ended by itself.

    code: the exit code as subprocess gives it, negative for a signal.
    tail: the last lines of its log.
    had_started: whether its first message has come.
    """
    lines = [line.strip() for line in tail if line.strip() and not line.startswith("(not understood")]
    details = "\n".join(lines)
    for pattern, kind, text, hint in _EXIT_MESSAGES:
        for line in reversed(lines[-5:]):
            if match := re.search(pattern, line, re.IGNORECASE):
                return Problem(kind, text.format(match[0][:200]), hint, details)
    last = f': "{lines[-1][:200]}"' if lines else ""
    unsigned = code & 0xFFFFFFFF
    if code == -9 or unsigned in _WINDOWS_MEMORY:
        text = "The system ended the worker, most likely because memory ran out."
        return Problem("memory", text, MEMORY, details)
    if code < 0 and -code not in (signal.SIGTERM, signal.SIGINT):
        return Problem("worker", f"The worker crashed ({_signal(-code)}){last}", CRASH, details)
    if unsigned >= _WINDOWS_LEAST and code > 0:
        return Problem("worker", f"The worker crashed (0x{unsigned:08X}){last}", CRASH, details)
    if not had_started:
        return Problem("backend", f"The worker did not start (exit code {code}){last}", BACKEND, details)
    how = _signal(-code) if code < 0 else f"exit code {code}"
    return Problem("worker", f"The worker ended unexpectedly ({how}){last}", RETRY, details)


def of_error(message: dict[str, Any]) -> Problem:
    """The problem that a worker's error message tells of, with advice where it gives none."""
    code = {"environment": "backend", "worker": message.get("reason", "worker")}.get(message["code"], message["code"])
    hint = message["hint"] or {"memory": MEMORY, "disk": DISK, "backend": BACKEND}.get(code, "")
    return Problem(str(code), message["text"], hint, str(message.get("traceback") or message.get("details") or ""))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
