"""MV-Adapter's attention over the rows of six views, and the residuals of their cameras, put into a UNet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SjcError
from ..guidance.schedules import VESchedule
from ..guidance.views import SIX
from .families import SDXL, Family
from .mv_adapter import ENCODER
from .networks import Residuals
from .text_encoders import Condition

SHIFT = 8.0
"""By what the signal-to-noise ratio is lower at the last time than in the base model (the released settings)."""
PIXELS_PER_LATENT = 8
_RAYS = 6


def shifted(schedule: VESchedule) -> VESchedule:
    """The noise levels that the adapter was trained with: log SNR falls by log(SHIFT) more, in a line over time."""
    share = torch.linspace(0, 1, len(schedule), dtype=torch.float64)
    return VESchedule(schedule.sigmas * SHIFT ** (share / 2))


class RowAttention(torch.nn.Module):
    """The processor of a self-attention with the adapter's attention beside it.

    inner: the processor of the base.  width: of the tokens.  weights: to_q_mv, to_k_mv, to_v_mv, to_out_mv.0.
    """

    def __init__(self, inner: Any, width: int, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.inner = inner
        with torch.device("meta"):
            self.to_q_mv, self.to_k_mv, self.to_v_mv = (torch.nn.Linear(width, width, bias=False) for _ in range(3))
            self.to_out_mv = torch.nn.ModuleList([torch.nn.Linear(width, width)])
        self.load_state_dict(weights, assign=True)

    def forward(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """What the base's attention makes of hidden_states [B,h*w,C], and the rows' attention added."""
        own: Tensor = self.inner(attn, hidden_states, *args, **kwargs)
        batch, tokens, width = hidden_states.shape
        edge, views = math.isqrt(tokens), len(SIX)
        rows = hidden_states.view(-1, views, edge, edge, width).transpose(1, 2).reshape(-1, views * edge, width)
        query, key, value = (
            part(rows).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for part in (self.to_q_mv, self.to_k_mv, self.to_v_mv)
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        back = attended.view(-1, edge, views, edge, width).transpose(1, 2).reshape(batch, tokens, width)
        return own + self.to_out_mv[0](back)


def attach(path: Path, unet: Any, size: int, family: Family) -> Residuals:
    """Puts the adapter of a checked file into a UNet on the CPU; what gives each call its residuals.

    The cameras are the same in every call, so the condition encoder works once, here.
    size: latents along an edge.  Raises SjcError where it was made for another base.
    """
    from diffusers.models.attention import BasicTransformerBlock
    from safetensors.torch import load_file

    tensors = load_file(path)
    known = {name for name in tensors if name.startswith(ENCODER)}
    for name, block in unet.named_modules():
        if not isinstance(block, BasicTransformerBlock):
            continue
        prefix = f"{name}.attn1.processor."
        own = {key.removeprefix(prefix): tensors[key].to(unet.dtype) for key in tensors if key.startswith(prefix)}
        width = block.attn1.to_q.weight.shape[1]
        query = own.get("to_q_mv.weight")
        if query is None or tuple(query.shape) != (width, width):
            raise _another_base(path)
        known |= {prefix + key for key in own}
        try:
            block.attn1.set_processor(RowAttention(block.attn1.processor, width, own))
        except RuntimeError as error:
            raise _another_base(path) from error
    if known != tensors.keys():
        raise _another_base(path)
    return _residuals(path, unet, {name: tensors[name] for name in tensors if name.startswith(ENCODER)}, size, family)


def _another_base(path: Path) -> SjcError:
    return SjcError(
        f"{path} is an adapter for another base: its layers have other names or shapes than the model's; take the one "
        "for this model's kind (sd21 or sdxl)."
    )


@torch.no_grad()
def _residuals(path: Path, unet: Any, tensors: dict[str, Tensor], size: int, family: Family) -> Residuals:
    from diffusers.models.adapter import T2IAdapter

    widths, xl = list(unet.config.block_out_channels), family is SDXL
    with torch.device("meta"):
        encoder = T2IAdapter(
            in_channels=_RAYS,
            channels=[*widths, widths[-1]] if xl else widths,
            num_res_blocks=unet.config.layers_per_block,
            downscale_factor=16 if xl else 8,
            adapter_type="full_adapter_xl" if xl else "full_adapter",
        )
    try:
        encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    except RuntimeError as error:
        raise _another_base(path) from error
    features = [feature.to(unet.dtype) for feature in encoder(rays(size * PIXELS_PER_LATENT))]

    def residuals(x: Tensor, _t: Tensor, _condition: Condition, **_more: Any) -> dict[str, Any]:
        nonlocal features
        features = [feature.to(x.device) for feature in features]  # moved at the first call
        rings = len(x) // len(SIX)
        return {"down_intrablock_additional_residuals": [feature.repeat(rings, 1, 1, 1) for feature in features]}

    return residuals


def rays(pixels: int) -> Tensor:
    """What the condition encoder sees of the six cameras: [6,6,pixels,pixels] in [0,1].

    They are orthographic, so all pixels of a view are alike: the direction of sight, then the camera's position at
    distance 1, both in the world (Blender's axes, the front camera at -Y).
    """
    azimuth = torch.deg2rad(torch.tensor(SIX.azimuths, dtype=torch.float64))
    position = torch.stack([azimuth.sin(), -azimuth.cos(), torch.zeros_like(azimuth)], 1)
    values = (torch.cat([-position, position], 1).float() + 1) / 2
    return values[:, :, None, None].expand(-1, -1, pixels, pixels)
