"""What went wrong, in words that help: exit codes, log lines and error messages become a text and a hint.  No bpy."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .backend.sjc import causes

__all__ = ["Problem", "of_error", "of_exit"]

BACKEND = "Install the backend again, or choose another Python for it in the Backend panel."
RETRY = "Press Retry to continue from the last checkpoint. If it happens again, use Open Log for details."
CRASH = (
    "Press Retry to continue from the last checkpoint. If it happens again, update the graphics driver, or set Device "
    "to cpu and generate again."
)

# What the last lines of a process's log say about its end: (pattern, code, text, hint).
_EXIT_MESSAGES = (
    (
        r"(ModuleNotFoundError|ImportError|DLL load failed).*",
        "backend",
        "The backend's Python cannot load a package: {}",
        BACKEND,
    ),
    (r"can't open file.*", "backend", "The worker's program is missing: {}", "Install the add-on again."),
)
_WINDOWS_LEAST = 0xC0000000
LAST = 5  # lines of a log that can tell of its end


@dataclass(frozen=True)
class Problem:
    """Why a job failed.

    code: input, folder, locked, backend, worker, bug, or one of the engine's `causes`; the panel chooses its Fix
    buttons by it. text: what happened; hint: what to do; details: log lines, a traceback.
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
    if cause := causes.of_lines(lines[-LAST:]):
        return Problem(cause.code, cause.text, cause.hint, details)
    for pattern, kind, text, hint in _EXIT_MESSAGES:
        for line in reversed(lines[-LAST:]):
            if match := re.search(pattern, line, re.IGNORECASE):
                return Problem(kind, text.format(match[0][:200]), hint, details)
    last = f': "{lines[-1][:200]}"' if lines else ""
    unsigned, cause = code & 0xFFFFFFFF, causes.of_exit(code)
    if cause and cause.code == "memory":
        text = "The system ended the worker, most likely because memory ran out."
        return Problem("memory", text, cause.hint, details)
    if cause:
        return Problem(cause.code, cause.text, cause.hint, details)
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
    cause = causes.BY_CODE.get(code)
    hint = message["hint"] or (cause.hint if cause else BACKEND if code == "backend" else "")
    return Problem(str(code), message["text"], hint, str(message.get("traceback") or message.get("details") or ""))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
