"""How far a job is, on stderr: what `Job.wait` shows in scripts.  No bpy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .job import Job


class Bar:
    """One line on stderr: a bar that overwrites itself on a terminal, a line every ten percent elsewhere."""

    def __init__(self, job: Job, width: int = 24) -> None:
        self.job, self.width, self.shown = job, width, ""
        self.name = " ".join(job.prompt.split())[:40]

    def draw(self) -> None:
        """Show what has changed."""
        record = self.job.record
        live_terminal = sys.stderr is not None and sys.stderr.isatty()
        full = int(self.job.progress * self.width)
        eta = f", {self.job.eta:.0f} s left" if self.job.eta else ""
        counted = f"{record.step}/{record.total} {record.it_s:.1f} step/s{eta}" if record.total else record.text
        stage = record.stage or self.job.state
        text = f"{self.name}  {stage:<9} [{'#' * full}{'.' * (self.width - full)}] {counted}"
        key = text if live_terminal else f"{stage} {int(self.job.progress * 10)}"
        if key != self.shown and sys.stderr is not None:
            self.shown = key
            sys.stderr.write(f"\r{text:<110}" if live_terminal else text + "\n")
            sys.stderr.flush()

    def end(self) -> None:
        """The last line: how it ended, and where it lies or what went wrong."""
        if sys.stderr is not None:
            end = f"{self.name}  {self.job.state}: {self.job.error or self.job.folder}"
            sys.stderr.write(("\r" + " " * 110 + "\r" if sys.stderr.isatty() else "") + end + "\n")
