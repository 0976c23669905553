"""Emission-absorption volume rendering in plain torch: the definition (paper section 4.2, facts 1.2).

Any device, any floating type, all gradients by autograd. `render_warp` computes the same numbers faster and is held to
this module by tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SjcError
from .grid import VoxelField, activate_color

BACKGROUND_DISTANCE = 10.0


@dataclass(frozen=True)
class Rendered:
    """What R rays saw of the field; nothing here knows the background.

    color [R,C] = sum w c; opacity [R] = sum w; depth [R] = sum w t, in world units from the ray's origin;
    emptiness [R] = sum log(1 + beta w); samples: Ns, the largest number of samples on any ray; where the rays' device
    works behind the host's back a [] tensor, which nobody has to wait for.
    """

    color: Tensor
    opacity: Tensor
    depth: Tensor
    emptiness: Tensor
    samples: int | Tensor


def render(
    field: VoxelField,
    origins: Tensor,
    directions: Tensor,
    *,
    step: float | None = None,
    beta: float = 10.0,
    weight_threshold: float = 1e-4,
) -> Rendered:
    """March rays through the field: alpha = 1 - exp(-sigma step), T = prod (1 - alpha), w = alpha T.

    origins, directions [R,3] (unit); `step` in world units, None is half a voxel. The first sample lies where the ray
    enters the box, none lies behind its exit. Colour is fetched only where w > weight_threshold, as released; the
    weights themselves are not cut. Differentiable in field.grid and field.log_scale.
    """
    step = check(field, origins, directions, step)
    t_min, counts = lattice(origins, directions, step)
    samples = int(counts.max()) if len(counts) else 0
    k = torch.arange(samples, dtype=t_min.dtype, device=t_min.device)
    t = t_min[:, None] + step * k
    inside = k < counts[:, None]
    points = origins[:, None] + t[..., None] * directions[:, None]

    raw = torch.zeros_like(t)
    raw[inside] = trilinear(field.grid[..., :1], points[inside])[:, 0]
    sigma = F.softplus(field.log_scale.exp() * raw + field.density_shift) * inside
    optical = sigma * step
    alpha = -torch.expm1(-optical)
    transmittance = torch.exp(-(torch.cumsum(optical, dim=1) - optical))
    w = alpha * transmittance

    colored = inside & (w > weight_threshold)
    c = torch.zeros(*t.shape, field.channels, dtype=t.dtype, device=t.device)
    c[colored] = activate_color(trilinear(field.grid[..., 1:], points[colored]), field.color_activation)
    return Rendered(
        color=(w[..., None] * c).sum(1),
        opacity=w.sum(1),
        depth=(w * t).sum(1),
        emptiness=torch.log1p(beta * w).sum(1),
        samples=samples,
    )


def check(field: VoxelField, origins: Tensor, directions: Tensor, step: float | None) -> float:
    """The step to march with. Raises SjcError for rays of another shape or type than the field, or a step <= 0."""
    if origins.ndim != 2 or origins.shape[1] != 3 or origins.shape != directions.shape:
        raise SjcError(f"rays must be two [R,3] tensors, not {list(origins.shape)} and {list(directions.shape)}")
    if not origins.dtype == directions.dtype == field.grid.dtype:
        raise SjcError(
            f"rays are {origins.dtype} and {directions.dtype}, the field is {field.grid.dtype}; make them equal"
        )
    if not origins.device == directions.device == field.grid.device:
        raise SjcError(f"rays are on {origins.device}, the field is on {field.grid.device}; move them together")
    step = 0.5 * field.voxel if step is None else float(step)
    if not step > 0:
        raise SjcError(f"ray step is {step}; give a length greater than 0")
    return step


def box_span(origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Slab test against [-1, 1]^3: distances [R] of entry (>= 0, the eye may be inside) and exit.

    A ray with exit < entry misses the box.
    """
    # A component of exactly 0 would give 0/0 for an eye in the plane of a face; a tiny one gives +-huge instead.
    tiny = torch.finfo(directions.dtype).tiny
    inverse = 1.0 / torch.where(directions.abs() < tiny, tiny, directions)
    limit = torch.finfo(directions.dtype).max
    a, b = ((-1 - origins) * inverse).clamp(-limit, limit), ((1 - origins) * inverse).clamp(-limit, limit)
    t_min, t_max = torch.minimum(a, b).amax(-1).clamp(min=0), torch.maximum(a, b).amin(-1)
    missed = t_max < t_min
    return torch.where(missed, 0.0, t_min), torch.where(missed, -1.0, t_max)


def lattice(origins: Tensor, directions: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """Where a ray is sampled: at t_min + k step for k = 0 .. counts-1 (t_min [R], counts [R] int32; 0 for a miss)."""
    t_min, t_max = box_span(origins, directions)
    counts = torch.floor((t_max - t_min) / step).int() + 1
    return t_min, torch.where(t_max < t_min, 0, counts)


def trilinear(grid: Tensor, points: Tensor) -> Tensor:
    """[P,K] values of a cell-centred grid [N,N,N,K] at points [P,3] of the box.

    Outside it is zero, to which the outer half voxel fades.
    """
    # grid_sample wants its last coordinate first: the array's axes are x, y, z, its coordinates W, H, D.
    volume = grid.permute(3, 0, 1, 2)[None]
    where = points.flip(-1)[None, :, None, None]
    return F.grid_sample(volume, where, mode="bilinear", padding_mode="zeros", align_corners=False)[0, :, :, 0, 0].T


def composite(rendered: Rendered, background: Tensor) -> Tensor:
    """[R,C] picture over a background [R,C] or [C]: sum w c + (1 - sum w) background."""
    return rendered.color + (1 - rendered.opacity)[:, None] * background


def full_depth(rendered: Rendered) -> Tensor:
    """[R] depth with the background standing at distance 10, as released."""
    return rendered.depth + (1 - rendered.opacity) * BACKGROUND_DISTANCE
