"""How far a check is: pictures through the network, by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

Report = Callable[[dict[str, Any]], None]


class Progress:
    """Counts pictures through the network and reports them as events of `job/progress.py`.

    Calls of different size take different times for each picture, so the rate is that of the whole stage.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.begin("load", 0)

    def begin(self, stage: str, total: int) -> None:
        """A new stage with so many pictures, 0 where there is nothing to count."""
        self.stage, self.total, self.done, self.began = stage, total, 0, time.perf_counter()

    def status(self, stage: str, text: str, total: int = 0) -> None:
        """A new stage, and its line."""
        self.begin(stage, total)
        self.report({"type": "status", "stage": stage, "text": text})

    def count(self, pictures: int) -> None:
        """So many more are done."""
        if not self.total:
            return
        self.done = min(self.done + pictures, self.total)
        rate = self.done / max(time.perf_counter() - self.began, 1e-9)
        self.report({
            "type": "progress", "stage": self.stage, "step": self.done, "total": self.total, "it_s": round(rate, 2),
            "eta_s": round((self.total - self.done) / rate, 1), "unit": "picture",
        })  # fmt: skip
