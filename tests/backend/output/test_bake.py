"""Pictures of a ball whose colour is known everywhere, laid back onto it."""

import numpy as np
import pytest
from skimage.measure import marching_cubes

from sjc.field.cameras import look_at, rays
from sjc.output.bake import View, bake_points
from sjc.output.measures import vertex_normals

RADIUS, SIZE = 0.6, 96


def paint(points):
    """A colour that turns with the direction, in [0, 1]."""
    return 0.5 + 0.4 * np.sin(2.0 * points / RADIUS)


def picture(azimuth, elevation, blocker=False):
    """The exact view of the ball; `blocker` puts a near wall before it."""
    camera = look_at([azimuth], [elevation], 3.0, 36.0)
    origins, directions = (r[0].double().numpy() for r in rays(camera, SIZE, SIZE))
    middle = -(origins * directions).sum(-1)
    gap = RADIUS**2 - ((origins**2).sum(-1) - middle**2)
    depth = middle - np.sqrt(np.maximum(gap, 0))
    color = np.where((gap > 0)[..., None], paint(origins + depth[..., None] * directions), 1.0)
    if blocker:
        depth, color = np.full_like(depth, 1.0), np.zeros_like(color)
    return View(color, depth, (gap > 0).astype(float), camera.eye[0].numpy(), camera.rotation[0].numpy(), 36.0)


@pytest.fixture(scope="module")
def ball():
    axis = np.linspace(-1, 1, 33)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    vertices, faces, _, _ = marching_cubes(RADIUS - np.linalg.norm(grid, axis=-1), 0.0, gradient_direction="ascent")
    vertices = vertices / 16 - 1
    return vertices, vertex_normals(vertices, faces)


AROUND = [(a, e) for e in (-60, -10, 35, 80) for a in range(0, 360, 60)]


def test_the_colour_of_every_place_comes_back(ball):
    colors, visible = bake_points(*ball, [picture(*at) for at in AROUND], tolerance=0.05)
    assert visible.all()
    assert np.abs(colors - paint(ball[0])).mean() < 0.01


def test_a_hidden_side_is_not_painted_through(ball):
    """From the front alone the back is unseen, and takes the colour of the nearest place that was seen."""
    vertices, _ = ball
    colors, visible = bake_points(*ball, [picture(0, 0)], tolerance=0.05)
    assert visible[vertices[:, 1] < -0.3].all()
    assert not visible[vertices[:, 1] > 0.05].any()
    front = vertices[:, 1] < -0.4
    assert np.abs(colors[front] - paint(vertices[front])).mean() < 0.02
    rim = colors[visible]
    assert (np.abs(colors[~visible][:, None] - rim[None]).max(-1).min(1) < 1e-6).all()


def test_what_stands_in_front_hides(ball):
    """A view whose depth is nearer than the ball says nothing of it."""
    views = [picture(*at) for at in AROUND]
    clean, _ = bake_points(*ball, views, tolerance=0.05)
    blocked, _ = bake_points(*ball, [*views, picture(0, 0, blocker=True)], tolerance=0.05)
    np.testing.assert_array_equal(clean, blocked)


def test_without_a_view_it_is_grey(ball):
    colors, visible = bake_points(*ball, [], tolerance=0.05)
    assert not visible.any()
    assert (colors == 0.5).all()
