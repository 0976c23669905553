"""Parameterizations held to their definitions: from y, n and sigma to the network's exact output, and back to y."""

import pytest
import torch

from sjc.errors import SjcError
from sjc.guidance.parameterizations import Epsilon, Flow, Sample, VPrediction, of_prediction_type

SIGMA = torch.tensor([1e-3, 0.3, 1.0, 7.0, 150.0], dtype=torch.float64)


@pytest.fixture
def drawn():
    """(y, n, sigma [5,1,1,1]), float64."""
    generator = torch.Generator().manual_seed(0)
    y, n = torch.randn(2, 5, 3, 4, 4, generator=generator, dtype=torch.float64)
    return y, n, SIGMA.view(-1, 1, 1, 1)


def exact_v(y, n, sigma):
    """With alpha = sqrt(abar) and the noise's factor sqrt(1 - abar), abar = 1 / (1 + sigma^2)."""
    abar = 1 / (1 + sigma.square())
    return abar.sqrt() * n - (1 - abar).sqrt() * y


EXACT = [
    (Epsilon(), lambda _y, n, _sigma: n),
    (VPrediction(), exact_v),
    (Sample(), lambda y, _n, _sigma: y),
    (Flow(), lambda y, n, _sigma: n - y),
]


@pytest.mark.parametrize(("parameterization", "output"), EXACT, ids=lambda value: type(value).__name__)
def test_the_exact_output_gives_the_clean_picture(drawn, parameterization, output):
    y, n, sigma = drawn
    denoised = parameterization.to_denoised(y + sigma * n, sigma, output(y, n, sigma))
    torch.testing.assert_close(denoised, y, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("parameterization", [Epsilon(), VPrediction(), Sample()])
def test_variance_preserving_networks_see_noised_pictures_of_unit_weights(drawn, parameterization):
    y, n, sigma = drawn
    abar = 1 / (1 + sigma.square())
    x_t = abar.sqrt() * y + (1 - abar).sqrt() * n
    torch.testing.assert_close(parameterization.network_input(y + sigma * n, sigma), x_t)
    ticks = torch.tensor([0, 3, 500, 998, 999])
    assert parameterization.time(ticks, SIGMA) is ticks
    assert not parameterization.is_flow


def test_a_flow_sees_the_straight_line_between_picture_and_noise(drawn):
    y, n, sigma = drawn
    t = sigma / (1 + sigma)
    torch.testing.assert_close(Flow().network_input(y + sigma * n, sigma), (1 - t) * y + t * n)
    time = Flow().time(torch.zeros(5, dtype=torch.int64), SIGMA)
    assert time.dtype == torch.float32
    torch.testing.assert_close(time, (1000 * t.flatten()).float())
    assert Flow().is_flow


def test_names_are_those_of_diffusers():
    assert of_prediction_type("epsilon") == Epsilon()
    assert of_prediction_type("v_prediction") == VPrediction()
    assert of_prediction_type("sample") == Sample()
    with pytest.raises(SjcError, match='The model predicts "noise"; only epsilon, v_prediction, sample can be used'):
        of_prediction_type("noise")
