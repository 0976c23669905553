"""The autoencoder of a latent model: pictures from latents and back, latents scaled as the network sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from .model_files import first_line


class Autoencoder:
    """channels: of its latents.  factor: pixels along the edge of one latent."""

    def __init__(self, vae: Any) -> None:
        self.vae = vae
        self.channels = int(vae.config.latent_channels)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.scale = float(vae.config.scaling_factor)
        self.shift = float(vae.config.shift_factor or 0.0)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,C,h,w] -> rgb [B,3,H,W] in [-1,1]."""
        rgb: Tensor = self.vae.decode(latents.to(self.vae.dtype) / self.scale + self.shift).sample
        return rgb.to(latents.dtype)

    def encode(self, rgb: Tensor) -> Tensor:
        """The mean of the latents [B,C,h,w] of rgb [B,3,H,W]."""
        raw: Tensor = self.vae.encode(rgb.to(self.vae.dtype)).latent_dist.mean
        return ((raw - self.shift) * self.scale).to(rgb.dtype)


def load_autoencoder(folder: Path, device: torch.device, dtype: torch.dtype) -> Autoencoder:
    """The autoencoder saved in `folder` (vae/ of a model).  Raises SjcError, one line."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    try:
        vae = AutoencoderKL.from_pretrained(
            str(folder), torch_dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except Exception as error:
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}.") from error
    return Autoencoder(vae.eval().requires_grad_(False).to(device))
