"""MV-Adapter in plain torch, after the papers; no diffusers.  Tensors are by the names of the released files."""

import math

import torch
import torch.nn.functional as F

from tests.backend.mvdream_reference import Reference

NAMES = {
    "input_blocks.1.1": "down_blocks.0.attentions.0", "input_blocks.3.1": "down_blocks.1.attentions.0",
    "middle_block.1": "mid_block.attentions.0",
    **{f"output_blocks.{2 * b + a}.1": f"up_blocks.{b}.attentions.{a}" for b in (0, 1) for a in (0, 1)},
}  # fmt: skip
"""Where the adapter, whose file has diffusers' names, finds an attention of the base."""
VIEWS, KINDS = 6, ("weight", "bias")


def rows(tensors, where, tokens, heads):
    """The attention beside a self-attention (Sec. 3.2): tokens [V,h*w,C] see those of their row in all views."""
    edge = math.isqrt(tokens.shape[1])
    added = torch.zeros_like(tokens)
    for row in range(edge):
        at = slice(row * edge, (row + 1) * edge)
        row_tokens = tokens[:, at].flatten(0, 1)[None]
        q, k, v = (F.linear(row_tokens, tensors[f"{where}.to_{part}_mv.weight"]) for part in "qkv")
        q, k, v = (y.unflatten(-1, (heads, -1)).transpose(1, 2) for y in (q, k, v))
        attended = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v
        out = F.linear(attended.transpose(1, 2).flatten(2), *(tensors[f"{where}.to_out_mv.0.{x}"] for x in KINDS))
        added[:, at] = out[0].unflatten(0, (VIEWS, edge))
    return added


def features(tensors, pixels, factor, halved, levels):
    """T2I-Adapter (2302.08453, Sec. 3.3) on what MV-Adapter is told of six orthographic cameras, a tensor a level.

    factor: pixels along the edge of a feature of the first level.  halved: the levels that begin with a pooling.
    """

    def conv(name, x):
        weight = tensors[f"{name}.weight"]
        return F.conv2d(x, weight, tensors[f"{name}.bias"], padding=weight.shape[-1] // 2)

    angle = torch.deg2rad(torch.tensor([0.0, 45, 90, 180, 270, 315]))
    place = torch.stack([angle.sin(), -angle.cos(), 0 * angle], 1)
    picture = ((torch.cat([-place, place], 1) + 1) / 2)[:, :, None, None].repeat(1, 1, pixels, pixels)
    h, made = conv("adapter.conv_in", F.pixel_unshuffle(picture, factor)), []
    for level in range(levels):
        name = f"adapter.body.{level}"
        h = F.avg_pool2d(h, 2) if level in halved else h
        h = conv(f"{name}.in_conv", h) if f"{name}.in_conv.weight" in tensors else h
        h = h + conv(f"{name}.resnets.0.block2", F.relu(conv(f"{name}.resnets.0.block1", h)))
        made.append(h)
    return made


class AdaptedReference(Reference):
    """Stable Diffusion 2 with the adapter, all in plain torch: eps(x_t, t, text, None) for six views."""

    def __init__(self, tensors, adapter):
        super().__init__({**tensors, **adapter})
        self.features = features(adapter, 64, 8, (1,), 2)

    def embedding(self, name, x):
        return 0 if name == "camera_embed" else super().embedding(name, x)

    def joined(self, name, block, h):
        normed = self.layer(f"{block}.norm1", h)
        where = f"{NAMES[name]}.transformer_blocks.0.attn1.processor"
        own = self.attention(f"{block}.attn1", normed, normed)
        return own + rows(self.tensors, where, normed, h.shape[-1] // self.head)

    def after(self, level, h):
        return h + self.features[level]
