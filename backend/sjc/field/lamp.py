"""A lamp beside the camera: renders are shaded by it, and the prompt says where it stands.

Pictures in which the light averages out cannot show a hollow. A model whose training pictures were lit by named lamps
(sjc.json, "lamps") is now and then asked about a lit render: "a pink mug lit from above". The shading is Lambert's,
half of it light from everywhere, as DreamFusion has it (Poole et al., arXiv 2209.14988, Sec. 3.1); some lit renders
have no colours, so that the shading is all they show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SjcError
from .cameras import Cameras
from .grid import VoxelField
from .render_reference import Rendered

UNCOLORED = 0.75  # of the lit renders: SDI's share (arXiv 2405.15891), which the world's pictures have, too
CLAY = 0.8  # what everything is painted in where colours are left out
STOPPED = 0.5  # opacity from which a ray's mean depth is a place on a surface


@dataclass(frozen=True)
class Lamps:
    """What a model has learned of lamps.

    A lit surface shows albedo * (ambient + diffuse * max(0, cos(normal, lamp))), an unlit one albedo * mean_shade; all
    of it in [0, 1], sRGB-encoded. sides: words; directions [L,3]: from the object to each lamp, in the camera's axes
    right, up and backward.
    """

    ambient: float
    diffuse: float
    mean_shade: float
    sides: tuple[str, ...]
    directions: Tensor

    def draw(self, share: float, cameras: Cameras, generator: torch.Generator) -> tuple[list[str], Tensor]:
        """The words behind each of V prompts, and [V,5] as `shaded` takes them.

        share: of the views that are lit; each of these has no colours with the probability UNCOLORED.
        """
        views = len(cameras)
        chance = torch.rand(2, views, generator=generator)
        side = torch.randint(len(self.sides), (views,), generator=generator)
        on, plain = chance[0] < share, chance[1] < UNCOLORED
        direction = (cameras.rotation @ self.directions[side, :, None]).squeeze(-1)
        words = [
            f" lit from {self.sides[s]}{' uncolored' if p else ''}" if o else ""
            for o, p, s in zip(on.tolist(), plain.tolist(), side.tolist(), strict=True)
        ]
        return words, torch.cat([direction, on[:, None].float(), (on & plain)[:, None].float()], dim=1)


def lamps_of(card: Mapping[str, Any], name: str) -> Lamps:
    """The lamps of a model's card (sjc.json). Raises SjcError for a model that knows none."""
    known = card.get("lamps")
    try:
        assert isinstance(known, dict)
        directions = {str(side): [float(x) for x in xyz] for side, xyz in known["directions"].items()}
        numbers = float(known["ambient"]), float(known["diffuse"]), float(card["mean_shade"])
        axes = torch.tensor(list(directions.values())).view(-1, 3)
        return Lamps(*numbers, tuple(directions), F.normalize(axes, dim=-1))
    except (AssertionError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise SjcError(
            f"lamp: {name} has learned no words for lamps, or its sjc.json does not say which; set lamp to 0."
        ) from error


def surface_normals(field: VoxelField, points: Tensor) -> Tensor:
    """Unit normals [R,3] of the density at points [R,3], outward: -grad, by differences over a voxel either way.

    Of raw density, whose slope has the direction of the activated one's. Zero where the field is even.
    """
    steps = torch.eye(3, dtype=points.dtype, device=points.device) * field.voxel
    at = torch.stack([points[:, None] - steps, points[:, None] + steps])  # [2,R,3,3]
    # grid_sample counts the last axis first.
    raw = F.grid_sample(
        field.density[None], at.view(1, 1, 1, -1, 3).flip(-1).to(field.density.dtype), padding_mode="border",
        align_corners=False,
    ).view(2, -1, 3)  # fmt: skip
    return F.normalize(raw[0] - raw[1], dim=-1, eps=1e-6)


def shaded(
    rendered: Rendered, origins: Tensor, directions: Tensor, field: VoxelField, lamps: Lamps, lit: Tensor
) -> Tensor:
    """Colours [R,3] in [-1,1] times opacity, as `rendered.color`, of rays [R,3] under the lamps of their views.

    lit [V,5]: direction to the lamp in the world, 1 where it is on, 1 where colours are left out; the rays of a view
    lie together. Rays that no surface stops keep their colours. The gradient reaches colours, opacity and, through the
    normals, the density; where the surface lies is taken as it is.
    """
    each = lit.repeat_interleave(len(origins) // len(lit), dim=0)
    opacity = rendered.opacity.detach()
    mean_depth = rendered.depth.detach() / opacity.clamp(min=STOPPED)
    normals = surface_normals(field, origins + mean_depth[:, None] * directions)
    cosine = (normals * each[:, :3]).sum(-1).clamp(min=0)
    light = (lamps.ambient + lamps.diffuse * cosine)[:, None]
    present = rendered.opacity[:, None]
    color = (rendered.color + present) / 2  # in [0, 1], times opacity
    on, plain = ((each[:, i] > 0.5) & (opacity > STOPPED) for i in (3, 4))
    painted = torch.where(plain[:, None], CLAY * present, color / lamps.mean_shade)
    return torch.where(on[:, None], 2 * painted * light - present, rendered.color)
