"""A series of numbers as a small picture, for a panel. No bpy: arrays in, pixels out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, MARGIN = 128, 128, 6  # pixels
# Fit light and dark themes. Blender takes icons for premultiplied: the paper is a thin veil of grey.
INK, PAPER = (0.36, 0.62, 1.0), (0.06, 0.06, 0.06, 0.12)
THICKNESS = 2.0
WIDE = 100.0  # positive values that span more than this factor are drawn by their logarithms


def picture(points: Sequence[tuple[int, float]]) -> NDArray[np.float32]:
    """[HEIGHT, WIDTH, 4] f4, bottom row first: a line over all steps, from the lowest value to the highest.

    What is not finite is left out; nothing at all is an empty sheet.
    """
    sheet = np.empty((HEIGHT, WIDTH, 4), np.float32)
    sheet[:] = PAPER
    finite = np.array([p for p in points if np.isfinite(p[1])], np.float64).reshape(-1, 2)
    if not len(finite):
        return sheet
    steps, values = finite.T
    if values.min() > 0 and values.max() > WIDE * values.min():
        values = np.log(values)
    low, high = values.min(), values.max()
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    x = MARGIN + (steps - steps[0]) / max(steps[-1] - steps[0], 1) * (WIDTH - 1 - 2 * MARGIN)
    y = MARGIN + share * (HEIGHT - 1 - 2 * MARGIN)
    ink = _line(x, y)[..., None]
    sheet *= 1 - ink
    sheet += ink * np.array((*INK, 1), np.float32)
    return sheet


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    """[HEIGHT, WIDTH] how much of each pixel the line covers.

    In every column it reaches from its lowest point to its highest.
    """
    columns = np.arange(WIDTH)
    edges = np.interp(np.arange(WIDTH + 1) - 0.5, x, y)
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    at = np.clip(np.rint(x).astype(int), 0, WIDTH - 1)
    np.minimum.at(low, at, y)
    np.maximum.at(high, at, y)
    rows = np.arange(HEIGHT)[:, None]
    outside = np.maximum(low - rows, rows - high)
    covered = np.clip((THICKNESS + 1) / 2 - outside, 0, 1)
    covered *= (columns >= np.floor(x[0])) & (columns <= np.ceil(x[-1]))
    return covered.astype(np.float32)
