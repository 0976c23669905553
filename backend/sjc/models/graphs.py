"""A network's call on CUDA as a captured graph (machine/capture.py), for every shape of its inputs.

There are several in a run: for the views, for Perp-Neg's further calls, for a last smaller part.  Where the whole
step is one graph (sjc/step.py), it holds the network, and these are not needed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..machine.capture import MAX_GRAPHS, Record, capture
from .memory_fallback import Tell, to_stderr
from .networks import Network
from .placement import Placement
from .text_encoders import Condition


class _Static:
    """One captured graph with the tensors that it reads from."""

    def __init__(
        self, network: Network, x: Tensor, t: Tensor, condition: Condition, guidance: float, record: Record
    ) -> None:
        own_x, own_t = x.clone(), t.clone()
        pooled, camera, control = (None if value is None else value.clone() for value in condition[1:])
        own_condition = Condition(condition.states.clone(), pooled, camera, control)
        self.inputs = [own_x, own_t, *_tensors(own_condition)]
        self.graph = record(lambda: network(own_x, own_t, own_condition, guidance))

    def __call__(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        for own, given in zip(self.inputs, (x, t, *_tensors(condition)), strict=True):
            own.copy_(given)
        self.graph.replay()
        return self.graph.output.clone()  # the next replay writes over it


def _tensors(condition: Condition) -> list[Tensor]:
    return [value for value in condition if value is not None]


class Replayed:
    """A network that is captured as a graph for every shape of its inputs, and replayed from then on.

    plain: the network itself.  If it cannot be captured, it is called as it is from then on.
    tell: is given one line when that happens.
    record: how a call is captured; tests give another.
    """

    def __init__(self, plain: Network, tell: Tell = to_stderr, record: Record = capture) -> None:
        self.plain, self.tell, self.record = plain, tell, record
        self.graphs: dict[Any, _Static] = {}
        self.gave_up = False

    def __call__(self, x: Tensor, t: Tensor, condition: Condition, guidance: float) -> Tensor:
        """What the plain network returns."""
        key = (guidance, *((value.shape, value.dtype) for value in (x, t, *_tensors(condition))))
        if self.gave_up or (key not in self.graphs and len(self.graphs) >= MAX_GRAPHS):
            return self.plain(x, t, condition, guidance)
        if key not in self.graphs:
            try:
                self.graphs[key] = _Static(self.plain, x, t, condition, guidance, self.record)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self.gave_up = True
                self.tell(f"The network runs without a CUDA graph: {str(error).partition(chr(10))[0]}")
                return self.plain(x, t, condition, guidance)
        return self.graphs[key](x, t, condition)


def replayed(network: Network, placement: Placement) -> Network:
    """The network with graphs where they can work: on CUDA, with all its layers on the device."""
    if placement.device.type != "cuda" or placement.in_pieces:
        return network
    return Replayed(network, placement.note)


def plain(network: Network) -> Network:
    """The network without graphs."""
    return network.plain if isinstance(network, Replayed) else network
