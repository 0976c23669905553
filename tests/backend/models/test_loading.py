"""Pixel-space diffusers models as D(x; sigma), against the libraries' own arithmetic."""

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers import T5EncoderModel

from sjc.errors import SjcError
from sjc.guidance.paas import paas
from sjc.guidance.prompts import view_prompt
from sjc.models.loading import load_denoiser
from tests.backend.tiny_models import CARD, noisy, tiny_unet, word_model, word_tokenizer


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    return word_model(tmp_path_factory.mktemp("model"), card=CARD)


@pytest.fixture(scope="session")
def denoiser(saved):
    return load_denoiser(str(saved))


# ----------------------------------------------------------------------------------------------------- D(x; sigma)


def scheduler_says(folder, x, t, prompt, **scheduler):
    """The scheduler's own pred_original_sample at tick t for x = y + sigma n, and sigma."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    encoder = T5EncoderModel.from_pretrained(folder / "text_encoder").eval()
    tokens = word_tokenizer()(prompt, padding="max_length", max_length=24, truncation=True, return_tensors="pt")
    ddpm = DDPMScheduler.from_pretrained(folder / "scheduler", clip_sample=False, **scheduler)
    abar = ddpm.alphas_cumprod[t].double()
    sample = (x.double() * abar.sqrt()).float()
    with torch.no_grad():
        states = encoder(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
        output = unet(sample, t, encoder_hidden_states=states.expand(len(x), -1, -1)).sample
        return ddpm.step(output, t, sample).pred_original_sample, float(((1 - abar) / abar).sqrt())


@pytest.mark.parametrize("learned_variance", [False, True])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_equals_the_schedulers_own_denoised_sample(tmp_path, prediction_type, learned_variance):
    unet = tiny_unet(out_channels=6 if learned_variance else 3)
    folder = word_model(tmp_path, prediction_type, unet=unet)
    denoiser = load_denoiser(str(folder))
    assert denoiser.channels == 3
    variance = {"variance_type": "learned_range"} if learned_variance else {}
    for t in (0, 1, 10, 100, 500, 900, 998, 999):
        x = noisy(2) * (1 + float(denoiser.sigmas[t]))
        expected, sigma = scheduler_says(folder, x, t, "a red mushroom", **variance)
        assert sigma == pytest.approx(float(denoiser.sigmas[t]), rel=1e-12)
        denoised = denoiser.conditioned(["a red mushroom"])(x, torch.full((2,), sigma))
        scale = float(expected.abs().max())
        torch.testing.assert_close(denoised, expected, atol=3e-6 * max(scale, 1), rtol=1e-5)


def test_the_noise_range_is_the_models(denoiser):
    assert len(denoiser.sigmas) == 1000
    assert bool((denoiser.sigmas[1:] > denoiser.sigmas[:-1]).all())
    assert (denoiser.sigma_min, denoiser.sigma_max) == (denoiser.sigmas[0], denoiser.sigmas[-1])
    assert denoiser.sigma_min == pytest.approx(0.0100005, rel=1e-4)  # linear betas 1e-4..0.02: sqrt(1e-4/0.9999)
    assert denoiser.sigma_max == pytest.approx(157.41, abs=0.05)  # facts, section 2
    assert denoiser.size == 8


def test_every_image_has_its_own_sigma_and_prompt(denoiser):
    prompts = ["a red mushroom", "a blue mushroom", "mushroom"]
    x, sigma = 2 * noisy(6), torch.tensor([0.02, 0.5, 3.0, 20.0, 100.0, 1.0])
    together = denoiser.conditioned(prompts, "blue", 4.0)(x, sigma)
    for i in range(6):
        alone = denoiser.conditioned([prompts[i % 3]], "blue", 4.0)(x[i : i + 1], sigma[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=2e-4, rtol=1e-4)
    other = denoiser.conditioned(prompts[1:] + prompts[:1], "blue", 4.0)(x, sigma)
    assert not torch.allclose(together, other, atol=1e-3)
    for chunk in (1, 2, 4):
        parts = denoiser.conditioned(prompts, "blue", 4.0, chunk=chunk)(x, sigma)
        torch.testing.assert_close(parts, together, atol=2e-4, rtol=1e-4)


def test_guidance_in_eps_space_is_guidance_in_d_space(denoiser):
    x, sigma = 2 * noisy(), torch.tensor([0.05, 0.7, 5.0, 50.0])
    cond = denoiser.conditioned(["red mushroom"])(x, sigma)
    uncond = denoiser.conditioned([""])(x, sigma)
    assert not torch.allclose(cond, uncond, atol=1e-3)
    for scale in (0.0, 0.5, 3.0, 100.0):
        guided = denoiser.conditioned(["red mushroom"], "", scale)(x, sigma)
        torch.testing.assert_close(guided, uncond + scale * (cond - uncond), atol=1e-4 * (1 + scale), rtol=1e-4)
    torch.testing.assert_close(denoiser.conditioned(["red mushroom"], "", 1.0)(x, sigma), cond, atol=0, rtol=0)
    # threestudio's c + s (c - u) is ours at s + 1
    theirs = cond + 7 * (cond - uncond)
    torch.testing.assert_close(denoiser.conditioned(["red mushroom"], "", 8.0)(x, sigma), theirs, atol=1e-3, rtol=1e-4)


def test_every_prompt_can_have_a_scale_of_its_own(denoiser):
    x, sigma = 2 * noisy(), torch.tensor([0.05, 0.7, 5.0, 50.0])
    prompts, scales = ["red mushroom", "blue mushroom"], torch.tensor([1.0, 4.0])
    together = denoiser.conditioned(prompts, "", scales)(x, sigma)
    for i in range(4):
        alone = denoiser.conditioned([prompts[i % 2]], "", float(scales[i % 2]))(x[i : i + 1], sigma[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=2e-4, rtol=1e-4)


def test_one_call_for_both_halves_and_half_of_it_at_scale_one(denoiser, monkeypatch):
    batches = []
    forward = denoiser.unet.forward

    def counted(sample, *args, **kwargs):
        batches.append(len(sample))
        return forward(sample, *args, **kwargs)

    monkeypatch.setattr(denoiser.unet, "forward", counted)
    for scale in (3.0, 1.0, 0.0):
        denoiser.conditioned(["red mushroom"], "", scale)(noisy(), torch.ones(4))
    assert batches == [8, 4, 4]


def test_negative_prompt_takes_the_empty_ones_place(denoiser):
    x, sigma = 2 * noisy(), torch.full((4,), 2.0)
    cond, negative = (denoiser.conditioned([p])(x, sigma) for p in ("red mushroom", "blue"))
    guided = denoiser.conditioned(["red mushroom"], "blue", 5.0)(x, sigma)
    torch.testing.assert_close(guided, negative + 5 * (cond - negative), atol=1e-4, rtol=1e-4)


def test_sigma_off_the_ticks_is_snapped(denoiser):
    x = 2 * noisy(1)
    off = torch.tensor([1.2345])
    on = denoiser.snap(off)
    assert 0 < float((on - off).abs()) < 0.01
    assert on.dtype == torch.float32
    denoise = denoiser.conditioned(["mushroom"])
    assert torch.equal(denoise(x, off), denoise(x, on))
    beyond = denoise(x, torch.tensor([1e6]))
    assert torch.equal(beyond, denoise(x, torch.tensor([denoiser.sigma_max])))


def test_types_and_gradients(denoiser):
    x = noisy().double().requires_grad_()
    denoised = denoiser.conditioned(["mushroom"], "", 3.0)(x, torch.ones(4))
    assert denoised.dtype == torch.float64
    assert not denoised.requires_grad
    assert not any(p.requires_grad for p in denoiser.unet.parameters())
    assert not denoiser.unet.training


def test_paas_over_many_noises_keeps_prompts_with_their_views(denoiser):
    x, sigma = noisy(2), torch.tensor([0.5, 2.0])
    prompts = [view_prompt("fine", a, 10, "red mushroom") for a in (0, 180)]
    both = paas(denoiser.conditioned(prompts), x, sigma, 3, generator=torch.Generator().manual_seed(0))
    parts = paas(denoiser.conditioned(prompts), x, sigma, 3, chunk=1, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(both, parts, atol=1e-4, rtol=1e-4)


def test_batch_must_fit_the_prompts(denoiser):
    with pytest.raises(SjcError, match="4 images cannot be divided evenly among 3 prompts"):
        denoiser.conditioned(["red mushroom"] * 3)(noisy(), torch.ones(4))
    with pytest.raises(SjcError, match="At least one prompt"):
        denoiser.conditioned([])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(saved, denoiser):
    x, sigma = noisy(), torch.tensor([0.05, 0.7, 5.0, 50.0])
    on_cuda = load_denoiser(str(saved), "cuda").conditioned(["red mushroom"], "", 3.0)(x.cuda(), sigma.cuda())
    expected = denoiser.conditioned(["red mushroom"], "", 3.0)(x, sigma)
    torch.testing.assert_close(on_cuda.cpu(), expected, atol=5e-3, rtol=1e-3)
