"""Stable Diffusion 2 with MV-Adapter in plain torch, after the papers; no diffusers."""

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


class AdaptedReference(Reference):
    """Stable Diffusion 2 with MV-Adapter (2412.03632, Sec. 3.2 and 3.3): six views, rows beside the self-attention."""

    def __init__(self, tensors, adapter, views=6):
        super().__init__({**tensors, **adapter})
        self.views = views

    def embedding(self, name, x):
        return 0 if name == "camera_embed" else super().embedding(name, x)

    def joined(self, name, block, h):
        normed = self.layer(f"{block}.norm1", h)
        own = self.attention(f"{block}.attn1", normed, normed)
        edge = math.isqrt(h.shape[1])
        where = f"{NAMES[name]}.transformer_blocks.0.attn1.processor"
        added = torch.zeros_like(own)
        for row in range(edge):  # the tokens of one row, of all views
            at = slice(row * edge, (row + 1) * edge)
            tokens = normed[:, at].flatten(0, 1)[None]
            q, k, v = (F.linear(tokens, self.tensors[f"{where}.to_{part}_mv.weight"]) for part in "qkv")
            q, k, v = (y.unflatten(-1, (-1, self.head)).transpose(1, 2) for y in (q, k, v))
            seen = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.head), -1) @ v
            out = self.linear(f"{where}.to_out_mv.0", seen.transpose(1, 2).flatten(2))
            added[:, at] = out[0].unflatten(0, (self.views, edge))
        return own + added

    def after(self, level, h):
        return h + self.features()[level]

    def features(self):
        """T2I-Adapter (2302.08453, Sec. 3.3) on what MV-Adapter is told of six orthographic cameras."""
        angle = torch.deg2rad(torch.tensor([0.0, 45, 90, 180, 270, 315]))
        place = torch.stack([angle.sin(), -angle.cos(), 0 * angle], 1)
        picture = ((torch.cat([-place, place], 1) + 1) / 2)[:, :, None, None].repeat(1, 1, 64, 64)
        h, made = self.conv("adapter.conv_in", F.pixel_unshuffle(picture, 8)), []
        for level in (0, 1):
            name = f"adapter.body.{level}"
            h = F.avg_pool2d(h, 2) if level else h
            h = self.conv(f"{name}.in_conv", h) if f"{name}.in_conv.weight" in self.tensors else h
            inner = F.relu(self.conv(f"{name}.resnets.0.block1", h))
            h = h + self.conv(f"{name}.resnets.0.block2", inner)
            made.append(h)
        return made
