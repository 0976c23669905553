"""What the engine needs of a model: the interfaces that a loaded model fulfils, and a stand-in in a test as well.

`sjc.models.text_denoiser.TextDenoiser` is the implementation for diffusers' models.  The optimisation loop, the colours
of the result and a job know no more of a model than stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from .paas import Denoise
from .parameterizations import Parameterization
from .perp_neg import Weighted
from .schedules import VESchedule
from .views import ViewRing


@dataclass(frozen=True)
class Origin:
    """Where a model came from, as run.json records it.

    source: what was asked for, "embedded", a folder or a hub id.  revision: the commit in the hub's cache, None for a
    folder.  loras: {"file", "weight", "sha256"} of every LoRA fused into its weights.  views_adapter: "file" and
    "sha256" of its MV-Adapter, None without.  control: "source" and "revision" of its ControlNet, None without.
    """

    source: str = ""
    revision: str | None = None
    loras: tuple[dict[str, Any], ...] = ()
    views_adapter: dict[str, str] | None = None
    control: dict[str, str | None] | None = None


class Autoencoder(Protocol):
    """From a latent model's latents to pictures and back; latents are scaled as the network takes them."""

    @property
    def channels(self) -> int:
        """C of the latents."""

    @property
    def factor(self) -> int:
        """Pixels along the edge of one latent."""

    @property
    def fingerprint(self) -> str:
        """A digest of its files, by which measurements of it are cached; "" for none."""

    def check_channels(self, channels: int) -> None:
        """Raises SjcError unless latents of so many channels can be decoded."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B,C,h,w] -> rgb [B,3,h*factor,w*factor] in [-1,1]."""

    def encode(self, rgb: Tensor) -> Tensor:
        """Rgb [B,3,H,W] in [-1,1] -> latents [B,C,H/factor,W/factor]."""


@runtime_checkable
class TwoPart(Protocol):
    """A `Denoise` in two parts, the host's and the device's, so that neither need wait for the other."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Both parts: D(x; sigma)."""

    @property
    def obstacle(self) -> str:
        """Why the device's part cannot be captured as a graph, as the end of a sentence; "" if it can."""

    def given(self, sigma: Tensor) -> dict[str, Tensor]:
        """The host's part: what the device's part needs for B images at sigma [B], by name.

        Some of it may lie on the device already.
        """

    def denoised(self, x: Tensor, given: Mapping[str, Tensor], *, captured: bool = False) -> Tensor:
        """The device's part: D of x [B,C,H,W], with what `given` made, all on the device; reads nothing on the host.

        captured: whether it is being captured as a graph, or will be.
        """


class Denoiser(Protocol):
    """A text-to-image model as a family of denoisers D(x; sigma), x = y + sigma n.

    Its pictures are [channels, size, size]: rgb in [-1,1], or latents where it has an autoencoder.
    """

    @property
    def name(self) -> str:
        """How messages call the model; it begins a sentence."""

    @property
    def origin(self) -> Origin:
        """Where the model came from."""

    @property
    def card(self) -> Mapping[str, Any]:
        """What sjc.json beside the model says ("camera", "words", "mean_shade" ...), {} without one."""

    @property
    def notes(self) -> Sequence[str]:
        """One line for each part that had too little memory and works in a slower way."""

    @property
    def channels(self) -> int:
        """C of its pictures or latents."""

    @property
    def size(self) -> int:
        """Pixels or latents along an edge."""

    @property
    def ring(self) -> ViewRing | None:
        """The views that it sees at once; None for a model of single pictures."""

    @property
    def control_size(self) -> int | None:
        """Pixels along the edge of the pictures that its ControlNet is shown; None without one."""

    @property
    def color_activation(self) -> str:
        """How raw colours of the field become a picture's values: "tanh_sigmoid" for pixels, "identity" for latents."""

    @property
    def autoencoder(self) -> Autoencoder | None:
        """What decodes its latents; None for a model that works on pixels."""

    @property
    def schedule(self) -> VESchedule:
        """The noise levels that it was trained on."""

    @property
    def parameterization(self) -> Parameterization:
        """What its network predicts."""

    @property
    def distilled(self) -> bool:
        """Whether the network takes the guidance scale as an input and is asked once a picture (FLUX.1-dev)."""

    @property
    def built_in(self) -> float | None:
        """The one guidance scale that an adapter built into the network; None without such an adapter."""

    def check_prompt(self, text: object) -> str:
        """The cleaned prompt.  Raises SjcError where the model cannot read it."""

    def check_steering(self, negative_prompt: str, *, perp_neg: bool, varied_guidance: bool = False) -> None:
        """Raises SjcError where the model takes no negative prompt, Perp-Neg or changing guidance, and is given it."""

    def prepare(
        self,
        prompt: str,
        view_words: str,
        negative_prompt: str = "",
        elevations: tuple[float, float] = (-90, 90),
        asked: int = 0,
    ) -> None:
        """Encodes ahead what a run with these may ask for, where that is quicker or the text encoders cannot stay.

        elevations: lowest and highest that views have, degrees. asked: how many views the run has in all.
        """

    def conditioned(
        self,
        prompts: list[str],
        negative_prompt: str = "",
        guidance: float | Tensor = 1.0,
        *,
        rescale: float = 0.0,
        away: Sequence[Weighted] = (),
        poses: Tensor | None = None,
        control: Tensor | None = None,
    ) -> Denoise:
        """D(x; sigma) for these prompts under classifier-free guidance.

        prompts: one for each view; picture i of a batch belongs to prompts[i mod len(prompts)].
        negative_prompt: takes the place of the empty sentence.
        guidance: the scale s in D_u + s (D_c - D_u); a tensor [V] has one for each prompt.
        rescale: 0 to 1, how far the spread of the guided output is brought back to that of the conditional one.
        away: for each prompt, the sentences with weights that Perp-Neg pushes away from (perp_neg.py).
        poses: camera to world [V,4,4] for each prompt, which a model of several views needs.
        control: the picture [V,3,H,H] in [0,1] that a ControlNet is shown for each prompt, H = control_size.
        """
