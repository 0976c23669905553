"""The sRGB curve against the standard's own numbers, its inverse, and the model's constant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjc.output import colour


@pytest.mark.parametrize(
    ("encoded", "linear"),
    # IEC 61966-2-1: ends, middle grey (18 %) to four digits, the join of the two pieces.
    [(0, 0), (1, 1), (0.4613561, 0.18), (0.04045, 0.0031308), (0.5, 0.21404114), (0.85, 0.69207106)],
)
def test_known_values(encoded, linear):
    assert colour.srgb_to_linear(encoded) == pytest.approx(linear, abs=2e-7)
    assert colour.linear_to_srgb(linear) == pytest.approx(encoded, abs=2e-6)


@given(st.floats(-0.5, 2))
def test_round_trip(value):
    assert colour.linear_to_srgb(colour.srgb_to_linear(value)) == pytest.approx(value, abs=2e-6)


def test_shape_and_type_are_kept():
    picture = np.random.default_rng(0).random((2, 3, 4, 3), np.float32)
    assert colour.srgb_to_linear(picture).dtype == np.float32
    assert colour.srgb_to_linear(picture).shape == picture.shape
    assert colour.linear_to_srgb(picture.astype(np.float16)).dtype == np.float32


def test_every_byte_comes_back():
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(colour.to_uint8(colour.linear_to_srgb(colour.srgb_to_linear(every / 255))), every)


def test_albedo_divides_the_constant_out():
    """The mean of lit pictures over lights from every side gives the palette back, as the model's card promises."""
    rng = np.random.default_rng(0)
    albedo, shade = np.array([0.85, 0.2, 0.5]), 0.8
    light = rng.normal(size=(200_000, 3))
    light /= np.linalg.norm(light, axis=1, keepdims=True)
    lit = albedo * shade * (1 + 0.3 * light[:, 2:])
    np.testing.assert_allclose(colour.painted(2 * lit.mean(0) - 1, colour.pixel_paint(shade)), albedo, atol=2e-3)


def test_albedo_stays_a_colour_and_one_changes_nothing():
    rgb = np.array([0.9, 0.1, 0.0])
    np.testing.assert_allclose(colour.painted(2 * rgb - 1, colour.pixel_paint(1)), rgb, atol=1e-15)
    assert colour.painted(2 * rgb - 1, colour.pixel_paint(0.8)).max() == 1
    with pytest.raises(ValueError, match="mean_shade"):
        colour.pixel_paint(0)


def test_to_uint8_rounds_and_clips():
    np.testing.assert_array_equal(colour.to_uint8([-1, 0, 0.5, 0.999, 7]), [0, 0, 128, 255, 255])
