"""LoRA files as people's disks hold them: other trainers' layouts and kinds, what comes along, what they answer to."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sjc import cli
from sjc.errors import SjcError
from sjc.models import lora
from sjc.models.loading import load_denoiser
from tests.backend import tiny_families
from tests.backend.models.test_lora import denoised, kohya, layers, written

ENDS = {"lora_A.weight": "lora_down.weight", "lora_B.weight": "lora_up.weight"}


@pytest.fixture(scope="module")
def sd(tmp_path_factory):
    """(model folder, LoRA file)."""
    folder = tmp_path_factory.mktemp("sd")
    tiny_families.stable_diffusion().save_pretrained(folder / "model")
    return folder / "model", written(folder / "lora", "sd")


def test_convolutions_too(sd, tmp_path):
    """A LoCon in kohya's layout changes every convolution by up @ down."""
    model, _ = sd
    tensors = {}
    for key, value in layers(tiny_families.stable_diffusion().unet, ["conv1", "to_q"], 3).items():
        layer, _, end = key.partition(".lora_")
        name = "lora_unet_" + layer.replace(".", "_")
        tensors[f"{name}.{ENDS['lora_' + end]}"] = value
        tensors[f"{name}.alpha"] = torch.tensor(float(2))
    path = tmp_path / "locon.safetensors"
    save_file(tensors, path)
    before, after = load_denoiser(str(model)).unet, load_denoiser(str(model), lora=str(path)).unet
    name = "down_blocks.0.resnets.0.conv1"
    flat = "lora_unet_" + name.replace(".", "_")
    up, down = tensors[f"{flat}.lora_up.weight"], tensors[f"{flat}.lora_down.weight"]
    expected = torch.einsum("or,rihw->oihw", up[:, :, 0, 0], down)
    change = after.get_submodule(name).weight - before.get_submodule(name).weight
    torch.testing.assert_close(change, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_file_in_half_precision(sd, tmp_path, dtype):
    model, file = sd
    path = tmp_path / "half.safetensors"
    save_file({k: v.to(dtype) for k, v in load_file(kohya(tmp_path / "full.safetensors", file)).items()}, path)
    half, full = (load_denoiser(str(model), lora=str(p)) for p in (path, tmp_path / "full.safetensors"))
    torch.testing.assert_close(denoised(half), denoised(full), atol=0.05, rtol=0.05)
    assert half.unet.conv_in.weight.dtype == torch.float32


def test_embeddings_that_came_along_are_left_out_with_a_warning(sd, tmp_path):
    model, file = sd
    plain = kohya(tmp_path / "plain.safetensors", file)
    path = tmp_path / "trainer.safetensors"
    more = {"bundle_emb.felt.clip_l": torch.ones(2, 16), "bundle_emb.toy.clip_l": torch.ones(1, 16)}
    save_file(load_file(plain) | more, path)
    with_bundle, without = (load_denoiser(str(model), lora=str(p)) for p in (path, plain))
    assert torch.equal(denoised(with_bundle), denoised(without))
    assert not without.notes
    (line,) = with_bundle.notes
    assert line.startswith(f"{path} brings embeddings of its own for felt, toy; they are left out")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("lora_unet_x.hada_w1_a", "lora_unet_x.hada_w1_b", "lora_unet_x.alpha"), "a LyCORIS of the kind LoHa"),
        (("lora_unet_x.lokr_w1", "lora_unet_x.lokr_w2_a"), "a LyCORIS of the kind LoKr"),
        (("lora_unet_x.oft_blocks",), "a LyCORIS of the kind OFT"),
        (("lora_unet_x.diff", "lora_unet_x.lora_down.weight"), "a LyCORIS of the kind Full"),
        (("lora_unet_x.lora_down.weight", "lora_unet_x.dora_scale"), "is a DoRA"),
        (("emb_params",), "is a textual inversion"),
        (("clip_l", "clip_g"), "is a textual inversion"),
        (("string_to_param.*",), "is a textual inversion"),
        (("model.diffusion_model.out.2.weight",), "is a whole checkpoint, not a LoRA"),
        (("bundle_emb.felt.clip_l",), "is not a LoRA"),
    ],
)
def test_other_kinds_are_named(names, text, tmp_path):
    path = tmp_path / "file.safetensors"
    save_file({name: torch.zeros(2, 2) for name in names}, path)
    with pytest.raises(SjcError, match=text) as raised:
        lora.check(str(path))
    assert "\n" not in str(raised.value)


TAGS = {"10_felt toy": {"felt toy": 20, "red": 3, "white background": 19}, "2_other": {"other": 1}}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, []),
        ({"modelspec.trigger_phrase": "felt  toy, soft"}, ["felt toy", "soft"]),
        (
            {"ss_dataset_dirs": json.dumps({"10_felt toy": {"n_repeats": 10}, "reg": {}}),
             "ss_tag_frequency": json.dumps(TAGS)},
            ["felt toy", "white background"],
        ),
        ({"ss_dataset_dirs": "[1]", "ss_tag_frequency": "{"}, []),
        ({"ss_tag_frequency": json.dumps({"1_a": {f"tag{i}": 2 for i in range(50)}, "2": 3})},
         [f"tag{i}" for i in range(5)]),
    ],
)  # fmt: skip
def test_trigger_words(metadata, words, tmp_path, capsys):
    path = tmp_path / "file.safetensors"
    save_file({"unet.a.lora_A.weight": torch.zeros(2, 2)}, path, metadata)
    assert lora.trigger_words(path) == words
    assert cli.main(["models", "info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["LoRA", str(path)]
    assert lines[1].removeprefix("words").strip() == (", ".join(words) or "none stated")
