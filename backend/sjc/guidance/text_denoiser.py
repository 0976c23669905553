"""A text-to-image model in pixel space as a family of denoisers D(x; sigma).

Every model becomes the same thing at this one edge (the VE view, Karras et al. 2022; released code, adapt.py): x is
scaled by c_in = 1/sqrt(1 + sigma^2) to the model's own x_t, and what the network predicts is turned into the denoised
image.  Inside `sjc` there is only sigma.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import SjcError
from .paas import Denoise
from .schedules import VESchedule
from .text import TextEncoder

if TYPE_CHECKING:
    from .autoencoder import Autoencoder

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


class TextDenoiser:
    """A text-to-image model as a family of denoisers.

    channels, size: its images are [channels, size, size] in [-1,1].  sigmas: its noise levels [T], ascending float64;
    sigma_min, sigma_max: the ends.  card: what sjc.json in the model's folder says (camera, words ...), {} without.
    name: for people; source, revision: for run.json.  autoencoder: what decodes latents, None in pixel space;
    color_activation: how a field's raw colours become the model's values ("tanh_sigmoid" in [-1,1], "identity" for
    latents).
    """

    autoencoder: Autoencoder | None = None
    color_activation = "tanh_sigmoid"

    def __init__(
        self,
        unet: Any,
        text: TextEncoder,
        schedule: VESchedule,
        prediction_type: str,
        *,
        source: str = "",
        revision: str | None = None,
    ) -> None:
        if prediction_type not in PREDICTION_TYPES:
            raise SjcError(
                f'The model predicts "{prediction_type}"; only {", ".join(PREDICTION_TYPES)} can be used.'
            )
        self.unet = unet
        self.text = text
        self.schedule = schedule
        self.prediction_type = prediction_type
        self.channels = int(unet.config.in_channels)
        self.size = int(unet.config.sample_size)
        self.source = source
        self.revision = revision

    @property
    def card(self) -> dict[str, Any]:
        """What sjc.json beside the model says, {} without one."""
        return self.text.card

    @property
    def name(self) -> str:
        """How messages call the model."""
        return self.text.name

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return torch.device(self.unet.device)

    @property
    def sigmas(self) -> Tensor:
        """The model's noise levels [T], ascending, float64 on the CPU."""
        return self.schedule.sigmas

    @property
    def sigma_min(self) -> float:
        """The lowest of them."""
        return self.schedule.sigma_min

    @property
    def sigma_max(self) -> float:
        """The highest of them."""
        return self.schedule.sigma_max

    def snap(self, sigma: Tensor) -> Tensor:
        """The model's noise levels nearest to sigma, float32, on sigma's device."""
        sigma = torch.as_tensor(sigma)
        return self.schedule.snap(sigma).to(sigma.device, torch.float32)

    def check_prompt(self, text: object) -> str:
        """The cleaned prompt, or SjcError: see `TextEncoder.check_prompt`."""
        return self.text.check_prompt(text)

    def conditioned(
        self, prompts: list[str], negative_prompt: str = "", guidance: float = 1.0, chunk: int | None = None
    ) -> Denoise:
        """D(x; sigma) under classifier-free guidance, eps_u + guidance * (eps_c - eps_u).

        eps_u is that of the empty sentence, or of the negative prompt in its place.  guidance 1 asks the conditional
        half alone, 0 the other alone.  One prompt per view: image i of a batch gets prompts[i mod len(prompts)], so the batch must be a multiple of
        len(prompts).  sigma [B] may differ in every image; each is snapped to the nearest tick.  `chunk` images (all
        by default) go through the network in one call, both halves together.  x in any floating type and device;
        the result has the same.  Raises SjcError for prompts the model cannot read.
        """
        if not prompts:
            raise SjcError("At least one prompt is needed.")
        conditional = self.text.encode(prompts)
        unconditional = self.text.encode([negative_prompt])

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            batch = x.shape[0]
            if batch % len(prompts):
                raise SjcError(f"{batch} images cannot be shared out among {len(prompts)} prompts.")
            each = conditional.repeat(batch // len(prompts), 1, 1)
            parts = [
                self._denoise(xs, sigmas, states, unconditional, guidance)
                for xs, sigmas, states in zip(
                    x.split(chunk or batch),
                    sigma.split(chunk or batch),
                    each.split(chunk or batch),
                    strict=True,
                )
            ]
            return torch.cat(parts)

        return denoise

    @torch.no_grad()
    def _denoise(self, x: Tensor, sigma: Tensor, cond: Tensor, uncond: Tensor, guidance: float) -> Tensor:
        ticks = self.schedule.tick(sigma)
        s = self.sigmas[ticks].to(self.device, torch.float32).view(-1, 1, 1, 1)
        noised = x.to(self.device, torch.float32)
        scaled, t = noised / (1 + s**2).sqrt(), ticks.to(self.device)
        uncond = uncond.expand(x.shape[0], -1, -1)
        if guidance == 1:
            output = self._network(scaled, t, cond)
        elif guidance == 0:
            output = self._network(scaled, t, uncond)
        else:
            both = self._network(torch.cat([scaled, scaled]), torch.cat([t, t]), torch.cat([uncond, cond]))
            output_u, output_c = both.chunk(2)
            # D is affine in the output with the same factors in both halves, so guiding here is guiding D or eps.
            output = output_u + guidance * (output_c - output_u)
        return self._to_denoised(noised, s, output).to(x.device, x.dtype)

    def _network(self, scaled: Tensor, t: Tensor, states: Tensor) -> Tensor:
        dtype = self.unet.dtype
        output: Tensor = self.unet(
            scaled.to(dtype), t, encoder_hidden_states=states.to(dtype), return_dict=False
        )[0]
        return output[:, : self.channels].float()  # a learned variance is the second half of the channels

    def _to_denoised(self, x: Tensor, s: Tensor, output: Tensor) -> Tensor:
        if self.prediction_type == "epsilon":
            return x - s * output
        if self.prediction_type == "v_prediction":  # v = sqrt(abar) n - sqrt(1-abar) y
            return x / (1 + s**2) - s / (1 + s**2).sqrt() * output
        return output
