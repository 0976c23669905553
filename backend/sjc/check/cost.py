"""What a job with the model costs here: a guided call and a step's other work, measured, and an estimate from both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from ..appearance.latent import AZIMUTHS, RINGS, restored
from ..guidance.denoiser import Denoiser
from ..guidance.paas import Denoise
from ..machine import peak
from ..models import distilled
from ..optimize import Optimization
from ..settings import Settings, resolve
from .progress import Progress
from .subject import Effort, Subject, rows_of
from .verdict import Verdict

PRESETS = ("fast", "embedded", "quality", "paper")
"""In the order of their grids: where the system cannot forget a peak, each one's is at least that of those before."""
VIEWS = (1, 4)  # pictures of the two calls that are timed


@dataclass(frozen=True)
class Cost:
    """An estimate for one preset.

    call_s, other_s: seconds of a step in the network, estimated from the measured calls, and outside it, measured.
    colours_s: decoding the views of a latent model at the end.  minutes: of a job, without loading, snapshots and the
    making of mesh and pictures.  memory: bytes at most, None where nobody says.
    """

    preset: str
    steps: int
    call_s: float
    other_s: float
    colours_s: float
    minutes: float
    memory: int | None


class _Idle:
    """A denoiser that answers at once, to time everything else of a step."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser

    def __getattr__(self, name: str) -> Any:
        return getattr(self.denoiser, name)

    @staticmethod
    def conditioned(*_args: Any, **_kwargs: Any) -> Denoise:
        """D(x; sigma) = x."""
        return lambda x, _sigma: x


def call_rows(subject: Subject, effort: Effort) -> int:
    """Pictures that go through the network for `call_seconds`."""
    return (effort.repeats + 1) * sum(VIEWS) * rows_of(subject.denoiser, subject.guidance)


def call_seconds(subject: Subject, effort: Effort) -> dict[int, float]:
    """Seconds of a guided call (median, after one to warm up) by how many pictures it denoises."""
    seconds = {}
    for views in VIEWS:
        prompts = [subject.prompts[i % len(subject.prompts)] for i in range(views)]
        denoise = subject.denoise(prompts, subject.guidance)
        generator = torch.Generator().manual_seed(3)
        x, sigma = torch.randn(views, *subject.shape, generator=generator), torch.ones(views)
        seconds[views] = _median(partial(denoise, x, sigma), subject.denoiser.device, effort.repeats)
    return seconds


def _median(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    measured = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        measured.append(time.perf_counter() - began)
    return statistics.median(measured[1:])


def colours_seconds(subject: Subject, own: Tensor, effort: Effort) -> float:
    """Seconds for the decoded views of a latent model's finished job; 0 for pixels."""
    autoencoder = subject.denoiser.autoencoder
    if autoencoder is None:
        return 0.0
    one = _median(lambda: restored(autoencoder, own[:1]), subject.denoiser.device, effort.repeats)
    return RINGS * AZIMUTHS * one


def costs(
    subject: Subject, model: str, calls: dict[int, float], colours_s: float, effort: Effort, progress: Progress
) -> list[Cost]:
    """One estimate for each of PRESETS."""
    denoiser, estimates, before = subject.denoiser, [], peak.highest(subject.denoiser.device)
    for preset in PRESETS:
        given = {"model": model, "prompt": subject.prompts[0], "device": str(denoiser.device)}
        settings = resolve(preset, given)
        rings = -(-settings.views_per_step // subject.views)
        settings = replace(settings, views_per_step=rings * subject.views)
        call_s = in_network(settings, denoiser, calls, rows_of(denoiser, subject.guidance))
        peak.begin(denoiser.device)
        optimization = Optimization(settings, cast("Denoiser", _Idle(denoiser)), denoiser.device)
        other_s = _median(optimization.advance, denoiser.device, effort.repeats)
        now = peak.highest(denoiser.device)
        del optimization
        memory = None if now is None or before is None else max(now, before)
        minutes = (settings.steps * (call_s + other_s) + colours_s) / 60
        estimates.append(Cost(preset, settings.steps, call_s, other_s, colours_s, minutes, memory))
        progress.count(1)
    return estimates


def in_network(settings: Settings, denoiser: Denoiser, calls: dict[int, float], rows_measured: int) -> float:
    """Seconds of a step in the network: on the straight line through the two calls, by pictures through the network.

    rows_measured: how often the network was asked for each of their pictures.
    """
    once = distilled.built_in(settings) is not None or rows_of_settings(settings, denoiser) == 1
    rows = settings.views_per_step * settings.noises_per_view * (1 if once else 2)
    (few, few_s), (many, many_s) = ((views * rows_measured, calls[views]) for views in VIEWS)
    each = max((many_s - few_s) / (many - few), 0.0)
    return max(few_s + each * (rows - few), few_s * min(rows / few, 1.0))


def rows_of_settings(settings: Settings, denoiser: Denoiser) -> int:
    """How often a job with these settings asks the network for one picture, without an adapter."""
    return 1 if denoiser.distilled or settings.guidance in (0.0, 1.0) else 2


def judge(calls: dict[int, float], estimates: list[Cost], plan: str) -> list[Verdict]:
    """The lines "time" and "memory": they tell, and nothing fails."""
    few, many = (readable(calls[views]) for views in VIEWS)
    jobs = ", ".join(f"{cost.preset} {readable(60 * cost.minutes)}" for cost in estimates)
    sizes = [cost.memory for cost in estimates if cost.memory is not None]
    time_line, memory_line = (
        Verdict("time", True, f"A guided call takes {few} for one picture and {many} for four"),
        Verdict("memory", True, plan),
    )
    if jobs:
        time_line = Verdict(
            "time",
            True,
            f"A guided call takes {few} for one picture and {many} for four; estimated time of a job: {jobs}",
        )
    if sizes:
        memory_line = Verdict("memory", True, f"At most {max(sizes) / 1e9:.1f} GB were held; {plan}")
    return [time_line, memory_line]


def readable(seconds: float) -> str:
    """12.3 ms, 4.5 s, 6 min or 7.8 h."""
    for unit, length, below in (("ms", 1e-3, 1.0), ("s", 1.0, 100.0), ("min", 60.0, 6000.0)):
        if seconds < below:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"
