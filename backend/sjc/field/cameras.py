"""Cameras and rays.

World: Blender's, right-handed, z up, the field fills the box [-1, 1]^3. Azimuth 0 is the camera at -Y (Blender's front
view) and grows counter-clockwise seen from above; elevation 90 looks straight down. A camera looks down its own -z axis
(OpenGL). Angles are degrees everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..errors import SjcError


@dataclass(frozen=True)
class Cameras:
    """V pinhole cameras that look at the origin.

    eye [V,3]; rotation [V,3,3], camera to world, columns right, up, backward; fov_deg [V], horizontal;
    azimuth_deg [V] in [0, 360); elevation_deg [V] in [-90, 90].
    """

    eye: Tensor
    rotation: Tensor
    fov_deg: Tensor
    azimuth_deg: Tensor
    elevation_deg: Tensor

    def __len__(self) -> int:
        return self.eye.shape[0]

    def __getitem__(self, index: int | slice | Tensor) -> Cameras:
        """The chosen cameras; a single number keeps the leading axis, so the result is always Cameras of V >= 1."""
        if isinstance(index, int):
            index = range(len(self))[index]  # negative numbers and IndexError (which ends iteration) as in a list
            index = slice(index, index + 1)
        return Cameras(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def poses(self) -> Tensor:
        """Camera to world, [V,4,4]."""
        poses = torch.eye(4).to(self.eye).repeat(len(self), 1, 1)
        poses[:, :3, :3], poses[:, :3, 3] = self.rotation, self.eye
        return poses

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras on another device."""
        return Cameras(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class CameraPrior:
    """Where the training cameras stand (facts 1.3): fixed radius, the rest uniform between limits, in degrees.

    The default elevations are the released code's: cos(polar) between -1/9 and cos(polar) of the clipped pole.

    framing: half of what a picture shows at the centre, from which and the field of view the distance follows; 0: the
        distance is the radius.
    """

    radius: float = 1.5
    fov_min: float = 40.0
    fov_max: float = 70.0
    elevation_min: float = -6.38
    elevation_max: float = 83.53
    framing: float = 0.0

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise SjcError(f"camera radius is {self.radius}; give a distance greater than 0")
        if not 0 < self.fov_min <= self.fov_max < 180:
            raise SjcError(f"field of view {self.fov_min} to {self.fov_max}: give 0 < min <= max < 180 degrees")
        if not -90 <= self.elevation_min <= self.elevation_max <= 90:
            raise SjcError(
                f"elevation {self.elevation_min} to {self.elevation_max}: give -90 <= min <= max <= 90 degrees"
            )

    def distance(self, fov_deg: Tensor) -> Tensor:
        """How far from the centre the cameras of these fields of view stand, [V]."""
        if not self.framing:
            return torch.full_like(fov_deg, self.radius)
        return self.framing / torch.tan(torch.deg2rad(fov_deg) / 2)


def look_at(
    azimuth_deg: float | Sequence[float] | Tensor,
    elevation_deg: float | Sequence[float] | Tensor,
    radius: float | Tensor,
    fov_deg: float | Tensor,
) -> Cameras:
    """Cameras on spheres around the origin that look at it; numbers, lists or [V] tensors, broadcast together.

    The basis is closed-form in the angles, so straight up and straight down are ordinary views.
    """
    numbers = (torch.as_tensor(x, dtype=torch.float32) for x in (azimuth_deg, elevation_deg, radius, fov_deg))
    azimuth, elevation, distance, fov = torch.broadcast_tensors(*(x.reshape(-1) for x in numbers))
    # Double inside: cos(90 deg) in float32 leaves 4e-8, and eyes are compared with exact numbers in tests.
    a, e = torch.deg2rad(azimuth.double()), torch.deg2rad(elevation.double())
    right = torch.stack([a.cos(), a.sin(), torch.zeros_like(a)], dim=-1)
    up = torch.stack([-e.sin() * a.sin(), e.sin() * a.cos(), e.cos()], dim=-1)
    backward = torch.stack([e.cos() * a.sin(), -e.cos() * a.cos(), e.sin()], dim=-1)
    return Cameras(
        eye=(distance.double()[:, None] * backward).float(),
        rotation=torch.stack([right, up, backward], dim=-1).float(),
        fov_deg=fov.clone(),
        azimuth_deg=azimuth % 360.0,
        elevation_deg=elevation.clone(),
    )


def sample_cameras(prior: CameraPrior, n: int, generator: torch.Generator | None = None) -> Cameras:
    """n random training cameras: elevation uniform on the sphere (sin uniform), azimuth and field of view uniform."""
    u = torch.rand(3, n, generator=generator, device=generator.device if generator else None).cpu()
    low, high = (math.sin(math.radians(x)) for x in (prior.elevation_min, prior.elevation_max))
    # asin of the rounded limits can land a rounding outside them.
    elevation = torch.rad2deg(torch.asin((low + (high - low) * u[0].double()).clamp(-1, 1)))
    elevation = elevation.clamp(prior.elevation_min, prior.elevation_max)
    fov = prior.fov_min + (prior.fov_max - prior.fov_min) * u[2]
    return look_at(360.0 * u[1], elevation, prior.distance(fov), fov)


def sample_rings(
    prior: CameraPrior,
    azimuths_deg: Sequence[float],
    n: int,
    generator: torch.Generator | None = None,
    *,
    turns: bool = True,
) -> Cameras:
    """n random rings of training cameras, one ring after the other.

    The cameras of a ring have one elevation and one field of view, and stand at azimuths_deg from its first camera,
    which is anywhere, or in front if the ring does not turn.
    """
    one = sample_cameras(prior, n, generator)
    views = len(azimuths_deg)
    first, elevation, fov = (
        x.repeat_interleave(views) for x in (one.azimuth_deg * float(turns), one.elevation_deg, one.fov_deg)
    )
    return look_at(first + torch.tensor(azimuths_deg).repeat(n), elevation, prior.distance(fov), fov)


def orbit(n: int, elevation_deg: float = 20.0, radius: float = 1.5, fov_deg: float = 60.0) -> Cameras:
    """n cameras evenly round the object, the first in front; the n-th step would close the circle."""
    return look_at(torch.arange(n) * (360.0 / n), elevation_deg, radius, fov_deg)


def released_spiral(n: int, radius: float = 1.5, fov_deg: float = 60.0, turns: float = 3.0) -> Cameras:
    """The released code's test path (facts 1.3): three turns from above (71 deg) down to the horizon.

    Distance from the axis max(radius sin(ratio pi/2), 0.5), height radius (1 - ratio), ratio from 0 to 1.
    """
    ratio = torch.linspace(0, 1, n)
    axial = (radius * torch.sin(ratio * math.pi / 2)).clamp(min=0.5)
    height = radius * (1 - ratio)
    elevation = torch.rad2deg(torch.atan2(height, axial))
    return look_at(360.0 * turns * ratio, elevation, torch.hypot(axial, height), fov_deg)


def rays(
    cameras: Cameras, height: int, width: int, right: Tensor | float = 0.0, down: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """One ray per pixel: origins and unit directions, both [V,H,W,3], rows top to bottom.

    Pixel centres are integers, principal point ((W-1)/2, (H-1)/2), focal length (W/2)/tan(fov/2) pixels in both axes.
    right, down: how far from the centres rays go through, in pixels, numbers or [H,W].
    """
    if height < 1 or width < 1:
        raise SjcError(f"an image of {height} x {width} pixels has no rays; give at least 1 x 1")
    eye, rotation = cameras.eye, cameras.rotation
    focal = (width / 2) / torch.tan(torch.deg2rad(cameras.fov_deg) / 2)
    row = torch.arange(height, dtype=eye.dtype, device=eye.device) - (height - 1) / 2
    column = torch.arange(width, dtype=eye.dtype, device=eye.device) - (width - 1) / 2
    x = (column[None, :] + right)[None] / focal[:, None, None]
    y = -(row[:, None] + down)[None] / focal[:, None, None]
    rightward, up, backward = (axis[:, None, None, :] for axis in rotation.unbind(-1))
    directions = x[..., None] * rightward + (y[..., None] * up - backward)
    directions *= (x**2 + (y**2 + 1)).rsqrt()[..., None]  # the axes are orthonormal: this is 1 / length
    return eye[:, None, None, :].expand_as(directions), directions


def pixel_rays(cameras: Cameras, height: int, width: int, count: int) -> tuple[Tensor, Tensor]:
    """`count` rays per pixel, whose mean is the pixel's: as `rays`, [V,H,W,count,3].

    Their places are mirrored in every other pixel, as on a chessboard, so that no slant of a border is favoured.
    """
    if count == 1:
        origins, directions = rays(cameras, height, width)
        return origins[..., None, :], directions[..., None, :]
    row, column = (torch.arange(n, dtype=cameras.eye.dtype, device=cameras.eye.device) for n in (height, width))
    side = 1 - 2 * ((row[:, None] + column) % 2)
    each = [rays(cameras, height, width, side * right, down) for right, down in pixel_samples(count)]
    origins, directions = (torch.stack(parts, dim=3) for parts in zip(*each, strict=True))
    return origins, directions


def pixel_samples(count: int) -> list[tuple[float, float]]:
    """Where `count` rays go through a pixel: how far right and down of its centre, in pixels.

    Hammersley's points, moved so that their mean is the centre: no two share a row or a column.
    """
    heights = [_radical_inverse(i) for i in range(count)]
    middle = sum(heights) / count
    return [((i + 0.5) / count - 0.5, height - middle) for i, height in enumerate(heights)]


def _radical_inverse(number: int) -> float:
    """The binary digits of a number mirrored at the point (van der Corput), in [0, 1)."""
    inverse, digit = 0.0, 0.5
    while number:
        inverse, number, digit = inverse + digit * (number % 2), number // 2, digit / 2
    return inverse
