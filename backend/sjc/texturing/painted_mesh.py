"""The texture: what the views agree on, laid into a picture for the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ..appearance.views import PAPER, Look, Shown
from ..errors import SjcError
from ..field.cameras import Cameras, pixel_rays
from ..output.colour import linear_to_srgb, srgb_to_linear, to_uint8
from ..output.mesh import Mesh
from ..output.texture import Texture, filled, lookup, texels, unwrap
from .consensus import Around, Shadow, find
from .correction import Correction
from .surface import Points, Surface

SURE = 0.5  # weight from which a place is the views' alone
CORRECTED = 256  # texels along an edge of a picture of differences
DRAFT = 256  # texels along an edge of a picture that is only to be seen while the job works
SMOOTH = 4  # rays through each pixel of a picture
BATCH = 1 << 16  # texels at a time
OVERLAP = 0.02  # share of the texels that may lie in two triangles, as those on common edges do


def laid_out(mesh: Mesh, size: int) -> Mesh:
    """The mesh with UVs: its own where they are good, else new ones, for which vertices are doubled along the seams."""
    if mesh.texture is not None and good(mesh.texture.uv, mesh.faces, size):
        return mesh
    origin, faces, uv = unwrap(mesh, size)
    blank = np.zeros((1, 1, 3), np.uint8)
    return replace(
        mesh, vertices=mesh.vertices[origin], faces=faces, colors=mesh.colors[origin], texture=Texture(blank, uv)
    )


def good(uv: NDArray[np.floating], faces: NDArray[np.int32], size: int) -> bool:
    """Whether UVs [V,2] can hold a texture: within 0 to 1, hardly a face without an area, and no place used twice."""
    if not np.isfinite(uv).all() or uv[faces].min() < -1e-4 or uv[faces].max() > 1 + 1e-4:
        return False
    a, b, c = uv[faces].astype(np.float64).transpose(1, 0, 2)
    area = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    if (area <= 0).mean() > 0.01:
        return False
    used = np.zeros(size * size, np.int32)
    for rows, columns, _, _ in texels(uv.astype(np.float32), faces, size):
        used += np.bincount(rows * size + columns, minlength=size * size).astype(np.int32)
    # Triangles with a common edge both have the texels whose centres lie on it, exactly there.
    return int((used > 1).sum()) <= OVERLAP * max(int((used > 0).sum()), 1) + 4 * size


def painted(
    mesh: Mesh, surface: Surface, shadow: Shadow, colors: NDArray[np.float32], size: int, power: float
) -> tuple[Mesh, float]:
    """The mesh with a texture of size x size texels, and the share of its texels that no view sees.

    mesh: laid out, the one that `surface` shows.
    colors: what the views' pixels say of the surface, [V*S*S,3], sRGB-encoded in [0, 1].
    power: of the cosine that views count by. What they do not see well takes its neighbours' colours.
    """
    rows, columns, triangle, weights = _texels(mesh, size)
    if not len(rows):
        raise SjcError(f"No triangle of the mesh covers a texel of {size} x {size}; use a larger texture_size.")
    values = torch.from_numpy(colors).to(surface.vertices.device)
    made = np.zeros((len(rows), 3), np.float32)
    visible = np.zeros(len(rows), bool)
    for start in range(0, len(rows), BATCH):
        some = slice(start, start + BATCH)
        given = (torch.from_numpy(x[some]).to(values.device) for x in (triangle, weights.astype(np.float32)))
        points = surface.at(*given)
        mixed, weight = find(shadow, points).merged(values, power)
        doubtful = weight < SURE
        if doubtful.any():
            few = Points(points.position[doubtful], points.normal[doubtful])
            mixed[doubtful] = Around(shadow, few)(values, mixed[doubtful], weight[doubtful])
        made[some], visible[some] = mixed.cpu().numpy(), (weight > 0).cpu().numpy()
    if not visible.any():
        raise SjcError("No camera sees anything of the mesh; check that its faces are large enough to be visible.")
    picture = np.zeros((size, size, 3), np.float32)
    picture[rows, columns] = made
    empty = np.ones((size, size), bool)
    empty[rows, columns] = False
    corner_colors = np.zeros_like(mesh.colors)
    corner_colors[mesh.faces[triangle, weights.argmax(1)]] = srgb_to_linear(made.clip(0, 1))
    return _with_picture(mesh, corner_colors, picture, empty), 1 - float(visible.mean())


def corrected(mesh: Mesh, surface: Surface, correction: Correction, size: int) -> Mesh:
    """The mesh with a texture of size x size texels: its present colours, corrected.

    mesh: laid out, the one that `surface` shows. Differences are smooth, so they are asked for at CORRECTED x CORRECTED
    texels at most, and read between them.
    """
    coarse = min(size, CORRECTED)
    rows, columns, points, present = _present_texels(mesh, surface, coarse)
    difference, empty = np.zeros((coarse, coarse, 3), np.float32), np.ones((coarse, coarse), bool)
    difference[rows, columns] = correction(points, torch.from_numpy(present)).numpy() - present
    empty[rows, columns] = False
    difference = filled(difference, empty)
    rows, columns, _, present = _present_texels(mesh, surface, size)
    at = (np.stack([rows, columns]) + 0.5) * (coarse / size) - 0.5
    between = [ndimage.map_coordinates(difference[..., i], at, order=1, mode="nearest") for i in range(3)]
    made = (present + np.stack(between, 1)).clip(0, 1)
    picture, empty = np.zeros((size, size, 3), np.float32), np.ones((size, size), bool)
    picture[rows, columns], empty[rows, columns] = made, False
    corners = surface.at(*_corners(mesh, surface))
    encoded = linear_to_srgb(mesh.colors.clip(0, 1)).astype(np.float32)
    colors = srgb_to_linear(correction(corners, torch.from_numpy(encoded)).numpy())
    return _with_picture(mesh, colors.astype(np.float32), picture, empty)


def _corners(mesh: Mesh, surface: Surface) -> tuple[torch.Tensor, torch.Tensor]:
    """For every vertex a face that has it, and its barycentric weights there."""
    face, weights = np.zeros(len(mesh.vertices), np.int64), np.zeros((len(mesh.vertices), 3), np.float32)
    for corner in range(3):
        own = mesh.faces[:, corner]
        face[own] = np.arange(len(own))
        weights[own] = np.eye(3, dtype=np.float32)[corner]
    device = surface.vertices.device
    return torch.from_numpy(face).to(device), torch.from_numpy(weights).to(device)


def _present_texels(
    mesh: Mesh, surface: Surface, size: int
) -> tuple[NDArray[Any], NDArray[Any], Points, NDArray[np.float32]]:
    """Rows, columns and places of the texels that the mesh covers, and its present colours there, sRGB [T,3]."""
    rows, columns, triangle, weights = _texels(mesh, size)
    device = surface.vertices.device
    face, within = (torch.from_numpy(x).to(device) for x in (triangle, weights.astype(np.float32)))
    return rows, columns, surface.at(face, within), present(mesh, triangle, weights)


def present(mesh: Mesh, face: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float32]:
    """The mesh's own colours at places of its faces [P] with barycentric weights [P,3], sRGB: its picture's, if any."""
    corners = mesh.faces[face]
    if mesh.texture is not None and len(mesh.texture.picture) > 1:
        uv = np.einsum("pc,pci->pi", weights, mesh.texture.uv[corners])
        return lookup(mesh.texture.picture / 255, uv).astype(np.float32)
    linear = np.einsum("pc,pci->pi", weights, mesh.colors[corners])
    return linear_to_srgb(linear.clip(0, 1)).astype(np.float32)


def _texels(mesh: Mesh, size: int) -> tuple[NDArray[Any], ...]:
    """Rows, columns, triangles and barycentric weights of the texels that the mesh covers."""
    assert mesh.texture is not None
    return tuple(np.concatenate(parts) for parts in zip(*texels(mesh.texture.uv, mesh.faces, size), strict=True))


def _with_picture(mesh: Mesh, colors: NDArray[np.float32], picture: NDArray[np.float32], empty: NDArray[Any]) -> Mesh:
    """The mesh in these colours, with the picture [S,S,3], in which empty texels take the nearest one's colour."""
    assert mesh.texture is not None
    return replace(mesh, colors=colors, texture=Texture(to_uint8(filled(picture, empty)), mesh.texture.uv))


class Draft:
    """A small texture, made again and again while the views get clearer: where its texels stand is found once."""

    def __init__(self, mesh: Mesh, surface: Surface, shadow: Shadow) -> None:
        self.mesh = mesh
        self.rows, self.columns, triangle, weights = _texels(mesh, DRAFT)
        device = surface.vertices.device
        face, within = (torch.from_numpy(x).to(device) for x in (triangle, weights.astype(np.float32)))
        self.taps = find(shadow, surface.at(face, within))
        self.corner = mesh.faces[triangle, weights.argmax(1)]

    def __call__(self, values: NDArray[np.float32]) -> Mesh:
        """The mesh in the colours of the views' pixels [V*S*S,3], sRGB-encoded in [0, 1]."""
        mixed, weight = self.taps.merged(torch.from_numpy(values).to(self.taps.share.device), 1.0)
        visible = (weight > 0).cpu().numpy()
        made = mixed.cpu().numpy()[visible].clip(0, 1)
        picture, empty = np.zeros((DRAFT, DRAFT, 3), np.float32), np.ones((DRAFT, DRAFT), bool)
        picture[self.rows[visible], self.columns[visible]] = made
        empty[self.rows[visible], self.columns[visible]] = False
        colors = np.full_like(self.mesh.colors, 0.5)
        colors[self.corner[visible]] = srgb_to_linear(made)
        return _with_picture(self.mesh, colors, picture, empty)


def look(mesh: Mesh, surface: Surface) -> Look:
    """Pictures of the textured mesh, for whoever shows it."""
    texture = mesh.texture
    assert texture is not None

    def shown(cameras: Cameras, size: int) -> Iterator[Shown]:
        for index in range(len(cameras)):
            camera = cameras[index].to(surface.vertices.device)
            origins, directions = (x.reshape(-1, 3).contiguous() for x in pixel_rays(camera, size, size, SMOOTH))
            hits = surface.rays(origins, directions)
            there = (hits.face >= 0).cpu().numpy()
            corners = mesh.faces[hits.face.clamp(min=0).cpu().numpy()]
            uv = np.einsum("rc,rci->ri", hits.weights.cpu().numpy(), texture.uv[corners])
            paint = np.where(there[:, None], lookup(texture.picture / 255, uv), PAPER)
            depth = np.where(there, hits.distance.cpu().numpy(), 0).reshape(size, size, SMOOTH)
            opacity = there.reshape(size, size, SMOOTH).mean(-1)
            picture = to_uint8(paint.reshape(size, size, SMOOTH, 3).mean(2))
            yield picture, depth.sum(-1) / np.maximum(opacity * SMOOTH, 1), opacity

    return shown
