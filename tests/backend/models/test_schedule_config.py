"""The noise levels that a folder's scheduler names are those that diffusers gives, to the bit."""

import pytest
import torch
from diffusers import DDPMScheduler

from sjc.guidance.schedules import VESchedule
from sjc.models import model_files, schedule_config
from tests.backend.tiny_models import word_model


@pytest.mark.parametrize(
    "given",
    [
        {"beta_schedule": "squaredcos_cap_v2"},
        {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 50},
        {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
        {"trained_betas": [0.1, 0.2, 0.3]},
        {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True},
    ],
)
def test_levels_are_those_of_diffusers(given, tmp_path):
    folder = word_model(tmp_path / "model")
    expected = DDPMScheduler(**given)
    expected.save_pretrained(folder / "scheduler")
    schedule, _ = schedule_config.read_schedule(model_files.check(folder))
    assert torch.equal(schedule.sigmas, VESchedule.from_alphas_cumprod(expected.alphas_cumprod).sigmas)
