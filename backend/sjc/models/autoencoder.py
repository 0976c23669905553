"""The autoencoder of a latent model: pictures from latents and back, latents scaled as the network sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..machine import disk_cache
from .memory_fallback import MemoryFallback, Tell, to_stderr
from .pretrained import OWN_FILES_ONLY, without_marks
from .small_files import first_line

CHUNK = 4
"""Pictures through the network at once: a decoder at full resolution needs more memory than the denoiser."""
FULL = "There is not enough memory for the autoencoder, even for one picture at a time."


class KLAutoencoder:
    """Diffusers' AutoencoderKL as the engine uses it; see `guidance.denoiser.Autoencoder`.

    channels: of its latents.  factor: pixels along the edge of one latent.  fingerprint: a digest of its files, "" for
    none.  Latents are (raw - shift_factor) * scaling_factor, as in diffusers' pipelines.
    """

    def __init__(self, vae: Any, fingerprint: str = "", tell: Tell = to_stderr) -> None:
        self.vae, self.fingerprint, self.chunk = vae, fingerprint, CHUNK
        self._fallback = MemoryFallback(self._cheaper_ways(), FULL, tell)
        self.channels = int(vae.config.latent_channels)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.scale = float(vae.config.scaling_factor)
        self.shift = float(vae.config.shift_factor or 0.0)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,C,h,w] -> rgb [B,3,H,W], cut to [-1,1].  Raises SjcError for other channels or NaN.

        Some autoencoders (SDXL's) overflow in half precision: such a one is made float32 then, and stays so.
        """
        self.check_channels(latents.shape[1])

        def decode(part: Tensor) -> Tensor:
            rgb: Tensor = self.vae.decode(part / self.scale + self.shift).sample
            return rgb

        return self._through(decode, latents).clamp(-1, 1)

    @torch.no_grad()
    def encode(self, rgb: Tensor) -> Tensor:
        """The posterior's mean, latents [B,C,h,w], of rgb [B,3,H,W] in [-1,1].  Raises SjcError for NaN."""

        def encode(part: Tensor) -> Tensor:
            raw: Tensor = self.vae.encode(part).latent_dist.mean
            return (raw - self.shift) * self.scale

        return self._through(encode, rgb)

    def _through(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        output = self._fallback(lambda: self._chunked(network, x))
        if not output.isfinite().all() and self.vae.dtype == torch.float16 and x.isfinite().all():
            self.vae.float()
            output = self._fallback(lambda: self._chunked(network, x))
        if not output.isfinite().all():
            raise SjcError(
                "The autoencoder's pictures hold NaN or infinite numbers; load it in float32 or lower the "
                "learning rate."
            )
        return output.to(x.device, x.dtype)

    def _chunked(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return torch.cat([network(part) for part in x.to(self.vae.device, self.vae.dtype).split(self.chunk)])

    def _cheaper_ways(self) -> Iterator[str]:
        """The ways of `MemoryFallback`: one picture at a time, tiles of it, the CPU."""
        self.chunk = 1
        yield "the autoencoder takes one picture at a time"
        self.vae.enable_tiling()
        yield "the autoencoder takes pictures in tiles"
        self.vae.to("cpu")
        yield "the autoencoder works on the CPU"

    def check_channels(self, channels: int) -> None:
        """Raises SjcError unless latents of so many channels can be decoded."""
        if channels != self.channels:
            raise SjcError(
                f"The autoencoder takes latents of {self.channels} channels, the model's have {channels}; the "
                "two do not belong together."
            )


def load_autoencoder(
    folder: Path, device: str | torch.device, dtype: torch.dtype, tell: Tell = to_stderr
) -> KLAutoencoder:
    """The AutoencoderKL saved in `folder` (vae/ of a model), from safetensors alone.  Raises SjcError, one line."""
    if not (folder / "config.json").is_file():
        raise SjcError(f"{folder} has no config.json: the model's autoencoder (its vae folder) is missing.")
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    try:
        with without_marks(folder) as readable:
            vae: Any = AutoencoderKL.from_pretrained(
                str(readable), torch_dtype=dtype, use_safetensors=True, **OWN_FILES_ONLY
            )
    except Exception as error:
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}.") from error
    known = disk_cache.fingerprint(folder.parent, [folder.name], str(dtype))
    return KLAutoencoder(vae.eval().requires_grad_(False).to(device), known, tell)
