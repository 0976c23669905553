"""Puts the parts of a model where its memory plan says; where a part does not fit after all, it goes to the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from .. import causes
from ..errors import SjcError
from ..machine.memory import is_out_of_memory
from .memory_fallback import Tell, to_stderr
from .memory_plan import Plan
from .small_files import first_line

if TYPE_CHECKING:
    from .prompt_encoder import PromptEncoder

NETWORK_FULL = "The device has not enough memory even for one view at a time and one layer of the network at a time."
TEXTS_FULL = "There is not enough memory for the text encoders."
IN_PIECES = "the network's layers wait in main memory and come to the device one by one (slower)"
FEW_SENTENCES = 4


class Placement:
    """Where the parts of one model lie.

    device, plan: what was decided before loading.
    texts_on_host: whether the text encoders work on the CPU; in_pieces: whether the network's layers come to the device
        one by one.  Both as it turned out.
    notes: the lines for a person so far.  tell: is given each of them that is not part of the plan.
    """

    def __init__(self, device: torch.device, plan: Plan, tell: Tell = to_stderr) -> None:
        self.device, self.plan, self.tell = device, plan, tell
        self.texts_on_host, self.in_pieces = plan.texts_on_host, False
        self.notes: list[str] = [plan.sentence()] if plan.tight else []

    def note(self, line: str) -> None:
        """Adds a line to the notes and tells it."""
        self.notes.append(line)
        self.tell(line)

    def network(self, network: Any) -> Any:
        """The denoising network on its device, or with layers that come there one by one.

        Raises SjcError for a device that cannot be used.
        """
        if not self.plan.network_in_pieces:
            try:
                return channels_last(on_device(network, self.device), self.device, network.dtype)
            except torch.OutOfMemoryError:
                network.to("cpu")
            self.note(f"The device's memory was full; {IN_PIECES}.")
        return self.split(network)

    def split(self, network: Any) -> Any:
        """The network with layers that wait in main memory (diffusers' group offloading); done at most once."""
        if not self.in_pieces:
            network.to("cpu")
            network.enable_group_offload(self.device, offload_type="leaf_level", use_stream=self.device.type == "cuda")
            self.in_pieces = True
        return network

    def text_encoder(self, encoder: Any) -> Any:
        """A text encoder on the device; on the CPU by plan, or because the device has no room after all."""
        if self.texts_on_host:
            return encoder
        try:
            return on_device(encoder, self.device)
        except torch.OutOfMemoryError:
            return encoder.to("cpu")

    def cheaper_encoding(self, prompts: PromptEncoder) -> Iterator[str]:
        """The ways of `MemoryFallback` for text encoders: fewer sentences at once, then the CPU."""
        prompts.max_rows = FEW_SENTENCES
        yield f"the text encoders read {FEW_SENTENCES} sentences at a time"
        self.texts_on_host = True
        for text_encoder in prompts.text_encoders:
            text_encoder.module.to("cpu")
        yield "the text encoders read on the CPU"


def on_device(part: Any, device: torch.device) -> Any:
    """The part, moved to the device.  Raises SjcError for an unusable device, OutOfMemoryError for a full one."""
    try:
        return part.to(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if is_out_of_memory(error):  # CUDA's libraries say so in words of their own
            raise error if isinstance(error, torch.OutOfMemoryError) else torch.OutOfMemoryError(str(error)) from error
        code = cause.code if (cause := causes.of_error(error)) else ""
        raise SjcError(f'The device "{device}" cannot be used: {first_line(error)}', code=code) from error


def channels_last(network: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """The network in channels-last layout where it has convolutions in half precision on CUDA, else as it is.

    Tensor cores read that layout.  (Not measured by this project; PyTorch's documentation gives about a fifth.)
    """
    convolves = any(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    if device.type == "cuda" and dtype in (torch.float16, torch.bfloat16) and convolves:
        return network.to(memory_format=torch.channels_last)
    return network
