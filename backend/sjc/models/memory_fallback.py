"""Running out of memory: the work is done again in a cheaper way, and the person reads which."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from ..errors import SjcError
from ..machine.memory import is_out_of_memory

Result = TypeVar("Result")
Tell = Callable[[str], object]
"""Takes a line for a person to read."""


def to_stderr(line: str) -> None:
    """The `Tell` where nobody gave another: the terminal, or the worker's log."""
    print(f"sjc: {line}", file=sys.stderr)


class MemoryFallback:
    """Runs work that may need more memory than its device has, in the first way that fits.

    ways: a generator.  Each step of it makes the work cheaper and yields a phrase that says how.  It is kept between
        calls, so that a way once taken stays taken.
    fact: what is so when no cheaper way is left, one sentence; whoever shows it adds what a person can do.
    tell: is given a sentence for each way that is taken.
    """

    def __init__(self, ways: Iterator[str], fact: str, tell: Tell = to_stderr) -> None:
        self.ways, self.fact, self.tell = ways, fact, tell

    def __call__(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, done again after each cheaper way.  Raises SjcError with the fact when all fail."""
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out of that block first: the error holds on to the tensors of the failed try.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            way = next(self.ways, None)
            if way is None:
                raise SjcError(self.fact, code="memory")
            self.tell(f"The device's memory was full; from now on {way}.")
