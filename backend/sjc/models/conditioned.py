"""What a model makes of pictures under some prompts, in two parts: what the host prepares, what the device computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import SjcError
from ..guidance import perp_neg
from .text_encoders import Condition

if TYPE_CHECKING:
    from .text_denoiser import TextDenoiser

PUSH = ("push_images", "push_rows", "push_weights")
"""Names of what Perp-Neg needs, in the order of `perp_neg.Push`."""


class Conditioned:
    """D(x; sigma) of a model for some prompts, as one function or in two parts; see `guidance.denoiser.TwoPart`.

    conditions: row 0 is the unconditional one, row 1 + i that of prompt i of `count`; what Perp-Neg needs follows.
    negative_rows: (row, weight) pairs of each prompt.
    guidance: one scale for all prompts, or a tensor with one for each.
    rescale, chunk: as `TextDenoiser.conditioned` takes them.
    cameras: what a multi-view network is told of the camera of each prompt, [count,...].
    control: the picture that a ControlNet is shown for each prompt, [count,3,H,W].
    """

    def __init__(
        self,
        denoiser: TextDenoiser,
        conditions: Condition,
        count: int,
        negative_rows: list[list[tuple[int, float]]],
        guidance: float | Tensor,
        rescale: float,
        chunk: int | None,
        cameras: Tensor | None = None,
        control: Tensor | None = None,
    ) -> None:
        self.denoiser, self.conditions, self.count, self.negative_rows = denoiser, conditions, count, negative_rows
        self.guidance, self.rescale, self.chunk, self.cameras = guidance, rescale, chunk, cameras
        self.control = control

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D [B,C,h,w]. Raises SjcError where B is no multiple of the prompts."""
        prompts = self._prompts(len(x))
        parts = []
        for xs, sigmas, ours in zip(*(value.split(self.chunk or len(x)) for value in (x, sigma, prompts)), strict=True):
            given = {name: value.to(self.denoiser.device) for name, value in self._given(sigmas, ours).items()}
            parts.append(self.denoised(xs, given))
        return torch.cat(parts)

    @property
    def obstacle(self) -> str:
        """Why the device's part cannot be captured: Perp-Neg, or the network."""
        if any(self.negative_rows):
            return "Perp-Neg asks for other calls of the network in each step"
        return self.denoiser.obstacle

    def given(self, sigma: Tensor) -> dict[str, Tensor]:
        """level [B,1,1,1], time [B], rows [B] of the conditions, the conditions, and what Perp-Neg needs.

        guidance [B,1,1,1], too, where it differs between prompts or changes over the run.
        """
        return self._given(sigma, self._prompts(len(sigma)))

    def _prompts(self, batch: int) -> Tensor:
        if batch % self.count:
            raise SjcError(f"{batch} images cannot be divided evenly among {self.count} prompts.")
        return torch.arange(batch) % self.count

    def _given(self, sigma: Tensor, prompts: Tensor) -> dict[str, Tensor]:
        ticks = self.denoiser.schedule.tick(sigma)
        exact = self.denoiser.sigmas[ticks]
        given = {
            "level": exact.float().view(-1, 1, 1, 1),
            "time": self.denoiser.parameterization.time(ticks, exact),
            "rows": 1 + prompts,
            "states": self.conditions.states,
        }
        if isinstance(self.guidance, Tensor):
            given["guidance"] = self.guidance[prompts].view(-1, 1, 1, 1)
        if self.cameras is not None:
            given["camera"] = self.cameras[prompts]
        if self.control is not None:
            given["control"] = self.control[prompts]
        if self.conditions.pooled is not None:
            given["pooled"] = self.conditions.pooled
        push = perp_neg.push(self.negative_rows, prompts)
        if push is not None:
            given |= dict(zip(PUSH, (push.images, push.rows, push.weights), strict=True))
        return given

    def denoised(self, x: Tensor, given: Mapping[str, Tensor], *, captured: bool = False) -> Tensor:
        """D(x; sigma) of what was given."""
        guidance = given["guidance"] if isinstance(self.guidance, Tensor) else self.guidance
        return self.denoiser.denoised(x, given, guidance, self.rescale, captured=captured)
