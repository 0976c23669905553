"""The closed-form denoisers against brute force and against the gradient of their own log density."""

import math

import pytest
import torch

from sjc.errors import SjcError
from sjc.guidance.empirical import EmpiricalDenoiser, GaussianDenoiser


def images(m=11, seed=0):
    return torch.randn(m, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def noised(y, sigma, b=4, seed=1):
    g = torch.Generator().manual_seed(seed)
    return y[:b] + sigma * torch.randn(b, *y.shape[1:], dtype=torch.float64, generator=g)


def log_density(x, y, sigma):
    """log p_sigma(x) of the empirical distribution, straight from its definition; x [B,...], y [M,...]."""
    squared = (x[:, None] - y[None]).square().flatten(2).sum(2)
    dimension = y[0].numel()
    log_normal = -squared / (2 * sigma**2) - 0.5 * dimension * math.log(2 * math.pi * sigma**2)
    return torch.logsumexp(log_normal, 1) - math.log(y.shape[0])


@pytest.mark.parametrize("sigma", [0.3, 1.0, 5.0, 80.0])
def test_brute_force(sigma):
    y = images()
    x = noised(y, sigma)
    denoised = EmpiricalDenoiser(y)(x, torch.full((4,), sigma))
    for i in range(4):
        weights = torch.softmax(torch.stack([-((x[i] - k) ** 2).sum() / (2 * sigma**2) for k in y]), 0)
        expected = sum(w * k for w, k in zip(weights, y, strict=True))
        torch.testing.assert_close(denoised[i], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 10.0])
def test_score_is_the_gradient_of_the_log_density(sigma):
    y = images()
    x = noised(y, sigma).requires_grad_()
    (score,) = torch.autograd.grad(log_density(x, y, sigma).sum(), x)
    denoised = EmpiricalDenoiser(y)(x, torch.full((4,), sigma, dtype=torch.float64))
    torch.testing.assert_close((denoised - x.detach()) / sigma**2, score, atol=1e-11, rtol=1e-10)


def test_gaussian_score_is_the_gradient_of_its_log_density():
    mu, s, sigma = 2.0, 0.7, 1.5
    x = images(4).requires_grad_()
    (score,) = torch.autograd.grad(-((x - mu) ** 2).sum() / (2 * (s**2 + sigma**2)), x)
    denoised = GaussianDenoiser(mu, s)(x.detach(), torch.full((4,), sigma, dtype=torch.float64))
    torch.testing.assert_close((denoised - x.detach()) / sigma**2, score, atol=1e-12, rtol=1e-12)


def test_chunks_change_nothing():
    y, sigma = images(11), torch.tensor([0.2, 1.0, 3.0, 9.0])
    x = noised(y, 1.0)
    whole = EmpiricalDenoiser(y, chunk=100)(x, sigma)
    for chunk in (1, 3, 11):
        torch.testing.assert_close(EmpiricalDenoiser(y, chunk=chunk)(x, sigma), whole, atol=1e-12, rtol=0)


def test_ends_of_the_noise_range_stay_finite():
    y = images().float()
    x = y[:4] + 1e-4 * torch.randn(4, 3, 4, 5)
    near = EmpiricalDenoiser(y)(x, torch.full((4,), 1e-4))
    torch.testing.assert_close(near, y[:4], atol=1e-6, rtol=0)
    assert near.dtype == torch.float32
    far = EmpiricalDenoiser(y)(x, torch.full((4,), 1e5))
    torch.testing.assert_close(far, y.mean(0, keepdim=True).expand(4, -1, -1, -1), atol=1e-5, rtol=0)
    lost = EmpiricalDenoiser(y)(torch.full((1, 3, 4, 5), 1e4), torch.tensor([1e-3]))
    assert torch.isfinite(lost).all()


def test_posterior_sums_to_one_and_each_sigma_counts_alone():
    y = images()
    x = noised(y, 1.0)
    sigma = torch.tensor([0.3, 1.0, 3.0, 30.0])
    p = EmpiricalDenoiser(y).posterior(x, sigma)
    torch.testing.assert_close(p.sum(1), torch.ones(4, dtype=torch.float64))
    for i in range(4):
        alone = EmpiricalDenoiser(y).posterior(x[i : i + 1], sigma[i : i + 1])
        torch.testing.assert_close(p[i : i + 1], alone, atol=1e-12, rtol=0)
    entropy = -(p * p.clamp_min(1e-300).log()).sum(1)
    assert entropy[0] < entropy[3]
    assert float(entropy[3]) == pytest.approx(math.log(11), rel=0.1)


def test_bad_input():
    with pytest.raises(SjcError, match="at least one image"):
        EmpiricalDenoiser(torch.zeros(0, 3, 4, 4))
    with pytest.raises(SjcError, match="finite"):
        EmpiricalDenoiser(torch.full((1, 3, 4, 4), float("nan")))
    with pytest.raises(SjcError, match="input is"):
        EmpiricalDenoiser(images())(torch.zeros(1, 3, 9, 9), torch.tensor([1.0]))
    with pytest.raises(SjcError, match="positive"):
        GaussianDenoiser(0.0, 0.0)
