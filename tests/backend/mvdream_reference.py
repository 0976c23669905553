"""MVDream's network in plain torch, after the papers: latent diffusion (2112.10752), MVDream (2308.16512, Sec. 3).

It reads tensors by the names of the code that trained the model, for `multi_view_models.CONFIG` alone.  No diffusers.
"""

import math

import torch
import torch.nn.functional as F

from tests.backend.multi_view_models import HEADS_OF, WIDTH


class Reference:
    """eps(x_t, t, text, cameras) for the views of one object.  tensors: by name.  head: the width of one, at most."""

    def __init__(self, tensors, head=HEADS_OF):
        self.tensors, self.head = tensors, head

    def linear(self, name, x):
        return F.linear(x, self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias"))

    def conv(self, name, x, **kwargs):
        weight = self.tensors[f"{name}.weight"]
        return F.conv2d(x, weight, self.tensors[f"{name}.bias"], padding=weight.shape[-1] // 2, **kwargs)

    def group(self, name, x, eps):
        return F.group_norm(x, 32, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"], eps)

    def layer(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def embedding(self, name, x):
        return self.linear(f"{name}.2", F.silu(self.linear(f"{name}.0", x)))

    def residual(self, name, x, emb):
        h = self.conv(f"{name}.in_layers.2", F.silu(self.group(f"{name}.in_layers.0", x, 1e-5)))
        h = h + self.linear(f"{name}.emb_layers.1", F.silu(emb))[:, :, None, None]
        h = self.conv(f"{name}.out_layers.3", F.silu(self.group(f"{name}.out_layers.0", h, 1e-5)))
        skip = f"{name}.skip_connection"
        return h + (self.conv(skip, x) if f"{skip}.weight" in self.tensors else x)

    def attention(self, name, x, context):
        """Softmax(q k^T / sqrt(d)) v by heads, over all tokens of the context."""
        q, k, v = (self.linear(f"{name}.to_{part}", y) for part, y in (("q", x), ("k", context), ("v", context)))
        head = min(self.head, q.shape[-1])
        q, k, v = (y.unflatten(-1, (-1, head)).transpose(1, 2) for y in (q, k, v))
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(head), -1)
        return self.linear(f"{name}.to_out.0", (weights @ v).transpose(1, 2).flatten(2))

    def joined(self, _name, block, h):
        """The self-attention: all tokens of all views see each other (the "3D" attention)."""
        normed = self.layer(f"{block}.norm1", h.flatten(0, 1)[None])
        return self.attention(f"{block}.attn1", normed, normed)[0].unflatten(0, (len(h), -1))

    def after(self, _level, h):
        """What is added at the end of a level on the way down."""
        return h

    def transformer(self, name, x, text):
        height, width = x.shape[2:]
        block = f"{name}.transformer_blocks.0"
        h = self.group(f"{name}.norm", x, 1e-6).flatten(2).transpose(1, 2)
        h = self.linear(f"{name}.proj_in", h)
        h = h + self.joined(name, block, h)
        h = h + self.attention(f"{block}.attn2", self.layer(f"{block}.norm2", h), text)
        value, gate = self.linear(f"{block}.ff.net.0.proj", self.layer(f"{block}.norm3", h)).chunk(2, -1)
        h = h + self.linear(f"{block}.ff.net.2", value * F.gelu(gate))
        h = self.linear(f"{name}.proj_out", h)
        return x + h.transpose(1, 2).unflatten(2, (height, width))

    @torch.no_grad()
    def __call__(self, x, t, text, cameras):
        """x [V,4,S,S], t a number, text [V,tokens,C], cameras [V,16] -> eps [V,4,S,S]."""
        half = WIDTH // 2
        angles = t * torch.exp(-math.log(10000) * torch.arange(half) / half)
        emb = self.embedding("time_embed", torch.cat([angles.cos(), angles.sin()])[None])
        emb = emb + self.embedding("camera_embed", cameras)
        h = self.conv("input_blocks.0.0", x)
        first = h
        h = self.transformer("input_blocks.1.1", self.residual("input_blocks.1.0", h, emb), text)
        second = h = self.after(0, h)
        third = h = self.conv("input_blocks.2.0.op", h, stride=2)
        h = self.transformer("input_blocks.3.1", self.residual("input_blocks.3.0", h, emb), text)
        fourth = h = self.after(1, h)
        h = self.residual("middle_block.0", h, emb)
        h = self.residual("middle_block.2", self.transformer("middle_block.1", h, text), emb)
        for number, skip in enumerate((fourth, third, second, first)):
            name = f"output_blocks.{number}"
            h = self.residual(f"{name}.0", torch.cat([h, skip], 1), emb)
            h = self.transformer(f"{name}.1", h, text)
            if number == 1:
                h = self.conv(f"{name}.2.conv", F.interpolate(h, scale_factor=2))
        return self.conv("out.2", F.silu(self.group("out.0", h, 1e-5)))
