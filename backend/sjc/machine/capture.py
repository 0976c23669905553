"""CUDA graphs: work whose thousands of small kernels start with one launch, recorded once and replayed.

For a few small pictures, launching the kernels one by one takes longer than the work itself.  This follows PyTorch's
rules for graphs: static tensors, and three calls before on a stream of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

WARM_UP = 3  # calls before the capture, in which libraries choose their kernels
MAX_GRAPHS = 4  # each holds the memory of one call

Work = Callable[[], Tensor]


class Recorded(NamedTuple):
    """replay: runs the graph on what its input tensors hold by then; output: the tensor that it writes to."""

    replay: Callable[[], None]
    output: Tensor


Record = Callable[[Work], Recorded]


class Recorder(Protocol):
    """How work is captured: `CudaRecorder`, or a stand-in in a test."""

    def aside(self, work: Work) -> Tensor:
        """Does the work once, before it is captured."""

    def capture(self, work: Work) -> Recorded:
        """The work as a graph; it is recorded, not done.  Raises RuntimeError where something cannot be captured."""


class CudaRecorder:
    """Captures by torch's CUDA graphs."""

    def aside(self, work: Work) -> Tensor:
        """Does the work on a stream of its own, after what was queued before and before what comes later."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            output = work()
        torch.cuda.current_stream().wait_stream(side)
        return output

    def capture(self, work: Work) -> Recorded:
        """The work as a CUDA graph."""
        graph = torch.cuda.CUDAGraph()
        # Snapshots are copied by another thread, which may ask for memory meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = work()
        return Recorded(graph.replay, output)


def capture(work: Work) -> Recorded:
    """Work as a CUDA graph that may as well be done WARM_UP times before."""
    recorder = CudaRecorder()
    for _ in range(WARM_UP):
        recorder.aside(work)
    return recorder.capture(work)


class Graphs:
    """Work that comes again and again: done a few times as it is, captured for each layout of its inputs, replayed.

    obstacle: why a capture failed; "" as long as none did.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.obstacle = recorder, ""
        self._done: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, Recorded] = {}

    def __call__(self, key: Hashable, work: Work) -> Tensor:
        """Does the work once, in whichever way; returns what it returns, which the next call may write over.

        key: equal for calls of which one graph can do both.
        """
        if key not in self._recorded:
            if self.obstacle or self._done[key] < WARM_UP or len(self._recorded) == MAX_GRAPHS:
                self._done[key] += 1
                return self.recorder.aside(work)
            try:
                self._recorded[key] = self.recorder.capture(work)
            except RuntimeError as error:  # out of memory is one of them
                self.obstacle = str(error).partition("\n")[0]
                return self.recorder.aside(work)
        recorded = self._recorded[key]
        recorded.replay()
        return recorded.output

    def forget(self) -> None:
        """Lets all graphs go: what they worked on is no more."""
        self._done.clear()
        self._recorded.clear()
