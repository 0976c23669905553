"""Variants of a prompt: `sjc variants` as a process, whose events become those of the queue's jobs.  No bpy.

A variant ends as a stopped job: its folder holds a checkpoint, and `Queue.retry` takes it to full length.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..backend.sjc.settings import Settings, to_arguments
from .cluster import Message, ProcessBatch
from .records import JobRecord

AGAIN = "Make the variants again, or with other settings."


class VariantBatch(ProcessBatch):
    """The variants of one prompt.

    settings: of each, as `plan.variants_of` gives them. command: how `sjc variants` is started.
    """

    hint = AGAIN

    def __init__(self, settings: Sequence[Settings], folder: Path, command: list[str]) -> None:
        super().__init__(settings, folder, command)
        for job in self.jobs:
            job.variant = True

    def words(self) -> list[str]:
        """The first variant's settings, from which the command has those of the others."""
        first = self.jobs[0].settings
        count = ["-n", str(len(self.jobs))]
        return [*count, "--out", str(self.folder), "--json", *to_arguments(first), "--", first.prompt]

    def messages(self, job: JobRecord, event: Message) -> list[Message]:
        """Of a variant: how far it is, and that it has stopped where a variant stops."""
        kind = event["type"]
        own = {name: value for name, value in event.items() if name != "folder"}
        if kind == "variant":
            return [_whole(job, event["step"]), own, {"type": "done", "state": "stopped"}]
        if kind == "error":
            return [{**own, "hint": AGAIN}, {"type": "done", "state": "failed"}]
        return [own] if kind in {"progress", "status", "warning"} else []


def _whole(job: JobRecord, step: int) -> Message:
    """Progress against the steps of the whole job; until then it is that against the step where variants stop."""
    total = job.settings.steps
    return {"type": "progress", "step": step, "total": total, "it_s": 0.0, "eta_s": 0.0, "metrics": {}}
