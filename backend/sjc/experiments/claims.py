"""What the paper says, beside what a record says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .records import Record


@dataclass(frozen=True)
class Claim:
    """says: the paper's statement, or its code's choice. held: what a record says of it, None where it cannot tell.

    why: the reason, where the record does not bear it out; "likely" marks what was not measured.
    """

    says: str
    held: Callable[[Record], bool | None]
    why: str


def text(claims: Sequence[Claim], record: Record) -> str:
    """A Markdown paragraph with a line for each claim; "" without any."""
    lines = []
    for claim in claims:
        held = claim.held(record)
        verdict = (
            "cannot be told from these numbers" if held is None else "holds here" if held else "does not hold here"
        )
        lines.append(f"- {claim.says}: **{verdict}**." + ("" if held else f" {claim.why}"))
    return "\n".join(["**Against the paper.**", "", *lines]) if lines else ""
