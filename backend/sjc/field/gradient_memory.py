"""Memory of the renderer's gradients on a CPU, kept from step to step.

A gradient has the size of the grid, and fresh memory is slow: the system hands it out page by page, each filled with
zeroes (measured at 100^3 x 5, fog: 10 ms of 32). So the last gradient's memory is lent again once nobody has it any
more, and only what was written to is zeroed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class _Lent(NamedTuple):
    """Memory as it was handed out: zero in the blocks that were `clear`, unless torch's version has moved on."""

    memory: Tensor
    owners: int
    version: int
    clear: Tensor


_last: list[_Lent] = []  # at most one
_spare: list[Tensor] = []  # other threads' gradients between steps, all zero


def lend(grid: Tensor, clear: Tensor, erase: Callable[[Tensor, Tensor | None], None]) -> Tensor:
    """Zeroes like `grid`, to be written to only where the blocks are not `clear` (an empty `clear`: anywhere).

    erase(memory, clear) zeroes the blocks of `memory` that are not clear; all of it without `clear`. Whoever writes to
    the tensor elsewhere must do so through torch, which counts changes in place.
    """
    last = _last.pop() if _last else None
    if last is None or last.memory.shape != grid.shape or _owners(last.memory) != last.owners:
        memory = torch.zeros_like(grid)
        owners = _owners(memory)
    else:
        memory, owners = last.memory, last.owners
        untouched = _version(memory) == last.version
        erase(memory, last.clear if untouched and last.clear.numel() else None)
    _last.append(_Lent(memory, owners, _version(memory), clear))
    # Another tensor over the same memory: autograd takes over a gradient without a copy if nobody else has the tensor.
    return memory.detach()


def forget() -> None:
    """Give the kept memory back."""
    _last.clear()
    _spare.clear()


def _owners(tensor: Tensor) -> int:
    """How many tensors and storages use this memory (torch's own count, as its CUDA graphs ask for it)."""
    return torch._C._storage_Use_Count(tensor.untyped_storage()._cdata)  # noqa: SLF001


def _version(tensor: Tensor) -> int:
    """Changes in place so far, of all tensors over the same memory."""
    return tensor._version  # noqa: SLF001


@contextlib.contextmanager
def zeroed(grid: Tensor, count: int) -> Iterator[list[Tensor]]:
    """`count` zero tensors like `grid`, kept for the next step if they come back zero (not after an exception)."""
    spare = [one for one in _spare if one.shape == grid.shape][:count]
    _spare.clear()  # the size of an earlier grid
    lent = spare + [torch.zeros_like(grid) for _ in range(count - len(spare))]
    yield lent
    _spare.extend(lent)
