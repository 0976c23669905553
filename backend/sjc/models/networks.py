"""One call for every network: (its own noised input, time, condition, guidance) -> its output, [B,C,h,w] in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..guidance.views import ViewRing
from .text_encoders import Condition

# Each reads its network's dtype once: diffusers looks through all modules for it, milliseconds for a large UNet.
Network = Callable[[Tensor, Tensor, Condition, float], Tensor]
"""network(x_t [B,C,h,w], t [B], condition of B rows, guidance) -> output.  t counts to 1000 in every family."""


Residuals = Callable[..., dict[str, Any]]
"""What an adapter or a ControlNet adds to the arguments of a UNet that is called for (x, t, condition), and, where the
UNet takes more, with its added_cond_kwargs."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A network, ready to be called.

    call: runs it, by torch, as a CUDA graph or by ONNX Runtime.
    load_module: gives the network as diffusers has it.  Where ONNX Runtime runs it, that is loaded at this call.
    device, dtype: where the network lies, and the type of its weights.
    distilled: whether it takes the guidance scale as an input (FLUX.1-dev).
    built_in: the one guidance scale that an adapter built into it (distilled.py), None without one.
    """

    call: Network
    load_module: Callable[[], Any]
    device: torch.device
    dtype: torch.dtype
    distilled: bool = False
    built_in: float | None = None


@dataclass(frozen=True)
class PictureFormat:
    """What a network takes: pictures or latents [channels, size, size].

    vae: folder of the autoencoder, None for a network that takes pixels, which lie in [-1,1].
    vae_on_host: whether the autoencoder works on the CPU.
    ring: the views that the network sees at once, None for single pictures.
    control_size: pixels along the edge of the picture that its ControlNet is shown; None without one.
    """

    channels: int
    size: int
    vae: Path | None = None
    vae_on_host: bool = False
    ring: ViewRing | None = None
    control_size: int | None = None


def no_residuals(_x: Tensor, _t: Tensor, _condition: Condition, **_more: Any) -> dict[str, Any]:
    """Nothing is added."""
    return {}


def control_residuals(control: Any, scale: float) -> Residuals:
    """What a ControlNet adds, which is shown the condition's picture; scale: by how much it counts."""
    dtype = control.dtype

    def residuals(x: Tensor, t: Tensor, condition: Condition, **more: Any) -> dict[str, Any]:
        assert condition.control is not None
        down, middle = control(
            x.to(dtype), t, encoder_hidden_states=condition.states.to(dtype),
            controlnet_cond=condition.control.to(dtype), conditioning_scale=scale, return_dict=False, **more,
        )  # fmt: skip
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    return residuals


def text_unet(unet: Any, residuals: Residuals = no_residuals) -> Network:
    """Pixel models and Stable Diffusion 1 and 2.  A learned variance is the second half of the channels: left out."""
    dtype = unet.dtype

    def network(x: Tensor, t: Tensor, condition: Condition, _guidance: float) -> Tensor:
        states, more = condition.states.to(dtype), residuals(x, t, condition)
        output: Tensor = unet(x.to(dtype), t, encoder_hidden_states=states, return_dict=False, **more)[0]
        return output[:, : x.shape[1]].float()

    return network


def multiview_unet(unet: Any) -> Network:
    """MVDream and the embedded sister: pictures of an object, seen by the condition's cameras, follow each other."""
    dtype = unet.dtype

    def network(x: Tensor, t: Tensor, condition: Condition, _guidance: float) -> Tensor:
        assert condition.camera is not None
        output: Tensor = unet(
            x.to(dtype), t, encoder_hidden_states=condition.states.to(dtype), class_labels=condition.camera.to(dtype),
            return_dict=False,
        )[0]  # fmt: skip
        return output[:, : x.shape[1]].float()

    return network


def sdxl_unet(unet: Any, pixels: int, residuals: Residuals = no_residuals) -> Network:
    """SDXL; its size condition is an original and target size of `pixels`, uncropped (arXiv 2307.01952, Sec. 2.2)."""
    dtype, sizes = unet.dtype, torch.tensor([pixels, pixels, 0, 0, pixels, pixels])

    def network(x: Tensor, t: Tensor, condition: Condition, _guidance: float) -> Tensor:
        nonlocal sizes
        assert condition.pooled is not None
        sizes = sizes.to(x.device, dtype)  # moved at the first call, so that no later one waits for the host
        added = {"text_embeds": condition.pooled.to(dtype), "time_ids": sizes.expand(len(x), -1)}
        output: Tensor = unet(
            x.to(dtype), t, encoder_hidden_states=condition.states.to(dtype), added_cond_kwargs=added,
            return_dict=False, **residuals(x, t, condition, added_cond_kwargs=added),
        )[0]  # fmt: skip
        return output[:, : x.shape[1]].float()

    return network


def unconditional_unet(unet: Any) -> Network:
    """DDPM without text."""
    dtype = unet.dtype

    def network(x: Tensor, t: Tensor, _condition: Condition, _guidance: float) -> Tensor:
        output: Tensor = unet(x.to(dtype), t, return_dict=False)[0]
        return output[:, : x.shape[1]].float()

    return network


def sd3_transformer(transformer: Any) -> Network:
    """Stable Diffusion 3."""
    dtype = transformer.dtype

    def network(x: Tensor, t: Tensor, condition: Condition, _guidance: float) -> Tensor:
        assert condition.pooled is not None
        output: Tensor = transformer(
            hidden_states=x.to(dtype),
            timestep=t,
            encoder_hidden_states=condition.states.to(dtype),
            pooled_projections=condition.pooled.to(dtype),
            return_dict=False,
        )[0]
        return output.float()

    return network


def flux_transformer(transformer: Any) -> Network:
    """FLUX.1: 2x2 latents are packed into a token, whose position is (0, row, column).

    `guidance` goes into the network where it was distilled with one (FLUX.1-dev).
    """
    dtype = transformer.dtype

    def network(x: Tensor, t: Tensor, condition: Condition, guidance: float) -> Tensor:
        assert condition.pooled is not None
        batch, channels, height, width = x.shape
        rows, columns = height // 2, width // 2
        tokens = x.view(batch, channels, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
        positions = torch.cartesian_prod(*(torch.arange(n, device=x.device) for n in (1, rows, columns)))
        distilled = transformer.config.guidance_embeds
        output: Tensor = transformer(
            hidden_states=tokens.reshape(batch, rows * columns, 4 * channels).to(dtype),
            timestep=t.to(dtype) / 1000,
            guidance=torch.full((batch,), guidance, device=x.device) if distilled else None,
            encoder_hidden_states=condition.states.to(dtype),
            pooled_projections=condition.pooled.to(dtype),
            txt_ids=torch.zeros(condition.states.shape[1], 3, device=x.device),
            img_ids=positions.to(x.device, torch.float32),
            return_dict=False,
        )[0]
        image = output.view(batch, rows, columns, channels, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return image.reshape(batch, channels, height, width).float()

    return network
