"""Guidance scales over a run: one number, falling, or in a band of noise levels alone."""

import pytest
import torch

from sjc.guidance.scales import guidance_scales

SIGMA = torch.tensor([0.5, 1.0, 2.0, 4.0])


def test_one_number_all_along():
    assert guidance_scales(0.3, SIGMA, 2.5) == 2.5


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 8.0), (0.25, 6.5), (0.5, 5.0), (1.0, 2.0)])
def test_it_falls_in_equal_steps(progress, expected):
    assert torch.equal(guidance_scales(progress, SIGMA, 8.0, 2.0), torch.full((4,), expected))


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(1.0, 0.0, [1, 3, 3, 3]), (0.0, 2.0, [3, 3, 3, 1]), (0.8, 1.5, [1, 3, 1, 1])]
)
def test_only_within_the_band(low, high, expected):
    scales = guidance_scales(0.5, SIGMA, 3.0, sigma_min=low, sigma_max=high)
    assert scales.tolist() == expected


def test_a_step_without_guidance_is_the_number_one():
    assert guidance_scales(0.5, SIGMA, 3.0, sigma_min=5.0) == 1.0
    assert guidance_scales(1.0, SIGMA, 3.0, 1.0) == 1.0
    assert guidance_scales(0.9, SIGMA, 3.0, 1.0).tolist() == pytest.approx([1.2] * 4)
