"""Pixel-space diffusers models as D(x; sigma): tiny random ones, made and saved by the libraries themselves."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from sjc.errors import SjcError
from sjc.guidance import model_files
from sjc.guidance.diffusers_pixel import load_denoiser
from sjc.guidance.paas import paas
from sjc.guidance.prompts import view_prompt

WORDS = [
    "a",
    "red",
    "blue",
    "mushroom",
    "view",
    "of",
    "azimuth",
    "elevation",
    "front",
    "side",
    "backside",
    "overhead",
]
CARD = {
    "camera": {"radius": 3.0, "fov_min": 32, "fov_max": 38, "elevation_min": -30, "elevation_max": 85},
    "view_words": "fine",
    "max_words": 12,
    "words": {"objects": ["mushroom"], "colours": ["red", "blue"]},
}


def word_tokenizer():
    """Like the embedded model's: words, lower case, punctuation dropped."""
    words = ["<pad>", "</s>", "<unk>", *WORDS, *(str(10 * i) for i in range(36))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("removed")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="</s>",
        model_max_length=24,
    )


def tiny_unet(width=16, **config):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        **{
            "sample_size": 8,
            "in_channels": 3,
            "out_channels": 3,
            "block_out_channels": (8, 16),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": width,
            "norm_num_groups": 4,
            "attention_head_dim": 4,
        }
        | config
    )
    with torch.no_grad():  # the last layer starts near zero: make the text and the time count
        for parameter in unet.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return unet


def tiny_t5(vocabulary, width=16):
    torch.manual_seed(1)
    return T5EncoderModel(
        T5Config(vocab_size=vocabulary, d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    )


def save(folder, unet, encoder, tokenizer, scheduler, pipeline="IFPipeline", variant=None):
    unet.save_pretrained(folder / "unet", variant=variant)
    encoder.save_pretrained(folder / "text_encoder", variant=variant)
    tokenizer.save_pretrained(folder / "tokenizer")
    scheduler.save_pretrained(folder / "scheduler")
    index = {"_class_name": pipeline, "safety_checker": [None, None]}
    parts = {"unet": unet, "text_encoder": encoder, "tokenizer": tokenizer, "scheduler": scheduler}
    for name, part in parts.items():
        index[name] = ["diffusers" if name in ("unet", "scheduler") else "transformers", type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def word_model(folder, prediction_type="v_prediction", card=None, unet=None):
    tokenizer = word_tokenizer()
    scheduler = DDPMScheduler(prediction_type=prediction_type)
    save(folder, unet or tiny_unet(), tiny_t5(len(tokenizer)), tokenizer, scheduler)
    if card is not None:
        (folder / "sjc.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    return word_model(tmp_path_factory.mktemp("model"), card=CARD)


@pytest.fixture(scope="session")
def denoiser(saved):
    return load_denoiser(str(saved))


@pytest.fixture
def copied(saved, tmp_path):
    """A copy to break."""
    return shutil.copytree(saved, tmp_path / "model")


def noisy(b=4, seed=0, size=8):
    return torch.randn(b, 3, size, size, generator=torch.Generator().manual_seed(seed))


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


# ----------------------------------------------------------------------------------------------------- D(x; sigma)


def scheduler_says(folder, x, t, prompt, **scheduler):
    """The scheduler's own pred_original_sample at tick t for x = y + sigma n, and sigma."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    encoder = T5EncoderModel.from_pretrained(folder / "text_encoder").eval()
    tokens = word_tokenizer()(
        prompt, padding="max_length", max_length=24, truncation=True, return_tensors="pt"
    )
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
    assert denoiser.sigma_min == pytest.approx(
        0.0100005, rel=1e-4
    )  # linear betas 1e-4..0.02: sqrt(1e-4/0.9999)
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
        torch.testing.assert_close(
            guided, uncond + scale * (cond - uncond), atol=1e-4 * (1 + scale), rtol=1e-4
        )
    torch.testing.assert_close(
        denoiser.conditioned(["red mushroom"], "", 1.0)(x, sigma), cond, atol=0, rtol=0
    )
    # threestudio's c + s (c - u) is ours at s + 1
    theirs = cond + 7 * (cond - uncond)
    torch.testing.assert_close(
        denoiser.conditioned(["red mushroom"], "", 8.0)(x, sigma), theirs, atol=1e-3, rtol=1e-4
    )


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
    parts = paas(
        denoiser.conditioned(prompts), x, sigma, 3, chunk=1, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(both, parts, atol=1e-4, rtol=1e-4)


def test_batch_must_fit_the_prompts(denoiser):
    with pytest.raises(SjcError, match="4 images cannot be shared out among 3 prompts"):
        denoiser.conditioned(["red mushroom"] * 3)(noisy(), torch.ones(4))
    with pytest.raises(SjcError, match="At least one prompt"):
        denoiser.conditioned([])


# ------------------------------------------------------------------------------------------------------------ text


def test_each_sentence_is_encoded_once(saved, monkeypatch):
    denoiser = load_denoiser(str(saved))
    seen = []
    forward = denoiser.text.encoder.forward

    def counted(input_ids, **kwargs):
        seen.append(len(input_ids))
        return forward(input_ids=input_ids, **kwargs)

    monkeypatch.setattr(denoiser.text.encoder, "forward", counted)
    denoiser.conditioned(["red mushroom", "blue mushroom", "red mushroom"], "", 3.0)
    denoiser.conditioned(["blue mushroom", "mushroom"], "", 2.0)
    denoiser.conditioned(["blue mushroom"], "red", 2.0)
    assert seen == [2, 1, 1, 1]


def test_card(saved, copied):
    assert load_denoiser(str(saved)).card == CARD
    (copied / "sjc.json").unlink()
    assert load_denoiser(str(copied)).card == {}
    (copied / "sjc.json").write_text("[]")
    with pytest.raises(SjcError, match=r"sjc.json must hold a JSON object"):
        load_denoiser(str(copied))


def test_good_prompts(denoiser):
    assert denoiser.check_prompt("  A red   Mushroom! ") == "A red Mushroom!"
    assert denoiser.check_prompt("mushroom, red") == "mushroom, red"


@pytest.mark.parametrize(
    ("prompt", "lines"),
    [
        ("", ["is empty"]),
        ("a\x07", ["control character"]),
        ("x" * 1001, ["1001 characters"]),
        ("a green mushrom", ['does not know "green", "mushrom"', "objects: mushroom", "colours: red, blue", "--model"]),
        ("mushrom", ['did you mean "mushroom"?']),
        ("빨간 버섯", ['does not know "빨간", "버섯"', "objects: mushroom", "--model"]),
        ("a 🍄", ['does not know "🍄"']),
        ("a <pad> mushroom", ['does not know "pad"']),
        ("!!!", ["holds no word"]),
        ("red " * 13, ["13 words", "at most 12"]),
    ],
)  # fmt: skip
def test_bad_prompts(denoiser, prompt, lines):
    with pytest.raises(SjcError) as caught:
        denoiser.check_prompt(prompt)
    for line in lines:
        assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_prompts_are_caught_when_encoding_too(denoiser):
    for prompts, negative in ((["a dragon"], ""), (["mushroom"], "dragon")):
        with pytest.raises(SjcError, match='does not know "dragon"'):
            denoiser.conditioned(prompts, negative, 3.0)
    with pytest.raises(SjcError, match="reads at most 24"):
        denoiser.conditioned(["red " * 30])


def test_too_long_with_the_view_words(copied):
    edit(copied / "sjc.json", max_words=None)
    denoiser = load_denoiser(str(copied))
    assert denoiser.check_prompt("red " * 17) == ("red " * 17).strip()  # 6 view words, 17, the end mark: 24
    with pytest.raises(SjcError, match="is 25 tokens long; .* reads at most 24"):
        denoiser.check_prompt("red " * 18)


def test_elevation_sign_reaches_the_tokenizer_as_the_caller_wrote_it():
    assert view_prompt("fine", 0, -30, "x") == "azimuth 0 elevation -30 view of x"


# ---------------------------------------------------------------------------------------------------- other layouts


def if_like(folder, variant=None):
    """The layout of DeepFloyd IF's first stage: T5Tokenizer, wide text, projected, learned variance, added text."""
    tokenizer = T5Tokenizer(
        vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
        + [("▁" + word, -3.0 - i / 10) for i, word in enumerate(WORDS)],
        extra_ids=2,
        model_max_length=512,
    )
    unet = tiny_unet(
        width=16,
        out_channels=6,
        encoder_hid_dim=24,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        act_fn="gelu",
    )
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        prediction_type="epsilon",
        thresholding=True,
    )
    return save(
        folder, unet.half(), tiny_t5(len(tokenizer), 24).half(), tokenizer, scheduler, variant=variant
    )


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_if_layout(tmp_path, variant):
    denoiser = load_denoiser(str(if_like(tmp_path, variant)))
    assert denoiser.unet.dtype == denoiser.text.encoder.dtype == torch.float32  # float16 on disk
    assert denoiser.text.max_tokens == 77
    assert denoiser.prediction_type == "epsilon"
    x, sigma = noisy(2), torch.tensor([0.1, 2.0])
    upper = denoiser.conditioned([" A RED Mushroom"], "", 7.0)(x, sigma)
    assert torch.equal(upper, denoiser.conditioned(["a red mushroom"], "", 7.0)(x, sigma))
    assert not torch.allclose(upper, denoiser.conditioned(["a blue mushroom"], "", 7.0)(x, sigma), atol=1e-4)
    with pytest.raises(SjcError, match="does not know"):
        denoiser.check_prompt("a 🍄")
    assert denoiser.check_prompt("a red mushroom")


def test_clip_layout(tmp_path):
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = [*alphabet, *(c + "</w>" for c in alphabet), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: i for i, token in enumerate(vocabulary)}, merges=[], model_max_length=40
    )
    torch.manual_seed(2)
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=40, eos_token_id=len(vocabulary) - 1,
        )
    )  # fmt: skip
    folder = save(tmp_path, tiny_unet(), encoder, tokenizer, DDPMScheduler(), pipeline="PixelPipeline")
    denoiser = load_denoiser(str(folder))
    assert denoiser.check_prompt("a red dragon") == "a red dragon"  # bytes spell every word
    x = noisy(1)
    red, blue = (denoiser.conditioned([p])(x, torch.tensor([2.0])) for p in ("red", "blue"))
    assert not torch.allclose(red, blue, atol=1e-5)
    with pytest.raises(SjcError, match="reads at most 40"):
        denoiser.check_prompt("dragon " * 20)
    tokens = tokenizer("red", padding="max_length", max_length=40, return_tensors="pt")
    with torch.no_grad():
        expected = encoder.eval()(input_ids=tokens.input_ids).last_hidden_state
    torch.testing.assert_close(denoiser.text.encode(["red"]), expected)


def test_sharded_weights(saved, copied):
    unet = UNet2DConditionModel.from_pretrained(saved / "unet")
    shutil.rmtree(copied / "unet")
    unet.save_pretrained(copied / "unet", max_shard_size="20KB")
    assert len(list((copied / "unet").glob("*.safetensors"))) > 1
    x, sigma = noisy(), torch.ones(4)
    expected = load_denoiser(str(saved)).conditioned(["mushroom"])(x, sigma)
    torch.testing.assert_close(load_denoiser(str(copied)).conditioned(["mushroom"])(x, sigma), expected)
    next(iter((copied / "unet").glob("*-00002-of-*.safetensors"))).unlink()
    with pytest.raises(SjcError, match=r"00002-of-.* is missing; the model folder is not complete"):
        load_denoiser(str(copied))


# ---------------------------------------------------------------------------------------------------- broken folders


def refused(folder, line):
    with pytest.raises(SjcError) as caught:
        load_denoiser(str(folder))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pickles_are_refused(copied):
    for component, stem in model_files.WEIGHT_STEMS.items():
        state = load_file(copied / component / f"{stem}.safetensors")
        (copied / component / f"{stem}.safetensors").unlink()
        name = "pytorch_model.bin" if component == "text_encoder" else f"{stem}.bin"
        torch.save(state, copied / component / name)
    refused(copied, "is refused: pickled weights can run any program")


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json", "unet/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json",
        "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors", "tokenizer/tokenizer.json",
    ],
)  # fmt: skip
def test_missing_files(copied, name):
    (copied / name).unlink()
    with pytest.raises(SjcError) as caught:
        load_denoiser(str(copied))
    folder = name.rpartition("/")[0] or "model_index.json"
    assert folder in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("component", ["unet", "text_encoder", "tokenizer", "scheduler"])
def test_missing_folders(copied, component):
    shutil.rmtree(copied / component)
    refused(copied, component)


def test_damaged_files(copied):
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(copied, "unet cannot be loaded")
    (copied / "unet" / "config.json").write_text("{")
    refused(copied, "cannot be read as JSON")


@pytest.mark.parametrize("component", ["unet", "text_encoder"])
def test_weights_that_do_not_fit(copied, component):
    path = copied / component / f"{model_files.WEIGHT_STEMS[component]}.safetensors"
    state = load_file(path)
    name = next(key for key in sorted(state) if key.endswith("weight") and state[key].ndim == 2)
    save_file({k: v for k, v in state.items() if k != name}, path, {"format": "pt"})
    refused(copied, component)
    save_file(state | {name: torch.zeros(3, 3)}, path, {"format": "pt"})
    refused(copied, component)


def test_parts_that_do_not_fit_each_other(copied):
    tiny_t5(51, width=32).save_pretrained(copied / "text_encoder")
    refused(copied, "gives 32 numbers per token, its unet takes 16")
    tiny_t5(20).save_pretrained(copied / "text_encoder")
    refused(copied, "its text encoder only 20")


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("model_index.json", {"vae": ["diffusers", "AutoencoderKL"]}, "is a latent model (it has a vae)"),
        ("model_index.json", {"unet": None}, "names no unet"),
        ("model_index.json", {"unet": ["diffusers", "UNet2DModel"]}, "its unet is a UNet2DModel"),
        ("model_index.json", {"text_encoder": ["transformers", "BertModel"]}, "its text encoder is a BertModel"),
        ("unet/config.json", {"in_channels": 6}, "6 channels"),
        ("unet/config.json", {"in_channels": 4, "out_channels": 4}, "4 channels"),
        ("unet/config.json", {"class_embed_type": "timestep"}, "second condition"),
        ("unet/config.json", {"out_channels": 4}, "gives 4 channels for 3"),
        ("unet/config.json", {"sample_size": None}, "no square image size"),
        ("unet/config.json", {"sample_size": [8, 16]}, "no square image size"),
        ("unet/config.json", {"addition_embed_type": "text_image"}, "text_image condition"),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, 'The model predicts "flow"'),
        ("scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "models with betas"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "cubic"}, "scheduler_config.json is not usable"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.5, -0.5]}, "noise levels"),
    ],
)  # fmt: skip
def test_unsuitable_models(copied, name, values, line):
    edit(copied / name, **values)
    refused(copied, line)


def test_not_a_model(tmp_path, saved, monkeypatch):
    refused(tmp_path, "it has no model_index.json")
    refused(saved / "model_index.json", "is a file")
    refused(tmp_path / "absent" / "deep" / "folder", "There is no model folder")
    refused("mushroom", "There is no model folder")
    monkeypatch.setattr(model_files, "EMBEDDED", tmp_path)
    refused("embedded", "lacks the embedded model")


def test_embedded_is_the_package_folder(saved, monkeypatch):
    assert model_files.EMBEDDED.parts[-3:] == ("sjc", "embedded", "model")
    monkeypatch.setattr(model_files, "EMBEDDED", saved)
    denoiser = load_denoiser("embedded")
    assert denoiser.name == "The embedded model"
    assert denoiser.source == "embedded"


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "meta:x"])
def test_unusable_devices(saved, device):
    with pytest.raises(SjcError, match="device") as caught:
        load_denoiser(str(saved), device)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------- hub and network


@pytest.fixture
def no_network(monkeypatch):
    import socket

    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_folder_never_touches_the_network(saved, no_network):
    load_denoiser(str(saved)).conditioned(["red mushroom"], "", 3.0)(noisy(), torch.ones(4))


def test_uncached_hub_id(no_network, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    refused(
        "some-people/some-model", 'The model "some-people/some-model" is neither a folder nor in the local'
    )


def test_cached_hub_id(saved, no_network, tmp_path, monkeypatch):
    revision = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "models--some-people--some-model"
    shutil.copytree(saved, repo / "snapshots" / revision)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    denoiser = load_denoiser("some-people/some-model")
    assert (denoiser.source, denoiser.revision) == ("some-people/some-model", revision)


def test_what_is_fetched():
    names = [
        "model_index.json", "README.md", "IF-I-M-v1.0.ckpt", "unet/config.json", "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/config.json", "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors", "text_encoder/model.safetensors.index.json",
        "text_encoder/pytorch_model-00001-of-00002.bin", "tokenizer/spiece.model", "scheduler/scheduler_config.json",
        "safety_checker/model.safetensors", "watermarker/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip
    assert sorted(model_files.wanted_files(names)) == [
        "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
        "text_encoder/model-00001-of-00002.safetensors", "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json", "tokenizer/spiece.model", "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    ]  # fmt: skip
    with pytest.raises(SjcError, match="not a diffusers pipeline"):
        model_files.wanted_files(["config.json"])


def test_importing_is_light():
    code = (
        "import sys, sjc.guidance.diffusers_pixel; "
        "print({'diffusers', 'transformers', 'huggingface_hub', 'tokenizers'} & set(sys.modules))"
    )
    backend = Path(model_files.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(backend)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout.strip() == "set()"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(saved, denoiser):
    x, sigma = noisy(), torch.tensor([0.05, 0.7, 5.0, 50.0])
    on_cuda = load_denoiser(str(saved), "cuda").conditioned(["red mushroom"], "", 3.0)(x.cuda(), sigma.cuda())
    expected = denoiser.conditioned(["red mushroom"], "", 3.0)(x, sigma)
    torch.testing.assert_close(on_cuda.cpu(), expected, atol=5e-3, rtol=1e-3)
