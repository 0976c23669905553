"""Puts the parts of a model where its memory plan says, and where there is no room after all, a step further down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from ..errors import SjcError
from .memory_fallback import Tell, to_stderr
from .memory_plan import Plan
from .model_files import first_line

if TYPE_CHECKING:
    from .prompt_encoder import TextEncoder

NETWORK_FULL = (
    "The device has not enough memory even for one view at a time and one layer of the network at a time; close other "
    "programs, take a smaller model, or compute with --device cpu."
)
TEXTS_FULL = "There is not enough memory for the text encoders; close other programs or take a smaller model."
IN_PIECES = "the network's layers wait in main memory and come to the device one by one (slower)"
FEW_SENTENCES = 4


class Placement:
    """Where parts go. device, plan: as decided; texts_on_host, in_pieces: as it turned out.

    notes: what was said so far; tell: also says it to a person.
    """

    def __init__(self, device: torch.device, plan: Plan, tell: Tell = to_stderr) -> None:
        self.device, self.plan, self.tell = device, plan, tell
        self.texts_on_host, self.in_pieces = plan.texts_on_host, False
        self.notes: list[str] = [plan.sentence()] if plan.tight else []

    def note(self, line: str) -> None:
        """Keep and tell a line."""
        self.notes.append(line)
        self.tell(line)

    def network(self, network: Any) -> Any:
        """The denoising network on its device, or with layers that come there one by one.

        Raises SjcError for a device that cannot be used.
        """
        if not self.plan.network_in_pieces:
            try:
                return laid_out(on_device(network, self.device), self.device, network.dtype)
            except torch.OutOfMemoryError:
                network.to("cpu")
            self.note(f"The device's memory was full; {IN_PIECES}.")
        return self.split(network)

    def split(self, network: Any) -> Any:
        """The network with layers that wait on the host (diffusers' group offloading); a second time changes nothing."""
        if not self.in_pieces:
            network.to("cpu")
            network.enable_group_offload(self.device, offload_type="leaf_level", use_stream=self.device.type == "cuda")
            self.in_pieces = True
        return network

    def reader(self, encoder: Any) -> Any:
        """A text encoder, on the host by plan or because the device has no room after all."""
        if self.texts_on_host:
            return encoder
        try:
            return on_device(encoder, self.device)
        except torch.OutOfMemoryError:
            return encoder.to("cpu")

    def cheaper_reading(self, text: TextEncoder) -> Iterator[str]:
        """The ways of `Descent` for text encoders: fewer sentences at once, then the CPU."""
        text.most = FEW_SENTENCES
        yield f"the text encoders read {FEW_SENTENCES} sentences at a time"
        self.texts_on_host = True
        for reader in text.readers:
            reader.encoder.to("cpu")
        yield "the text encoders read on the CPU"


def on_device(part: Any, device: torch.device) -> Any:
    """The part there. Raises SjcError for a device that cannot be used, OutOfMemoryError for a full one."""
    try:
        return part.to(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise SjcError(f'The device "{device}" cannot be used: {first_line(error)}') from error


def laid_out(network: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Convolutions in half precision with channels last on CUDA, as its tensor cores read them; all else as it is.

    (Not measured here: there was no GPU. PyTorch's documentation tells of a fifth on such cards.)
    """
    convolves = any(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    if device.type == "cuda" and dtype == torch.float16 and convolves:
        return network.to(memory_format=torch.channels_last)
    return network
