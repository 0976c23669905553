"""Ground truth: which points a prompt's object fills, and in which colour."""

import math

import numpy as np
import pytest

from training import truth, world
from training.truth import ground_truth

DOOR = (0.14, -0.455, -0.32)  # in front of the house


def test_a_ball_fills_its_volume():
    ball = ground_truth("a red sphere")
    axis = -1 + (np.arange(64) + 0.5) * 2 / 64
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    inside = ball.inside(points)
    assert inside.dtype == bool
    assert inside.shape == (64**3,)
    assert (inside == (np.linalg.norm(points, axis=1) < 0.68)).all()
    assert inside.mean() * 8 == pytest.approx(4 / 3 * math.pi * 0.68**3, rel=0.01)


def test_the_frame_is_the_engines():
    """Up is +z, the front is -y: the duck looks out at -y, the rocket's tip is above its fins."""
    beak = ground_truth("duck")
    assert beak.inside([[0, -0.7, 0.3], [0, 0.7, 0.3], [0.7, 0, 0.3]]).tolist() == [True, False, False]
    rocket = ground_truth("rocket")
    assert rocket.inside([[0, 0, 0.75], [0, 0, -0.75], [0.4, 0, -0.6], [0.4, 0, 0.6]]).tolist() == [
        True,
        False,
        True,
        False,
    ]


def test_the_handle_of_a_mug_is_at_its_right_and_coffee_stands_below_its_rim():
    mug = ground_truth("a pink mug")
    handle, beside, above, coffee, bottom = (
        [0.63, 0, 0],
        [-0.83, 0, 0],
        [-0.1, 0, 0.4],
        [-0.1, 0, 0.2],
        [-0.1, 0, -0.46],
    )
    assert mug.inside([handle, beside, above, coffee, bottom]).tolist() == [True, False, False, True, True]
    pink, brown = world.COLORS["pink"], world.COLORS["brown"]
    np.testing.assert_allclose(mug.color([handle, coffee, bottom]), [pink, brown, pink], rtol=1e-6)


def test_color_is_that_of_the_nearest_part():
    mushroom = ground_truth("a blue mushroom with a yellow stem")
    points = [[0, 0, 0.5], [0.5, 0, 0.1], [0, 0, -0.5], [0, 0, 0.9], [0.1, 0, -0.95]]
    color = mushroom.color(points)
    assert color.shape == (5, 3)
    cap, stem = world.COLORS["blue"], world.COLORS["yellow"]
    np.testing.assert_allclose(color, [cap, cap, stem, cap, stem], rtol=1e-6)
    default = ground_truth("a yellow house")
    np.testing.assert_allclose(
        default.color([[0, 0, 0.6], [-0.4, 0, -0.4], DOOR]),
        [world.COLORS["red"], world.COLORS["yellow"], world.COLORS["brown"]],
        rtol=1e-6,
    )


def test_deeper_part_wins_where_two_overlap():
    snowman = ground_truth("a white snowman with a red hat")
    axis = np.array([[0, 0, 0.45], [0, 0, 0.60]])  # in the head and near the brim, in the hat and near the crown
    assert snowman.inside(axis).all()
    np.testing.assert_allclose(snowman.color(axis), [world.COLORS["white"], world.COLORS["red"]], rtol=1e-6)


@pytest.mark.parametrize(
    "prompt",
    [
        "a grey ball",
        "SPHERE, gray",
        "the sphere , grey",
        "azimuth 350 elevation -20 view of a gray sphere",
        "overhead view of a Gray Ball.",
        "backside view of the gray ball",
    ],
)
def test_spelling_and_view_words_do_not_matter(prompt):
    assert ground_truth(prompt) == ground_truth("a gray sphere")


def test_colors_change_no_shape_and_shapes_no_color():
    points = np.random.default_rng(0).uniform(-1, 1, (5000, 3))
    first, second = (ground_truth("a red mushroom with a white stem"), ground_truth("a white mushroom with a red stem"))
    assert (first.inside(points) == second.inside(points)).all()
    assert (first.color(points) != second.color(points)).any(axis=1).all()


def test_chunks_do_not_show(monkeypatch):
    points = np.random.default_rng(1).uniform(-1, 1, (1000, 3)).astype(np.float32)
    chair = ground_truth("a blue chair with a yellow seat")
    inside, color = chair.inside(points), chair.color(points)
    monkeypatch.setattr(truth, "CHUNK", 77)
    assert (chair.inside(points) == inside).all()
    assert (chair.color(points) == color).all()


def test_any_array_will_do_and_none_is_changed():
    cube = ground_truth("cube")
    points = np.zeros((4, 3))
    points.flags.writeable = False
    assert cube.inside(points).all()
    assert cube.inside(points[::2].astype(np.float16)).all()
    assert cube.inside(np.zeros((0, 3))).shape == (0,)
    assert cube.color(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("shape", [(3,), (4, 2), (2, 2, 3)])
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"give \[N, 3\]"):
        ground_truth("cube").inside(np.zeros(shape))


@pytest.mark.parametrize(
    "prompt", ["", "a red dragon", "a red mushroom and a cube", "view of a cube", "azimuth elevation view of a cube"]
)
def test_a_prompt_without_truth_is_refused(prompt):
    with pytest.raises(ValueError, match=r"the prompt names|is no word for") as error:
        ground_truth(prompt)
    assert "\n" not in str(error.value)
