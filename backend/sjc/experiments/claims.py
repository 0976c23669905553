"""The paper's claims, each beside the verdict of a record."""

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


def verdict(held: bool | None) -> str:
    """The end of a sentence on a claim: "holds here"; None: the numbers cannot decide it."""
    return "cannot be decided from these numbers" if held is None else "holds here" if held else "does not hold here"


def text(claims: Sequence[Claim], record: Record) -> str:
    """A Markdown paragraph with a line for each claim; "" without any."""
    lines = []
    for claim in claims:
        held = claim.held(record)
        lines.append(f"- {claim.says}: **{verdict(held)}**." + ("" if held else f" {claim.why}"))
    return "\n".join(["**Against the paper.**", "", *lines]) if lines else ""
