"""Perp-Neg (Armandpour et al., arXiv 2304.04968): away from what other views look like, but never against the prompt.

Diffusion models draw fronts. A camera at the side or the back is pushed away from the front's sentence, and one at the
front from the side's; of each push only what is perpendicular to the prompt's own direction is kept, so that what the
views have in common, the object, stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .prompts import view_prompt

Weighted = tuple[tuple[str, float], ...]
"""Sentences to push away from, with their weights."""


def view_weights(azimuth_deg: float) -> tuple[float, float]:
    """How strongly a camera is pushed away from the front and from the side, at weight 1.

    Shifted exponentials as the paper has them for 3D, with the constants of its threestudio implementation, of r: the
    share of the nearer to the front of the two views that the camera is between.  Written as a (exp(-r/2) - exp(-1/2)),
    so that they meet exactly: the front's is 0 in front, 1.57 at the side and 1.97 behind; the side's 1.57 in front, 0
    at the side, 0.39 behind.
    """

    def falling(r: float) -> float:
        return math.exp(-r / 2) - math.exp(-1 / 2)

    turned = abs((azimuth_deg + 180) % 360 - 180)
    if turned <= 90:
        r = 1 - turned / 90
        return 4 * falling(r), 4 * falling(1 - r)
    r = 2 - turned / 90
    return 4 * falling(0) + falling(r), falling(r)


def negatives(style: str, azimuth_deg: float, elevation_deg: float, prompt: str, weight: float = 1.0) -> Weighted:
    """What a camera's picture is pushed away from: the prompt with the words of the front and of the nearer side.

    style, azimuth_deg, elevation_deg, prompt: as `view_prompt` takes them; an overhead view has no words for its side,
    so the others' are those of a camera at the horizon.  weight: factor on `view_weights`; 0 gives none.  A sentence
    equal to the prompt's own would vanish in `pushed` and is left out: so "none" has no negatives, "paper" one or two.
    """
    if not weight:
        return ()
    front, side = view_weights(azimuth_deg)
    beside = 90.0 if (azimuth_deg % 360) < 180 else 270.0
    level = 0.0 if style == "paper" else elevation_deg
    own = view_prompt(style, azimuth_deg, elevation_deg, prompt)
    views = ((view_prompt(style, 0.0, level, prompt), front), (view_prompt(style, beside, level, prompt), side))
    return tuple((text, weight * strength) for text, strength in views if strength and text != own)


def perpendicular(x: Tensor, y: Tensor) -> Tensor:
    """The part of x [B,C,H,W] that is perpendicular to y [B,C,H,W], image by image; all of x where y is 0."""
    each = (1, 2, 3)
    along = (x * y).sum(each, keepdim=True)
    square = y.square().sum(each, keepdim=True)
    return x - along / square.clamp(min=torch.finfo(y.dtype).tiny) * y


@dataclass(frozen=True)
class Push:
    """The negatives of a batch, M in all.

    images [M]: the image that each belongs to.  rows [M]: its row among the conditions.  weights [M]: its weight.
    """

    images: Tensor
    rows: Tensor
    weights: Tensor


def push(away: Sequence[Sequence[tuple[int, float]]], prompts: Tensor) -> Push | None:
    """The negatives of a batch whose image i has prompt prompts[i], None without any.

    away: (row, weight) pairs by prompt.
    """
    entries = [(i, *pair) for i, p in enumerate(prompts.tolist()) if away for pair in away[p]]
    if not entries:
        return None
    images, rows, weights = zip(*entries, strict=True)
    return Push(torch.tensor(images), torch.tensor(rows), torch.tensor(weights))


def pushed(direction: Tensor, negative: Tensor, given: Push) -> Tensor:
    """The prompt's direction eps_c - eps_u [B,C,H,W], minus the weighted perpendicular part of every negative's.

    negative: eps_neg - eps_u of each entry of `given`, [M,C,H,W].
    """
    images = given.images.to(direction.device)
    weights = given.weights.to(direction).view(-1, 1, 1, 1)
    parts = weights * perpendicular(negative, direction[images])
    return direction.index_add(0, images, parts, alpha=-1)
