"""Every family of models as D(x; sigma), against diffusers' own pipelines and schedulers on the same input."""

import json

import pytest
import torch

from sjc.errors import SjcError
from sjc.models.loading import load_denoiser
from tests.backend import tiny_families

PROMPT = "a red mushroom"
VP = {
    "sd-eps": lambda: tiny_families.stable_diffusion("epsilon"),
    "sd-v": lambda: tiny_families.stable_diffusion("v_prediction"),
    "sdxl-eps": lambda: tiny_families.sdxl("epsilon"),
    "sdxl-v": lambda: tiny_families.sdxl("v_prediction"),
    "ddpm": tiny_families.ddpm,
}
FLOW = {
    "sd3": tiny_families.sd3,
    "sd3-without-t5": lambda: tiny_families.sd3(t5=False),
    "flux-dev": lambda: tiny_families.flux(distilled=True),
    "flux-schnell": lambda: tiny_families.flux(distilled=False),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """name -> (the pipeline, our denoiser of the folder that it saved)."""
    made = {}

    def get(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            pipeline = (VP | FLOW)[name]()
            pipeline.save_pretrained(folder)
            made[name] = pipeline, load_denoiser(str(folder))
        return made[name]

    return get


def noisy(b, channels, size=8):
    return torch.randn(b, channels, size, size, generator=torch.Generator().manual_seed(0))


def conditions_of(pipeline, negative=None):
    """(conditional, unconditional) keyword arguments of the network, from the pipeline's own encode_prompt."""
    kind = type(pipeline).__name__
    if kind == "DDPMPipeline":
        return {}, {}
    if kind == "StableDiffusionPipeline":
        c, u = pipeline.encode_prompt(PROMPT, "cpu", 1, True, negative)
        return {"encoder_hidden_states": c}, {"encoder_hidden_states": u}
    if kind == "StableDiffusionXLPipeline":
        c, u, pooled_c, pooled_u = pipeline.encode_prompt(PROMPT, negative_prompt=negative, device="cpu")
        ids = torch.tensor([[16.0, 16, 0, 0, 16, 16]])  # 8 latents of 2 pixels
        return tuple(
            {"encoder_hidden_states": s, "added_cond_kwargs": {"text_embeds": p, "time_ids": ids}}
            for s, p in ((c, pooled_c), (u, pooled_u))
        )
    if kind == "StableDiffusion3Pipeline":
        c, u, pooled_c, pooled_u = pipeline.encode_prompt(PROMPT, None, None, negative_prompt=negative, device="cpu")
        return tuple({"encoder_hidden_states": s, "pooled_projections": p} for s, p in ((c, pooled_c), (u, pooled_u)))
    both = []
    for text in (PROMPT, negative or ""):
        states, pooled, ids = pipeline.encode_prompt(text, None, device="cpu")
        both.append({"encoder_hidden_states": states, "pooled_projections": pooled, "txt_ids": ids})
    return tuple(both)


@torch.no_grad()
def velocity(pipeline, x_t, timestep, kwargs, guidance=3.5):
    """The flow of SD3 or FLUX as their pipelines ask for it, [1,C,h,w]."""
    if "txt_ids" not in kwargs:
        return pipeline.transformer(x_t, timestep=timestep.expand(1), **kwargs).sample
    b, c, h, w = x_t.shape
    distilled = pipeline.transformer.config.guidance_embeds
    out = pipeline.transformer(
        pipeline._pack_latents(x_t, b, c, h, w),
        timestep=timestep.expand(1) / 1000,
        guidance=torch.tensor([guidance]) if distilled else None,
        img_ids=pipeline._prepare_latent_image_ids(b, h // 2, w // 2, "cpu", torch.float32),
        **kwargs,
    ).sample
    factor = pipeline.vae_scale_factor
    return pipeline._unpack_latents(out, h * factor, w * factor, factor)


def close(ours, theirs, sigma):
    """Float32 rounding, relative to sigma: what is subtracted to get D is sigma times the network's output."""
    assert float((ours - theirs).abs().max()) < 2e-5 * sigma + 3e-6 * max(float(theirs.abs().max()), 1.0)


@pytest.mark.parametrize("name", VP)
def test_equals_the_schedulers_predicted_original(saved, name):
    pipeline, denoiser = saved(name)
    conditional, _ = conditions_of(pipeline)
    scheduler, prompt = pipeline.scheduler, "" if name == "ddpm" else PROMPT
    scheduler.set_timesteps(1000)
    for t in (0, 1, 10, 100, 300, 500, 700, 900, 998, 999):
        abar = scheduler.alphas_cumprod[t].double()
        sigma = float(((1 - abar) / abar).sqrt())
        assert sigma == pytest.approx(float(denoiser.sigmas[t]), rel=1e-12)
        x = noisy(1, denoiser.channels) * (1 + sigma)
        x_t = (x.double() * abar.sqrt()).float()
        with torch.no_grad():
            output = pipeline.unet(x_t, t, **conditional).sample
        theirs = scheduler.step(output, t, x_t).pred_original_sample
        close(denoiser.conditioned([prompt])(x, torch.tensor([sigma])), theirs, sigma)


@pytest.mark.parametrize("name", FLOW)
def test_equals_the_flows_denoised_end(saved, name):
    pipeline, denoiser = saved(name)
    conditional, _ = conditions_of(pipeline)
    times = pipeline.scheduler.sigmas.double().flip(0)[:-1]  # ascending, without pure noise
    assert len(denoiser.sigmas) == len(times) == 999
    for i in (0, 1, 10, 100, 300, 500, 700, 900, 998):
        t = times[i]
        sigma = float(t / (1 - t))
        assert sigma == pytest.approx(float(denoiser.sigmas[i]), rel=1e-12)
        x = noisy(1, denoiser.channels) * (1 + sigma)
        x_t = (x.double() * (1 - t)).float()
        v = velocity(pipeline, x_t, (1000 * t).float(), conditional)
        theirs = x_t - float(t) * v
        close(
            denoiser.conditioned([PROMPT], "", 3.5 if denoiser.distilled else 1.0)(x, torch.tensor([sigma])),
            theirs,
            sigma,
        )


@pytest.mark.parametrize("negative", ["", "blue"])
@pytest.mark.parametrize("name", ["sd-eps", "sdxl-eps", "sd3", "flux-schnell"])
def test_guidance_takes_the_pipelines_unconditional_half(saved, name, negative):
    pipeline, denoiser = saved(name)
    _, unconditional = conditions_of(pipeline, negative or None)
    sigma = float(denoiser.sigmas[500])
    x = noisy(1, denoiser.channels) * (1 + sigma)
    if name in FLOW:
        t = torch.tensor(sigma / (1 + sigma))
        x_t = x / (1 + sigma)
        theirs = x_t - t * velocity(pipeline, x_t, 1000 * t, unconditional)
    else:
        x_t = x / (1 + sigma**2) ** 0.5
        with torch.no_grad():
            theirs = x - sigma * pipeline.unet(x_t, 500, **unconditional).sample
    at = torch.tensor([sigma])
    u = denoiser.conditioned([PROMPT], negative, 0.0)(x, at)
    close(u, theirs, sigma)
    c = denoiser.conditioned([PROMPT], negative, 1.0)(x, at)
    assert float((c - u).abs().max()) > 1e-4 * sigma
    close(denoiser.conditioned([PROMPT], negative, 4.0)(x, at), u + 4 * (c - u), 4 * sigma)


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_rescaling_is_the_librarys(saved, amount):
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    pipeline, denoiser = saved("sd-eps")
    sigma = float(denoiser.sigmas[500])
    x = noisy(2, 4) * (1 + sigma)
    with torch.no_grad():
        c, u = (
            pipeline.unet(x / (1 + sigma**2) ** 0.5, 500, half["encoder_hidden_states"].expand(2, -1, -1)).sample
            for half in conditions_of(pipeline)
        )
    theirs = x - sigma * rescale_noise_cfg(u + 7 * (c - u), c, amount)
    at = torch.full((2,), sigma)
    ours = denoiser.conditioned([PROMPT], "", 7.0, rescale=amount)(x, at)
    close(ours, theirs, 7 * sigma)
    assert float((denoiser.conditioned([PROMPT], "", 7.0)(x, at) - ours).abs().max()) > 1e-3 * sigma


def test_distilled_guidance_is_an_input(saved):
    _, denoiser = saved("flux-dev")
    x, sigma = noisy(1, 4), torch.tensor([1.0])
    two, five = (denoiser.conditioned([PROMPT], "", g)(x, sigma) for g in (2.0, 5.0))
    assert float((two - five).abs().max()) > 1e-5
    with pytest.raises(SjcError, match="guidance built in and takes no negative prompt"):
        denoiser.conditioned([PROMPT], "blue", 2.0)


@pytest.mark.parametrize("name", VP | FLOW)
def test_what_the_loop_sees(saved, name):
    _, denoiser = saved(name)
    pixels = name == "ddpm"
    assert denoiser.channels == (3 if pixels else 4)
    assert denoiser.size == (128 if name.startswith("flux") else 8)
    assert denoiser.color_activation == ("tanh_sigmoid" if pixels else "identity")
    if pixels:
        assert denoiser.autoencoder is None
        return
    with torch.no_grad():
        rgb = denoiser.autoencoder.decode(noisy(1, 4))
        assert rgb.shape == (1, 3, 8 * denoiser.autoencoder.factor, 8 * denoiser.autoencoder.factor)


def test_a_model_without_text_says_so(saved):
    _, denoiser = saved("ddpm")
    for ask in (denoiser.check_prompt, lambda text: denoiser.conditioned([text])):
        with pytest.raises(SjcError, match="takes no text") as caught:
            ask(PROMPT)
        assert "\n" not in str(caught.value)


# -------------------------------------------------------------------------------------------------- what is refused


def refused(folder, line):
    with pytest.raises(SjcError) as caught:
        load_denoiser(str(folder))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_inpainter_is_refused(tmp_path):
    tiny_families.stable_diffusion(in_channels=9).save_pretrained(tmp_path)
    refused(tmp_path, "its unet takes 9 channels instead of 4")


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"_class_name": "ControlNetModel"}, "is a single ControlNetModel"),
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, "is a language or vision model (llama)"),
    ],
)
def test_another_kind_of_model_is_refused(tmp_path, config, line):
    (tmp_path / "config.json").write_text(json.dumps(config))
    refused(tmp_path, line)


@pytest.mark.parametrize("name", ["adapter_config.json", "pytorch_lora_weights.safetensors"])
def test_an_adapter_is_no_model(tmp_path, name):
    (tmp_path / name).write_text("{}")
    refused(tmp_path, "is an adapter (LoRA), not a diffusers model")


@pytest.mark.parametrize(
    ("name", "edit", "line"),
    [
        ("sdxl-eps", {"requires_aesthetics_score": True, "text_encoder": None}, "is a refiner"),
        ("sdxl-eps", {"text_encoder": None}, "(SDXL): model_index.json names no text_encoder"),
        ("sd-eps", {"controlnet": ["diffusers", "ControlNetModel"]}, "needs more than text (it has a controlnet)"),
        ("sd3", {"transformer": ["diffusers", "DiTTransformer2DModel"]}, "its transformer is a DiTTransformer2DModel"),
        ("flux-dev", {"vae": None}, "names no vae"),
    ],
)  # fmt: skip
def test_other_parts_are_refused(tmp_path, name, edit, line):
    (VP | FLOW)[name]().save_pretrained(tmp_path)
    index = tmp_path / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | edit))
    refused(tmp_path, line)


@pytest.mark.parametrize("component", ["transformer", "text_encoder_2", "vae"])
def test_half_a_download_is_refused(tmp_path, component):
    tiny_families.flux().save_pretrained(tmp_path)
    weights = next((tmp_path / component).glob("*.safetensors"))
    weights.unlink()
    refused(tmp_path, f"{weights} is missing; the model folder is not complete")
