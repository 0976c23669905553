"""Standard input belongs to this program: no library may ask there, where a waiting `yes` would be its answer."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def take() -> int:
    """A descriptor of what standard input was; from now on everybody else finds it empty, children of ours too."""
    own = os.dup(0)
    _point_at_nothing()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (stays open)
    return own


@contextlib.contextmanager
def withheld() -> Iterator[None]:
    """Empty within the block, for everybody, and as it was after it."""
    before = sys.stdin
    try:
        own = os.dup(0)
    except OSError:  # there is none, as in a window's program
        yield
        return
    _point_at_nothing()
    try:
        with open(os.devnull, encoding="utf-8") as sys.stdin:  # noqa: PTH123
            yield
    finally:
        os.dup2(own, 0)
        os.close(own)
        sys.stdin = before


def _point_at_nothing() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if nothing != 0:
        os.close(nothing)
