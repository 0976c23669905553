"""A network made faster without another number: fewer and wider matrix products, and compiled blocks."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor

from .memory_fallback import Tell
from .networks import Network
from .text_encoders import Condition

BLOCKS = ("ResnetBlock2D",)  # GroupNorm with SiLU around convolutions; beside those that diffusers itself names
SHAPES = 64  # of a block that may be compiled; Stable Diffusion's blocks come in fifteen
OLDEST = (7, 0)  # compute capability that Triton makes kernels for


def fuse_projections(network: Any) -> bool:
    """Query, key and value of an attention by one matrix product, in a UNet whose attentions all allow it.

    Every LoRA must be in the weights by then.  The single projections, of no more use, are let go.  Returns whether it
    was done; the numbers stay the same but for rounding.
    """
    from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    if not isinstance(network, UNet2DConditionModel):
        return False  # the transformers are so large that they would not fit twice, and gain little
    attentions = [module for module in network.modules() if isinstance(module, Attention)]
    ordinary = (AttnProcessor, AttnProcessor2_0)
    if not attentions or any(
        type(one.processor) not in ordinary or one.norm_q is not None or one.group_norm is not None
        for one in attentions
    ):
        return False
    network.fuse_qkv_projections()
    for attention in attentions:
        for name in ("to_k", "to_v") if attention.is_cross_attention else ("to_q", "to_k", "to_v"):
            delattr(attention, name)
    return True


def compile_obstacle(device: torch.device) -> str:
    """Why the network is not compiled on this device, as the end of a sentence; "" if it can be."""
    if device.type != "cuda":
        return "that is done on CUDA alone"
    if torch.version.hip:
        return "that is not done on ROCm"
    if importlib.util.find_spec("triton") is None:
        return "the package triton is missing (on Windows: triton-windows)"
    if torch.cuda.get_device_capability(device) < OLDEST:
        return "this graphics card is too old for Triton"
    return ""


class Compiled:
    """A network whose repeated blocks are compiled at the first call of each shape.

    plain: calls the network; module: the network as diffusers has it; backend: torch.compile's.
    tell: is given one line where the compiler fails; the network then works as it is.
    """

    def __init__(self, plain: Network, module: Any, tell: Tell, backend: str = "inductor") -> None:
        self.plain, self.tell = plain, tell
        names = (*BLOCKS, *(getattr(module, "_repeated_blocks", None) or ()))
        self.blocks = [part for part in module.modules() if type(part).__name__ in names]
        import torch._dynamo  # not before it is needed: a second of imports

        limit = torch._dynamo.config.recompile_limit  # noqa: SLF001  (no public name for it)
        torch._dynamo.config.recompile_limit = max(limit, SHAPES)  # noqa: SLF001
        for block in self.blocks:
            block.compile(backend=backend, dynamic=False)

    def __call__(self, x: Tensor, t: Tensor, condition: Condition, guidance: float) -> Tensor:
        """What the plain network returns."""
        if not self.blocks or (x.is_cuda and torch.cuda.is_current_stream_capturing()):
            return self.plain(x, t, condition, guidance)
        try:
            return self.plain(x, t, condition, guidance)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001  (compilers raise many kinds, and without them all works)
            reason = next(iter(str(error).splitlines()), type(error).__name__)
        for block in self.blocks:
            block._compiled_call_impl = None  # noqa: SLF001  (how torch.nn.Module keeps what `compile` made)
        self.blocks = []
        self.tell(f"The network is not compiled: {reason}")
        return self.plain(x, t, condition, guidance)


def compiled(plain: Network, module: Any, device: torch.device, tell: Tell) -> Network:
    """The network with compiled blocks where that works on this device; else as it is, and one line why."""
    obstacle = compile_obstacle(device)
    if obstacle:
        tell(f"The network is not compiled: {obstacle}.")
        return plain
    return Compiled(plain, module, tell)
