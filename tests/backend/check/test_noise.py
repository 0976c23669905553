"""The checks of D: an exact model passes, and each way to misread it is noticed and named."""

import math

import pytest
import torch

from sjc.check import noise
from sjc.check.subject import Effort, levels, prompts_for, sampled
from sjc.guidance.parameterizations import BY_PREDICTION_TYPE, Epsilon, VPrediction
from tests.backend.check.closed_form import PROMPTS, SPREAD, means, model, schedule, subject, truth

EFFORT = Effort(steps=20, pictures=2)
PAIRS = [(a, b) for a in BY_PREDICTION_TYPE for b in BY_PREDICTION_TYPE]


def test_pictures_are_those_that_the_model_knows():
    asked = subject(Epsilon())
    pictures = sampled(asked, EFFORT)
    assert pictures.shape == (4, 3, 8, 8)
    assert torch.equal(pictures, sampled(asked, EFFORT))
    for picture, prompt in zip(pictures, asked.for_pictures(pictures), strict=True):
        distances = (means()[1:] - picture).square().mean((1, 2, 3))
        assert PROMPTS[int(distances.argmin())] == prompt
        assert float(distances.min()) < SPREAD


@pytest.mark.parametrize(("predicts", "read_as"), PAIRS)
def test_a_prediction_that_is_misread_is_named(predicts, read_as):
    asked = subject(BY_PREDICTION_TYPE[predicts], BY_PREDICTION_TYPE[read_as])
    curve = noise.curve(asked, sampled(asked, EFFORT), EFFORT)
    if predicts == read_as:
        assert noise.judge_noise(curve, {}, read_as).ok
        assert curve.worst < 1.15
        return
    verdict = noise.judge_noise(curve, noise.other_readings(asked, EFFORT), read_as)
    assert not verdict.ok
    assert f"The scheduler says {read_as}, but {predicts} fits" in verdict.text
    assert asked.denoiser.parameterization == BY_PREDICTION_TYPE[read_as]  # as it was


def test_a_network_that_learned_nothing_fits_nothing():
    asked = subject(Epsilon())
    asked.denoiser.network = lambda x, *_: (7 * x.flip(-1)).sin()
    curve = noise.curve(asked, sampled(asked, EFFORT), EFFORT)
    verdict = noise.judge_noise(curve, noise.other_readings(asked, EFFORT), "epsilon")
    assert not verdict.ok
    assert "no prediction type fits;" in verdict.text


def test_answers_that_are_no_numbers_fail():
    asked = subject(Epsilon())
    asked.denoiser.network = lambda x, *_: torch.full_like(x, math.nan)
    pictures = sampled(asked, EFFORT)
    assert noise.curve(asked, pictures, EFFORT).worst == math.inf
    assert not noise.judge_noise(noise.curve(asked, pictures, EFFORT), {}, "epsilon").ok
    assert not noise.judge_schedule(noise.mismatch(asked, pictures)[0]).ok
    assert not noise.judge_words(*noise.words_effect(asked, pictures)).ok


def test_the_right_schedule_agrees():
    asked = subject(VPrediction())
    factor, table = noise.mismatch(asked, truth())
    assert factor == pytest.approx(1, abs=0.1)
    assert min(table) == table[2]
    assert noise.judge_schedule(factor).ok


@pytest.mark.parametrize("stated", [0.05, 0.008])
def test_another_schedule_is_noticed(stated):
    """Other betas state another noise for a tick than the network was trained to expect there."""
    asked = subject(VPrediction(), trained_on=schedule(0.02), stated=schedule(stated))
    factor, _ = noise.mismatch(asked, truth())
    verdict = noise.judge_schedule(factor)
    assert not verdict.ok
    assert f"is told {factor:.2f} times the noise" in verdict.text
    assert "beta_schedule" in verdict.text


def test_words_matter_or_do_not():
    asked, deaf = subject(VPrediction()), subject(VPrediction(), deaf=True)
    other, empty = noise.words_effect(asked, sampled(asked, EFFORT))
    assert other > empty > 1.1
    assert noise.judge_words(other, empty).ok
    verdict = noise.judge_words(*noise.words_effect(deaf, sampled(deaf, EFFORT)))
    assert not verdict.ok
    assert "text_encoder" in verdict.text


def test_levels_are_the_models_own_and_within_bounds():
    chosen = levels(schedule(), 10)
    assert chosen == sorted(chosen)
    assert 0.02 < chosen[0] < 0.04
    assert chosen[-1] <= 41
    assert all(float((schedule().sigmas - sigma).abs().min()) == 0 for sigma in chosen)


def test_prompts_are_those_that_the_model_reads():
    assert prompts_for(model(Epsilon())) == PROMPTS
