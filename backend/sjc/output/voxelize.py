"""Which points lie inside a closed mesh, by the parity of crossings along +z.

Exact bookkeeping makes it robust: whether a column passes left or right of an edge is decided once per edge, from its
two vertices in index order. Both faces at the edge so agree, and a closed mesh has an even number of crossings in
every column, also for columns that pass through edges and vertices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .mesh import Mesh

_CHUNK = 1 << 21


def inside_lattice(mesh: Mesh, n: int) -> NDArray[np.bool_]:
    """Bool [n, n, n] (index [x, y, z]): the cell centres of [-1, 1]^3, at -1 + (i + 0.5) * 2 / n, inside `mesh`."""
    return parity_lattice(mesh, n)[0]


def parity_lattice(mesh: Mesh, n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """That, by the crossings below each centre, and bool [n, n]: the columns that leave a closed mesh as they came.

    In the others, which meet an open mesh an odd number of times, the first means nothing.
    """
    triangles = mesh.vertices.astype(np.float64)[mesh.faces]
    # Index coordinates: cell i stands at i. Columns i0..i1 lie within a face's bounding rectangle.
    low = np.ceil((triangles[..., :2].min(1) + 1) * n / 2 - 0.5).astype(np.int64).clip(0, n)
    high = np.floor((triangles[..., :2].max(1) + 1) * n / 2 - 0.5).astype(np.int64).clip(-1, n - 1)
    extent = (high - low + 1).clip(0)
    toggles = np.zeros((n, n, n + 1), np.uint8)
    for face, rank in _expand(extent.prod(1)):
        i = low[face, 0] + rank // extent[face, 1]
        j = low[face, 1] + rank % extent[face, 1]
        columns = np.stack([i, j], 1) * (2 / n) + (1 / n - 1)
        hit, z = _crossings(mesh, triangles, face, columns)
        # The first cell above the crossing; those from there on change sides.
        k = np.floor((z + 1) * n / 2 - 0.5).astype(np.int64) + 1
        np.add.at(toggles, (i[hit], j[hit], k.clip(0, n)), 1)
    inside = (np.cumsum(toggles, axis=2, dtype=np.uint8) & 1).astype(bool)
    return inside[..., :n], ~inside[..., n]


def solid(mesh: Mesh, points: NDArray[np.floating], cells: int = 256) -> NDArray[np.bool_]:
    """Bool [N]: which of the points [N, 3] lie inside `mesh`. Faces are sorted into `cells` x `cells` columns."""
    points = np.asarray(points, np.float64)
    inside = np.zeros(len(points), bool)
    if not len(points) or not len(mesh.faces):
        return inside
    triangles = mesh.vertices.astype(np.float64)[mesh.faces]
    corner, size = triangles[..., :2].min((0, 1)), np.ptp(triangles[..., :2], (0, 1)).max() / cells

    low = ((triangles[..., :2].min(1) - corner) // size).astype(np.int64)
    extent = ((triangles[..., :2].max(1) - corner) // size).astype(np.int64) - low + 1
    lists = [
        (face, (low[face, 0] + rank // extent[face, 1]) * (cells + 1) + low[face, 1] + rank % extent[face, 1])
        for face, rank in _expand(extent.prod(1))
    ]
    face, cell = (np.concatenate(part) for part in zip(*lists, strict=True))
    face = face[np.argsort(cell, kind="stable")]
    count = np.bincount(cell, minlength=(cells + 1) ** 2)
    first = np.cumsum(count) - count

    column = ((points[:, :2] - corner) // size).astype(np.int64)
    near = np.flatnonzero(((column >= 0) & (column <= cells)).all(1))
    home = column[near, 0] * (cells + 1) + column[near, 1]
    parity = np.zeros(len(near), np.int64)
    for which, rank in _expand(count[home]):
        hit, z = _crossings(mesh, triangles, face[first[home[which]] + rank], points[near[which], :2])
        above = z > points[near[which[hit]], 2]
        parity += np.bincount(which[hit][above], minlength=len(near))
    inside[near] = parity % 2 == 1
    return inside


def _expand(counts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (item, rank) in chunks: item i appears counts[i] times, with rank 0 .. counts[i] - 1."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        base = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, base + _CHUNK, side="right")))
        part = counts[start:stop]
        item = np.repeat(np.arange(start, stop), part)
        yield item, np.arange(len(item)) - np.repeat(np.cumsum(part) - part, part)
        start = stop


def _crossings(mesh: Mesh, triangles: NDArray, face: NDArray[np.int64], columns: NDArray) -> tuple[NDArray, NDArray]:
    """Which vertical lines `columns` [K, 2] meet faces `face` [K] -> (their positions in K, the heights z there)."""
    odd = np.zeros(len(face), bool)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        # The edge in index order: the same two numbers, in the same order, for both of its faces.
        swap = mesh.faces[face, a] > mesh.faces[face, b]
        p = np.where(swap[:, None], triangles[face, b, :2], triangles[face, a, :2])
        q = np.where(swap[:, None], triangles[face, a, :2], triangles[face, b, :2])
        spans = (p[:, 1] <= columns[:, 1]) != (q[:, 1] <= columns[:, 1])
        side = (q[:, 0] - p[:, 0]) * (columns[:, 1] - p[:, 1]) - (columns[:, 0] - p[:, 0]) * (q[:, 1] - p[:, 1])
        odd ^= spans & ((side > 0) == (q[:, 1] > p[:, 1]))
    hit = np.flatnonzero(odd)
    a, b, c = (triangles[face[hit], corner] for corner in range(3))
    normal = np.cross(b - a, c - a)
    lean = (columns[hit] - a[:, :2]) * normal[:, :2]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = a[:, 2] - lean.sum(1) / normal[:, 2]
    # Nearly vertical faces: rounding must not carry the crossing out of the face.
    floor, roof = triangles[face[hit], :, 2].min(1), triangles[face[hit], :, 2].max(1)
    return hit, np.where(np.isfinite(z), z, floor).clip(floor, roof)
