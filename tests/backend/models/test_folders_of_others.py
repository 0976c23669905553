"""Model folders as they are handed around: variants of weights, marks of byte order, files that git has not fetched."""

import pytest
import torch

from sjc.errors import SjcError
from sjc.models import layout, model_files
from sjc.models.families import not_a_pipeline
from sjc.models.loading import load_denoiser
from tests.backend.tiny_models import noisy, word_model


@pytest.fixture
def folder(tmp_path):
    return word_model(tmp_path / "model")


def denoised(folder):
    return load_denoiser(str(folder)).conditioned(["mushroom"])(noisy(), torch.ones(4))


@pytest.mark.parametrize("variant", ["fp16", "non_ema", "ema_only"])
def test_weights_of_a_variant_alone(folder, variant):
    expected = denoised(folder)
    for component in ("unet", "text_encoder"):
        stem = layout.WEIGHT_STEMS[component]
        weights = folder / component / f"{stem}.safetensors"
        weights.rename(weights.with_name(f"{stem}.{variant}.safetensors"))
    torch.testing.assert_close(denoised(folder), expected)


def test_the_plain_weights_win_over_those_for_training(folder):
    plain = folder / "unet" / "diffusion_pytorch_model.safetensors"
    plain.with_name("diffusion_pytorch_model.non_ema.safetensors").write_bytes(plain.read_bytes())
    assert model_files.check(folder).variants["unet"] is None


def test_json_with_a_mark_of_byte_order(folder):
    expected = denoised(folder)
    for path in (folder / "model_index.json", *folder.glob("*/*config.json")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    torch.testing.assert_close(denoised(folder), expected)


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model.safetensors", "unet/config.json", "model_index.json"])
def test_what_git_has_not_fetched_is_named(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3438354725\n")
    with pytest.raises(SjcError, match="is a Git LFS pointer, not the file itself; download the file") as raised:
        model_files.check(folder)
    assert str(folder / name) in str(raised.value)


def files(*weights):
    return ["model_index.json", "unet/config.json", *(f"unet/{name}" for name in weights)]


STEM = "diffusion_pytorch_model"


@pytest.mark.parametrize(
    ("weights", "taken"),
    [
        ((f"{STEM}.safetensors", f"{STEM}.non_ema.safetensors", f"{STEM}.bin"), [f"{STEM}.safetensors"]),
        ((f"{STEM}.non_ema.safetensors",), [f"{STEM}.non_ema.safetensors"]),
        ((f"{STEM}.safetensors", f"{STEM}.fp16.safetensors"), [f"{STEM}.fp16.safetensors"]),
        (
            (f"{STEM}.fp16-00001-of-00002.safetensors", f"{STEM}.fp16-00002-of-00002.safetensors",
             f"{STEM}.safetensors.index.fp16.json", f"{STEM}.safetensors"),
            [f"{STEM}.fp16-00001-of-00002.safetensors", f"{STEM}.fp16-00002-of-00002.safetensors",
             f"{STEM}.safetensors.index.fp16.json"],
        ),
        ((f"{STEM}.safetensors", "other.safetensors"), [f"{STEM}.safetensors"]),
    ],
)  # fmt: skip
def test_one_set_of_weights_is_fetched(weights, taken):
    wanted = layout.wanted_files(files(*weights))
    assert wanted == ["model_index.json", "unet/config.json", *(f"unet/{name}" for name in taken)]


def test_pickles_alone_are_refused_before_anything_is_fetched():
    with pytest.raises(SjcError, match=rf"its unet is there only as a pickle \({STEM}\.bin\), which is not read"):
        layout.wanted_files(files(f"{STEM}.bin"))


def test_a_repository_of_checkpoints_tells_how_to_use_one():
    line = not_a_pipeline("owner/name", ["README.md", "style.safetensors", "other/x.safetensors"], {})
    assert "download one, such as style.safetensors, and choose the file" in line
    assert "no model_index.json" in line
