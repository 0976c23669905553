"""PAAS on data whose score is known (facts, parity items 6 and 7)."""

import math

import pytest
import torch

from sjc.errors import SjcError
from sjc.guidance.empirical import GaussianDenoiser
from sjc.guidance.paas import WEIGHTS, draw_noise, paas

MU, S, X = 2.0, 0.7, -1.0
# sigma: mean g, std of g for var_red True, for False
GOLDEN = {
    0.3: (1.551724, 0.844828, 0.155172),
    1.5: (1.642336, 0.178832, 0.821168),
    6.0: (0.493286, 0.0134283, 0.986572),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("var_red", [True, False])
@pytest.mark.parametrize("sigma", GOLDEN)
def test_golden_mean_and_spread(sigma, var_red):
    # Every pixel is an independent draw of the one-dimensional problem.
    x = torch.full((1, 1, 400, 500), X, dtype=torch.float64)
    g = paas(GaussianDenoiser(MU, S), x, torch.tensor([sigma]), var_red=var_red, generator=generator())
    mean, std_true, std_false = GOLDEN[sigma]
    std = std_true if var_red else std_false
    n = g.numel()
    assert float(g.mean()) == pytest.approx(mean, abs=5 * std / math.sqrt(n))
    assert float(g.std()) == pytest.approx(std, rel=5 / math.sqrt(2 * n))


@pytest.mark.parametrize("var_red", [True, False])
def test_spread_falls_with_the_root_of_n(var_red):
    x = torch.full((1, 1, 100, 100), X, dtype=torch.float64)
    g = paas(GaussianDenoiser(MU, S), x, torch.tensor([1.5]), 16, var_red=var_red, generator=generator())
    std = GOLDEN[1.5][1 if var_red else 2] / 4
    assert float(g.std()) == pytest.approx(std, rel=0.05)
    assert float(g.mean()) == pytest.approx(GOLDEN[1.5][0], abs=5 * std / 100)


def test_closed_form_given_the_noise():
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64, generator=generator(1))
    sigma = torch.tensor([0.3, 1.5, 6.0])
    n = draw_noise(1, x, generator(2))[0]
    s = sigma.double().view(3, 1, 1, 1)
    shared = s * (MU - x) / (S**2 + s**2)
    eq16 = paas(GaussianDenoiser(MU, S), x, sigma, generator=generator(2))
    eq15 = paas(GaussianDenoiser(MU, S), x, sigma, var_red=False, generator=generator(2))
    torch.testing.assert_close(eq16, shared + S**2 / (S**2 + s**2) * n, atol=1e-7, rtol=0)
    torch.testing.assert_close(eq15, shared - s**2 / (S**2 + s**2) * n, atol=1e-7, rtol=0)


def test_minus_g_is_the_sds_gradient_for_any_denoiser():
    """-g = eps_hat - n with Eq. 16, -g = eps_hat with Eq. 15, and the round trip eps -> D -> eps."""
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64, generator=generator(3))
    sigma = torch.tensor([0.2, 4.0])
    s = sigma.double().view(2, 1, 1, 1)
    captured = {}

    def denoise(z, sigma):
        eps = torch.tanh(z) * z.cos() + sigma.view(-1, 1, 1, 1)
        captured["eps"] = eps
        return z - sigma.view(-1, 1, 1, 1) * eps

    noise = draw_noise(1, x, generator(4))[0]
    g = paas(denoise, x, sigma, generator=generator(4))
    torch.testing.assert_close(-g, captured["eps"] - noise, atol=1e-12, rtol=0)
    g = paas(denoise, x, sigma, var_red=False, generator=generator(4))
    torch.testing.assert_close(-g, captured["eps"], atol=1e-12, rtol=0)
    z = x + s * noise
    torch.testing.assert_close((z - denoise(z, sigma.double())) / s, captured["eps"], atol=1e-12, rtol=0)


def test_weights():
    x = torch.randn(2, 1, 3, 3, dtype=torch.float64, generator=generator(5))
    sigma = torch.tensor([0.5, 3.0])
    s = sigma.double().view(2, 1, 1, 1)
    g = {w: paas(GaussianDenoiser(MU, S), x, sigma, 2, weight=w, generator=generator()) for w in WEIGHTS}
    torch.testing.assert_close(g["1/sigma"], g["1"] / s)
    torch.testing.assert_close(g["1/sigma^2"], g["1"] / s**2)
    with pytest.raises(SjcError, match=r"1/sigma\^2"):
        paas(GaussianDenoiser(MU, S), x, sigma, weight="sigma")


@pytest.mark.parametrize("var_red", [True, False])
def test_divided_by_its_mean_every_view_pulls_alike(var_red):
    """DMD's weight: the mean of |D - y| over a view's picture is 1, in Eq. 15 as in Eq. 16."""
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, generator=generator(5))
    sigma = torch.tensor([0.5, 30.0])
    known = {"var_red": var_red, "generator": generator(1)}
    plain = paas(GaussianDenoiser(MU, S), x, sigma, weight="1", **known)
    reduced = paas(GaussianDenoiser(MU, S), x, sigma, weight="1", generator=generator(1))
    g = paas(GaussianDenoiser(MU, S), x, sigma, weight="1/mean", **(known | {"generator": generator(1)}))
    torch.testing.assert_close(g, plain / reduced.abs().mean((1, 2, 3), keepdim=True))
    if var_red:
        torch.testing.assert_close(g.abs().mean((1, 2, 3)), torch.ones(2, dtype=torch.float64))


def test_a_picture_with_which_the_model_agrees_is_not_pulled():
    x = torch.randn(1, 1, 4, 4, generator=generator(5))
    g = paas(lambda _z, _s: x + 1e-9, x, torch.tensor([1.0]), weight="1/mean")
    assert float(g.abs().max()) < 1e-2


def test_sds_weight_is_one_minus_abar_on_the_noise_prediction():
    x = torch.randn(2, 1, 3, 3, dtype=torch.float64, generator=generator(5))
    sigma = torch.tensor([0.5, 3.0])
    s = sigma.double().view(2, 1, 1, 1)
    denoise = GaussianDenoiser(MU, S)
    g = paas(denoise, x, sigma, weight="sigma/(1+sigma^2)", generator=generator())
    noise = draw_noise(1, x, generator())[0]
    z = x + s * noise
    predicted = (z - denoise(z, sigma)) / s
    abar = 1 / (1 + s**2)
    torch.testing.assert_close(-g, (1 - abar) * (predicted - noise))


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 100])
@pytest.mark.parametrize("shared_noise", [False, True])
def test_chunks_change_nothing(chunk, shared_noise):
    x = torch.randn(2, 3, 4, 4, generator=generator(6))
    sigma = torch.tensor([0.5, 3.0])
    calls = []

    def denoise(z, sigma):
        calls.append(z.shape[0])
        return GaussianDenoiser(MU, S)(z, sigma)

    options = {"generator": generator(7), "shared_noise": shared_noise}
    whole = paas(GaussianDenoiser(MU, S), x, sigma, 7, **options)
    options["generator"] = generator(7)
    assert torch.equal(paas(denoise, x, sigma, 7, chunk=chunk, **options), whole)
    assert sum(calls) == 14
    assert max(calls) == 2 * min(chunk, 7)


def test_the_batch_repeats_the_views():
    """Image i of a call belongs to view i mod V: what a denoiser with one prompt per view relies on."""
    x = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 2, 2) * 1000
    sigma = torch.tensor([1.0, 2.0, 3.0])

    def denoise(z, sigma):
        views = torch.arange(z.shape[0]) % 3
        assert torch.equal((z.mean((1, 2, 3)) / 1000).round().long(), views)
        assert torch.equal(sigma, views + 1.0)
        return z

    paas(denoise, x, sigma, 4, generator=generator())


def test_same_seed_same_score():
    x = torch.randn(2, 3, 4, 4, generator=generator(8))
    sigma = torch.tensor([0.5, 3.0])
    first = paas(GaussianDenoiser(MU, S), x, sigma, 3, generator=generator(9))
    assert torch.equal(first, paas(GaussianDenoiser(MU, S), x, sigma, 3, generator=generator(9)))
    assert not torch.equal(first, paas(GaussianDenoiser(MU, S), x, sigma, 3, generator=generator(10)))


def test_shared_noise_is_one_noise_for_all_views():
    x = torch.zeros(3, 2, 4, 4)
    shared = draw_noise(5, x, generator(), shared_noise=True)
    own = draw_noise(5, x, generator())
    assert shared.shape == own.shape == (5, 3, 2, 4, 4)
    assert torch.equal(shared[:, 0], shared[:, 1])
    assert torch.equal(shared[:, 0], shared[:, 2])
    assert not torch.equal(own[:, 0], own[:, 1])
    assert not torch.equal(shared[0], shared[1])


def test_no_gradient_flows_and_types_stay():
    x = torch.randn(1, 1, 2, 2, requires_grad=True)
    mu = torch.zeros(1, 1, 2, 2, requires_grad=True)
    g = paas(GaussianDenoiser(mu, S), x, torch.tensor([1.0]), generator=generator())
    assert not g.requires_grad
    assert g.dtype == x.dtype
    assert paas(GaussianDenoiser(0, S), x.double(), torch.tensor([1.0])).dtype == torch.float64


def test_n_must_be_positive():
    with pytest.raises(SjcError, match="at least 1"):
        paas(GaussianDenoiser(MU, S), torch.zeros(1, 1, 2, 2), torch.tensor([1.0]), 0)


def test_clipping_bounds_every_element_and_no_other():
    x, sigma = torch.zeros(2, 3, 4, 4), torch.tensor([1.0, 2.0])
    pull = torch.linspace(-3, 3, 96).view(2, 3, 4, 4)

    def score(**knobs):
        return paas(lambda _z, _s: pull, x, sigma, weight="1", generator=generator(1), **knobs)

    torch.testing.assert_close(score(clip=0.5), pull.clamp(-0.5, 0.5), atol=0, rtol=0)
    torch.testing.assert_close(score(), pull, atol=0, rtol=0)
