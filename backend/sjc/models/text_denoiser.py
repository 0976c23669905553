"""A diffusion model as a family of denoisers D(x; sigma).

Every model becomes the same thing at this one edge (the VE view, Karras et al. 2022; released code, adapt.py): x is
scaled by c_in to the model's own x_t, and what the network predicts is turned into the denoised image.  c_in is
1/sqrt(1 + sigma^2) for variance-preserving models and 1/(1 + sigma) = 1 - t for rectified flows, x_t = (1-t) y + t n.
Inside `sjc` there is only sigma.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..guidance import perp_neg
from ..guidance.paas import Denoise
from ..guidance.perp_neg import Weighted
from ..guidance.schedules import VESchedule
from ..machine import threads
from .graphs import plain
from .memory_fallback import Descent
from .memory_plan import Plan
from .networks import Network
from .placement import IN_PIECES, NETWORK_FULL, Placement
from .prompt_encoder import NoText, TextEncoder
from .text_encoders import Condition, joined

if TYPE_CHECKING:
    from .autoencoder import Autoencoder

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample", "flow")


class TextDenoiser:
    """A diffusion model as a family of denoisers.

    device, dtype: where the network lies, and its numbers.  unet: the network as its library has it, loaded when first
    asked for, which may be never where something else runs it.  channels, size: its images or latents are [channels,
    size, size]; images are in [-1,1].  sigmas: its noise levels [T], ascending float64; sigma_min, sigma_max: the ends.
    card: what sjc.json in the model's folder says (camera, words ...), {} without.  name: for people; source, revision,
    loras: for run.json.  distilled: whether the network takes the guidance scale as an input (FLUX.1-dev).  built_in:
    the one scale that an adapter built into the network (distilled.py), None without.  vae: the folder of the
    autoencoder, None in pixel space; vae_on_host: whether it works on the CPU.  place: where its parts lie.
    """

    def __init__(
        self,
        load_unet: Callable[[], Any],
        network: Network,
        text: TextEncoder | NoText,
        schedule: VESchedule,
        prediction_type: str,
        *,
        device: torch.device,
        dtype: torch.dtype,
        channels: int,
        size: int,
        distilled: bool = False,
        vae: Path | None = None,
        vae_on_host: bool = False,
        place: Placement | None = None,
        source: str = "",
        revision: str | None = None,
        loras: Sequence[dict[str, Any]] = (),
        built_in: float | None = None,
    ) -> None:
        if prediction_type not in PREDICTION_TYPES:
            raise SjcError(f'The model predicts "{prediction_type}"; only {", ".join(PREDICTION_TYPES)} can be used.')
        self._load_unet = load_unet
        self.device, self.dtype = device, dtype
        self.network = network
        self.text = text
        self.schedule = schedule
        self.prediction_type = prediction_type
        self.channels = channels
        self.size = size
        self.distilled, self.built_in = distilled, built_in
        self.vae, self.vae_on_host = vae, vae_on_host
        self.place = place or Placement(device, Plan(device.type, "float32", 0, 0, 0, None))
        self.most = 2**30  # rows through the network at once
        self._asked = 0
        self._descent = Descent(self._cheaper(), NETWORK_FULL, self.place.note)
        self.source = source
        self.revision = revision
        self.loras = list(loras)

    @cached_property
    def unet(self) -> Any:
        """The network as its library has it."""
        return self._load_unet()

    @cached_property
    def autoencoder(self) -> Autoencoder | None:
        """What turns latents into pictures, loaded when first asked for; None in pixel space."""
        if self.vae is None:
            return None
        from .autoencoder import load_autoencoder

        tell = self.place.note
        try:
            return load_autoencoder(self.vae, "cpu" if self.vae_on_host else self.device, self.dtype, tell)
        except torch.OutOfMemoryError:
            pass
        tell("The device's memory was full; the autoencoder works on the CPU.")
        return load_autoencoder(self.vae, "cpu", self.dtype, tell)

    @property
    def notes(self) -> list[str]:
        """What was said so far of parts that found no room, one line each."""
        return self.place.notes

    @property
    def color_activation(self) -> str:
        """How the field's raw colours become the model's values: "identity" for latents, else "tanh_sigmoid"."""
        return "tanh_sigmoid" if self.vae is None else "identity"

    @property
    def card(self) -> dict[str, Any]:
        """What sjc.json beside the model says, {} without one."""
        return self.text.card

    @property
    def name(self) -> str:
        """How messages call the model."""
        return self.text.name

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

    def prepare(self, prompt: str, view_words: str, negative_prompt: str = "") -> None:
        """Large text encoders read all that a run with these may say, and are let go. Small ones wait until asked."""
        self.text.prepare(prompt, view_words, negative_prompt)

    def check_steering(self, negative_prompt: str, *, perp_neg: bool) -> None:
        """Raises SjcError where the network has its guidance built in (FLUX.1-dev, distilled.py) and more is asked for."""
        once = self.distilled or self.built_in is not None
        if once and negative_prompt:
            raise SjcError(f"{self.name} has its guidance built in and takes no negative prompt; leave it out.")
        if once and perp_neg:
            raise SjcError(f"{self.name} has its guidance built in and knows no Perp-Neg; set perp_neg to 0.")

    def conditioned(
        self,
        prompts: list[str],
        negative_prompt: str = "",
        guidance: float = 1.0,
        chunk: int | None = None,
        *,
        rescale: float = 0.0,
        away: Sequence[Weighted] = (),
    ) -> Denoise:
        """D(x; sigma) under classifier-free guidance, eps_u + guidance * (eps_c - eps_u).

        eps_u is that of the empty sentence, or of the negative prompt in its place.  guidance 1 asks the conditional
        half alone, 0 the other alone.  One prompt per view: image i of a batch gets prompts[i mod len(prompts)], so the
        batch must be a multiple of len(prompts).  sigma [B] may differ in every image; each is snapped to the nearest
        tick.  `chunk` images (all by default) go through the network in one call, both halves together.  x in any
        floating type and device; the result has the same.  A network distilled with a guidance input (FLUX.1-dev) gets
        the scale there and is asked once; it knows no negative prompt, nor does one with a scale built in, which takes
        that scale alone.  rescale 0..1: see `rescaled`.  away: sentences by prompt that Perp-Neg keeps its pictures
        away from (perp_neg.py), each at the cost of one more call of the network per image.  Raises SjcError for
        prompts the model cannot read.
        """
        if not prompts:
            raise SjcError("At least one prompt is needed.")
        self.check_steering(negative_prompt, perp_neg=any(away))
        if self.built_in is not None and (guidance != self.built_in or rescale):
            raise SjcError(
                f"{self.name} was loaded with guidance {self.built_in:g} built in and knows no other; load it without."
            )
        # Row 0 is the unconditional one, row 1 + i that of prompt i; the sentences to keep away from follow.
        shunned = list(dict.fromkeys(text for pairs in away for text, _ in pairs))
        conditional = self.text.conditions([*prompts, *shunned])
        told = joined([self.text.unconditional(negative_prompt), conditional])
        far = [[(1 + len(prompts) + shunned.index(text), w) for text, w in pairs] for pairs in away]

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            batch = x.shape[0]
            if batch % len(prompts):
                raise SjcError(f"{batch} images cannot be shared out among {len(prompts)} prompts.")
            asked = torch.arange(batch) % len(prompts)
            shares = (value.split(chunk or batch) for value in (x, sigma, asked))
            parts = [
                self._denoise(xs, sigmas, 1 + ours, told, guidance, rescale, perp_neg.push(far, ours))
                for xs, sigmas, ours in zip(*shares, strict=True)
            ]
            return torch.cat(parts)

        return denoise

    @torch.no_grad()
    def _denoise(
        self,
        x: Tensor,
        sigma: Tensor,
        rows: Tensor,
        told: Condition,
        guidance: float,
        rescale: float,
        push: perp_neg.Push | None = None,
    ) -> Tensor:
        ticks = self.schedule.tick(sigma)
        exact = self.sigmas[ticks]
        s = exact.to(self.device, torch.float32).view(-1, 1, 1, 1)
        noised = x.to(self.device, torch.float32)
        if self.prediction_type == "flow":
            scaled, t = noised / (1 + s), (1000 * exact / (1 + exact)).to(self.device, torch.float32)
        else:
            scaled, t = noised / (1 + s**2).sqrt(), ticks.to(self.device)
        if self.distilled or self.built_in is not None or (guidance == 1 and push is None):
            output = self._call(scaled, t, told.take(rows), guidance)
        elif guidance == 0:
            output = self._call(scaled, t, told.take(0 * rows), guidance)
        else:
            halves = told.take(torch.cat([0 * rows, rows]))
            both = self._call(torch.cat([scaled, scaled]), torch.cat([t, t]), halves, guidance)
            output_u, output_c = both.chunk(2)
            # D is affine in the output with the same factors in both halves, so guiding here is guiding D or eps.
            direction = output_c - output_u
            if push is not None:
                at = push.images.to(self.device)
                shunned = self._call(scaled[at], t[at], told.take(push.rows), guidance)
                direction = perp_neg.pushed(direction, shunned - output_u[at], push)
            output = rescaled(output_u + guidance * direction, output_c, rescale)
        return self._to_denoised(noised, s, output).to(x.device, x.dtype)

    def _call(self, x: Tensor, t: Tensor, told: Condition, guidance: float) -> Tensor:
        """The network's output for all rows, `most` of them at a time; where that finds no room, fewer, then in pieces."""
        self._asked = len(x)

        def call() -> Tensor:
            if self.most >= len(x):
                return self.network(x, t, told, guidance)
            parts = zip(*(v.split(self.most) for v in (x, t, torch.arange(len(x)))), strict=True)
            return torch.cat([self.network(xs, ts, told.take(rows), guidance) for xs, ts, rows in parts])

        with threads.large():
            return self._descent(call)

    def _cheaper(self) -> Iterator[str]:
        """The ways of `Descent`: fewer pictures at once, then layers that come one by one."""
        while (rows := min(self.most, self._asked)) > 1:
            self.most = rows // 2
            yield f"{self.most} of a step's pictures go through the network at a time"
        if not self.place.in_pieces:
            self.network = plain(self.network)
            self.place.split(self.unet)
            yield IN_PIECES

    def _to_denoised(self, x: Tensor, s: Tensor, output: Tensor) -> Tensor:
        if self.prediction_type == "epsilon":
            return x - s * output
        if self.prediction_type == "v_prediction":  # v = sqrt(abar) n - sqrt(1-abar) y
            return x / (1 + s**2) - s / (1 + s**2).sqrt() * output
        if self.prediction_type == "flow":  # v = n - y, so y = x_t - t v
            return (x - s * output) / (1 + s)
        return output


def rescaled(guided: Tensor, conditional: Tensor, amount: float) -> Tensor:
    """The guided output [B,C,H,W] brought towards the spread of the conditional one (Lin et al., arXiv 2305.08891, Eq.
    14-16).

    The standard deviation is that of each image; amount 0 leaves it, 1 takes all of the correction.
    """
    if not amount:
        return guided
    each = (1, 2, 3)
    factor = conditional.std(each, keepdim=True) / guided.std(each, keepdim=True)
    return guided * (amount * factor + 1 - amount)
