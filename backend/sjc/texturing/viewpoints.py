"""Where the cameras stand: chosen by what they see of the surface."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..field.cameras import Cameras, look_at
from ..settings import Settings
from .surface import Points, Surface

FEWEST, MOST = 8, 12
WORTH = 0.02
"""Beyond FEWEST a camera must add this share of what is seen so far."""
AZIMUTHS, ELEVATIONS = 12, 5  # candidates
SAMPLES = 2000
CLEAR = 1e-3  # how far from the surface a ray begins that asks whether a camera sees its place


def choose(surface: Surface, settings: Settings) -> Cameras:
    """FEWEST to MOST of the cameras that the settings allow, which together see most of the surface best.

    Each place counts by the cosine at which the best of the chosen cameras sees it, and cameras are added one by one,
    each the one that adds most (greedy, within 1 - 1/e of the best choice: Nemhauser et al. 1978).
    """
    candidates = _candidates(settings)
    places = surface.spread(SAMPLES, torch.Generator().manual_seed(0))
    cosine_table = torch.stack(
        [cosines(surface, places, candidates.eye[i].to(places.position)) for i in range(len(candidates))]
    )
    best = torch.zeros_like(cosine_table[0])
    chosen: list[int] = []
    while len(chosen) < MOST:
        gains = (cosine_table - best).clamp(min=0).sum(1)
        index = int(gains.argmax())
        if len(chosen) >= FEWEST and gains[index] < WORTH * best.sum():
            break
        if gains[index] <= 0:  # everything is seen as well as can be: evenly around
            index = next(i for i in range(len(candidates)) if i not in chosen)
        chosen.append(index)
        best = torch.maximum(best, cosine_table[index])
    return candidates[torch.tensor(chosen)]


def _candidates(settings: Settings) -> Cameras:
    steepest = min(settings.elevation_max, 80.0)
    elevations = torch.linspace(settings.elevation_min, steepest, ELEVATIONS).repeat_interleave(AZIMUTHS)
    azimuths = torch.arange(AZIMUTHS).repeat(ELEVATIONS) * (360.0 / AZIMUTHS)
    fov = (settings.fov_min + settings.fov_max) / 2
    distance = settings.framing / math.tan(math.radians(fov) / 2) if settings.framing else settings.radius
    return look_at(azimuths, elevations, distance, fov)


def cosines(surface: Surface, places: Points, eye: Tensor) -> Tensor:
    """[P] of the angle between each place's normal and the line to the eye [3]; 0 where the eye does not see it."""
    towards = eye - places.position
    distance = towards.norm(dim=1)
    towards = towards / distance[:, None]
    cosine = (places.normal * towards).sum(1)
    hits = surface.rays(eye.expand_as(towards), -towards)
    return torch.where(hits.distance > distance - CLEAR * distance, cosine.abs(), 0.0)
