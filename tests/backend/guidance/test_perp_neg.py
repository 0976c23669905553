"""Perp-Neg: what it adds is perpendicular to the prompt's direction, and where the camera stands decides how much."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.guidance.perp_neg import Push, negatives, perpendicular, pushed, view_weights
from sjc.job.run import JobRun
from sjc.models.loading import load_denoiser
from sjc.optimize import Optimization
from sjc.settings import resolve
from tests.backend import tiny_families, tiny_models
from tests.backend.stubs import StubDenoiser, bent, settings

FRONT, SIDE = "front view of a red mushroom", "side view of a red mushroom"
FULL = 4 * (1 - math.exp(-1 / 2))


def drawn(seed, count=3, channels=3, size=4):
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(seed)).double()


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_the_perpendicular_part_has_no_share_in_the_other(seed, scale):
    x, y = scale * drawn(seed), drawn(seed + 1)
    part = perpendicular(x, y)
    inner = (part * y).sum((1, 2, 3))
    assert float(inner.abs().max()) < 1e-12 * scale * float(x.numel()) * float(x.abs().max() / scale + 1) * 10
    torch.testing.assert_close(part + (x * y).sum((1, 2, 3), True) / y.square().sum((1, 2, 3), True) * y, x)


@pytest.mark.parametrize("factor", [1.0, -0.5, 40.0])
def test_a_parallel_one_vanishes(factor):
    y = drawn(0)
    assert float(perpendicular(factor * y, y).abs().max()) < 1e-13 * abs(factor)
    given_ = Push(torch.arange(3), torch.arange(3), torch.full((3,), 2.0))
    torch.testing.assert_close(pushed(y, factor * y, given_), y, atol=1e-12, rtol=0)


def test_without_a_direction_all_of_it_is_perpendicular():
    x = drawn(0).float()
    assert torch.equal(perpendicular(x, torch.zeros_like(x)), x)


def test_what_is_added_in_closed_form():
    """In a plane: the prompt along e1, a negative along e1 + e2; only e2 is taken away, images are left apart."""
    e1, e2 = torch.zeros(2, 1, 1, 2), torch.zeros(2, 1, 1, 2)
    e1[..., 0], e2[..., 1] = 3.0, 1.0
    given_ = Push(torch.tensor([1, 1]), torch.tensor([0, 0]), torch.tensor([0.5, 2.0]))
    directions = pushed(e1, torch.cat([e1[:1] + e2[:1], e2[:1] - e1[:1]]), given_)
    assert torch.equal(directions[0], e1[0])
    torch.testing.assert_close(directions[1], e1[1] - 2.5 * e2[1])


@pytest.mark.parametrize(
    ("azimuth", "front", "side"),
    [(0, 0.0, FULL), (90, FULL, 0.0), (-90, FULL, 0.0), (180, 1.25 * FULL, FULL / 4), (360, 0.0, FULL)],
)
def test_weights_at_the_four_views(azimuth, front, side):
    assert view_weights(azimuth) == pytest.approx((front, side), abs=1e-12)


@given(st.floats(-720, 720))
def test_weights_are_smooth_and_alike_on_both_sides(azimuth):
    here, there, mirrored, turned = map(view_weights, (azimuth, azimuth + 0.01, -azimuth, azimuth + 360))
    assert here == pytest.approx(mirrored, abs=1e-9)
    assert here == pytest.approx(turned, abs=1e-9)
    assert here == pytest.approx(there, abs=5e-4)
    assert min(here) >= 0


def test_whose_words_are_kept_away():
    weights = dict(negatives("paper", 90, 10, "a red mushroom", 2.0))
    assert weights == {FRONT: pytest.approx(2 * FULL)}  # its own words are no negative of it
    assert dict(negatives("paper", 0, 10, "a red mushroom")) == {SIDE: pytest.approx(FULL)}
    assert list(dict(negatives("paper", 180, 0, "a red mushroom"))) == [FRONT, SIDE]
    assert list(dict(negatives("paper", 180, 80, "a red mushroom"))) == [FRONT, SIDE]
    fine = [text for text, _ in negatives("fine", 250, 22, "a red mushroom")]
    assert fine == [f"azimuth {a} elevation 20 view of a red mushroom" for a in (0, 270)]
    assert [text.split()[1] for text, _ in negatives("fine", 100, 22, "x")] == ["0", "90"]
    assert negatives("none", 180, 0, "a red mushroom") == ()
    assert negatives("paper", 180, 0, "a red mushroom", 0.0) == ()


MODELS = {
    "pixel": tiny_models.word_model,
    "sd": lambda folder: tiny_families.stable_diffusion("v_prediction").save_pretrained(folder),
    "sdxl": lambda folder: tiny_families.sdxl().save_pretrained(folder),
    "sd3": lambda folder: tiny_families.sd3(t5=False).save_pretrained(folder),
    "flux-schnell": lambda folder: tiny_families.flux(distilled=False).save_pretrained(folder),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_guided_denoiser_is_that_of_its_parts(name, tmp_path):
    """D = D_u + s (d - sum w perp(D_neg - D_u, d)), d = D_c - D_u: D is affine in what the network predicts."""
    MODELS[name](tmp_path)
    denoiser = load_denoiser(str(tmp_path))
    x = torch.randn(4, denoiser.channels, 8, 8, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.5, 1.0, 2.0, 4.0])
    prompts, away = ["red", "blue"], [(("mushroom", 0.7), ("a", 1.5)), (("side", 0.4),)]

    def asked(texts, scale):
        return denoiser.conditioned(texts, "of", scale)(x, sigma)

    base, c = asked(prompts, 0.0), asked(prompts, 1.0)
    d = c - base
    first, second, third = (asked([text], 1.0) - base for text in ("mushroom", "a", "side"))
    even = torch.tensor([1.0, 0, 1, 0]).view(4, 1, 1, 1)
    minus = even * (0.7 * perpendicular(first, d) + 1.5 * perpendicular(second, d))
    minus = minus + (1 - even) * 0.4 * perpendicular(third, d)
    for scale in (1.0, 3.0):
        guided = denoiser.conditioned(prompts, "of", scale, away=away)
        torch.testing.assert_close(guided(x, sigma), base + scale * (d - minus), atol=2e-4, rtol=1e-3)
        parts = denoiser.conditioned(prompts, "of", scale, chunk=3, away=away)(x, sigma)
        torch.testing.assert_close(parts, guided(x, sigma), atol=1e-4, rtol=1e-4)
    for nothing in ((), [(), ()]):
        assert torch.equal(denoiser.conditioned(prompts, "of", 3.0, away=nothing)(x, sigma), asked(prompts, 3.0))


def test_one_more_call_per_negative(tmp_path):
    denoiser = load_denoiser(str(tiny_models.word_model(tmp_path)))
    network, sizes = denoiser.network, []
    denoiser.network = lambda x, *rest: (sizes.append(len(x)), network(x, *rest))[1]
    x, sigma = tiny_models.noisy(2), torch.ones(2)
    denoiser.conditioned(["red", "blue"], "", 2.0, away=[(("a", 1.0), ("of", 1.0)), ()])(x, sigma)
    assert sizes == [4, 2]


def test_a_distilled_network_refuses(tmp_path):
    tiny_families.flux().save_pretrained(tmp_path / "model")
    denoiser = load_denoiser(str(tmp_path / "model"))
    denoiser.conditioned(["red"], away=[()])
    with pytest.raises(SjcError, match="does not support Perp-Neg; set perp_neg to 0"):
        denoiser.conditioned(["red"], away=[(("a", 1.0),)])
    asked = settings(model=str(tmp_path / "model"), perp_neg=1)
    with pytest.raises(SjcError, match="does not support Perp-Neg"):
        JobRun(tmp_path / "job", asked).load()
    assert not (tmp_path / "job").exists()


def test_the_loop_asks_for_what_the_cameras_see():
    class Keeping(StubDenoiser):
        def conditioned(self, prompts, negative_prompt, guidance, **knobs):
            self.knobs = knobs
            return super().conditioned(prompts, negative_prompt, guidance)

    def asked_with(**given_):
        denoiser = Keeping(bent)
        chosen = settings(views_per_step=4, view_words="paper", elevation_max=30, **given_)
        Optimization(chosen, denoiser, torch.device("cpu")).advance()
        return denoiser.asked[0], denoiser.knobs["away"]

    prompts, away = asked_with(perp_neg=1.5)
    assert len(prompts) == len(away) == 4
    for prompt, pairs in zip(prompts, away, strict=True):
        assert pairs
        assert all(text != prompt and weight > 0 for text, weight in pairs)
        assert prompt in (FRONT, SIDE) or [text for text, _ in pairs] == [FRONT, SIDE]
    assert not any(asked_with()[1])


def test_without_words_for_views_there_is_nothing_to_keep_away_from():
    with pytest.raises(SjcError, match=r"^perp_neg: 1 needs view words"):
        resolve(None, {"view_words": "none", "perp_neg": 1})
