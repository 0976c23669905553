"""A diffusion model as a family of denoisers D(x; sigma).

Every model becomes the same thing at this one edge (the VE view, Karras et al. 2022; released code, adapt.py): x is
scaled to the network's own x_t, and what the network predicts is turned into the denoised picture, both as its
parameterization has it (guidance/parameterizations.py).  Inside `sjc` there is only sigma.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..guidance import perp_neg
from ..guidance.denoiser import Origin
from ..guidance.parameterizations import Parameterization
from ..guidance.perp_neg import Weighted
from ..guidance.schedules import VESchedule
from ..machine import threads
from .conditioned import PUSH, Conditioned
from .graphs import Replayed, plain
from .joined_views import camera_numbers
from .memory_fallback import MemoryFallback
from .memory_plan import Plan
from .networks import LoadedNetwork, PictureFormat
from .placement import IN_PIECES, NETWORK_FULL, Placement
from .prompt_encoder import NoPrompt, PromptEncoder
from .text_encoders import Condition, joined

if TYPE_CHECKING:
    from .autoencoder import KLAutoencoder


class TextDenoiser:
    """A diffusers model as the engine uses it; see `guidance.denoiser.Denoiser` for what callers may rely on.

    network, pictures: the loaded network and what it takes.
    prompt_encoder: reads sentences for it.
    schedule: its noise levels.
    parameterization: what it predicts.
    placement: where its parts lie.  None takes all as lying on the network's device.
    origin: for run.json.

    Attributes that change: `network`, the function that is called, may be replaced (benchmarks put a stopwatch around
    it); `max_rows` falls where memory runs out.
    """

    def __init__(
        self,
        network: LoadedNetwork,
        pictures: PictureFormat,
        prompt_encoder: PromptEncoder | NoPrompt,
        schedule: VESchedule,
        parameterization: Parameterization,
        *,
        placement: Placement | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.network = network.call
        self._load_module = network.load_module
        self.device, self.dtype = network.device, network.dtype
        self.distilled, self.built_in = network.distilled, network.built_in
        self.channels, self.size = pictures.channels, pictures.size
        self.vae, self.vae_on_host = pictures.vae, pictures.vae_on_host
        self.ring, self.control_size = pictures.ring, pictures.control_size
        self.prompt_encoder = prompt_encoder
        self.schedule = schedule
        self.parameterization = parameterization
        self.placement = placement or Placement(self.device, Plan(self.device.type, "float32", 0, 0, 0, None))
        self.origin = origin or Origin()
        self.max_rows = 2**30  # pictures through the network in one call
        self._rows_requested = 0
        self._fallback = MemoryFallback(self._cheaper_ways(), NETWORK_FULL, self.placement.note)

    @cached_property
    def unet(self) -> Any:
        """The network as diffusers has it (a transformer for some families), loaded when first asked for."""
        return self._load_module()

    @cached_property
    def autoencoder(self) -> KLAutoencoder | None:
        """What turns latents into pictures, loaded when first asked for; None in pixel space."""
        if self.vae is None:
            return None
        from .autoencoder import load_autoencoder

        tell = self.placement.note
        try:
            return load_autoencoder(self.vae, "cpu" if self.vae_on_host else self.device, self.dtype, tell)
        except torch.OutOfMemoryError:
            pass
        tell("The device's memory was full; the autoencoder works on the CPU.")
        return load_autoencoder(self.vae, "cpu", self.dtype, tell)

    @property
    def notes(self) -> list[str]:
        """One line for each part that had too little memory and works in a slower way."""
        return self.placement.notes

    @property
    def color_activation(self) -> str:
        """How raw colours of the field become values of a picture: "identity" for latents, else "tanh_sigmoid"."""
        return "tanh_sigmoid" if self.vae is None else "identity"

    @property
    def card(self) -> dict[str, Any]:
        """What sjc.json beside the model says, {} without one."""
        return self.prompt_encoder.card

    @property
    def name(self) -> str:
        """How messages call the model; it begins a sentence."""
        return self.prompt_encoder.name

    @property
    def sigmas(self) -> Tensor:
        """The model's noise levels [T], ascending, float64 on the CPU."""
        return self.schedule.sigmas

    @property
    def sigma_min(self) -> float:
        """The lowest noise level."""
        return self.schedule.sigma_min

    @property
    def sigma_max(self) -> float:
        """The highest noise level."""
        return self.schedule.sigma_max

    def snap(self, sigma: Tensor) -> Tensor:
        """The model's noise levels nearest to sigma, float32, on sigma's device."""
        sigma = torch.as_tensor(sigma)
        return self.schedule.snap(sigma).to(sigma.device, torch.float32)

    def check_prompt(self, text: object) -> str:
        """The cleaned prompt.  Raises SjcError as `PromptEncoder.check_prompt` does."""
        return self.prompt_encoder.check_prompt(text)

    def prepare(
        self,
        prompt: str,
        view_words: str,
        negative_prompt: str = "",
        elevations: tuple[float, float] = (-90, 90),
        asked: int = 0,
    ) -> None:
        """Encodes ahead what a run with these may ask for, where that is quicker; see `PromptEncoder.prepare`."""
        self.prompt_encoder.prepare(prompt, view_words, negative_prompt, elevations, asked)

    def check_steering(self, negative_prompt: str, *, perp_neg: bool, varied_guidance: bool = False) -> None:
        """Raises SjcError for what a network cannot follow.

        One with its guidance built in is asked once and knows one sentence: it takes no negative prompt, no Perp-Neg
        and no guidance that changes.  One that sees several views at once takes no Perp-Neg.
        """
        asked_once = self.distilled or self.built_in is not None
        if asked_once and negative_prompt:
            raise SjcError(f"{self.name} has its guidance built in and takes no negative prompt; leave it out.")
        if self.ring and perp_neg:
            raise SjcError(
                f"{self.name} sees {len(self.ring)} views at once and does not support Perp-Neg; set perp_neg to 0."
            )
        if asked_once and perp_neg:
            raise SjcError(f"{self.name} has its guidance built in and does not support Perp-Neg; set perp_neg to 0.")
        if asked_once and varied_guidance:
            raise SjcError(
                f"{self.name} has its guidance built in and cannot change it during a run; set guidance_end, "
                "guidance_sigma_min and guidance_sigma_max to 0."
            )

    def conditioned(
        self,
        prompts: list[str],
        negative_prompt: str = "",
        guidance: float | Tensor = 1.0,
        chunk: int | None = None,
        *,
        rescale: float = 0.0,
        away: Sequence[Weighted] = (),
        poses: Tensor | None = None,
        control: Tensor | None = None,
    ) -> Conditioned:
        """D(x; sigma) under classifier-free guidance, eps_u + guidance * (eps_c - eps_u).

        prompts: one for each view.  Image i of a batch gets prompts[i mod len(prompts)], so the batch must be a
            multiple of len(prompts).
        negative_prompt: its eps takes the place of eps_u, which is that of the empty sentence otherwise.
        guidance: 1 asks for the conditional half alone, 0 for the other alone.  A tensor has one scale for each prompt,
            and both halves are asked for.  A network that takes the scale as an input (FLUX.1-dev) gets it there and is
            called once an image; one with a scale built in takes that alone.
        chunk: images through the network in one call, both halves together; None: all.
        rescale: 0 to 1, see `rescaled`.
        away: for each prompt, the sentences with weights that Perp-Neg keeps its pictures away from (perp_neg.py), each
            at the cost of one more call of the network per image.
        poses: camera to world [V,4,4] for each prompt; a multi-view network needs them, others make nothing of them.
        control: the picture that a ControlNet is shown for each prompt, [V,3,H,W] in [0,1]; needed with one, and only
            then.

        The returned function takes x [B,C,h,w] of any floating type and device and sigma [B], and gives D in x's type
        on x's device.  sigma may differ in every image; each is snapped to the nearest tick.  Raises SjcError for
        prompts that the model cannot read, and for guidance that it does not know.
        """
        if not prompts:
            raise SjcError("At least one prompt is needed.")
        self.check_steering(negative_prompt, perp_neg=any(away), varied_guidance=isinstance(guidance, Tensor))
        if self.built_in is not None and (guidance != self.built_in or rescale):
            raise SjcError(
                f"{self.name} was loaded with guidance {self.built_in:g} built in and cannot use another; "
                "load it without."
            )
        if self.ring and poses is None:
            raise SjcError(f"{self.name} sees {len(self.ring)} views at once and must be told their cameras.")
        if self.ring and (len(prompts) % len(self.ring) or (chunk or 0) % len(self.ring)):
            raise SjcError(
                f"{self.name} sees {len(self.ring)} views at once; {len(prompts)} views cannot be divided into such "
                "groups."
            )
        if (control is None) != (self.control_size is None):
            raise SjcError(
                f"{self.name} has a ControlNet, which works only where a mesh is textured; leave control empty."
                if control is None
                else f"{self.name} has no ControlNet."
            )
        # Row 0 is the unconditional one, row 1 + i that of prompt i; the sentences of Perp-Neg follow.
        negatives = list(dict.fromkeys(text for pairs in away for text, _ in pairs))
        self.prompt_encoder.unconditional(negative_prompt)  # may be the longest; all rows are as long as that
        conditional = self.prompt_encoder.conditions([*prompts, *negatives])
        conditions = joined([self.prompt_encoder.unconditional(negative_prompt), conditional])
        negative_rows = [[(1 + len(prompts) + negatives.index(text), w) for text, w in pairs] for pairs in away]
        cameras = camera_numbers(poses) if self.ring and poses is not None else None
        return Conditioned(self, conditions, len(prompts), negative_rows, guidance, rescale, chunk, cameras, control)

    @property
    def obstacle(self) -> str:
        """Why a call of the network cannot be captured within a larger graph; "" if it can."""
        if self.placement.in_pieces:
            return "the network's layers come to the device one by one"
        if not isinstance(self.network, Replayed) or self.network.gave_up:
            return "the network cannot be captured"
        return ""

    @torch.no_grad()
    def denoised(
        self,
        x: Tensor,
        given: Mapping[str, Tensor],
        guidance: float | Tensor,
        rescale: float,
        *,
        captured: bool = False,
    ) -> Tensor:
        """D for x [B,C,h,w], with what `Conditioned.given` makes, on the device.

        guidance: a scale for all images, or [B,1,1,1].
        """
        s, t, rows = given["level"], given["time"], given["rows"]
        camera, control = given.get("camera"), given.get("control")
        conditions = Condition(given["states"], given.get("pooled"))
        push = perp_neg.Push(*(given[name] for name in PUSH)) if PUSH[0] in given else None
        noised = x.to(self.device, torch.float32)
        scaled = self.parameterization.network_input(noised, s)
        varied = isinstance(guidance, Tensor)  # whose numbers only the device knows
        scale = 1.0 if isinstance(guidance, Tensor) else guidance  # for networks that take one as an input
        if self.distilled or self.built_in is not None or (scale == 1 and not varied and push is None):
            output = self._call(scaled, t, conditions.take(rows, camera, control), scale, captured)
        elif scale == 0:
            output = self._call(scaled, t, conditions.take(0 * rows, camera, control), scale, captured)
        else:
            twice = [None if value is None else torch.cat([value, value]) for value in (camera, control)]
            halves = conditions.take(torch.cat([0 * rows, rows]), *twice)
            both = self._call(torch.cat([scaled, scaled]), torch.cat([t, t]), halves, scale, captured)
            output_u, output_c = both.chunk(2)
            # D is affine in the output with the same factors in both halves, so guiding here is guiding D or eps.
            direction = output_c - output_u
            if push is not None:
                at = push.images
                negatives = conditions.take(push.rows, control=None if control is None else control[at])
                output_n = self._call(scaled[at], t[at], negatives, scale, captured)
                direction = perp_neg.pushed(direction, output_n - output_u[at], push)
            output = output_u + guidance * direction
            if self.ring and rescale:  # MVDream's recipe does it to the denoised pictures, all views of an object alike
                guided, plain_d = (self.parameterization.to_denoised(noised, s, o) for o in (output, output_c))
                return rescaled(guided, plain_d, rescale, len(self.ring)).to(x.device, x.dtype)
            output = rescaled(output, output_c, rescale)
        return self.parameterization.to_denoised(noised, s, output).to(x.device, x.dtype)

    def _call(self, x: Tensor, t: Tensor, conditions: Condition, guidance: float, captured: bool) -> Tensor:
        """The network's output for all rows, `max_rows` at a time; where memory runs out, in the next cheaper way.

        captured: within a larger graph, where the network needs none of its own and nothing can be tried twice.
        """
        self._rows_requested = len(x)

        def call() -> Tensor:
            network = plain(self.network) if captured else self.network
            if self.max_rows >= len(x):
                return network(x, t, conditions, guidance)
            parts = zip(*(v.split(self.max_rows) for v in (x, t, conditions)), strict=True)
            return torch.cat([network(xs, ts, part, guidance) for xs, ts, part in parts])

        with threads.large():
            return call() if x.is_cuda and torch.cuda.is_current_stream_capturing() else self._fallback(call)

    def _cheaper_ways(self) -> Iterator[str]:
        """The ways of `MemoryFallback`: fewer pictures at once, then layers that come one by one."""
        least = len(self.ring) if self.ring else 1
        while (rows := min(self.max_rows, self._rows_requested)) > least:
            self.max_rows = max(rows // 2 // least * least, least)
            yield f"{self.max_rows} of a step's pictures go through the network at a time"
        if not self.placement.in_pieces:
            self.network = plain(self.network)
            self.placement.split(self.unet)
            yield IN_PIECES


def rescaled(guided: Tensor, conditional: Tensor, amount: float, views: int = 1) -> Tensor:
    """The guided output [B,C,H,W] brought towards the spread of the conditional one.

    (Lin et al., arXiv 2305.08891, Eq. 14-16.)  The standard deviation is that of each image, or of so many views
    together that follow each other; amount 0 leaves it, 1 takes all of the correction.
    """
    if not amount:
        return guided
    spread, own = (x.reshape(len(x) // views, -1).std(1) for x in (conditional, guided))
    factor = (spread / own).repeat_interleave(views, output_size=len(guided)).view(-1, 1, 1, 1)
    return guided * (amount * factor + 1 - amount)
