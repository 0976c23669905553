"""Which prompts are scored, and which others settings may be chosen on; no prompt is ever both."""

from __future__ import annotations

from training.prompts import parse
from training.world import HELD_OUT

# Sixteen objects; the four pairs of HELD_OUT among them were never shown in training.
SCORED = (
    "a red mushroom",
    "a blue chair with a yellow seat",
    "an orange table",
    "a pink mug",
    "a white house with a blue roof",
    "a green tree",
    "a snowman with a purple hat",
    "a yellow rocket",
    "a yellow duck",
    "a blue car",
    "a pink lamp with a black base",
    "a brown boat with a red sail",
    "a gray airplane",
    "a purple cube",
    "a cyan cone",
    "a red torus",
)

QUICK = ("a red mushroom", "a blue chair with a yellow seat", "a pink mug", "a red torus")

# Threshold rule and settings are chosen on these alone: the four objects that are not scored, and four that are, in
# other colours. The yellow sphere is a held-out pair, so that a choice can also be judged on what was never shown.
TUNING = (
    "a yellow sphere",
    "an orange cylinder",
    "a green bottle with a white cap",
    "a gray hammer",
    "a pink chair",
    "a blue mushroom with a yellow stem",
    "a green car",
    "a white torus",
)


def pair(prompt: str) -> tuple[str, str]:
    """(object, main colour) of a prompt of the world."""
    described = parse(prompt)
    return described.name, described.color


def held_out(prompt: str) -> bool:
    """Whether the prompt's (object, main colour) pair was kept out of training."""
    return pair(prompt) in HELD_OUT
