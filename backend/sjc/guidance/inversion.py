"""The noise that belongs to a render, found by the model itself, in place of a random one.

A ladder of noise levels sigma_0 < ... < sigma_K = sigma is climbed from the render z_0 = y by the probability flow
(DDIM inversion in the sigma coordinate):

    z_{k+1} = z_k + (sigma_{k+1} - sigma_k) (z_k - D(z_k; sigma_k)) / sigma_k

z_K = y + sigma n then has a noise n that is no accident: the same render gets the same, and the pull D(z_K; sigma) - y
does not jump from step to step (SDI, Lukoianov et al., arXiv 2405.15891).  One call D(z_K; sigma) is one Euler step of
the flow from sigma to 0; `descend` goes all of the way down the ladder instead (PFD, arXiv 2605.09071).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .denoiser import TwoPart
from .paas import Denoise
from .schedules import VESchedule

Rung = Callable[[Tensor, int], Tensor]
"""rung(z, k): D(z; sigma_k)."""


def ladder(schedule: VESchedule, sigma: Tensor, rungs: int) -> Tensor:
    """[K+1,B] float32, from the model's lowest level to sigma [B], in equal steps of the model's ticks (as DDIM's)."""
    top = schedule.tick(sigma)
    ticks = torch.stack([torch.round(top * (k / rungs)).long() for k in range(rungs + 1)])
    return schedule.sigmas[ticks].float()


@torch.no_grad()
def climb(rung: Rung, y: Tensor, levels: Tensor) -> Tensor:
    """Z_K for renders y [B,C,H,W] and levels [K+1,B] on y's device, in K calls."""
    z, sigma = y, levels.to(y.dtype)[..., None, None, None]
    for k in range(len(levels) - 1):
        z = z + (sigma[k + 1] - sigma[k]) * (z - rung(z, k)) / sigma[k]
    return z


@torch.no_grad()
def descend(rung: Rung, z: Tensor, levels: Tensor) -> Tensor:
    """Z_0 for z_K [B,C,H,W] and levels [K+1,B] on z's device, in K calls: K = 1 is nearly D(z; sigma)."""
    sigma = levels.to(z.dtype)[..., None, None, None]
    for k in range(len(levels) - 1, 0, -1):
        denoised = rung(z, k)
        z = denoised + sigma[k - 1] / sigma[k] * (z - denoised)
    return z


@dataclass(frozen=True)
class Inversion:
    """The ladder of one step's views, in two parts as `TwoPart` is: what the host gives, what the device computes.

    up: the model that climbs.  down: the one that descends, None where D(z_K; sigma) is asked once.
    levels: [K+1,V] on the host.
    """

    up: Denoise
    down: Denoise | None
    levels: Tensor

    def given(self) -> dict[str, Tensor]:
        """What the device's part needs, by name."""
        rungs = range(len(self.levels))
        tensors = {"ladder": self.levels}
        for k in rungs[:-1]:
            tensors |= _given(self.up, f"up{k}.", self.levels[k])
        for k in rungs[1:]:
            tensors |= _given(self.down, f"down{k}.", self.levels[k])
        return tensors

    def noise(self, y: Tensor, given: Mapping[str, Tensor], *, captured: bool) -> Tensor:
        """The noise n [V,C,H,W] of the renders y, z_K = y + sigma n."""
        levels = given["ladder"]
        top = climb(self._rung(self.up, "up", given, captured), y, levels)
        return (top - y) / levels[-1].to(y.dtype).view(-1, 1, 1, 1)

    def denoised(self, z: Tensor, given: Mapping[str, Tensor], *, captured: bool) -> Tensor:
        """z_0 for z_K [V,C,H,W], all the way down."""
        assert self.down is not None
        return descend(self._rung(self.down, "down", given, captured), z, given["ladder"])

    def _rung(self, denoise: Denoise, way: str, given: Mapping[str, Tensor], captured: bool) -> Rung:
        if not isinstance(denoise, TwoPart):
            return lambda z, k: denoise(z, self.levels[k])

        def rung(z: Tensor, k: int) -> Tensor:
            start = f"{way}{k}."
            own = {name.removeprefix(start): value for name, value in given.items() if name.startswith(start)}
            return denoise.denoised(z, own, captured=captured)

        return rung


def _given(denoise: Denoise | None, start: str, sigma: Tensor) -> dict[str, Tensor]:
    if not isinstance(denoise, TwoPart):
        return {}
    return {start + name: value for name, value in denoise.given(sigma).items()}
