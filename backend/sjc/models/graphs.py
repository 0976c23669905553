"""A network's call on CUDA as a captured graph: its thousands of small kernels start with one launch.

The host's launching would take longer than the work itself for a few small pictures. Written by PyTorch's rules for
graphs (static tensors, three calls before on a stream of their own) and not run on a GPU yet: `bench gpu` measures it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .memory_fallback import Tell, to_stderr
from .networks import Network
from .placement import Placement
from .text_encoders import Condition

WARM_UP = 3  # calls before the capture: libraries choose their kernels in them
MOST = 4  # graphs kept, each with the memory of one call: views, Perp-Neg's further calls, a last smaller part


class Recorded(NamedTuple):
    """replay: does it again with what its input tensors hold then; output: where the result lies."""

    replay: Callable[[], None]
    output: Tensor


Record = Callable[[Callable[[], Tensor]], Recorded]


def capture(call: Callable[[], Tensor]) -> Recorded:
    """The call as a CUDA graph. Raises RuntimeError where something in it cannot be captured."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Snapshots are copied by another thread, which may ask for memory meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        output = call()
    return Recorded(graph.replay, output)


class _Static:
    """One graph: the tensors that it reads, and itself."""

    def __init__(
        self, network: Network, x: Tensor, t: Tensor, told: Condition, guidance: float, record: Record
    ) -> None:
        self.inputs = [value.clone() for value in (x, t, *_tensors(told))]
        x, t, *condition = self.inputs
        self.graph = record(lambda: network(x, t, Condition(*condition), guidance))

    def __call__(self, x: Tensor, t: Tensor, told: Condition) -> Tensor:
        for mine, given in zip(self.inputs, (x, t, *_tensors(told)), strict=True):
            mine.copy_(given)
        self.graph.replay()
        return self.graph.output.clone()  # the next replay writes over it


def _tensors(told: Condition) -> list[Tensor]:
    return [value for value in told if value is not None]


class Replayed:
    """A network that captures a graph for every shape of its inputs and replays it from then on.

    plain: the network itself. One that cannot be captured is called as it is from then on, which is told once.
    """

    def __init__(self, plain: Network, tell: Tell = to_stderr, record: Record = capture) -> None:
        self.plain, self.tell, self.record = plain, tell, record
        self.graphs: dict[Any, _Static] = {}
        self.gave_up = False

    def __call__(self, x: Tensor, t: Tensor, told: Condition, guidance: float) -> Tensor:
        """As the plain network."""
        key = (guidance, *((value.shape, value.dtype) for value in (x, t, *_tensors(told))))
        if self.gave_up or (key not in self.graphs and len(self.graphs) >= MOST):
            return self.plain(x, t, told, guidance)
        if key not in self.graphs:
            try:
                self.graphs[key] = _Static(self.plain, x, t, told, guidance, self.record)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self.gave_up = True
                self.tell(f"The network runs without a CUDA graph: {str(error).partition(chr(10))[0]}")
                return self.plain(x, t, told, guidance)
        return self.graphs[key](x, t, told)


def replayed(network: Network, place: Placement) -> Network:
    """The network with graphs where that can be: on CUDA, with all its layers there."""
    if place.device.type != "cuda" or place.in_pieces:
        return network
    return Replayed(network, place.note)


def plain(network: Network) -> Network:
    """The network without graphs."""
    return network.plain if isinstance(network, Replayed) else network
