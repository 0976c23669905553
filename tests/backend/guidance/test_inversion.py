"""Inverted noise against the probability flow of Gaussian data, which is known in closed form."""

import math

import pytest
import torch

from sjc.guidance.empirical import GaussianDenoiser
from sjc.guidance.inversion import Inversion, climb, descend, ladder
from tests.backend.stubs import SCHEDULE

MU, S = 0.5, 0.7
D = GaussianDenoiser(MU, S)
TOP = torch.tensor([0.8, 3.0])


def picture(seed=0):
    return torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rung(levels):
    return lambda z, k: D(z, levels[k])


def spread(sigma):
    """The flow keeps (z - mu) / spread: the standard deviation of the data with that much noise."""
    return (S**2 + sigma.double() ** 2).sqrt().view(-1, 1, 1, 1)


def test_the_ladder_has_equal_ticks():
    levels = ladder(SCHEDULE, TOP, 4)
    ticks = SCHEDULE.tick(levels)
    assert levels.shape == (5, 2)
    assert ticks[0].tolist() == [0, 0]
    assert torch.equal(ticks[-1], SCHEDULE.tick(TOP))
    gaps = ticks.diff(dim=0)
    assert int(gaps.max() - gaps.min()) <= int(gaps[:, 1].max() - gaps[:, 0].min()) + 1
    assert int((gaps - gaps.double().mean(0)).abs().max()) <= 1


@pytest.mark.parametrize("rungs", [1, 2, 3])
def test_climbing_is_eulers_product(rungs):
    levels, y = ladder(SCHEDULE, TOP, rungs), picture()
    s = levels.double()
    factor = torch.ones(2, dtype=torch.float64)
    for k in range(rungs):
        factor = factor * (1 + (s[k + 1] - s[k]) * s[k] / (S**2 + s[k] ** 2))
    expected = MU + (y - MU) * factor.view(-1, 1, 1, 1)
    torch.testing.assert_close(climb(rung(levels), y, levels), expected, atol=1e-6, rtol=1e-6)


def test_a_long_ladder_is_the_flow_and_leads_back():
    levels, y = ladder(SCHEDULE, TOP, 400), picture()
    top = climb(rung(levels), y, levels)
    exact = MU + (y - MU) * spread(levels[-1]) / spread(levels[0])
    torch.testing.assert_close(top, exact, atol=0.02, rtol=0.02)
    torch.testing.assert_close(descend(rung(levels), top, levels), y, atol=0.03, rtol=0.03)


def test_one_rung_down_is_the_denoised_picture():
    levels, z = ladder(SCHEDULE, TOP, 1), 2 * picture()
    low = (levels[0] / levels[1]).double().view(-1, 1, 1, 1)
    denoised = D(z, levels[1])
    torch.testing.assert_close(descend(rung(levels), z, levels), denoised + low * (z - denoised), atol=1e-3, rtol=1e-3)


def test_the_noise_leads_from_the_render_to_the_top_in_so_many_calls():
    calls = []

    def counted(z, sigma):
        calls.append(float(sigma[0]))
        return D(z, sigma)

    levels, y = ladder(SCHEDULE, TOP, 3), picture()
    inversion = Inversion(counted, counted, levels)
    given = inversion.given()
    noise = inversion.noise(y, given, captured=False)
    top = y + levels[-1].double().view(-1, 1, 1, 1) * noise
    torch.testing.assert_close(top, climb(rung(levels), y, levels))
    assert calls == [float(level) for level in levels[:3, 0]]
    calls.clear()
    inversion.denoised(top, given, captured=False)
    assert calls == [float(level) for level in levels[1:, 0].flip(0)]
    assert math.isfinite(float(noise.sum()))
