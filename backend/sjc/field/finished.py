"""The finished field of a run, for another run to go on from: brought to that one's size and density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SjcError
from .grid import VoxelField


@dataclass(frozen=True)
class FinishedField:
    """Raw values as a field's parameters hold them.

    grid [N,N,N,1+C], density first; log_scale []; background [C,4,4] where one was learned; density_shift: of the run
    that made it; color_activation: how its colours become a picture's values, "" where it has none of its own.
    """

    grid: Tensor
    log_scale: Tensor
    background: Tensor | None = None
    density_shift: float = 0.0
    color_activation: str = ""

    @classmethod
    def from_checkpoint(
        cls, tensors: Mapping[str, Tensor], *, density_shift: float, color_activation: str
    ) -> FinishedField:
        """The field of what `Optimization.state` gave. Raises SjcError where there is none, or it is not finite."""
        state = {name.removeprefix("field."): value for name, value in tensors.items() if name.startswith("field.")}
        field = VoxelField.from_state(state, density_shift=density_shift, color_activation=color_activation)
        if not all(bool(torch.isfinite(value).all()) for value in field.parameters()):
            raise SjcError("The field to start from holds numbers that are not finite; start from another result.")
        background = None if field.background is None else field.background.data
        return cls(field.grid.data, field.log_scale.data, background, density_shift, color_activation)

    @torch.no_grad()
    def put_into(self, field: VoxelField) -> None:
        """Give a field these values, resampled to its size, so that its density is the same where it had another shift.

        sigma = softplus(exp(log_scale) raw + shift): another shift moves raw by the difference over exp(log_scale).
        Raises SjcError for a field of other channels or another meaning of its colours.
        """
        channels = self.grid.shape[-1] - 1
        if channels != field.channels or self.color_activation not in ("", field.color_activation):
            raise SjcError(
                f"The result to start from holds colors of {channels} channels ({_kind(self.color_activation)}), and "
                f"the model works with {field.channels} ({_kind(field.color_activation)}); use the model that it was "
                "made with."
            )
        size, grid = field.size, self.grid.clone()
        grid[..., 0] += (self.density_shift - field.density_shift) / float(self.log_scale.exp())
        field.grid = torch.nn.Parameter(grid.to(field.grid))
        field.resample(size)
        field.log_scale.copy_(self.log_scale)
        if field.background is not None and self.background is not None:
            field.background.copy_(self.background)


def _kind(color_activation: str) -> str:
    return "latents" if color_activation == "identity" else "pixels"
