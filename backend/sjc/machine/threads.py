"""How many CPU threads work at once, and on what.

torch, the renderer and ONNX Runtime each have threads of their own. In a step most of torch's operations are small:
split over threads they wait for threads to wake, and those keep the cores from the renderer's (measured: a step of the
embedded model outside its network 45 ms with two threads for everything, 38 ms with one for torch's small operations).
So torch gets one thread for those, and all for what is large. `count` is what the user gave the process, whatever torch
has now.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_given = 0  # torch's threads outside of `small`; 0: not inside


def count() -> int:
    """The threads this process may use."""
    return _given or torch.get_num_threads()


@contextmanager
def small() -> Iterator[None]:
    """Inside, torch's operations run on one thread, but for those within `large`."""
    global _given  # noqa: PLW0603  (torch's number of threads is the process's, too)
    if _given:
        yield
        return
    _given = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_given)
        _given = 0


@contextmanager
def large() -> Iterator[None]:
    """Within `small`: all threads again."""
    if not _given:
        yield
        return
    torch.set_num_threads(_given)
    try:
        yield
    finally:
        torch.set_num_threads(1)
