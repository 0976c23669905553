"""What a multi-view network needs beside the UNet: attention over the tokens of all views, and numbers for cameras."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class JoinedViews:
    """An attention processor by which every token sees those of all views of its object (MVDream, Sec. 3.1).

    inner: the processor that attends.  views: pictures of one object, which follow each other in the batch.
    """

    def __init__(self, inner: Any, views: int) -> None:
        self.inner, self.views = inner, views

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As the inner one, for hidden_states [B,N,C]; B is a multiple of the views."""
        batch, tokens, width = hidden_states.shape
        joined = hidden_states.reshape(batch // self.views, self.views * tokens, width)
        attended: Tensor = self.inner(attn, joined, *args, **kwargs)
        return attended.reshape(batch, tokens, width)


def join_views(unet: Any, views: int) -> None:
    """Makes the self-attentions of a UNet see all views; query, key and value may be fused already."""
    from diffusers.models.attention import BasicTransformerBlock

    for block in unet.modules():
        if isinstance(block, BasicTransformerBlock):
            block.attn1.set_processor(JoinedViews(block.attn1.processor, views))


def camera_numbers(poses: Tensor) -> Tensor:
    """What MVDream's network is told of cameras: [V,16] of their matrices to the world [V,4,4].

    The positions come to distance 1 from the center.  The objects that MVDream learned look towards +X, ours towards
    -Y, so the world is turned by 90 degrees around Z.
    """
    turn = torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).to(poses)
    turned = turn @ poses
    position = turned[:, :3, 3]
    turned[:, :3, 3] = position / torch.linalg.vector_norm(position, dim=1, keepdim=True)
    return turned.flatten(1)
