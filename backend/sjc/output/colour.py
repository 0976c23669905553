"""Colour spaces: the models speak sRGB-encoded values, files and Blender speak scene-linear Rec.709.

Both share primaries and white point, so the step between them is the transfer curve alone (IEC 61966-2-1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Rec. 709 luminance of linear light (ITU-R BT.709).
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])

Floats = NDArray[np.floating]


def _floating(values: ArrayLike) -> Floats:
    """Integers become float64; float16 is too coarse for the curve and becomes float32; the rest keeps its type."""
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.floating):
        return array.astype(np.float64)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def srgb_to_linear(srgb: ArrayLike) -> Floats:
    """sRGB-encoded [..., any] in [0, 1] -> scene-linear, same shape. Odd about zero, so no value becomes NaN."""
    encoded = _floating(srgb)
    size = np.abs(encoded)
    linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(linear, encoded).astype(encoded.dtype)


def linear_to_srgb(linear: ArrayLike) -> Floats:
    """Scene-linear [..., any] -> sRGB-encoded, same shape. The inverse of `srgb_to_linear`."""
    light = _floating(linear)
    size = np.abs(light)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.copysign(encoded, light).astype(light.dtype)


def pixel_paint(mean_shade: float) -> NDArray[np.float64]:
    """[4, 3]: what a pixel model paints, rgb in [-1, 1] and a 1, to albedo, sRGB-encoded in [0, 1].

    The embedded model learned pictures of `albedo * mean_shade * (1 + contrast * cos)` in encoded values, under light
    from every side alike: the mean over lights is `albedo * mean_shade` whatever the normal. So one constant, from the
    model's card, is divided out. Other models have none: 1.
    """
    if not 0 < mean_shade <= 1:
        raise ValueError(f"mean_shade must lie in (0, 1], not {mean_shade}")
    return np.concatenate([np.eye(3), np.ones((1, 3))]) / (2 * mean_shade)


def painted(values: NDArray[np.floating], paint: NDArray[np.floating]) -> Floats:
    """A model's values [..., C] through an affine paint [C+1, 3] (as `pixel_paint` gives one), cut to [0, 1]."""
    rgb: Floats = values @ paint[:-1].astype(values.dtype) + paint[-1].astype(values.dtype)
    return np.clip(rgb, 0, 1)


def to_uint8(rgb01: ArrayLike) -> NDArray[np.uint8]:
    """Values in [0, 1] -> 0..255, rounded; what lies outside is clipped."""
    return (np.clip(_floating(rgb01), 0, 1) * 255 + 0.5).astype(np.uint8)
