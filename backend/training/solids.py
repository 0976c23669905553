"""Exact solids: signed distance functions of a few primitives, in torch, batched over points.

Every function takes points [N, 3] and returns distances [N], negative inside. Box, cylinder, cone, torus and capsule
are exact distances (the classical closed forms); the ellipsoid is a bound whose zero set is exact. Sphere tracing only
needs a distance that never overshoots, truth only needs the sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Solid = Callable[[Tensor], Tensor]


def sphere(center: tuple[float, float, float], radius: float) -> Solid:
    """Ball."""
    return lambda p: (p - p.new_tensor(center)).norm(dim=-1) - radius


def ellipsoid(center: tuple[float, float, float], radii: tuple[float, float, float]) -> Solid:
    """Axis-aligned ellipsoid; k0 (k0 - 1) / k1 is a first-order distance with the exact zero set."""

    def distance(p: Tensor) -> Tensor:
        r = p.new_tensor(radii)
        q = p - p.new_tensor(center)
        k0 = (q / r).norm(dim=-1)
        k1 = (q / (r * r)).norm(dim=-1).clamp_min(1e-9)
        # At the centre 0/0: the distance there is the smallest radius.
        return torch.where(k0 < 1e-6, -r.min(), k0 * (k0 - 1.0) / k1)

    return distance


def box(center: tuple[float, float, float], half: tuple[float, float, float], rounding: float = 0.0) -> Solid:
    """Axis-aligned box with half sides `half`, its edges rounded inwards by `rounding`."""

    def distance(p: Tensor) -> Tensor:
        q = (p - p.new_tensor(center)).abs() - (p.new_tensor(half) - rounding)
        return q.clamp_min(0).norm(dim=-1) + q.amax(dim=-1).clamp_max(0) - rounding

    return distance


def _axial(p: Tensor, center: tuple[float, float, float], axis: int) -> tuple[Tensor, Tensor]:
    """Distance from the axis line and height along it."""
    q = p - p.new_tensor(center)
    others = [i for i in range(3) if i != axis]
    return q[:, others].norm(dim=-1), q[:, axis]


def cylinder(center: tuple[float, float, float], radius: float, half: float, axis: int = 2) -> Solid:
    """Capped cylinder of half height `half` along `axis`."""

    def distance(p: Tensor) -> Tensor:
        r, h = _axial(p, center, axis)
        d = torch.stack([r - radius, h.abs() - half], dim=-1)
        return d.clamp_min(0).norm(dim=-1) + d.amax(dim=-1).clamp_max(0)

    return distance


def cone(center: tuple[float, float, float], r_low: float, r_high: float, half: float, axis: int = 2) -> Solid:
    """Capped cone (frustum): radius `r_low` at -half, `r_high` at +half along `axis`."""

    def distance(p: Tensor) -> Tensor:
        r, h = _axial(p, center, axis)
        k1 = (r_high, half)
        k2 = (r_high - r_low, 2 * half)
        ca = torch.stack([r - torch.minimum(r, torch.where(h < 0, r_low, r_high).to(r)), h.abs() - half], -1)
        t = (((k1[0] - r) * k2[0] + (k1[1] - h) * k2[1]) / (k2[0] ** 2 + k2[1] ** 2)).clamp(0, 1)
        cb = torch.stack([r - k1[0] + k2[0] * t, h - k1[1] + k2[1] * t], -1)
        inside = (cb[:, 0] < 0) & (ca[:, 1] < 0)
        d = torch.minimum((ca**2).sum(-1), (cb**2).sum(-1)).sqrt()
        return torch.where(inside, -d, d)

    return distance


def torus(center: tuple[float, float, float], major: float, minor: float, axis: int = 2) -> Solid:
    """Torus around `axis`."""

    def distance(p: Tensor) -> Tensor:
        r, h = _axial(p, center, axis)
        return torch.hypot(r - major, h) - minor

    return distance


def capsule(a: tuple[float, float, float], b: tuple[float, float, float], radius: float) -> Solid:
    """Segment from a to b, thickened."""

    def distance(p: Tensor) -> Tensor:
        pa, ba = p - p.new_tensor(a), p.new_tensor(b) - p.new_tensor(a)
        t = (pa @ ba / (ba @ ba)).clamp(0, 1)
        return (pa - t[:, None] * ba).norm(dim=-1) - radius

    return distance


def halfspace(normal: tuple[float, float, float], offset: float) -> Solid:
    """Points with normal . p < offset; the normal is normalised here."""
    length = math.sqrt(sum(n * n for n in normal))
    return lambda p: p @ (p.new_tensor(normal) / length) - offset / length


def union(*solids: Solid) -> Solid:
    """Points inside any of them."""
    return lambda p: torch.stack([s(p) for s in solids]).amin(0)


def intersection(*solids: Solid) -> Solid:
    """Points inside all of them."""
    return lambda p: torch.stack([s(p) for s in solids]).amax(0)


def difference(solid: Solid, *removed: Solid) -> Solid:
    """Points of the first in none of the others."""
    return lambda p: torch.stack([solid(p), *(-s(p) for s in removed)]).amax(0)


def extruded(polygon: list[tuple[float, float]], half: float, axis: int) -> Solid:
    """Convex polygon (counter-clockwise, in the two other axes in ascending order) pushed along `axis` by +-half.

    A convex polygon is an intersection of half planes, so this is a bound with exact sign.
    """
    others = [i for i in range(3) if i != axis]

    def distance(p: Tensor) -> Tensor:
        sides = [p[:, axis].abs() - half]
        for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            nx, ny = y1 - y0, x0 - x1
            length = math.hypot(nx, ny)
            sides.append(((p[:, others[0]] - x0) * nx + (p[:, others[1]] - y0) * ny) / length)
        return torch.stack(sides).amax(0)

    return distance


def normals(solid: Solid, p: Tensor, h: float = 1e-3) -> Tensor:
    """Unit outward normals [N, 3] at points near the surface, by central differences."""
    steps = torch.eye(3, dtype=p.dtype, device=p.device) * h
    g = torch.stack([solid(p + s) - solid(p - s) for s in steps], dim=-1)
    return g / g.norm(dim=-1, keepdim=True).clamp_min(1e-9)
