"""What a network predicts, and how that becomes the denoised picture: epsilon, v, sample, or a flow's velocity.

Inside `sjc` a noised picture is x = y + sigma n (y the clean picture, n standard normal noise).  A network was trained
in another coordinate, which is x scaled by c_in(sigma):

    variance preserving   x_t = sqrt(abar) y + sqrt(1 - abar) n   c_in = sqrt(abar) = 1 / sqrt(1 + sigma^2)
    rectified flow        x_t = (1 - t) y + t n                   c_in = 1 - t = 1 / (1 + sigma)

Everything that depends on what a network predicts stands here.  (Karras et al. 2022, Table 1; the released SJC code,
adapt.py; Salimans and Ho 2022, App. D, for v; Liu et al. 2023 for flows.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor

from ..errors import SjcError


class Parameterization(Protocol):
    """What the methods of every class below take and return.

    x, output [B,C,h,w]; sigma broadcasts against them ([B,1,1,1]); all of one floating type and device.
    """

    is_flow: ClassVar[bool]
    """Whether the network is a rectified flow."""

    def network_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x_t = c_in x.

        It is a division by 1 / c_in: one rounding less than a product with the factor.
        """

    def time(self, tick: Tensor, sigma: Tensor) -> Tensor:
        """The time that the network takes as an input, [B]: 0 to 1000, larger for more noise.

        tick [B] int64: number of the noise level among the model's own; sigma [B] float64: its value.
        """

    def to_denoised(self, x: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
        """The denoised picture y, from x and what the network predicts for it."""


@dataclass(frozen=True)
class _VariancePreserving:
    """The coordinate of networks whose scheduler has betas; their time is the number of the noise level."""

    is_flow: ClassVar[bool] = False

    def network_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x / sqrt(1 + sigma^2): c_in = 1 / sqrt(1 + sigma^2)."""
        return x / (1 + sigma**2).sqrt()

    def time(self, tick: Tensor, sigma: Tensor) -> Tensor:  # noqa: ARG002 (a flow needs sigma)
        """The tick."""
        return tick


@dataclass(frozen=True)
class Epsilon(_VariancePreserving):
    """The network predicts the noise n."""

    def to_denoised(self, x: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
        """y = x - sigma n."""
        return x - sigma * output


@dataclass(frozen=True)
class VPrediction(_VariancePreserving):
    """The network predicts v = sqrt(abar) n - sqrt(1 - abar) y."""

    def to_denoised(self, x: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
        """y = x / (1 + sigma^2) - sigma / sqrt(1 + sigma^2) v."""
        return x / (1 + sigma**2) - sigma / (1 + sigma**2).sqrt() * output


@dataclass(frozen=True)
class Sample(_VariancePreserving):
    """The network predicts the picture y itself."""

    def to_denoised(self, x: Tensor, sigma: Tensor, output: Tensor) -> Tensor:  # noqa: ARG002 (the others need both)
        """y, as it is."""
        return output


@dataclass(frozen=True)
class Flow:
    """The network predicts the velocity n - y of a rectified flow, at time t = sigma / (1 + sigma)."""

    is_flow: ClassVar[bool] = True

    def network_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x / (1 + sigma): c_in = 1 / (1 + sigma) = 1 - t."""
        return x / (1 + sigma)

    def time(self, tick: Tensor, sigma: Tensor) -> Tensor:  # noqa: ARG002 (the others need the tick)
        """1000 t, float32."""
        return (1000 * sigma / (1 + sigma)).float()

    def to_denoised(self, x: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
        """y = x_t - t (n - y), with x_t = x / (1 + sigma)."""
        return (x - sigma * output) / (1 + sigma)


BY_PREDICTION_TYPE: dict[str, Parameterization] = {
    "epsilon": Epsilon(),
    "v_prediction": VPrediction(),
    "sample": Sample(),
}
"""By the prediction_type of diffusers' schedulers with betas.  Its flow schedulers have none; they are `Flow`."""


def of_prediction_type(name: str) -> Parameterization:
    """The parameterization that diffusers calls so.  Raises SjcError for a name that is not in the table."""
    if name not in BY_PREDICTION_TYPE:
        raise SjcError(f'The model predicts "{name}"; only {", ".join(BY_PREDICTION_TYPE)} can be used.')
    return BY_PREDICTION_TYPE[name]
