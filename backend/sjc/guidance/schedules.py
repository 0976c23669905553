"""Noise levels: the variance-exploding view of a variance-preserving model, and the laws that choose sigma.

A VP model knows x_t = sqrt(abar_t) y + sqrt(1-abar_t) n.  Divided by sqrt(abar_t) that is x = y + sigma n with
sigma_t = sqrt((1-abar_t)/abar_t), the only coordinate used inside `sjc` (Karras et al. 2022, and the released SJC
code).  A *tick* is one of the T noise levels the model was trained on; tick t has noise level sigmas[t], ascending.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SjcError

SigmaLaw = Callable[[float, int, torch.Generator | None], Tensor]
"""law(progress in 0..1, n, generator) -> sigma [n], float32 on the CPU; the same generator gives the same draws."""

PLATEAU, FLANKS = (0.5, 0.8), (0.1, 0.3)  # of DreamTime's weight, as shares of the ticks


@dataclass(frozen=True)
class VESchedule:
    """The noise levels of one model: `sigmas` [T], float64 on the CPU, strictly ascending, all positive and finite."""

    sigmas: Tensor

    def __post_init__(self) -> None:
        s = self.sigmas
        if s.ndim != 1 or s.numel() < 2:
            raise SjcError("The noise schedule needs at least two noise levels; check scheduler/scheduler_config.json.")
        if not bool(torch.isfinite(s).all() and (s[0] > 0) and (s[1:] > s[:-1]).all()):
            raise SjcError("The noise levels must be positive and rise from tick to tick; check the scheduler's betas.")

    @classmethod
    def from_alphas_cumprod(cls, alphas_cumprod: Tensor) -> VESchedule:
        """From abar [T], falling from about 1 to about 0.

        A last tick with abar = 0 (zero terminal SNR) is left out: it is pure noise, which has no finite sigma.
        """
        abar = alphas_cumprod.detach().to("cpu", torch.float64)
        abar = abar[: int((abar > 0).sum())]
        return cls(((1 - abar) / abar).sqrt())

    @classmethod
    def from_flow(cls, times: Tensor) -> VESchedule:
        """From the times t [T] of a rectified flow x_t = (1 - t) y + t n, in any order: sigma = t / (1 - t).

        x_t / (1 - t) = y + sigma n.  t = 0 has no noise and t = 1 no finite sigma: both are left out.
        """
        t = times.detach().to("cpu", torch.float64).sort().values
        t = t[(t > 0) & (t < 1)]
        return cls(t / (1 - t))

    @property
    def sigma_min(self) -> float:
        """The lowest noise level."""
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        """The highest noise level."""
        return float(self.sigmas[-1])

    def __len__(self) -> int:
        return self.sigmas.numel()

    def sigma(self, t: Tensor) -> Tensor:
        """The noise level at t, any shape, float64; between ticks log sigma is linear.  t is held in [0, T-1]."""
        t = torch.as_tensor(t, dtype=torch.float64).clamp(0, len(self) - 1)
        below = t.floor().long()
        above = (below + 1).clamp(max=len(self) - 1)
        low, high = self.sigmas[below], self.sigmas[above]
        return torch.where(t == below, low, low * (high / low) ** (t - below))

    def t(self, sigma: Tensor) -> Tensor:
        """The inverse of `sigma`: fractional ticks, float64, held in [0, T-1]."""
        log_sigma = torch.as_tensor(sigma, dtype=torch.float64).to("cpu").log()
        log_ticks = self.sigmas.log()
        above = torch.searchsorted(log_ticks, log_sigma).clamp(1, len(self) - 1)
        low, high = log_ticks[above - 1], log_ticks[above]
        return (above - 1 + (log_sigma - low) / (high - low)).clamp(0, len(self) - 1)

    def tick(self, sigma: Tensor) -> Tensor:
        """The tick whose sigma is nearest (in sigma, not in log sigma: as released), int64, any shape."""
        sigma = torch.as_tensor(sigma, dtype=torch.float64).to("cpu").contiguous()
        above = torch.searchsorted(self.sigmas, sigma).clamp(1, len(self) - 1)
        nearer_below = sigma - self.sigmas[above - 1] <= self.sigmas[above] - sigma
        return torch.where(nearer_below, above - 1, above)

    def snap(self, sigma: Tensor) -> Tensor:
        """The nearest of the model's own noise levels, float64."""
        return self.sigmas[self.tick(sigma)]


def karras(n: int, sigma_max: float, sigma_min: float, rho: float = 7.0) -> Tensor:
    """Noise levels [n] from sigma_max down to sigma_min, float64 (Karras et al. 2022, Eq. 5; not snapped)."""
    if n < 2 or not 0 < sigma_min < sigma_max:
        raise SjcError("A Karras schedule needs n >= 2 and 0 < sigma_min < sigma_max.")
    ramp = torch.linspace(0, 1, n, dtype=torch.float64)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    sigmas: Tensor = (high + ramp * (low - high)) ** rho
    sigmas[0], sigmas[-1] = sigma_max, sigma_min  # the powers miss the ends by a rounding
    return sigmas


def uniform_ticks(schedule: VESchedule, sigma_max: float = 0.0, sigma_min: float = 0.0) -> Tensor:
    """The ticks the released code draws from, int64, ascending.

    All but the 30 largest and the 10 smallest of 1000 (3 % and 1 % of other counts), further cut to
    [sigma_min, sigma_max] where these are not 0.  Raises SjcError if none is left.
    """
    count = len(schedule)
    ticks = torch.arange(round(0.01 * count), count - round(0.03 * count))
    sigmas = schedule.sigmas[ticks]
    allowed = ticks[(sigmas >= sigma_min) & (sigmas <= (sigma_max or math.inf))]
    if allowed.numel() == 0:
        raise SjcError(
            f"No noise level of the model lies between sigma_min {sigma_min:g} and sigma_max {sigma_max:g}; "
            f"choose within {float(sigmas[0]):.4g} to {float(sigmas[-1]):.4g}."
        )
    return allowed


def uniform(schedule: VESchedule, sigma_max: float = 0.0, sigma_min: float = 0.0) -> SigmaLaw:
    """The released law: every tick of `uniform_ticks` is equally likely, all run long."""
    sigmas = schedule.sigmas[uniform_ticks(schedule, sigma_max, sigma_min)]

    def law(_progress: float, n: int, generator: torch.Generator | None = None) -> Tensor:
        return sigmas[torch.randint(sigmas.numel(), (n,), generator=generator)].float()

    return law


def annealed(schedule: VESchedule, sigma_max: float = 0.0, sigma_min: float = 0.0, jitter: float = 0.0) -> SigmaLaw:
    """Noise falls with progress, log-linearly from sigma_max to sigma_min (0 = the model's).

    As in annealed PAAS sampling (paper, Fig. 4): coarse shape first, detail last.
    jitter widens it: sigma is multiplied by exp(u), u uniform in [-jitter, jitter], one u per view.  What leaves
    [sigma_min, sigma_max] is put back on its edge, then everything is snapped to the model's ticks.
    """
    high, low = limits(schedule, sigma_max, sigma_min)

    def law(progress: float, n: int, generator: torch.Generator | None = None) -> Tensor:
        progress = min(max(progress, 0.0), 1.0)
        log_sigma = torch.full((n,), (1 - progress) * math.log(high) + progress * math.log(low), dtype=torch.float64)
        if jitter:
            log_sigma += jitter * (2 * torch.rand(n, generator=generator, dtype=torch.float64) - 1)
        return schedule.snap(log_sigma.exp().clamp(low, high)).float()

    return law


def dreamtime(schedule: VESchedule, sigma_max: float = 0.0, sigma_min: float = 0.0) -> SigmaLaw:
    """Noise falls as in DreamTime (Huang et al., arXiv 2306.12422): most of the run is spent at middle levels.

    The time spent at a tick is proportional to its weight: sigma, times a plateau over the middle of the ticks (from
    0.5 to 0.8 of their number) with Gaussian flanks, 0.1 wide below and 0.3 above.  At progress p the level is that
    above which lies the share p of the weight within [sigma_min, sigma_max] (0 = the model's).
    """
    high, low = limits(schedule, sigma_max, sigma_min)
    sigmas = schedule.sigmas[(schedule.sigmas >= low) & (schedule.sigmas <= high)].flip(0)
    place = schedule.t(sigmas) / len(schedule)
    flank = torch.where(place < PLATEAU[0], (place - PLATEAU[0]) / FLANKS[0], (place - PLATEAU[1]) / FLANKS[1])
    plateau = torch.exp(-flank.square() / 2).where((place < PLATEAU[0]) | (place > PLATEAU[1]), 1.0)
    above = (sigmas * plateau).cumsum(0)

    def law(progress: float, n: int, _generator: torch.Generator | None = None) -> Tensor:
        at = int(torch.searchsorted(above, min(max(progress, 0.0), 1.0) * above[-1]))
        return sigmas[min(at, len(sigmas) - 1)].float().expand(n).clone()

    return law


RANGE_FALLS = (0.98, 0.50, 0.02)
"""MVDream's times, as shares of all: 0.98 at first; the upper end of the range falls to 0.50, the lower to 0.02."""
RANGE_FALLEN = 0.8
"""The share of the run after which the range stays as it is."""


def falling(schedule: VESchedule, sigma_max: float = 0.0, sigma_min: float = 0.0) -> SigmaLaw:
    """Every tick of a range that falls with progress is equally likely: at first 0.98 of all, then 0.02 to 0.50.

    (MVDream's released settings for 10,000 steps; arXiv 2308.16512, App.)  sigma_max, sigma_min: cut it, 0 does not.
    """
    start, high, low = (len(schedule) * share for share in RANGE_FALLS)
    allowed = (schedule.sigmas >= sigma_min) & (schedule.sigmas <= (sigma_max or math.inf))
    if not bool(allowed.any()):
        raise SjcError(
            f"No noise level of the model lies between sigma_min {sigma_min:g} and sigma_max {sigma_max:g}; choose "
            f"within {schedule.sigma_min:.4g} to {schedule.sigma_max:.4g}."
        )
    lowest, highest = int(allowed.nonzero()[0]), int(allowed.nonzero()[-1])

    def law(progress: float, n: int, generator: torch.Generator | None = None) -> Tensor:
        share = min(max(progress, 0.0) / RANGE_FALLEN, 1.0)
        ends = (int(start + (end - start) * share) for end in (low, high))
        first, last = (min(max(end, lowest), highest) for end in ends)
        ticks = torch.randint(first, last + 1, (n,), generator=generator)
        return schedule.sigmas[ticks].float()

    return law


def limits(schedule: VESchedule, sigma_max: float, sigma_min: float) -> tuple[float, float]:
    """(highest, lowest) noise level of a falling law, 0 = the model's.  Raises SjcError if they are the wrong way."""
    high = min(sigma_max or schedule.sigma_max, schedule.sigma_max)
    low = max(sigma_min or schedule.sigma_min, schedule.sigma_min)
    if low > high:
        raise SjcError(
            f"sigma_min {low:g} lies above sigma_max {high:g}; the model knows {schedule.sigma_min:.4g} to "
            f"{schedule.sigma_max:.4g}."
        )
    return high, low


def level_at(schedule: VESchedule, sigma_max: float, sigma_min: float, share: float) -> float:
    """The noise level this share of the way up, in log sigma, from the lowest to the highest (0 = the model's)."""
    high, low = limits(schedule, sigma_max, sigma_min)
    return float(low * (high / low) ** share)


def sigma_law(
    name: str, schedule: VESchedule, *, sigma_max: float = 0.0, sigma_min: float = 0.0, jitter: float = 0.0
) -> SigmaLaw:
    """The law by its name in the settings, one of uniform, annealed, dreamtime, falling; 0 means the model's limit."""
    if name == "uniform":
        return uniform(schedule, sigma_max, sigma_min)
    if name == "annealed":
        return annealed(schedule, sigma_max, sigma_min, jitter)
    if name == "dreamtime":
        return dreamtime(schedule, sigma_max, sigma_min)
    if name == "falling":
        return falling(schedule, sigma_max, sigma_min)
    raise SjcError(f'Unknown sigma schedule "{name}"; choose uniform, annealed, dreamtime or falling.')
