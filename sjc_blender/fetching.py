"""Downloads a model with the backend's Python, beside everything else: `sjc models fetch` in a process.  No bpy, no torch."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

from . import environment
from .installer import Progress

__all__ = ["Fetch"]

FETCH = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sjc.cli import main; sys.exit(main(['models', 'fetch', sys.argv[1]]))"


class Fetch:
    """One download.  python: the backend's; model: a hub id. Broken off and started again, it goes on."""

    def __init__(self, python: str | Path, model: str) -> None:
        self.command = [
            str(python), "-X", "utf8", "-B", "-c", FETCH, str(environment.PACKAGE), model,
        ]  # fmt: skip
        self.state, self.text = "running", ""
        self.process: subprocess.Popen[str] | None = None
        self.thread = threading.Thread(target=self._run, name="fetch", daemon=True)

    def start(self) -> Fetch:
        """Begin; returns at once."""
        self.thread.start()
        return self

    def poll(self) -> Progress:
        """Where it stands; never blocks."""
        return Progress(self.state, "fetch", 0.0, self.text)

    def cancel(self) -> None:
        """Stop; what came so far is kept in the cache."""
        self.state = "cancelled"
        if self.process:
            self.process.kill()

    def _run(self) -> None:
        options: dict[str, Any] = environment.quiet()
        try:
            self.process = subprocess.Popen(
                self.command, env=environment.clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", **options,
            )  # fmt: skip
            if self.state == "cancelled":
                self.process.kill()
            _, said = self.process.communicate()
        except OSError as error:
            self._end("failed", f"{self.command[0]} does not start: {error.strerror or error}")
            return
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if self.process.returncode == 0:
            self._end("done", "")
        else:
            self._end(
                "failed", lines[-1].removeprefix("sjc: ") if lines else "the download ended without a word"
            )

    def _end(self, state: str, text: str) -> None:
        if self.state == "running":
            self.text, self.state = text, state
