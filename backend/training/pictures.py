"""Pictures of the world for training: geometry traced once into a bank, then coloured and lit anew for every batch.

The bank holds, per view and sample, the part that is hit and its normal. Colour, light and background are drawn per
picture, so one traced view serves any number of different pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from sjc.field.cameras import CameraPrior, Cameras, rays, sample_cameras, sample_rings
from sjc.guidance.views import FOUR
from training import lamp, world
from training.solids import normals

SIZE = 32  # pixels of a training picture
SUPERSAMPLE = 2  # samples per pixel and axis
PRIOR = CameraPrior(radius=3.0, fov_min=34.0, fov_max=38.0, elevation_min=-30.0, elevation_max=85.0)

# A surface shows albedo * MEAN_SHADE * (1 + contrast * cos(normal, light)), all in sRGB-encoded values. The light is
# uniform on the sphere, so the mean over lights is albedo * MEAN_SHADE whatever the normal: the constant that the
# model card states and the export divides out. The contrast is drawn between 0 (flat) and MAX_CONTRAST.
MEAN_SHADE = 0.8
MAX_CONTRAST = 0.25
EMPTY = 255  # part index of a sample that hits nothing


def trace(
    name: str, origins: Tensor, directions: Tensor, steps: int = 96, empty_mug: bool = False
) -> tuple[Tensor, Tensor]:
    """Sphere-trace rays [N, 3] -> (part index u8 [N] or EMPTY, unit normals [N, 3], zero where empty)."""
    count = len(origins)
    part = torch.full((count,), EMPTY, dtype=torch.uint8, device=origins.device)
    normal = origins.new_zeros(count, 3)
    # Only the chord through the bounding ball can hit.
    b = (origins * directions).sum(-1)
    disc = b * b - (origins * origins).sum(-1) + (world.RADIUS + 0.01) ** 2
    active = torch.nonzero(disc > 0).squeeze(1)
    root = disc[active].sqrt()
    t, t_end = -b[active] - root, -b[active] + root
    hits = []
    for _ in range(steps):
        if not len(active):
            break
        d = world.distances(name, origins[active] + t[:, None] * directions[active], empty_mug).amin(0)
        hit = d < 2e-3
        hits.append((active[hit], t[hit]))
        t = t + d
        keep = ~hit & (t < t_end)
        active, t, t_end = active[keep], t[keep], t_end[keep]
    index = torch.cat([h[0] for h in hits]) if hits else active
    if len(index):
        p = origins[index] + torch.cat([h[1] for h in hits])[:, None] * directions[index]
        part[index] = world.distances(name, p, empty_mug).argmin(0).to(torch.uint8)
        normal[index] = normals(lambda q: world.distances(name, q, empty_mug).amin(0), p)
    return part, normal


class Stored:
    """Arrays that a file keeps: a dataclass of NumPy arrays."""

    def save(self, path: Path) -> None:
        """Write whole, then rename."""
        temporary = path.with_name("." + path.name + ".tmp.npz")
        np.savez(temporary, **vars(self))
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what save() wrote."""
        with np.load(path, allow_pickle=False) as z:
            return cls(**{k: z[k] for k in z.files})


@dataclass
class Bank(Stored):
    """Traced views: part u8 [M, S, S], normal i8 [M, S, S, 3] (times 127), thing i64 [M], azimuth, elevation f4 [M]."""

    part: np.ndarray
    normal: np.ndarray
    thing: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray

    together: ClassVar[int] = 1
    """Views that follow each other, show one object and are pictured in one light and the same colours."""


class RingBank(Bank):
    """Views from the rings of a network that sees four at once."""

    together = len(FOUR)


def make_bank(
    views_per_thing: int,
    seed: int,
    size: int = SIZE,
    supersample: int = SUPERSAMPLE,
    device: str = "cpu",
    empty_mug: bool = False,
    rings: bool = False,
) -> Bank:
    """Trace `views_per_thing` random views of every object with the cameras of PRIOR; rings: in rings of four."""
    generator = torch.Generator().manual_seed(seed)
    full = size * supersample
    at_once = 16 if device == "cpu" else 1000  # what fits a CPU's cache, and what fills a card
    part, normal, thing, azimuth, elevation = [], [], [], [], []
    for index, name in enumerate(world.THINGS):
        if rings:
            cameras = sample_rings(PRIOR, FOUR.azimuths, views_per_thing // len(FOUR), generator)
        else:
            cameras = sample_cameras(PRIOR, views_per_thing, generator)
        for start in range(0, views_per_thing, at_once):
            chunk = cameras[start : start + at_once]
            o, d = supersampled_rays(chunk, size, supersample)
            p, n = trace(name, o.reshape(-1, 3).to(device), d.reshape(-1, 3).to(device), empty_mug=empty_mug)
            part.append(p.view(-1, full, full).cpu().numpy())
            normal.append((n * 127).round().to(torch.int8).view(-1, full, full, 3).cpu().numpy())
        thing.append(np.full(views_per_thing, index))
        azimuth.append(cameras.azimuth_deg.numpy())
        elevation.append(cameras.elevation_deg.numpy())
    return Bank(*(np.concatenate(x) for x in (part, normal, thing, azimuth, elevation)))


def make_rings(views_per_thing: int, seed: int, device: str = "cpu", empty_mug: bool = False) -> RingBank:
    """Views of every object as `make_bank` traces them, four of them a ring."""
    return RingBank(**vars(make_bank(views_per_thing, seed, device=device, empty_mug=empty_mug, rings=True)))


def supersampled_rays(cameras: Cameras, size: int, supersample: int) -> tuple[Tensor, Tensor]:
    """Rays [V, k*size, k*size, 3] whose k x k blocks tile the pixels of a size x size picture exactly.

    The pinhole of sjc.field.cameras has its principal point at (W-1)/2 and focal length W/2 / tan(fov/2); the same
    formula at k times the size gives samples at (j + 0.5)/k - 0.5 pixels, the centres of the sub-pixels.
    """
    return rays(cameras, size * supersample, size * supersample)


def shade(
    part: Tensor,
    normal: Tensor,
    palette: Tensor,
    background: Tensor,
    light: Tensor,
    contrast: Tensor,
    supersample: int,
    lit: Tensor | None = None,
) -> Tensor:
    """Colour traced views: pictures [B, 3, S/k, S/k] in [-1, 1], k = `supersample`.

    part u8 [B, S, S], normal f4 [B, S, S, 3], palette [B, P, 3] sRGB per part, background and light [B, 3], contrast
    [B]. lit [B]: pictures whose light is a lamp (training.lamp), which has no contrast.
    """
    batch, full = part.shape[:2]
    index = part.long().clamp_max(palette.shape[1])  # EMPTY -> the last row: the background
    table = torch.cat([palette * MEAN_SHADE, background[:, None]], 1)
    rgb = table.gather(1, index.view(batch, -1, 1).expand(-1, -1, 3))
    facing = normal.view(batch, -1, 3) @ light[:, :, None]
    shading = 1 + contrast[:, None, None] * facing
    if lit is not None:
        lambert = (lamp.AMBIENT + lamp.DIFFUSE * facing.clamp_min(0)) / MEAN_SHADE
        surface = index.view(batch, -1, 1) < palette.shape[1]
        shading = torch.where(lit[:, None, None] & surface, lambert, shading)
    rgb = (rgb * shading).clamp(0, 1)  # empty samples have a zero normal: the background stays as it is
    image = rgb.view(batch, full, full, 3).permute(0, 3, 1, 2)
    return torch.nn.functional.avg_pool2d(image, supersample) * 2 - 1


def random_light(batch: int, generator: torch.Generator, together: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """(background [B, 3], light [B, 3] uniform on the sphere, contrast [B]), alike in pictures that go together."""
    there: dict[str, Any] = {"generator": generator, "device": generator.device}
    background = torch.rand(batch // together, 3, **there)
    light = torch.nn.functional.normalize(torch.randn(batch // together, 3, **there), dim=-1)
    contrast = torch.rand(batch // together, **there) * MAX_CONTRAST
    background, light, contrast = (each.repeat_interleave(together, 0) for each in (background, light, contrast))
    return background, light, contrast


def view_share(prior: CameraPrior = PRIOR) -> float:
    """Smallest half angle over the needed one: above 1 every object is whole in every view."""
    return math.tan(math.radians(prior.fov_min / 2)) / math.tan(math.asin(world.RADIUS / prior.radius))
