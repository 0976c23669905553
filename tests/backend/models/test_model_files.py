"""Layouts of model folders: those that load, and one clear line for each that does not."""

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
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sjc.errors import SjcError
from sjc.guidance.parameterizations import Epsilon
from sjc.models import layout, model_files
from sjc.models.loading import load_denoiser
from tests.backend.tiny_models import CARD, if_like, noisy, save, tiny_t5, tiny_unet, word_model


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    return word_model(tmp_path_factory.mktemp("model"), card=CARD)


@pytest.fixture
def copied(saved, tmp_path):
    """A copy to break."""
    return shutil.copytree(saved, tmp_path / "model")


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_if_layout(tmp_path, variant):
    denoiser = load_denoiser(str(if_like(tmp_path, variant)))
    assert (
        denoiser.unet.dtype == denoiser.prompt_encoder.text_encoders[0].module.dtype == torch.float32
    )  # float16 on disk
    assert denoiser.prompt_encoder.max_tokens == 77
    assert denoiser.parameterization == Epsilon()
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
    tokenizer = CLIPTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}, merges=[], model_max_length=40)
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
    torch.testing.assert_close(denoiser.prompt_encoder.encode(["red"]), expected)


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
    for component in ("unet", "text_encoder"):
        stem = layout.WEIGHT_STEMS[component]
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
    whole = weights.read_bytes()
    for broken in (whole[:-100], whole[:50], whole[:4], b"", whole + b"x", b"\xff" * 200):
        weights.write_bytes(broken)
        refused(copied, "unet/diffusion_pytorch_model.safetensors is damaged or cut short")
    (copied / "unet" / "config.json").write_text("{")
    refused(copied, "cannot be read as JSON")


@pytest.mark.parametrize("component", ["unet", "text_encoder"])
def test_weights_that_do_not_fit(copied, component):
    path = copied / component / f"{layout.WEIGHT_STEMS[component]}.safetensors"
    state = load_file(path)
    name = next(key for key in sorted(state) if key.endswith("weight") and state[key].ndim == 2)
    save_file({k: v for k, v in state.items() if k != name}, path, {"format": "pt"})
    refused(copied, f"do not fit config.json; {name} is missing")
    save_file(state | {name: torch.zeros(3, 3)}, path, {"format": "pt"})
    refused(copied, name)


def test_parts_that_do_not_fit_each_other(copied):
    tiny_t5(51, width=32).save_pretrained(copied / "text_encoder")
    refused(copied, "gives 32 numbers per token, its unet takes 16")
    tiny_t5(20).save_pretrained(copied / "text_encoder")
    refused(copied, "its text encoder only 20")


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("model_index.json", {"vae": ["diffusers", "AutoencoderKL"]}, "config.json is missing; the model folder"),
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
        ("scheduler/scheduler_config.json", {"prediction_type": "noise"}, 'The model predicts "noise"'),
        ("unet/config.json", {"in_channels": None}, "no number of channels"),
        ("scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "needs a scheduler"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "cubic"}, "scheduler_config.json is not usable"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.5, -0.5]}, "noise levels"),
    ],
)  # fmt: skip
def test_unsuitable_models(copied, name, values, line):
    edit(copied / name, **values)
    refused(copied, line)


def test_not_a_model(tmp_path, saved, monkeypatch):
    refused(tmp_path, "it has no model_index.json")
    refused(saved / "model_index.json", "is no model")
    refused(tmp_path / "absent" / "deep" / "folder", "There is no model folder")
    refused("mushroom", "There is no model folder")
    monkeypatch.setattr(model_files, "EMBEDDED", tmp_path)
    refused("embedded", "lacks the embedded model")


def test_embedded_is_the_package_folder(saved, monkeypatch):
    assert model_files.EMBEDDED.parts[-3:] == ("sjc", "embedded", "model")
    monkeypatch.setattr(model_files, "EMBEDDED", saved)
    denoiser = load_denoiser("embedded")
    assert denoiser.name == "The embedded model"
    assert denoiser.origin.source == "embedded"


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
    refused("some-people/some-model", 'The model "some-people/some-model" is neither a folder nor in the local')


def test_cached_hub_id(saved, no_network, tmp_path, monkeypatch):
    revision = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "models--some-people--some-model"
    shutil.copytree(saved, repo / "snapshots" / revision)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    denoiser = load_denoiser("some-people/some-model")
    assert (denoiser.origin.source, denoiser.origin.revision) == ("some-people/some-model", revision)


def test_what_is_fetched():
    names = [
        "model_index.json", "README.md", "IF-I-M-v1.0.ckpt", "unet/config.json", "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/config.json", "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors", "text_encoder/model.safetensors.index.json",
        "text_encoder/pytorch_model-00001-of-00002.bin", "tokenizer/spiece.model", "scheduler/scheduler_config.json",
        "safety_checker/model.safetensors", "watermarker/diffusion_pytorch_model.safetensors",
    ]  # fmt: skip
    assert sorted(layout.wanted_files(names)) == [
        "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
        "text_encoder/model-00001-of-00002.safetensors", "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json", "tokenizer/spiece.model", "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    ]  # fmt: skip
    with pytest.raises(SjcError, match="not a diffusers pipeline"):
        layout.wanted_files(["config.json"])


def test_importing_is_light():
    code = (
        "import sys, sjc.models.loading; "
        "print({'diffusers', 'transformers', 'huggingface_hub', 'tokenizers'} & set(sys.modules))"
    )
    backend = Path(model_files.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(backend)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == "set()"
