"""From the host to the device without a wait: all that a step takes along goes in one copy from pinned memory."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

RING = 4  # copies that may be under way before the host waits for the oldest
ALIGNMENT = 256  # bytes: what CUDA's own allocations begin at a multiple of

Layout = tuple[tuple[str, torch.dtype, torch.Size, str], ...]
"""Name, type, shape and kind of device of every tensor: what two steps have in common that one graph can serve."""


@dataclass
class _Slot:
    memory: Tensor
    copied: torch.cuda.Event | None = None


class _Buffers:
    """The memory of one layout: a ring on the host, and tensors on the device that stay where they are."""

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        on_host = {name: value for name, value in tensors.items() if value.device.type == "cpu"}
        sizes = [value.numel() * value.element_size() for value in on_host.values()]
        starts = list(itertools.accumulate((-(-size // ALIGNMENT) * ALIGNMENT for size in sizes), initial=0))
        self.places = {name: slice(at, at + size) for name, at, size in zip(on_host, starts, sizes, strict=False)}
        self.pinned = device.type == "cuda"
        self.ring = [
            _Slot(torch.empty(starts[-1], dtype=torch.uint8, pin_memory=self.pinned))
            for _ in range(RING if self.pinned else 1)
        ]
        self.memory = torch.empty(starts[-1], dtype=torch.uint8, device=device)
        self.own = {
            name: self.memory[self.places[name]].view(value.dtype).view(value.shape)
            if name in on_host
            else torch.empty_like(value)
            for name, value in tensors.items()
        }

    def fill(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        slot = self.ring.pop(0)
        if slot.copied:
            slot.copied.synchronize()
        for name, place in self.places.items():
            value = tensors[name]
            slot.memory[place].view(value.dtype).view(value.shape).copy_(value)
        self.memory.copy_(slot.memory, non_blocking=True)
        if self.pinned:
            slot.copied = torch.cuda.current_stream(self.memory.device).record_event()
        self.ring.append(slot)
        for name, value in tensors.items():
            if name not in self.places:
                self.own[name].copy_(value)
        return dict(self.own)


class Staging:
    """Brings a step's tensors to the device.

    device: where they go.
    fixed: whether the tensors of one layout always lie in the same memory, as a captured graph needs it.  Without it
        tensors that are on the device already are handed on as they are.
    """

    def __init__(self, device: torch.device, *, fixed: bool) -> None:
        self.device, self.fixed = device, fixed
        self._buffers: dict[Layout, _Buffers] = {}

    def __call__(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same numbers on the device, by the same names; valid until the next call."""
        if self.fixed:
            key = layout(tensors)
            if key not in self._buffers:
                self._buffers[key] = _Buffers(tensors, self.device)
            return self._buffers[key].fill(tensors)
        return {name: value.to(self.device) for name, value in tensors.items()}

    def forget(self) -> None:
        """Gives the memory back."""
        self._buffers.clear()


def layout(tensors: Mapping[str, Tensor]) -> Layout:
    """What they have in common with others for which the same graph will do."""
    return tuple((name, value.dtype, value.shape, value.device.type) for name, value in tensors.items())
