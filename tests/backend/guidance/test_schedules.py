"""Noise levels against the released code's numbers and against themselves."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.guidance import schedules
from sjc.guidance.schedules import VESchedule


def stable_diffusion() -> VESchedule:
    """The scaled-linear betas of Stable Diffusion, for which the released numbers are known."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return VESchedule.from_alphas_cumprod(torch.cumprod(1 - betas, 0))


SD = stable_diffusion()


def test_released_sigmas():
    expected = {0: 0.0291672, 10: 0.0982911, 100: 0.343931, 500: 1.618279, 969: 12.228761, 999: 14.614641}
    for t, sigma in expected.items():
        assert float(SD.sigma(torch.tensor(t))) == pytest.approx(sigma, rel=2e-6)
    assert SD.sigma_max == pytest.approx(14.614641, abs=5e-7)
    assert SD.sigma_min == pytest.approx(0.0291672, abs=5e-8)
    assert len(SD) == 1000


def test_released_karras_levels():
    expected = [14.6146, 9.1029, 5.4784, 3.1686, 1.7494, 0.9141, 0.4469, 0.2014, 0.0819, 0.0292]
    levels = schedules.karras(10, SD.sigma_max, SD.sigma_min)
    assert [round(float(level), 4) for level in levels] == expected
    assert float(levels[0]) == SD.sigma_max
    assert float(levels[-1]) == SD.sigma_min


@pytest.mark.parametrize(("n", "high", "low"), [(1, 10, 1), (5, 1, 1), (5, 1, 2), (5, 1, 0)])
def test_karras_refuses_nonsense(n, high, low):
    with pytest.raises(SjcError, match="Karras"):
        schedules.karras(n, high, low)


def test_released_uniform_law():
    ticks = schedules.uniform_ticks(SD)
    assert (len(ticks), int(ticks[0]), int(ticks[-1])) == (960, 10, 969)
    sigmas = SD.sigmas[ticks]
    quantiles = torch.quantile(sigmas, torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64))
    assert [round(float(q), 3) for q in quantiles] == [0.246, 0.695, 1.563, 3.756, 9.341]
    assert float(sigmas.mean()) == pytest.approx(2.727, abs=5e-4)

    draws = schedules.uniform(SD)(0.3, 20000, torch.Generator().manual_seed(0))
    assert draws.dtype == torch.float32
    assert torch.isin(draws, sigmas.float()).all()
    counts = torch.bincount(SD.tick(draws), minlength=1000)
    assert (counts[10:970] > 0).all()  # 20.8 a tick: the chance that one stays empty is 1e-6
    assert counts[:10].sum() + counts[970:].sum() == 0
    assert float(draws.mean()) == pytest.approx(2.727, abs=4 * float(sigmas.std()) / math.sqrt(20000))


def test_uniform_law_within_limits():
    draws = schedules.uniform(SD, sigma_max=5.0, sigma_min=1.0)(0.0, 5000, torch.Generator().manual_seed(0))
    assert 1.0 <= float(draws.min()) < 1.02
    assert 4.9 < float(draws.max()) <= 5.0
    with pytest.raises(SjcError, match="No noise level"):
        schedules.uniform(SD, sigma_max=0.05)


def test_annealed_law_is_log_linear():
    law = schedules.annealed(SD, sigma_max=10.0, sigma_min=0.1)
    at = [float(law(p, 1, None)) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for value, exact in zip(at, [10, math.sqrt(10), 1, math.sqrt(0.1), 0.1], strict=True):
        gap = float(SD.snap(torch.tensor(exact, dtype=torch.float64)))
        assert value == pytest.approx(gap, rel=1e-6)
        assert value == pytest.approx(exact, rel=0.02)
    assert float(law(-1.0, 1, None)) == at[0]
    assert float(law(7.0, 1, None)) == at[-1]


def test_annealed_law_takes_the_models_limits():
    law = schedules.annealed(SD)
    assert float(law(0.0, 1, None)) == pytest.approx(SD.sigma_max, rel=1e-6)
    assert float(law(1.0, 1, None)) == pytest.approx(SD.sigma_min, rel=1e-6)
    beyond = schedules.annealed(SD, sigma_max=500.0, sigma_min=1e-9)
    assert float(beyond(0.0, 1, None)) == float(law(0.0, 1, None))
    assert float(beyond(1.0, 1, None)) == float(law(1.0, 1, None))
    with pytest.raises(SjcError, match="above sigma_max"):
        schedules.annealed(SD, sigma_max=1.0, sigma_min=2.0)


def test_jitter_has_its_width_and_stays_inside():
    law = schedules.annealed(SD, sigma_max=10.0, sigma_min=0.1, jitter=0.5)
    draws = law(0.5, 4000, torch.Generator().manual_seed(1)).log()
    assert float(draws.min()) == pytest.approx(-0.5, abs=0.01)
    assert float(draws.max()) == pytest.approx(0.5, abs=0.01)
    assert float(draws.std()) == pytest.approx(1 / math.sqrt(12), rel=0.05)
    edge = law(0.0, 4000, torch.Generator().manual_seed(1))
    assert float(edge.max()) <= float(SD.snap(torch.tensor(10.0))) + 1e-6


def test_dreamtime_law_spends_its_time_where_the_weight_is():
    """On ticks of equal sigma ratio the levels of a run of equal steps have the weight's density."""
    even = VESchedule(torch.logspace(-2, 2, 2001, dtype=torch.float64))
    law = schedules.dreamtime(even, 20.0, 0.5)
    steps = 4000
    ticks = even.tick(torch.cat([law((i + 0.5) / steps, 1) for i in range(steps)]))
    assert bool((ticks.diff() <= 0).all())
    inside = torch.arange(2001)[(even.sigmas >= 0.5) & (even.sigmas <= 20)]
    u = inside / 2001
    flank = torch.where(u < 0.5, torch.exp(-(((u - 0.5) / 0.1) ** 2) / 2), torch.exp(-(((u - 0.8) / 0.3) ** 2) / 2))
    weight = even.sigmas[inside] * torch.where((u >= 0.5) & (u <= 0.8), 1.0, flank)
    share = torch.cumsum(weight, 0) / weight.sum()
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        below = float((ticks <= inside[int((share < quantile).sum())]).float().mean())
        assert below == pytest.approx(quantile, abs=0.01)


def test_dreamtime_law_keeps_to_its_limits():
    law = schedules.dreamtime(SD, 3.0, 0.7)
    first, last = law(0.0, 3), law(1.0, 2)
    assert (len(first), len(last)) == (3, 2)
    assert 2.95 < float(first[0]) <= 3.0
    assert 0.7 <= float(last[0]) < 0.71
    assert float(law(0.5, 1)) > math.sqrt(3.0 * 0.7)  # longer above the middle of the log-linear law
    with pytest.raises(SjcError, match="lies above"):
        schedules.dreamtime(SD, 1.0, 2.0)


@pytest.mark.parametrize("name", ["uniform", "annealed"])
def test_the_generator_decides(name):
    law = schedules.sigma_law(name, SD, jitter=0.3)
    first = law(0.4, 8, torch.Generator().manual_seed(7))
    assert torch.equal(first, law(0.4, 8, torch.Generator().manual_seed(7)))
    assert not torch.equal(first, law(0.4, 8, torch.Generator().manual_seed(8)))


def test_unknown_law():
    with pytest.raises(SjcError, match="uniform, annealed, dreamtime or falling"):
        schedules.sigma_law("cosine", SD)


def test_every_tick_comes_back():
    ticks = torch.arange(1000)
    assert torch.equal(SD.tick(SD.sigma(ticks)), ticks)
    assert torch.equal(SD.sigma(ticks), SD.sigmas)
    assert torch.equal(SD.tick(SD.sigmas.float()), ticks)  # float32 sigmas, as the denoisers get them
    assert torch.allclose(SD.t(SD.sigmas), ticks.double(), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-4, 100))
def test_snap_is_the_nearest(sigma):
    brute = int((SD.sigmas - sigma).abs().argmin())
    tick = int(SD.tick(torch.tensor(sigma, dtype=torch.float64)))
    distance = abs(float(SD.sigmas[tick]) - sigma)
    assert distance == abs(float(SD.sigmas[brute]) - sigma)
    assert float(SD.snap(torch.tensor(sigma, dtype=torch.float64))) == float(SD.sigmas[tick])


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 999))
def test_sigma_and_t_are_inverse(t):
    assert float(SD.t(SD.sigma(torch.tensor(t, dtype=torch.float64)))) == pytest.approx(t, abs=1e-6)


def test_t_is_held_at_the_ends():
    assert SD.t(torch.tensor([1e-6, 1e6])).tolist() == [0.0, 999.0]
    assert SD.tick(torch.tensor([0.0, 1e6])).tolist() == [0, 999]


def test_zero_terminal_snr_loses_its_last_tick():
    schedule = VESchedule.from_alphas_cumprod(torch.tensor([0.9, 0.5, 0.1, 0.0]))
    assert len(schedule) == 3
    assert schedule.sigma_max == pytest.approx(3.0)


@pytest.mark.parametrize("abar", [[0.9], [0.5, 0.9], [0.9, 0.9], [0.9, float("nan"), 0.1], [1.0, 0.5], [1.5, 0.5]])
def test_broken_schedules_are_refused(abar):
    with pytest.raises(SjcError):
        VESchedule.from_alphas_cumprod(torch.tensor(abar))


@pytest.mark.parametrize(("progress", "low", "high"), [(0, 980, 980), (0.4, 500, 740), (0.8, 20, 500), (1, 20, 500)])
def test_the_falling_range_is_mvdreams(progress, low, high):
    """Upper end 0.98 -> 0.50, lower 0.98 -> 0.02 over 8,000 of 10,000 steps (MVDream-threestudio, mvdream-sd21)."""
    schedule = VESchedule(torch.linspace(0.01, 100, 1000, dtype=torch.float64))
    ticks = schedule.tick(schedules.sigma_law("falling", schedule)(progress, 20_000, torch.Generator().manual_seed(0)))
    assert (int(ticks.min()), int(ticks.max())) == (low, high)
    assert float(ticks.double().mean()) == pytest.approx((low + high) / 2, abs=4)


def test_the_falling_range_keeps_to_the_limits():
    schedule = VESchedule(torch.linspace(0.01, 100, 1000, dtype=torch.float64))
    sigma = schedules.sigma_law("falling", schedule, sigma_max=10, sigma_min=5)(
        0.9, 1000, torch.Generator().manual_seed(0)
    )
    assert 5 <= float(sigma.min()) < 5.2
    assert 9.8 < float(sigma.max()) <= 10
    with pytest.raises(SjcError, match="choose within"):
        schedules.sigma_law("falling", schedule, sigma_max=1e-3)
