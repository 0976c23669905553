"""Measures a model with the backend's Python: `sjc models check` in a process that sends events.  No bpy, no torch."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..backend.sjc.check.place import PICTURE
from ..install.installer import Progress
from .fetching import Work, command_for, last_line

__all__ = ["CheckModel", "ModelReport"]

MEASURED = (0, 1)  # exit statuses: sound, and with a check that failed


@dataclass(frozen=True)
class ModelReport:
    """What a check came to.  folder: of check.json and check.png.  checks: {"name", "ok", "text"} each."""

    folder: Path
    ok: bool
    checks: tuple[dict[str, Any], ...]

    @property
    def picture(self) -> Path:
        """check.png."""
        return self.folder / PICTURE


class CheckModel(Work):
    """One check.  python: the backend's.  model: as a job takes it.  folder: where the report goes.

    `report` holds what it came to once `poll` says done; a model that fails a check is measured, and done.
    """

    def __init__(self, python: str | Path, model: str, folder: Path, device: str = "auto") -> None:
        options = ["--output", str(folder), "--device", device]
        super().__init__([*command_for(python, "check", model), *options], "check")
        self.model = model
        self.state, self.text, self.stage, self.factor = "running", "", "load", 0.0
        self.seconds_left = -1.0
        self.report: ModelReport | None = None

    def poll(self) -> Progress:
        """Where it stands; never blocks.  The text is what went wrong."""
        return Progress(self.state, self.stage, self.factor, self.text)

    def cancel(self) -> None:
        """Stop; nothing is kept."""
        self.state = "cancelled"
        if self.process:
            self.process.kill()

    def _fail(self, text: str) -> None:
        self._end("failed", text)

    def _run(self) -> None:
        if (process := self._begin()) is None:
            return
        if self.state == "cancelled":
            process.kill()
        assert process.stdout is not None
        assert process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
        reader.start()
        self._follow(process.stdout)
        reader.join()
        if process.wait() in MEASURED and self.report:
            self._end("done", "")
        else:
            self._end("failed", last_line(errors) or "The check ended without a result.")

    def _follow(self, stream: IO[str]) -> None:
        for line in stream:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # not an event of ours
                self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "status":
            self.stage, self.factor, self.seconds_left = str(event["stage"]), 0.0, -1.0
        elif event["type"] == "progress":
            self.factor, self.seconds_left = float(event["step"] / event["total"]), float(event["eta_s"])
        elif event["type"] == "result":
            checks = ({"name": str(c["name"]), "ok": bool(c["ok"]), "text": str(c["text"])} for c in event["checks"])
            self.report = ModelReport(Path(event["folder"]), bool(event["ok"]), tuple(checks))

    def _end(self, state: str, text: str) -> None:
        if self.state == "running":
            self.text, self.state = text, state
