"""Stable Diffusion in one file: recognised, made a model folder once, and what cannot be taken is named."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from sjc import settings
from sjc.cli import main
from sjc.errors import SjcError
from sjc.guidance.parameterizations import Epsilon
from sjc.job.run import check_early
from sjc.models import model_files, single_file, single_file_config
from sjc.models import single_file_conversion as conversion
from sjc.models.loading import load_denoiser
from tests.backend.single_files import checkpoint, original, parts

CONV = "model.diffusion_model.input_blocks.0.0.weight"
NUMBERS = {  # of the models on the hub
    "1": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "2": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "XL": {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840},
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "cache" / "models"


def head_alone(path, shapes, dtype="F16", metadata=None):
    """A safetensors file of these shapes whose numbers are a hole in the file."""
    entries, end = {"__metadata__": metadata or {}}, 0
    for name, shape in shapes.items():
        size = 2 * torch.Size(shape).numel()
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


@pytest.mark.parametrize("version", ["1", "2", "XL"])
def test_the_real_sizes(version, tmp_path):
    with torch.device("meta"):
        tensors = original(version, parts(version, tiny=False))
    path = head_alone(tmp_path / "big.safetensors", {name: tensor.shape for name, tensor in tensors.items()})
    file = single_file.describe(path)
    assert (file.version, file.family.latent) == (version, True)
    size = single_file_config.latent_size(file, "epsilon")
    configs = {
        "unet": single_file_config.network_config(file, size), "vae": single_file_config.autoencoder_config(file, size)
    } | {name: single_file_config.text_config(file, name) for name in file.texts}  # fmt: skip
    weights = {
        "unet": conversion._network_weights(_below(tensors, single_file.NETWORK), configs["unet"]),
        "vae": conversion._autoencoder_weights(_below(tensors, single_file.AUTOENCODER), configs["vae"]),
    }
    for name, prefix in file.texts.items():
        weights[name] = conversion._text_weights(file, name, _below(tensors, prefix), configs[name])
    for name, config in configs.items():
        needed = conversion._needed(name, config)
        assert {key: weights[name][key].shape for key in needed} == needed
        assert sum(shape.numel() for shape in needed.values()) == NUMBERS[version][name]
    assert configs["unet"]["sample_size"] == (128 if version == "XL" else 64)
    assert configs["vae"]["scaling_factor"] == (0.13025 if version == "XL" else 0.18215)


def _below(tensors, prefix):
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@pytest.mark.parametrize("version", ["1", "2", "XL"])
def test_a_small_one_computes_what_its_modules_do(version, tmp_path, cache):
    path = tmp_path / "Fine Tune.safetensors"
    metadata = {"modelspec.prediction_type": "epsilon", "modelspec.resolution": "64x64"}
    modules = checkpoint(path, version, metadata)
    denoiser = load_denoiser(str(path))
    folder = model_files.locate(str(path))
    assert folder.parent == cache
    assert folder.name.startswith("Fine-Tune-")
    assert isinstance(denoiser.parameterization, Epsilon)
    assert model_files.check(folder).configs["unet"]["sample_size"] == 8
    written = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(written[name], own) for name, own in modules["unet"].state_dict().items())
    written = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(written[name], own) for name, own in modules["vae"].state_dict().items())
    rows = denoiser.prompt_encoder.conditions(["a red mushroom!"])
    tokenizer = denoiser.prompt_encoder.tokenizer
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert rows.states.shape[1:] == (77, modules["unet"].config.cross_attention_dim)
    encoder = modules["text_encoder"].eval()
    padded = tokenizer(["a red mushroom!"], padding="max_length", max_length=77, return_tensors="pt")
    with torch.no_grad():
        answer = encoder(padded.input_ids, output_hidden_states=True)
    states = answer.hidden_states[-2] if version == "XL" else answer.last_hidden_state
    torch.testing.assert_close(rows.states[..., : states.shape[-1]], states, atol=1e-5, rtol=1e-4)


def test_a_job_reads_the_head_alone_before_it_loads(tmp_path, cache):
    path = tmp_path / "model.safetensors"
    checkpoint(path)
    check_early(settings.resolve(None, {"prompt": "a mushroom", "model": str(path)}))
    assert not cache.exists()


def test_a_whole_job(tmp_path, cache, capsys):
    path = tmp_path / "model.safetensors"
    checkpoint(path, "1", {"modelspec.resolution": "64"})
    words = [
        "generate",
        "a red mushroom!",
        "--model",
        f'"{path}"',
        "--preset=test",
        "--steps=1",
        "--device=cpu",
        "--json",
    ]
    for job, made in (("one", True), ("two", False)):
        assert main([*words, "--out", str(tmp_path / job)]) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert made == any("making a model folder of" in event.get("text", "") for event in events)
    noted = json.loads((tmp_path / "two" / "run.json").read_text())
    (folder,) = cache.iterdir()
    assert (noted["settings"]["model"], noted["model"]["revision"]) == (str(path), folder.name)


def test_the_commands_list_and_remove_the_folder(tmp_path, cache, capsys):
    path = tmp_path / "model.safetensors"
    checkpoint(path, dtype=torch.float16)
    assert main(["models", "info", str(path)]) == 0
    assert "stable diffusion" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["state"] == "converted"]
    assert (row["model"], row["family"], row["problem"]) == (str(path), "stable diffusion", "")
    assert main(["models", "remove", str(path), "--yes"]) == 0
    assert list(cache.iterdir()) == []
    assert path.is_file()
    assert main(["models", "remove", str(path), "--yes"]) == 2
    assert "no model folder was made of it" in capsys.readouterr().err


def test_made_once(tmp_path, cache, monkeypatch):
    path = tmp_path / "model.safetensors"
    checkpoint(path, dtype=torch.float16)
    folder = model_files.locate(str(path))
    (written,) = cache.iterdir()
    assert written == folder
    monkeypatch.setattr(conversion, "_write", lambda *_: pytest.fail("converted twice"))
    assert model_files.locate(str(path)) == folder
    assert json.loads((folder / "single_file.json").read_text())["file"] == str(path)
    files = model_files.check(folder)
    assert files.bytes_of["unet"] < 2.2 * files.numbers_of["unet"]  # half precision stays half


@pytest.mark.parametrize(
    ("version", "metadata", "more", "yaml", "expected"),
    [
        ("1", {}, {}, "", ("epsilon", 64)),
        ("2", {"modelspec.architecture": "stable-diffusion-v2-768-v"}, {}, "", ("v_prediction", 96)),
        ("2", {"modelspec.prediction_type": "epsilon"}, {}, "", ("epsilon", 64)),
        ("2", {}, {}, "model:\n  params:\n    parameterization: \"v\"\n", ("v_prediction", 96)),
        ("2", {}, {"global_step": torch.tensor(875000)}, "", ("epsilon", 64)),
        ("XL", {}, {}, "", ("epsilon", 128)),
        ("XL", {}, {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, "", ("v_prediction", 128)),
    ],
)  # fmt: skip
def test_what_it_predicts_and_how_large(version, metadata, more, yaml, expected, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint(path, version, metadata, more)
    if yaml:
        path.with_suffix(".yaml").write_text(yaml)
    folder = model_files.locate(str(path))
    files = model_files.check(folder)
    assert (files.configs["scheduler"]["prediction_type"], files.configs["unet"]["sample_size"]) == expected
    assert files.configs["scheduler"]["rescale_betas_zero_snr"] == ("ztsnr" in more)


class Answers:
    def __init__(self, sample):
        self.sample = sample


def test_stable_diffusion_2_that_says_nothing_is_measured(tmp_path, monkeypatch):
    assert conversion.measured_prediction(lambda x, *_, **__: Answers(x), 8) == "epsilon"
    assert conversion.measured_prediction(lambda x, *_, **__: Answers(x - 2), 8) == "v_prediction"
    path = tmp_path / "model.safetensors"
    checkpoint(path, "2")
    monkeypatch.setattr(conversion, "measured_prediction", lambda *_: "v_prediction")
    files = model_files.check(model_files.locate(str(path)))
    assert (files.configs["scheduler"]["prediction_type"], files.configs["unet"]["sample_size"]) == ("v_prediction", 96)


def test_eight_bits_become_sixteen(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {k: v.detach().clone().contiguous() for k, v in original("1", parts("1")).items()}
    network = {k: v.to(torch.float8_e4m3fn) for k, v in tensors.items() if k.startswith(single_file.NETWORK)}
    save_file(tensors | network, path)
    weights = load_file(model_files.locate(str(path)) / "unet" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(weights["conv_in.weight"], network[CONV].half())


def test_the_oldest_names_and_ema(tmp_path):
    path = tmp_path / "model.safetensors"
    modules = parts("1")
    tensors = {k.replace("transformer.text_model.", "transformer."): v for k, v in original("1", modules).items()}
    more = {
        "model_ema.decay": torch.tensor(0.99),
        "cond_stage_model.transformer.embeddings.position_ids": torch.arange(77),
    }
    save_file({k: v.detach().clone().contiguous() for k, v in (tensors | more).items()}, path)
    model_files.check(model_files.locate(str(path)))


def shapes_of(version="1", without=(), **changed):
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in original(version, parts(version)).items()}
    shapes = {name: shape for name, shape in shapes.items() if not name.startswith(without)} if without else shapes
    return shapes | {name.replace("__", "."): shape for name, shape in changed.items()}


def inner(shapes):
    return {name.removeprefix(single_file.NETWORK): s for name, s in shapes.items() if name.startswith("model.")}


OTHERS = {
    "an inpainting model": lambda: shapes_of() | {CONV: (32, 9, 3, 3)},
    "an image-editing model": lambda: shapes_of() | {CONV: (32, 8, 3, 3)},
    "a depth-to-image model": lambda: shapes_of() | {CONV: (32, 5, 3, 3)},
    "an upscaler": lambda: shapes_of() | {CONV: (32, 7, 3, 3)},
    "a refiner": lambda: {
        k.replace("embedders.1", "embedders.0"): v
        for k, v in shapes_of("XL", without=("conditioner.embedders.0",)).items()
    },
    "FLUX.1, which cannot": lambda: {"model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (8,)},
    "is FLUX.1": lambda: {"double_blocks.0.img_attn.norm.key_norm.scale": (8,)},
    "Stable Diffusion 3, which": lambda: {"model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.weight": (8, 8)},
    "is a network without": lambda: inner(shapes_of()),
    "lacks its text encoder": lambda: shapes_of(without=("cond_stage_model",)),
    "without its autoencoder": lambda: shapes_of(without=("first_stage_model",)),
    "an autoencoder .VAE. alone": lambda: {"first_stage_model.encoder.conv_in.weight": (8, 3, 3, 3)},
    "a ControlNet": lambda: {"control_model.input_blocks.0.0.weight": (8, 4, 3, 3)},
    "the unet of a model folder": lambda: {"down_blocks.0.resnets.0.conv1.weight": (8, 8, 3, 3)},
    "is a LoRA, not a model": lambda: {"lora_unet_down_blocks_0_attentions_0.lora_down.weight": (4, 8)},
    "a textual inversion": lambda: {"emb_params": (2, 768)},
    "4 bits .NF4": lambda: shapes_of() | {"model.diffusion_model.out.2.weight.quant_state.bitsandbytes__nf4": (9,)},
    "scaled 8 bits": lambda: shapes_of() | {"scaled_fp8": (0,)},
    "EDM's noise levels": lambda: shapes_of() | {"edm_mean": (4,)},
    "is no Stable Diffusion 1, 2 or XL": lambda: {"blocks.0.self_attn.q.weight": (8, 8)},
}


@pytest.mark.parametrize("text", OTHERS)
def test_what_cannot_be_taken_is_named(text, tmp_path):
    path = head_alone(tmp_path / "file.safetensors", OTHERS[text]())
    with pytest.raises(SjcError, match=text) as raised:
        model_files.check_there(str(path))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("model.ckpt", b"PK", r"sjc models convert .*model\.ckpt"),
        ("model.CKPT", b"PK", "pickled checkpoint"),
        ("model.gguf", b"GGUF\x03", "a GGUF file"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{", "damaged or cut short"),
        ("notes.txt", b"hello", "is no model"),
    ],
)
def test_other_files_are_named(name, content, text, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    for check in (model_files.check_there, model_files.locate):
        with pytest.raises(SjcError, match=text):
            check(str(path))


def test_a_network_built_differently_writes_nothing(tmp_path, cache):
    modules = parts("1")
    tensors = original("1", modules)
    del tensors["model.diffusion_model.middle_block.1.norm.weight"]
    path = tmp_path / "model.safetensors"
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)
    with pytest.raises(SjcError, match="its unet is built in another way"):
        model_files.locate(str(path))
    assert list(cache.iterdir()) == []


LONG = " ".join(["a red mushroom beside a blue tree on a green hill,"] * 9)


@pytest.mark.parametrize("version", ["1", "2", "XL"])
def test_a_long_prompt_is_read_in_pieces(version, tmp_path):
    """More than 77 tokens: 75 at a time, each between its own ends, one after the other."""
    path = tmp_path / "model.safetensors"
    modules = checkpoint(path, version, {"modelspec.prediction_type": "epsilon", "modelspec.resolution": "64x64"})
    denoiser = load_denoiser(str(path))
    prompts = denoiser.prompt_encoder
    ids = prompts.tokenizer(LONG, add_special_tokens=False).input_ids
    assert 75 < len(ids) < 150
    assert prompts.check_prompt(LONG) == LONG
    row = prompts.conditions([LONG])
    short, empty = prompts.conditions(["a blue tree"]), prompts.unconditional("a hill")
    assert row.states.shape[1] == short.states.shape[1] == empty.states.shape[1] == 2 * 77
    encoder, pad = modules["text_encoder"].eval(), prompts.tokenizer.pad_token_id
    with torch.no_grad():
        for part, at in ((ids[:75], 0), (ids[75:], 77)):
            whole = [49406, *part, 49407]
            answer = encoder(torch.tensor([whole + [pad] * (77 - len(whole))]), output_hidden_states=True)
            states = answer.hidden_states[-2] if version == "XL" else answer.last_hidden_state
            own = row.states[:, at : at + 77, : states.shape[-1]]
            torch.testing.assert_close(own, states, atol=1e-5, rtol=1e-4)
    alone = load_denoiser(str(path)).prompt_encoder
    torch.testing.assert_close(short.states[:, :77], alone.conditions(["a blue tree"]).states)
    torch.testing.assert_close(short.states[:, 77:], alone.conditions([""]).states)
    x = torch.randn(2, 4, 8, 8)
    sigma = torch.tensor([1.0, 2.0])
    assert denoiser.conditioned([LONG, "a blue tree"], guidance=7.5)(x, sigma).isfinite().all()
    denoiser.prepare("a blue tree", "none")  # the next job is not as long, and its numbers are those of a fresh model
    fresh = load_denoiser(str(path))
    for negative in ("", LONG):
        ours, theirs = (d.conditioned(["a blue tree"], negative, 7.5)(x[:1], sigma[:1]) for d in (denoiser, fresh))
        torch.testing.assert_close(ours, theirs)
