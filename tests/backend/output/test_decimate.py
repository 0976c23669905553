"""Fewer faces: flats lose theirs, edges and corners stay, and what is closed stays closed, however thin it is."""

import numpy as np
import pytest
import trimesh

from sjc.output import decimate
from sjc.output.decimate import decimated
from sjc.output.measures import is_closed, mesh_volume


def box(*extents, subdivisions=4):
    mesh = trimesh.creation.box(extents)
    for _ in range(subdivisions):
        mesh = mesh.subdivide()
    return np.array(mesh.vertices), np.array(mesh.faces)


def euler(points, faces):
    edges = np.unique(np.sort(np.concatenate([faces[:, :2], faces[:, 1:], faces[:, [2, 0]]]), 1), axis=0)
    return len(points) - len(edges) + len(faces)


@pytest.mark.parametrize("way", [decimated, decimate._collapsed])
def test_a_box_keeps_its_corners_and_its_flats(way):
    points, faces = way(*box(1, 2, 3), 40)
    assert len(faces) <= 40
    assert is_closed(faces)
    assert mesh_volume(points, faces) == pytest.approx(6, rel=2e-3)
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-1, 1) for z in (-1.5, 1.5)])
    assert max(np.linalg.norm(points - corner, axis=1).min() for corner in corners) < 5e-3


def bumpy_torus():
    mesh = trimesh.creation.torus(1, 0.3, major_sections=60, minor_sections=30)
    bumps = np.random.default_rng(0).normal(0, 0.01, (len(mesh.vertices), 3))
    return mesh.vertices + bumps, np.array(mesh.faces)


@pytest.mark.parametrize("goal", [1000, 200, 60])
def test_a_torus_stays_closed_and_keeps_its_hole(goal):
    before = bumpy_torus()
    points, faces = decimate._collapsed(*before, goal)
    assert len(faces) <= goal
    assert is_closed(faces)
    assert euler(points, faces) == 0
    assert mesh_volume(points, faces) == pytest.approx(mesh_volume(*before), rel={1000: 0.01, 200: 0.06, 60: 0.2}[goal])


def thin_net():
    """A net of bars, one cell wide, with holes of one cell: what the library tears."""
    from skimage.measure import marching_cubes

    solid = np.zeros((40, 40, 7), np.float32)
    solid[2:38, 2:38, 3] = 1
    solid[4:37:3, 4:37:3, 3] = 0
    points, faces, _, _ = marching_cubes(solid, 0.5, gradient_direction="ascent")
    return points.astype(np.float64), faces.astype(np.int64)


def test_what_the_library_tears_is_reduced_all_the_same():
    import fast_simplification

    points, faces = thin_net()
    goal = len(faces) // 4
    torn = fast_simplification.simplify(points, faces.astype(np.int32), target_count=goal)[1]
    assert not is_closed(torn.astype(np.int64)), "choose another shape: this one the library does not tear"
    fewer_points, fewer = decimated(points, faces, goal)
    assert len(fewer) <= goal
    assert is_closed(fewer)
    assert euler(fewer_points, fewer) == euler(points, faces)


def test_a_net_keeps_its_holes_and_more_faces_than_would_tear_it():
    points, faces = thin_net()
    fewer_points, fewer = decimate._collapsed(points, faces, 300)
    assert 300 < len(fewer) < len(faces) / 3
    assert is_closed(fewer)
    assert euler(fewer_points, fewer) == euler(points, faces)


def test_the_rim_of_an_open_surface_stays():
    x, y = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21), indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), np.zeros(441)], 1)
    corner = (np.arange(20)[:, None] * 21 + np.arange(20)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 21, corner + 22], 1), np.stack([corner, corner + 22, corner + 1], 1)]
    )
    fewer_points, fewer = decimated(points, faces, 100)
    assert len(fewer) <= 100
    assert np.abs(fewer_points[:, 2]).max() < 1e-9
    a, b, c = fewer_points[fewer].transpose(1, 0, 2)
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(1, abs=1e-9)
    rim = points[((points[:, :2] == 0) | (points[:, :2] == 1)).any(1)]
    assert {tuple(point) for point in rim} <= {tuple(point) for point in fewer_points}


def test_fewer_than_can_be_are_not_made():
    mesh = trimesh.creation.icosahedron()
    points, faces = decimated(mesh.vertices, mesh.faces, 2)
    assert is_closed(faces)
    assert mesh_volume(points, faces) > 0
