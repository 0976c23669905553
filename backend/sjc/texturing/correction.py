"""Truer colours for a surface that has some: how new pictures of it differ from those, laid on smoothly.

A model's pictures of a finished object are right about whole colours, and wrong about where exactly one ends: their
outlines are not quite the object's.  So what changes a place's colour is the mean of the differences at well seen
places near it that have a colour like its own: a joint bilateral filter (Petschnigg et al., Digital Photography with
Flash and No-Flash Image Pairs, SIGGRAPH 2004) of the differences, guided by the present colours.  Borders between
colours stay where they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .consensus import TRUST, Shadow
from .surface import Points

REACH = 0.4  # length over which differences are averaged; the surface fills a ball of radius 0.8
ALIKE = 0.06  # difference of two present colours, sRGB in [0, 1], that are still much alike
WELL_SEEN = TRUST[2]
BORDER = 0.2  # how far from another colour a place must lie to be asked
OTHER = 0.15  # difference of one channel from which on a colour is another
FEW = 0.1  # share of other colours within BORDER that does not matter
ANCHORS, AROUND = 2000, 6000  # places that are asked at all, and that borders are looked for with
DOUBT = 0.5  # sum of weights at which half of a difference counts: of an unlike colour nothing is known
CHUNK = 1 << 13  # places corrected together


class Correction:
    """What V pictures say of a surface's present colours.

    shadow: what the cameras see of the surface.  present, made: the surface's present colours and those that the
    pictures show, at all of its pixels [V*S*S,3], sRGB-encoded in [0, 1].
    """

    def __init__(self, shadow: Shadow, present: Tensor, made: Tensor) -> None:
        generator = torch.Generator().manual_seed(0)
        position, trust = shadow.places.position.cpu(), shadow.trust.view(-1).cpu()
        present, made = present.cpu().float(), made.cpu().float()

        def some(mask: Tensor, limit: int) -> Tensor:
            there = mask.nonzero()[:, 0]
            return there[torch.randperm(len(there), generator=generator)[:limit]]

        solid = shadow.solid.view(-1).cpu()
        anchors, around = some(solid & (trust >= WELL_SEEN), 3 * ANCHORS), some(solid, AROUND)
        other = (present[anchors, None] - present[around]).abs().amax(2) > OTHER
        near = torch.cdist(position[anchors], position[around]) < BORDER
        anchors = anchors[(other & near).sum(1) <= FEW * near.sum(1)][:ANCHORS]
        self.anchors = _features(position[anchors], present[anchors])
        self.trust, self.difference = trust[anchors], (made - present)[anchors]

    def __call__(self, places: Points, colors: Tensor) -> Tensor:
        """The corrected colours of places [P] whose present ones are `colors` [P,3], on the CPU."""
        parts = zip(places.position.cpu().split(CHUNK), colors.cpu().split(CHUNK), strict=True)
        return torch.cat([self._corrected(*part) for part in parts]) if len(colors) else colors.cpu()

    def _corrected(self, position: Tensor, colors: Tensor) -> Tensor:
        apart = torch.cdist(_features(position, colors), self.anchors)
        weights = torch.exp(-(apart**2) / 2) * self.trust
        mean = weights @ self.difference / (weights.sum(1, keepdim=True) + DOUBT)
        return (colors + mean).clamp(0, 1)


def _features(position: Tensor, color: Tensor) -> Tensor:
    """[P,6]: places and colours in units of how far each reaches."""
    return torch.cat([position / REACH, color / ALIKE], 1)
