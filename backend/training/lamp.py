"""A lamp for the world: pictures with a light from a known side, and the words that say so.

Under the world's faint light, drawn anew for each picture, an empty mug and one with a lid of its own colour look the
same on average. A lamp whose place the sentence names tells them apart. It belongs to the camera ("lit from left"), so
a render can be lit in the same way. Half Lambert's law, half light from everywhere, as DreamFusion shades (Poole et
al., arXiv 2209.14988); most lit pictures have no colours, so that the shading is all they show.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

AMBIENT, DIFFUSE = 0.3, 0.7
"""A lit surface shows albedo * (AMBIENT + DIFFUSE * max(0, cos(normal, lamp))), in sRGB-encoded values."""
DIRECTIONS = {"left": (-0.8, 0.0, 0.6), "right": (0.8, 0.0, 0.6), "above": (0.0, 0.8, 0.6), "front": (0.0, 0.0, 1.0)}
"""From the object to the lamp: right, up and backward of the camera. Unit vectors."""
CLAY = (0.8, 0.8, 0.8)
"""The colour of everything in a picture that has no colours."""
WORDS = ["lit", "from", *DIRECTIONS, "uncolored"]
SHARE, UNCOLORED = 0.3, 0.75
"""Of pictures that are lit, and of those that have no colours."""

LAMPS = [(side, plain) for plain in (False, True) for side in DIRECTIONS]
"""Every lamp: the side it stands on, and whether colours are left out. A picture's lamp is 1 + its place here, or 0."""


def random_lamp(rng: random.Random) -> int:
    """A picture's lamp: 0 for none, or 1 + its place in LAMPS."""
    if rng.random() >= SHARE:
        return 0
    side = rng.randrange(len(DIRECTIONS))
    return 1 + side + len(DIRECTIONS) * (rng.random() < UNCOLORED)


def lit(text: str, lamp: int) -> str:
    """The sentence with the words of its lamp behind it."""
    if not lamp:
        return text
    side, plain = LAMPS[lamp - 1]
    return f"{text} lit from {side}" + (" uncolored" if plain else "")


def world_directions(lamp: Tensor, azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Directions to the lamps [B, 3] in the world, for lamps [B] of cameras at angles [B] in degrees.

    A lamp is 1 + its place in LAMPS; the directions of 0 mean nothing.
    """
    sides = torch.tensor([DIRECTIONS[side] for side, _ in LAMPS], device=lamp.device)
    right, up, backward = sides[(lamp.long() - 1).clamp_min(0)].unbind(-1)
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    # The camera's axes, as sjc.field.cameras.look_at has them.
    right_axis = torch.stack([a.cos(), a.sin(), torch.zeros_like(a)], -1)
    backward_axis = torch.stack([e.cos() * a.sin(), -e.cos() * a.cos(), e.sin()], -1)
    up_axis = torch.linalg.cross(backward_axis, right_axis)
    return right[:, None] * right_axis + up[:, None] * up_axis + backward[:, None] * backward_axis


def uncolored(palette: Tensor, lamp: Tensor) -> Tensor:
    """Palettes [B, P, 3], CLAY throughout where the lamp [B] leaves colours out."""
    plain = (lamp > len(DIRECTIONS)).view(-1, 1, 1)
    return torch.where(plain, palette.new_tensor(CLAY), palette)


def card_json() -> dict[str, object]:
    """What a model's sjc.json says of its lamps."""
    return {"ambient": AMBIENT, "diffuse": DIFFUSE, "directions": {k: list(v) for k, v in DIRECTIONS.items()}}
