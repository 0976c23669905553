"""Which guidance scale each view of a step gets: the same all along, a falling one, or one in a band of noise alone.

Outside the band the scale is 1, the conditional answer alone, which a model that is asked twice for guidance gives in
one call (Kynkäänniemi et al., arXiv 2404.07724: at high noise guidance harms variety, at low noise it has no effect).
Much guidance early and little late follows arXiv 2505.19868, where much of it makes objects larger and rougher.
"""

from __future__ import annotations

import torch
from torch import Tensor


def guidance_scales(
    progress: float, sigma: Tensor, start: float, end: float = 0.0, sigma_min: float = 0.0, sigma_max: float = 0.0
) -> float | Tensor:
    """The scale of each view, [V] float32, at progress in 0..1 and noise levels sigma [V].

    It goes from start to end in equal steps, 0 stands for start; a view whose noise leaves [sigma_min, sigma_max]
    (0: no limit) has 1.  Where no limit and no end are given it is the number start.  In a run in which it changes it
    is a number only where every view has 1: what is computed from a number may be captured as part of a graph.
    """
    if not (end or sigma_min or sigma_max):
        return start
    scale = start + ((end or start) - start) * progress
    inside = (sigma >= sigma_min) & (sigma <= (sigma_max or torch.inf))
    scales = torch.where(inside, scale, 1.0)
    return 1.0 if bool((scales == 1).all()) else scales
