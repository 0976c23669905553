"""Fewer faces for a surface, by quadric edge collapse (Garland and Heckbert 1997): flats lose theirs first.

A fast library does it where the surface stays whole. Thin parts it tears; from where it would, many edges at a time are
collapsed here, by arithmetic on arrays: in each round the cheapest that do not touch each other's neighbourhood. An
edge is left alone where its collapse would tear the surface or glue it together (the link condition: Dey et al. 1999)
or turn a face over, so what is closed stays closed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from .measures import compact, is_closed, mesh_volume

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

STIFFNESS = 1e-4  # pull towards an edge's middle where the quadric leaves the place open, as it does on a flat
SHARE = 0.4  # of the edges, the cheapest, that a round chooses from: more would reach for dear ones too early
TURN = 0.3  # cosine: how far a face may turn
SLIVER = 0.02  # area over that of the equilateral triangle with the same sides' squares: thinner faces are not made
ROUNDS = 500
LOSS = 0.03  # of the volume: what the library takes away more of is no longer the shape


def decimated(points: NDArray[np.floating], triangles: NDArray[np.integer], faces: int) -> tuple[Floats, Indices]:
    """About `faces` faces of a surface: points [V, 3] and triangles [F, 3] -> the same of fewer, no vertex unused.

    More faces than asked for are left where fewer would tear the surface. Vertices at the rim of an open surface, and
    where more than two faces meet, stay where they are.
    """
    places, corners = np.asarray(points, np.float64), np.asarray(triangles, np.int64)
    if len(corners) > faces and is_closed(corners):
        places, corners = _by_library(places, corners, faces)
    return _collapsed(places, corners, faces)


def _by_library(places: Floats, corners: Indices, faces: int) -> tuple[Floats, Indices]:
    """As few faces as the library reaches, `faces` or two, four ... times as many, with the surface still closed."""
    import fast_simplification

    volume, goal = mesh_volume(places, corners), faces
    while goal < len(corners):
        for aggressiveness in (7, 5, 3):
            fewer = fast_simplification.simplify(
                places, corners.astype(np.int32), target_count=goal, agg=aggressiveness
            )
            fewer_places, fewer_corners = compact(fewer[0].astype(np.float64), fewer[1].astype(np.int64))
            if is_closed(fewer_corners) and abs(mesh_volume(fewer_places, fewer_corners) / volume - 1) < LOSS:
                return fewer_places, fewer_corners
        goal *= 2
    return places, corners


def _collapsed(places: Floats, corners: Indices, faces: int) -> tuple[Floats, Indices]:
    quadrics = _quadrics(places, corners)
    for _ in range(ROUNDS):
        excess = len(corners) - faces
        if excess <= 0:
            break
        edges, targets = _chosen(places, corners, quadrics, -(-excess // 2))
        if not len(edges):
            break
        keep, drop = edges.T
        places = places.copy()
        places[keep] = targets
        quadrics[keep] += quadrics[drop]
        renamed = np.arange(len(places))
        renamed[drop] = keep
        corners = renamed[corners]
        a, b, c = corners.T
        corners = corners[(a != b) & (b != c) & (c != a)]
        used, corners = np.unique(corners, return_inverse=True)
        places, quadrics, corners = places[used], quadrics[used], corners.reshape(-1, 3)
    return compact(places, corners)


def _quadrics(places: Floats, corners: Indices) -> Floats:
    """[V, 4, 4]: x' Q x for x = (place, 1) is the squared distance to the planes of a vertex's faces, by area."""
    normals = _normals(places[corners])
    area = np.linalg.norm(normals, axis=1)
    planes = np.concatenate([normals, -(normals * places[corners[:, 0]]).sum(1, keepdims=True)], 1)
    whole = planes[:, :, None] * planes[:, None] / np.maximum(area, 1e-30)[:, None, None]
    total = np.zeros((len(places), 4, 4))
    for corner in range(3):
        np.add.at(total, corners[:, corner], whole)
    return total


def _chosen(places: Floats, corners: Indices, quadrics: Floats, wanted: int) -> tuple[Indices, Floats]:
    """Edges [E, 2] to collapse now, at most `wanted`, no two of them near each other, and where each goes [E, 3]."""
    edges, faces_of = _edges(corners)
    loose = np.zeros(len(places), bool)
    loose[edges[faces_of != 2]] = True  # a rim, or where more than two faces meet
    edges = edges[~loose[edges].any(1)]
    targets, costs = _targets(places, quadrics, edges)
    few = max(int(SHARE * len(edges)), min(len(edges), 50))
    cheap = np.argsort(costs, kind="stable")[:few]
    edges, targets = edges[cheap], targets[cheap]
    safe = _linked(corners, edges, len(places))
    edges, targets = edges[safe], targets[safe]
    upright = _upright(places, corners, edges, targets)
    edges, targets = edges[upright], targets[upright]
    apart = _apart(corners, edges, len(places))[:wanted]
    return edges[apart], targets[apart]


def _edges(corners: Indices) -> tuple[Indices, Indices]:
    """Each edge once, [E, 2], and how many faces it has, [E]."""
    pairs = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), 1)
    size = int(corners.max(initial=0)) + 1
    keys, count = np.unique(pairs[:, 0] * size + pairs[:, 1], return_counts=True)
    return np.stack([keys // size, keys % size], 1), count


def _targets(places: Floats, quadrics: Floats, edges: Indices) -> tuple[Floats, Floats]:
    """Where each edge's vertex is best, [E, 3], and what that costs, [E]."""
    whole = quadrics[edges[:, 0]] + quadrics[edges[:, 1]]
    normal, offset = whole[:, :-1, :-1], whole[:, :-1, -1]
    a, b = places[edges[:, 0]], places[edges[:, 1]]
    middle = (a + b) / 2
    stiffness = STIFFNESS * np.maximum(np.trace(normal, axis1=1, axis2=2), 1e-12)
    pulled = normal + stiffness[:, None, None] * np.eye(3)
    slope = np.einsum("eij,ej->ei", normal, middle) + offset
    target = middle - np.linalg.solve(pulled, slope[..., None])[..., 0]
    cost = (
        np.einsum("ei,eij,ej->e", target, normal, target)
        + 2 * (offset * target).sum(1)
        + whole[:, -1, -1]
        + 1e-3 * stiffness * ((a - b) ** 2).sum(1)  # on a flat, short edges first
    )
    return target, cost


def _neighbours(corners: Indices, count: int) -> csr_array:
    rows, columns = corners[:, [0, 1, 1, 2, 2, 0]].ravel(), corners[:, [1, 0, 2, 1, 0, 2]].ravel()
    matrix = coo_array((np.ones(len(rows), np.int32), (rows, columns)), shape=(count, count)).tocsr()
    matrix.data[:] = 1
    return matrix


def _linked(corners: Indices, edges: Indices, count: int) -> NDArray[np.bool_]:
    """[E]: whether just the two vertices opposite to an edge are neighbours of both its ends, and have others, too."""
    matrix = _neighbours(corners, count)
    degree = np.diff(matrix.indptr)
    common = matrix[edges[:, 0]].multiply(matrix[edges[:, 1]])
    both = np.asarray(common.sum(1)).ravel() == 2
    few = np.asarray(common @ (degree <= 3).astype(np.int32)).ravel() > 0
    return both & ~few


def _upright(places: Floats, corners: Indices, edges: Indices, targets: Floats) -> NDArray[np.bool_]:
    """[E]: whether no face around an edge turns over or becomes a sliver by its collapse."""
    order = np.argsort(corners.ravel(), kind="stable")
    starts = np.searchsorted(corners.ravel()[order], np.arange(len(places) + 1))
    good = np.ones(len(edges), bool)
    for end in (0, 1):
        vertex, other = edges[:, end], edges[:, 1 - end]
        counts = starts[vertex + 1] - starts[vertex]
        edge = np.repeat(np.arange(len(edges)), counts)
        rank = np.arange(len(edge)) - np.repeat(counts.cumsum() - counts, counts)
        at = order[starts[vertex[edge]] + rank]
        face, corner = at // 3, at % 3
        triangle = corners[face]
        stays = ~(triangle == other[edge, None]).any(1)
        edge, corner, triangle = edge[stays], corner[stays], triangle[stays]
        before = places[triangle]
        after = before.copy()
        after[np.arange(len(edge)), corner] = targets[edge]
        old, new = _normals(before), _normals(after)
        length = np.linalg.norm(new, axis=1)
        sides = ((after - np.roll(after, 1, 1)) ** 2).sum((1, 2))
        turned = (old * new).sum(1) < TURN * np.linalg.norm(old, axis=1) * length
        thin = length < SLIVER * sides
        was_thin = np.linalg.norm(old, axis=1) < SLIVER * ((before - np.roll(before, 1, 1)) ** 2).sum((1, 2))
        np.logical_and.at(good, edge, ~(turned & ~was_thin) & ~(thin & ~was_thin))
    return good


def _normals(triangles: Floats) -> Floats:
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def _apart(corners: Indices, edges: Indices, count: int) -> Indices:
    """Indices of edges, which come in order of cost, that are the first within their neighbourhood."""
    rank = np.arange(len(edges))
    nearest = np.full(count, len(edges))
    for end in (0, 1):
        np.minimum.at(nearest, edges[:, end], rank)
    around = nearest.copy()
    for one, other in ((0, 1), (1, 2), (2, 0)):
        np.minimum.at(around, corners[:, one], nearest[corners[:, other]])
        np.minimum.at(around, corners[:, other], nearest[corners[:, one]])
    return np.flatnonzero((around[edges] == rank[:, None]).all(1))
