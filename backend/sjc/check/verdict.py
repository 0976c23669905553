"""What one check of a model concludes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """name: one word.  ok: whether the check passed.  text: one sentence; a text that is not ok says what to do."""

    name: str
    ok: bool
    text: str
