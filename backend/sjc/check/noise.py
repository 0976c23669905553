"""Whether D denoises: its error on the model's own pictures by noise level, and what explains too large an error.

The measure is the best guess of one who knows no more than how much pictures vary: shrink x by v / (v + sigma^2), with
v their variance (Wiener 1949).  Its error, sigma^2 v / (v + sigma^2), rises from sigma^2 at low noise to v at high
noise.  A trained network's is below it at every level, and that of a network which is misread is above it at some.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..guidance.parameterizations import BY_PREDICTION_TYPE
from .subject import Effort, Subject, levels, read_as, sampled
from .verdict import Verdict

NOISE_SEED = 1
WORST_RATIO = 1.25
"""Of the error to that of the best linear guess, at the worst level.  Measured with the embedded model and the small
latent one, three seeds each: 0.2 to 0.8, and from 2.4 on where their predictions are misread."""
BELIEFS = (0.5, math.sqrt(0.5), 1.0, math.sqrt(2), 2.0)
LARGEST_MISMATCH = 1.2
"""Of the noise that D is best told of to the noise that is there, or the inverse.  Measured with the same models: 1.01
to 1.09 with their own schedule, 0.77 with the betas of DDPM or of Stable Diffusion."""
LEAST_EFFECT = 1.01
"""Of the error under another sentence to that under the picture's own."""


@dataclass(frozen=True)
class Curve:
    """Mean squared errors of D by noise level, and the variance of the clean pictures."""

    sigma: list[float]
    error: list[float]
    variance: float

    @property
    def guess(self) -> list[float]:
        """The errors of the best linear guess."""
        return [s * s * self.variance / (s * s + self.variance) for s in self.sigma]

    @property
    def ratio(self) -> list[float]:
        """Errors over those of the guess; infinite where they are not finite."""
        pairs = zip(self.error, self.guess, strict=True)
        return [e / g if math.isfinite(e) and g > 0 else math.inf for e, g in pairs]

    @property
    def worst(self) -> float:
        """The largest ratio."""
        return max(self.ratio)

    @property
    def worst_sigma(self) -> float:
        """The noise level that it belongs to."""
        return self.sigma[self.ratio.index(self.worst)]


def errors(
    subject: Subject, pictures: Tensor, sigmas: Sequence[float], prompts: Sequence[str], belief: float = 1.0
) -> list[float]:
    """Mean squared errors of D(y + sigma n) for the pictures y [B,C,h,w] at each noise level; n is always the same.

    belief: the network is told that the noise is `belief` times what it is.
    """
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(NOISE_SEED))
    denoise = subject.denoise(prompts)
    measured = []
    for sigma in sigmas:
        stated = float(subject.denoiser.schedule.snap(torch.tensor(sigma * belief)))
        denoised = denoise(pictures + stated / belief * noise, torch.full((len(pictures),), stated))
        measured.append(float((denoised - pictures).square().mean()))
    return measured


def curve(subject: Subject, pictures: Tensor, effort: Effort) -> Curve:
    """The errors at `effort.levels` levels."""
    sigmas = levels(subject.denoiser.schedule, effort.levels)
    measured = errors(subject, pictures, sigmas, subject.for_pictures(pictures))
    return Curve(sigmas, measured, float(pictures.var()))


def denoised(subject: Subject, picture: Tensor, sigmas: Sequence[float]) -> dict[float, Tensor]:
    """D(y + sigma n) [C,h,w] of one picture [C,h,w], under its first prompt, by noise level."""
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(NOISE_SEED))
    denoise, strip = subject.denoise(subject.prompts[:1]), {}
    for sigma in sigmas:
        strip[sigma] = denoise((picture + sigma * noise)[None], torch.tensor([sigma]))[0]
    return strip


def other_readings(subject: Subject, effort: Effort) -> dict[str, Curve]:
    """By prediction_type: the curve on the pictures that the model samples if its output is read so.

    Empty for a flow, which has no prediction_type.
    """
    denoiser, readings = subject.denoiser, {}
    if denoiser.parameterization.is_flow:
        return {}
    for name, parameterization in BY_PREDICTION_TYPE.items():
        if parameterization != denoiser.parameterization:
            with read_as(denoiser, parameterization):
                readings[name] = curve(subject, sampled(subject, effort), effort)
    return readings


def judge_noise(measured: Curve, readings: dict[str, Curve], declared: str) -> Verdict:
    """The check "noise".  readings: of `other_readings`, asked for where the curve is bad."""
    at, worst = f"{measured.worst_sigma:.3g}", f"{measured.worst:.3g}"
    if measured.worst <= WORST_RATIO:
        return Verdict(
            "noise",
            True,
            f"The model removes noise at all {len(measured.sigma)} levels; at worst its error is {worst} times that of "
            "the best linear guess",
        )
    fitting = [name for name, other in readings.items() if other.worst <= WORST_RATIO]
    if fitting:
        best = min(fitting, key=lambda name: readings[name].worst)
        return Verdict(
            "noise",
            False,
            f"At noise level {at} the model's error is {worst} times that of the best linear guess: the prediction "
            f"type is probably wrong. The scheduler says {declared}, but {best} fits ({readings[best].worst:.2f} "
            "times); change prediction_type in scheduler/scheduler_config.json",
        )
    if readings:
        return Verdict(
            "noise",
            False,
            f"At noise level {at} the model's error is {worst} times that of the best linear guess, and no prediction "
            "type fits; the weights are damaged, untrained or of another kind",
        )
    return Verdict(
        "noise",
        False,
        f"At noise level {at} the model's error is {worst} times that of the best linear guess; the weights are "
        "damaged, untrained or of another kind",
    )


def mismatch(subject: Subject, pictures: Tensor) -> tuple[float | None, list[float]]:
    """How many times the true noise D is best told of, None where its errors do not say, and those errors.

    The network is told of BELIEFS times the true noise, at three levels around the pictures' own deviation.  Where it
    was trained on these noise levels the errors (geometric means over levels, in the order of BELIEFS) are smallest at
    1; the answer is where a parabola through the smallest and its neighbours is lowest.
    """
    deviation, schedule = float(pictures.std()), subject.denoiser.schedule
    within = [
        sigma
        for sigma in (deviation / 2, deviation, 2 * deviation)
        if math.isfinite(sigma) and 2 * schedule.sigma_min <= sigma <= schedule.sigma_max / 2
    ]
    if not within:
        return None, []
    prompts = subject.for_pictures(pictures)
    table = [errors(subject, pictures, within, prompts, belief) for belief in BELIEFS]
    logs = torch.tensor(table, dtype=torch.float64).log().mean(1)
    measured = logs.exp().tolist()
    if not logs.isfinite().all():
        return None, measured
    lowest = int(logs.argmin())
    if lowest in (0, len(BELIEFS) - 1):
        return BELIEFS[lowest], measured
    before, here, after = logs[lowest - 1 : lowest + 2].tolist()
    steps = (before - after) / (2 * (before - 2 * here + after))
    return BELIEFS[lowest] * (BELIEFS[1] / BELIEFS[0]) ** steps, measured


def judge_schedule(factor: float | None) -> Verdict:
    """The check "schedule"."""
    if factor is None:
        return Verdict("schedule", False, "The model's errors do not show which noise levels it was trained on")
    if 1 / LARGEST_MISMATCH <= factor <= LARGEST_MISMATCH:
        return Verdict(
            "schedule",
            True,
            f"The noise levels agree with the schedule: the model's error is smallest where it is told {factor:.2f} "
            "times the noise that is there",
        )
    return Verdict(
        "schedule",
        False,
        f"The noise levels do not agree with the schedule: the model's error is smallest where it is told {factor:.2f} "
        "times the noise that is there; check beta_schedule, beta_start and beta_end (for a flow: shift) in "
        "scheduler/scheduler_config.json",
    )


def words_effect(subject: Subject, pictures: Tensor) -> tuple[float, float]:
    """How many times larger the error is under the other prompt and under the empty one than under each picture's own.

    Geometric means over the noise levels at 1, 2, 4 and 8 times the pictures' deviation: there the outlines are lost
    and words must say what a picture shows.
    """
    deviation, schedule = float(pictures.std()), subject.denoiser.schedule
    sigmas = [min(max(factor * deviation, schedule.sigma_min), schedule.sigma_max) for factor in (1, 2, 4, 8)]
    own = subject.for_pictures(pictures)
    other = [subject.prompts[(i + subject.views) % len(subject.prompts)] for i in range(len(pictures))]
    logs = [
        torch.tensor(errors(subject, pictures, sigmas, prompts), dtype=torch.float64).log()
        for prompts in (own, other, [""])
    ]
    effects = [float((log - logs[0]).mean().exp()) for log in logs]
    return effects[1] if len(subject.prompts) > subject.views else effects[2], effects[2]


def judge_words(other: float, empty: float) -> Verdict:
    """The check "words"."""
    if other >= LEAST_EFFECT:
        return Verdict(
            "words",
            True,
            f"The prompt matters: with another prompt the error is {other:.2f} times as large, with an empty one "
            f"{empty:.2f} times",
        )
    return Verdict(
        "words",
        False,
        f"The prompt makes no difference: with another prompt the error is {other:.2f} times as large, with an empty "
        f"one {empty:.2f} times; check text_encoder and tokenizer",
    )
