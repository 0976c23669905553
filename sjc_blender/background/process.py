"""Starts a background Blender, waits for its answer without blocking, and ends it where it takes too long.  No bpy."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Literal

from ..backend.sjc.errors import SjcError

INSIDE = Path(__file__).with_name("inside.py")
LIMIT = 600.0  # seconds
LOG = "blender.log"

State = Literal["running", "finished", "failed", "cancelled"]


def command(binary: str, request: Path) -> list[str]:
    """How to start it.  binary: Blender's program, "" where Blender is a module of the Python that runs here."""
    blender = [binary, "-b", "--factory-startup", "--python"] if binary else [sys.executable]
    return [*blender, str(INSIDE), "--", str(request)]


class BackgroundBlender:
    """One request and its answer.

    folder: the request, the log and what is exchanged; removed by `close`. problem: one line, where it failed. answer:
    what `inside.py` gave, where it finished.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sjc-blender-"))
        self.limit = limit
        self.state: State = "running"
        self.problem = ""
        self.answer: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._began = time.monotonic()

    def start(self, binary: str, request: Mapping[str, Any]) -> None:
        """Begin. Raises SjcError where Blender's program cannot be started."""
        file = self.folder / "request.json"
        file.write_text(json.dumps({**request, "answer": str(self.folder / "answer.json")}), "utf-8")
        quiet = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or not binary}
        flags = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
        self._log = (self.folder / LOG).open("wb")
        try:
            self._process = subprocess.Popen(
                command(binary, file),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=quiet,
                **flags,
            )
        except OSError as error:
            self.close()
            raise SjcError(f"A background Blender could not be started: {error.strerror or error}.") from error
        self._began = time.monotonic()

    def poll(self) -> State:
        """Where it stands; never blocks."""
        if self.state != "running" or self._process is None:
            return self.state
        code = self._process.poll()
        if code is None and time.monotonic() - self._began > self.limit:
            self._end()
            minutes = max(1, round(self.limit / 60))
            text = f"The background Blender took longer than {minutes} minutes; ask for fewer faces."
            return self._fail(text)
        if code is None:
            return "running"
        self._end()
        try:
            answer = json.loads((self.folder / "answer.json").read_text("utf-8"))
        except (OSError, ValueError):
            text = f"The background Blender ended with code {code} and left no answer; ask for fewer faces."
            return self._fail(text)
        if "problem" in answer:
            text = f"The background Blender could not do it: {answer['problem'].rstrip('.')}."
            return self._fail(text)
        self.answer, self.state = answer, "finished"
        return self.state

    def cancel(self) -> None:
        """End it; what it was to replace stays as it is."""
        if self.state == "running":
            self._end()
            self.state = "cancelled"

    def close(self) -> None:
        """End it, and remove its folder."""
        self.cancel()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fail(self, problem: str) -> State:
        self.problem, self.state = problem, "failed"
        return self.state

    def _end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        if self._log:
            self._log.close()
