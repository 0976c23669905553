"""Which of a model's words may have been meant by one that it does not know."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

__all__ = ["MOST", "near_words"]

MOST = 3  # of words that are offered
BROWN = "saddlebrown"  # CSS calls a dark red "brown"
GRAY = 20.0  # chroma (CIE Lab) below which the hue counts for little
LIGHTNESS = 0.8  # how much black to white counts beside the hue: navy is a blue, not a purple


def near_words(unknown: Iterable[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """For unknown words the nearest of the known `groups`, each of its own kind: at most MOST in all.

    For the name of a colour that is the colour that looks most alike; for any other word, those that are spelled alike,
    all from the group of the one that is most so.
    """
    near: list[str] = []
    for word in unknown:
        lower = word.lower()
        near += _by_look(lower, groups) or _by_spelling(lower, groups)
    return list(dict.fromkeys(near))[:MOST]


def _by_spelling(word: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    best = difflib.get_close_matches(word, [known for words in groups.values() for known in words], n=1)
    own = next((words for words in groups.values() if best and best[0] in words), ())
    return difflib.get_close_matches(word, own, n=2)


def _by_look(word: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The nearest of the colours among the words; [] for a word that is no colour, or where none is known."""
    from PIL import ImageColor

    colors = [known for words in groups.values() for known in words if known in ImageColor.colormap]
    if word not in ImageColor.colormap or not colors:
        return []
    from skimage.color import rgb2lab

    rgb = np.array([ImageColor.getrgb(BROWN if name == "brown" else name)[:3] for name in (word, *colors)]) / 255
    lightness, *chroma = np.moveaxis(rgb2lab(rgb), -1, 0)
    hue = np.stack(chroma) / (np.linalg.norm(chroma, axis=0) + GRAY)
    look = np.stack([lightness / 100 * LIGHTNESS, *hue], 1)
    return [colors[int(np.linalg.norm(look[1:] - look[0], axis=1).argmin())]]
