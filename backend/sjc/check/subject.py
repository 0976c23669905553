"""The model under test, and how it is asked: prompts that it reads, noise levels, pictures of its own making."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..field.cameras import look_at
from ..guidance.paas import Denoise
from ..guidance.parameterizations import Parameterization
from ..guidance.schedules import VESchedule, karras
from ..guidance.views import ViewRing
from ..models.prompt_encoder import NoPrompt
from ..models.text_denoiser import TextDenoiser

LOWEST, HIGHEST = 0.03, 40.0
"""Noise levels that are looked at: below, a picture is as good as clean; above, nothing of it is left."""
PROMPTS = ("a red mushroom", "a blue chair")
SEED = 0


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    steps: of the sampler.  pictures: sampled for each prompt.  levels: noise levels of the curve.  repeats: of what is
    timed, 0 to time nothing.
    """

    steps: int = 16
    pictures: int = 1
    levels: int = 10
    repeats: int = 3


@dataclass(frozen=True)
class Subject:
    """A model, the two sentences that it is asked with (one empty sentence where it reads no text), and the scale.

    A model of several views is asked with each sentence as often as it has views.

    count: called with the pictures that go through the network with each call, for the progress bar.
    """

    denoiser: TextDenoiser
    prompts: list[str]
    guidance: float
    count: Callable[[int], None] = lambda _pictures: None

    @property
    def reads(self) -> bool:
        """Whether sentences steer it."""
        return self.prompts != [""]

    @property
    def views(self) -> int:
        """How many pictures the network sees at once."""
        return len(self.denoiser.ring) if self.denoiser.ring else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one picture as the network takes it, [C,h,w]."""
        return self.denoiser.channels, self.denoiser.size, self.denoiser.size

    def denoise(self, prompts: Sequence[str], guidance: float | None = None) -> Denoise:
        """D(x; sigma) for these prompts: without guidance, where it is not built in, or with a scale."""
        denoiser = self.denoiser
        scale = guidance or (self.guidance if denoiser.distilled else 1.0)
        views, rows, asked = self.views, rows_of(denoiser, scale), list(prompts)
        whole = len(asked) == 1 or len(asked) % views == 0  # rings; else each picture stands for all views of its own
        if len(asked) == 1:
            asked *= views
        elif not whole:
            asked = [prompt for prompt in asked for _ in range(views)]
        poses = None if denoiser.ring is None else poses_of(denoiser.ring).repeat(len(asked) // views, 1, 1)
        called = denoiser.conditioned(asked, guidance=scale, poses=poses)

        def counted(x: Tensor, sigma: Tensor) -> Tensor:
            each = 1 if whole and len(x) % views == 0 else views
            denoised = called(x.repeat_interleave(each, 0), sigma.repeat_interleave(each))[::each]
            self.count(rows * len(x) * each)
            return denoised

        return counted

    def for_pictures(self, pictures: Tensor) -> list[str]:
        """Each picture's prompt."""
        return [self.prompts[i % len(self.prompts)] for i in range(len(pictures))]


def poses_of(ring: ViewRing) -> Tensor:
    """Cameras of a ring at its elevation, or a little above; camera to world [views,4,4]."""
    return look_at(ring.azimuths, 15.0 if ring.elevation is None else ring.elevation, 3.0, 40.0).poses


def rows_of(denoiser: TextDenoiser, guidance: float) -> int:
    """How often the network is asked for one picture at this scale: once or twice."""
    once = denoiser.distilled or denoiser.built_in is not None or guidance in (0.0, 1.0)
    return 1 if once else 2


def prompts_for(denoiser: TextDenoiser) -> list[str]:
    """Two sentences that the model can read, one where there are no two, [""] for a model without text.

    Raises SjcError where it can read none.
    """
    if isinstance(denoiser.prompt_encoder, NoPrompt):
        return [""]
    readable: list[str] = []
    refusal: SjcError | None = None
    for prompt in (*PROMPTS, *_from_card(denoiser.card)):
        try:
            readable.append(denoiser.check_prompt(prompt))
        except SjcError as error:
            refusal = refusal or error
    readable = list(dict.fromkeys(readable))[:2]
    if not readable and refusal:
        raise refusal
    return [prompt for prompt in readable for _ in denoiser.ring.azimuths] if denoiser.ring else readable


def _from_card(card: Any) -> list[str]:
    """Sentences of the words that a model's card names, for a model that knows few."""
    words = card.get("words")
    by_kind = words if isinstance(words, dict) else {}
    objects, colors = (
        [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else []
        for listed in (by_kind.get("objects"), by_kind.get("colors") or by_kind.get("colours"))
    )
    if not objects:
        return []
    pairs = [(colors[0], objects[0]), (colors[-1], objects[-1])] if colors else []
    return [f"a {color} {thing}" for color, thing in pairs] + [f"a {thing}" for thing in (objects[0], objects[-1])]


def levels(schedule: VESchedule, count: int) -> list[float]:
    """About `count` of the model's own noise levels, ascending, evenly spaced in their logarithm."""
    high = min(schedule.sigma_max, HIGHEST)
    low = min(max(schedule.sigma_min, LOWEST), high)
    wanted = torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64)
    return torch.unique(schedule.snap(wanted)).tolist()


def sampled(subject: Subject, effort: Effort) -> Tensor:
    """Pictures [B,C,h,w] of the model's own, always the same: Euler steps down its noise levels (DDIM), with guidance.

    (Karras et al. 2022, Algorithm 1 without churn and second order.)  B is `effort.pictures` for each prompt.
    """
    schedule = subject.denoiser.schedule
    high = min(schedule.sigma_max, HIGHEST)
    low = min(max(schedule.sigma_min, LOWEST), high / 2)
    ladder = torch.unique(schedule.snap(karras(effort.steps, high, low))).flip(0).tolist()
    count = effort.pictures * max(2, len(subject.prompts)) // len(subject.prompts) * len(subject.prompts)
    generator = torch.Generator().manual_seed(SEED)
    x = ladder[0] * torch.randn(count, *subject.shape, generator=generator)
    denoise = subject.denoise(subject.prompts, subject.guidance)
    for sigma, following in zip(ladder, [*ladder[1:], 0.0], strict=True):
        denoised = denoise(x, torch.full((count,), sigma))
        x = denoised + (x - denoised) * (following / sigma)
    return x


def sampler_rows(subject: Subject, effort: Effort) -> int:
    """Pictures that go through the network for `sampled`."""
    return effort.steps * effort.pictures * 2 * rows_of(subject.denoiser, subject.guidance)


@contextmanager
def read_as(denoiser: TextDenoiser, parameterization: Parameterization) -> Iterator[None]:
    """Inside, what the network says is read as another prediction."""
    declared = denoiser.parameterization
    denoiser.parameterization = parameterization
    try:
        yield
    finally:
        denoiser.parameterization = declared
