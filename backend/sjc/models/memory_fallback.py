"""Out of memory is answered by the next cheaper way, said once; where none is left, by one line of advice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from ..errors import SjcError

Result = TypeVar("Result")
Tell = Callable[[str], object]


def to_stderr(line: str) -> None:
    """Where nobody else listens: the terminal, or the worker's log."""
    print(f"sjc: {line}", file=sys.stderr)


class Descent:
    """Runs work that may find no room on its device.

    ways: a generator; every step of it makes the work cheaper and yields, in words, what it did. It is kept between
    calls: a way once taken stays taken.  advice: what a person can do when all are taken.  tell: given each way's
    words.
    """

    def __init__(self, ways: Iterator[str], advice: str, tell: Tell = to_stderr) -> None:
        self.ways, self.advice, self.tell = ways, advice, tell

    def __call__(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, done again after each cheaper way. Raises SjcError where it still finds no room."""
        while True:
            try:
                return work()
            except torch.OutOfMemoryError:
                pass  # out of this block first: the error holds on to the tensors of the failed try
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            way = next(self.ways, None)
            if way is None:
                raise SjcError(self.advice)
            self.tell(f"The device's memory was full; from now on {way}.")
