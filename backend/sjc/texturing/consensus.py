"""What views agree on: pictures of a surface merged at its places, and seen again.

A place takes from every picture in which it is visible, bilinearly between four pixels. A pixel counts if it shows the
same sheet of surface: its own place lies on the plane of the face (within a pixel) and looks the same way. Pixels at
the object's border show background, too, whose known colour is taken out of them; as what a model draws there is not
quite the mesh, they count little, and what is seen by no others takes its colours from around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..field.cameras import Cameras, pixel_rays, rays
from .surface import Points, Surface

SUBRAYS = 8  # through each pixel, for how much of it the object covers
SOLID = 0.4  # of a pixel that must be covered for it to say anything of the surface
TRUST = 0.0003, 0.05, 0.4, 1.0
"""How much pixels count on an outline, one, two and more pixels inside. A model's outlines are not quite the mesh's:
what it draws there is background, or the part behind."""
STEP = 3.0  # pixels that the next one's place may lie off the plane; farther, an outline runs between them
OFF_PLANE, AROUND = 0.7, 8.0  # pixels that the place of a neighbour may lie off the plane, and away
CHUNK = 1 << 16  # places looked at together
NEIGHBOURS = 24  # pixels that speak for a place that the views do not see well
REACH = 2.5  # pixels over which they fall off
DOUBT = 0.03  # weight at which a place is half its neighbours'


@dataclass(frozen=True)
class Shadow:
    """What V cameras see of a surface in pictures of S x S pixels, of the shape alone.

    cover [V,S,S], how much of a pixel the surface covers; solid [V,S,S]; places: one for every pixel [V*S*S], a
    meaningless one where a pixel is not solid; pixel [V,S,S], the width of a pixel on the surface; trust [V,S,S], how
    much a pixel counts.
    """

    cameras: Cameras
    cover: Tensor
    solid: Tensor
    places: Points
    face: Tensor
    weights: Tensor
    pixel: Tensor
    trust: Tensor


def cast(surface: Surface, cameras: Cameras, size: int) -> Shadow:
    """Look at the surface from everywhere, once."""
    cameras = cameras.to(surface.vertices.device)
    views, count = len(cameras), len(cameras) * size * size
    origins, directions = (x.reshape(-1, 3) for x in pixel_rays(cameras, size, size, SUBRAYS))
    many = surface.rays(origins.contiguous(), directions.contiguous())
    cover = (many.face.view(count, SUBRAYS) >= 0).float().mean(1)
    origins, directions = (x.reshape(-1, 3) for x in rays(cameras, size, size))
    middle = surface.rays(origins.contiguous(), directions.contiguous())
    # A pixel whose middle misses takes the place of the first of its rays that does not.
    first = (many.face.view(count, SUBRAYS) >= 0).float().argmax(1) + torch.arange(count, device=cover.device) * SUBRAYS
    missed = middle.face < 0
    face = torch.where(missed, many.face[first], middle.face)
    weights = torch.where(missed[:, None], many.weights[first], middle.weights)
    distance = torch.where(missed, many.distance[first], middle.distance)
    places = surface.at(face.clamp(min=0), weights)
    wide = 2 * torch.tan(torch.deg2rad(cameras.fov_deg) / 2).repeat_interleave(size * size) / size
    shape = (views, size, size)
    solid, pixel = ((cover >= SOLID) & (face >= 0)).view(shape), (distance * wide).view(shape)
    trust = _trust(solid, distance.view(shape), pixel)
    return Shadow(cameras, cover.view(shape), solid, places, face.clamp(min=0), weights, pixel, trust)


def _trust(solid: Tensor, distance: Tensor, pixel: Tensor) -> Tensor:
    """[V,S,S]: how far inside the outlines of the mesh and of its parts each pixel lies, as TRUST has it."""
    inside = solid.clone()
    for along in (1, 2):
        pairs = range(solid.shape[along] - 1)
        here, there = slice(0, len(pairs)), slice(1, len(pairs) + 1)
        first, second = ((slice(None),) * along + (x,) for x in (here, there))
        gap = (distance[first] - distance[second]).abs() > STEP * torch.minimum(pixel[first], pixel[second])
        gap |= ~(solid[first] & solid[second])
        inside[first] &= ~gap
        inside[second] &= ~gap
    trust = torch.where(solid, TRUST[0], 0.0)
    for value in TRUST[1:]:
        trust[inside] = value
        inside = inside & ~(max_pool2d((~inside).float()[:, None], 3, 1, 1)[:, 0] > 0)
    return trust


class Around:
    """What pixels near places P say in their stead, wherever the views do not see them well.

    A mean over the nearest pixels that show surface, by distance and by how alike they face (normalised convolution,
    Knutsson and Westin 1993), in which pixels well inside the outlines count most.
    """

    def __init__(self, shadow: Shadow, places: Points) -> None:
        solid = shadow.solid.view(-1).nonzero()[:, 0]
        device = solid.device
        known = shadow.places.position[solid]
        count = min(NEIGHBOURS, len(solid))
        tree = cKDTree(known.cpu().numpy())
        distance, index = (x.reshape(-1, count) for x in tree.query(places.position.cpu().numpy(), k=count))
        self.pixel = solid[torch.from_numpy(index).to(device)]
        apart = torch.from_numpy(distance).float().to(device)
        reach = torch.maximum(REACH * shadow.pixel.view(-1)[self.pixel], apart[:, :1])
        alike = torch.einsum("pki,pi->pk", shadow.places.normal[self.pixel], places.normal).clamp(min=0.02)
        weights = shadow.trust.view(-1)[self.pixel] * alike**2 * torch.exp(-((apart / reach) ** 2) / 2)
        self.weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)

    def __call__(self, values: Tensor, own: Tensor, weight: Tensor) -> Tensor:
        """The places' own values [P,C] with the neighbours' among values [V*S*S,C], the more the less `weight` [P]."""
        theirs = torch.einsum("pk,pkc->pc", self.weights, values[self.pixel])
        share = weight / (weight + DOUBT)
        return theirs + share[:, None] * (own - theirs)


@dataclass(frozen=True)
class Taps:
    """Where P places stand in V pictures, K = 4 V pixels each.

    pixel [P,K], index into V*S*S; share [P,K], bilinear, 0 where it does not count; cosine [P,K] at which its view sees
    the place.
    """

    pixel: Tensor
    share: Tensor
    cosine: Tensor

    def merged(self, values: Tensor, power: float) -> tuple[Tensor, Tensor]:
        """Values [V*S*S,C] at the places, [P,C], and the weight of each [P], 0 where no view sees it.

        Views count by cosine^power: with a higher power the view that sees a place best speaks for it alone.
        """
        weights = self.share * self.cosine**power
        total = weights.sum(1)
        mixed = torch.einsum("pk,pkc->pc", weights / total.clamp(min=1e-12)[:, None], values[self.pixel])
        return mixed, total


def find(shadow: Shadow, places: Points) -> Taps:
    """Where places stand in the pictures."""
    parts = [
        _find(shadow, Points(position, normal))
        for position, normal in zip(places.position.split(CHUNK), places.normal.split(CHUNK), strict=True)
    ]
    return Taps(*(torch.cat(x) for x in zip(*((p.pixel, p.share, p.cosine) for p in parts), strict=True)))


def _find(shadow: Shadow, places: Points) -> Taps:
    cameras, size = shadow.cameras, shadow.cover.shape[-1]
    offset = places.position[:, None] - cameras.eye  # [P,V,3]
    right, up, backward = torch.einsum("pvi,vij->jpv", offset, cameras.rotation)
    focal = size / 2 / torch.tan(torch.deg2rad(cameras.fov_deg) / 2)
    ahead = (-backward).clamp(min=1e-6)
    column, row = (size - 1) / 2 + focal * right / ahead, (size - 1) / 2 - focal * up / ahead
    cosine = (offset * places.normal[:, None]).sum(-1).abs() / offset.norm(dim=-1).clamp(min=1e-9)
    pixels, shares, trust = [], [], shadow.trust.view(-1)
    first = torch.arange(len(cameras), device=column.device) * size * size
    left, top = column.floor(), row.floor()
    for right_one in (0, 1):
        for lower in (0, 1):
            x, y = left + right_one, top + lower
            share = (1 - (column - x).abs()) * (1 - (row - y).abs())
            inside = (x >= 0) & (x < size) & (y >= 0) & (y < size) & (backward < -1e-6)
            pixel = first + (y.clamp(0, size - 1) * size + x.clamp(0, size - 1)).long()
            shares.append(share * trust[pixel] * (inside & _same_sheet(shadow, places, pixel)))
            pixels.append(pixel)
    return Taps(torch.cat(pixels, 1), torch.cat(shares, 1), torch.cat([cosine] * 4, 1))


def _same_sheet(shadow: Shadow, places: Points, pixel: Tensor) -> Tensor:
    """Whether the pixels [P,V] show the sheet of surface that each place is on."""
    apart = shadow.places.position[pixel] - places.position[:, None]
    wide = shadow.pixel.view(-1)[pixel]
    near_plane = (apart * places.normal[:, None]).sum(-1).abs() < OFF_PLANE * wide
    cosine = (shadow.places.normal[pixel] * places.normal[:, None]).sum(-1)
    close = apart.norm(dim=-1) < AROUND * wide
    return near_plane & (cosine > 0) & close & shadow.solid.view(-1)[pixel]
