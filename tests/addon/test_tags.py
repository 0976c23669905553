"""The tags of a result in the Asset Browser."""

import pytest

from sjc_blender.live import tags_of


@pytest.mark.parametrize(
    ("prompt", "tags"),
    [
        ("a red mushroom", ["red", "mushroom"]),
        ('A "Blue" tree, on the hill.', ["blue", "tree", "hill"]),
        ("빨간 버섯 🍄", ["빨간", "버섯", "🍄"]),
        ("the", []),
    ],
)
def test_tags_are_what_one_would_look_for(prompt, tags):
    assert tags_of(prompt) == tags
