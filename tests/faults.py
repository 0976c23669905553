"""Deliberate mistakes that the tests must catch: `python3 build.py faults` makes them one at a time in a copy.

Each is a mistake that somebody could make, or has made: a swapped axis, a lost half voxel, a wrong sign. One that
survives is a hole in the tests, to be closed there and never here. One whose text no longer matches (tests/house asks
that it stand exactly once) is rewritten for the new code.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One mistake: in `file`, `old` becomes `new`, and at least one of `tests` (pytest node ids) must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


FAULTS: list[Fault] = []
