"""The embedded model's sister that sees four views of an object at once: what is put into its UNet, and its file.

Beside every self-attention of the shipped network stands a second one, whose tokens see those of all four views.  Its
query, key and value are the shipped ones with a change of low rank; it is told where in its picture a token lies and
how far a view has turned from the token's own.  An embedding of the cameras is added to that of the time, as MVDream
has it (arXiv 2308.16512).  Both end in layers that start at zero, so an untrained sister is the shipped network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SjcError
from ..guidance.views import FOUR
from .mvdream import CAMERA_NUMBERS

RANK = 8
CAMERA_WIDTH = 64
WAVES = 4
"""Sines and cosines that tell a token's row, and as many that tell its column."""
_NEW = (".attn1.processor.", "class_embedding.")
"""What stands in the names of the sister's own tensors."""


class ViewAttention(nn.Module):
    """The processor of a self-attention of tokens with `width` numbers C, and the attention over all views beside it.

    down [3,RANK,C] and up [3,C,RANK] change query, key and value; place [4*WAVES,C] and turn [2,4,C] tell where a token
    stands in its picture and how far its view has turned.
    """

    def __init__(self, inner: Any, width: int) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Parameter(torch.randn(3, RANK, width) / math.sqrt(width))
        self.up = nn.Parameter(torch.zeros(3, width, RANK))
        self.place = nn.Parameter(torch.zeros(4 * WAVES, width))
        self.turn = nn.Parameter(torch.zeros(2, len(FOUR), width))
        self.out = _zeros(nn.Linear(width, width))

    def forward(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """What the shipped attention makes of hidden_states [B,h*w,C], and the views' attention added.

        B is a multiple of 4: the views of one ring follow each other.
        """
        own: Tensor = self.inner(attn, hidden_states, *args, **kwargs)
        views, (batch, tokens, width) = len(FOUR), hidden_states.shape
        placed = hidden_states + waves(math.isqrt(tokens), hidden_states) @ self.place
        query, key, value = (
            layer(placed) + placed @ down.mT @ up.mT
            for layer, down, up in zip((attn.to_q, attn.to_k, attn.to_v), self.down, self.up, strict=True)
        )
        # Row i: view i and those that follow it on the ring; what a view shows depends on how far it has turned.
        first = torch.arange(views, device=query.device)
        order = (first[:, None] + first) % views
        key, value = (
            (part.view(-1, views, tokens, width)[:, order] + turn[:, None]).view(batch, views * tokens, width)
            for part, turn in zip((key, value), self.turn, strict=True)
        )
        heads = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in (query, key, value))
        return own + self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


def _zeros(layer: nn.Linear) -> nn.Linear:
    """The layer, which gives nothing until it is trained."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def waves(edge: int, like: Tensor) -> Tensor:
    """Where the tokens of a picture lie, [edge*edge, 4*WAVES]: sines and cosines of row and column, slow ones first."""
    centers = (torch.arange(edge, device=like.device, dtype=like.dtype) + 0.5) / edge
    angles = centers[:, None] * math.pi * torch.arange(1, WAVES + 1, device=like.device, dtype=like.dtype)
    axis = torch.cat([angles.sin(), angles.cos()], 1)
    rows, columns = (axis.repeat_interleave(edge, 0), axis.repeat(edge, 1))
    return torch.cat([rows, columns], 1)


def attach(unet: Any) -> None:
    """Puts the untrained parts into a UNet whose query, key and value are not fused."""
    from diffusers.models.attention import BasicTransformerBlock

    for block in unet.modules():
        if isinstance(block, BasicTransformerBlock):
            width = block.attn1.to_q.weight.shape[1]
            block.attn1.set_processor(ViewAttention(block.attn1.processor, width).to(block.attn1.to_q.weight))
    width = unet.time_embedding.linear_2.weight.shape[0]
    last = _zeros(nn.Linear(CAMERA_WIDTH, width))
    embedding = nn.Sequential(nn.Linear(CAMERA_NUMBERS, CAMERA_WIDTH), nn.SiLU(), last)
    unet.class_embedding = embedding.to(unet.conv_in.weight)


def own(unet: Any) -> dict[str, nn.Parameter]:
    """The parameters that the sister does not share with the shipped network, by name."""
    return {name: value for name, value in unet.named_parameters() if any(part in name for part in _NEW)}


def load(path: Path, unet: Any) -> None:
    """Puts the parts of a file into a UNet on the CPU.  Raises SjcError where they do not fit."""
    from safetensors.torch import load_file

    attach(unet)
    fill(path, unet, load_file(path))
    unet.requires_grad_(False)


def fill(path: Path, unet: Any, tensors: Mapping[str, Tensor]) -> None:
    """Gives attached parts their numbers.  Raises SjcError where they do not fit."""
    parts = own(unet)
    if {name: part.shape for name, part in parts.items()} != {name: each.shape for name, each in tensors.items()}:
        raise SjcError(f"{path} does not fit the embedded model; reinstall it or choose another model.")
    with torch.no_grad():
        for name, part in parts.items():
            part.copy_(tensors[name])
