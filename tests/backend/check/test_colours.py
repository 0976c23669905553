"""The checks of a latent model's autoencoder: the small latent model passes, a wrong configuration of it fails."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from sjc.check import colours
from sjc.check.subject import Effort, Subject, prompts_for, sampled
from sjc.models.loading import load_denoiser

LATENT = Path(__file__).parents[2] / "data" / "latent_model"


@pytest.fixture(scope="module")
def own():
    """Latents that the sound model sampled: the network knows nothing of the autoencoder's configuration."""
    denoiser = load_denoiser(str(LATENT))
    return sampled(Subject(denoiser, prompts_for(denoiser), 2.5), Effort(steps=12))


def measured(folder, own, **values):
    shutil.copytree(LATENT, folder)
    path = folder / "vae" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    denoiser = load_denoiser(str(folder))
    return colours.measure(Subject(denoiser, prompts_for(denoiser), 2.5), denoiser.autoencoder, own)


def ok(measurement):
    return {verdict.name: verdict.ok for verdict in colours.judge(measurement)}


def test_the_sound_autoencoder_passes(tmp_path, own):
    measurement, pictures = measured(tmp_path / "model", own)
    assert ok(measurement) == {"colours": True, "latents": True}
    assert max(measurement.errors) < 0.05
    assert measurement.loss < 0.15
    assert 0.7 < measurement.strength < 1.1
    assert {name: tuple(picture.shape) for name, picture in pictures.items()} == dict.fromkeys(
        ("own", "own again", "known", "known again"), (2, 3, 64, 64)
    )


def test_a_scaling_factor_that_is_too_small_fails(tmp_path, own):
    measurement, _ = measured(tmp_path / "model", own, scaling_factor=0.18215)
    assert ok(measurement) == {"colours": False, "latents": False}
    assert all("scaling_factor" in verdict.text for verdict in colours.judge(measurement))


def test_a_scaling_factor_that_is_too_large_fails_though_its_round_trip_is_good(tmp_path, own):
    measurement, _ = measured(tmp_path / "model", own, scaling_factor=1.0)
    assert ok(measurement) == {"colours": True, "latents": False}
    assert measurement.strength == pytest.approx(0.43, abs=0.08)


def test_a_decoder_of_another_model_fails(tmp_path, own):
    denoiser = load_denoiser(str(LATENT))
    generator = torch.Generator().manual_seed(0)
    for weight in denoiser.autoencoder.vae.decoder.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * weight.std().nan_to_num(0.1)
    measurement, _ = colours.measure(Subject(denoiser, prompts_for(denoiser), 2.5), denoiser.autoencoder, own)
    assert ok(measurement)["colours"] is False
    assert "damaged or of another model" in colours.judge(measurement)[0].text


def test_the_balls_are_red_and_blue_on_white():
    pictures = colours.balls(64)
    assert pictures.shape == (2, 3, 64, 64)
    assert pictures.abs().max() <= 1
    assert (pictures[:, :, 0, 0] == 1).all()
    red, blue = pictures[:, :, 28, 28]
    assert red.argmax() == 0
    assert blue.argmax() == 2


@pytest.mark.parametrize(
    ("pulls", "factor"), [((0.2, 0.1, -0.1), 2**0.5), ((0.1, 0.2, 0.3), None), ((-0.1, 0.3, -0.3), 2**0.5)]
)
def test_the_strength_lies_where_the_pull_changes_its_sign(pulls, factor):
    crossing = colours.crossing((0.5, 1, 2), pulls)
    assert crossing is None if factor is None else crossing == pytest.approx(factor)
