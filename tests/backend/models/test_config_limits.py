"""Configurations that say more than their weights can hold: refused before a library builds them."""

import json

import pytest

from sjc.errors import SjcError
from sjc.models import model_files
from sjc.models.loading import load_denoiser
from tests.backend import tiny_families


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """name -> the folder of a family."""
    known = {}

    def get(name):
        if name not in known:
            known[name] = tmp_path_factory.mktemp(name)
            getattr(tiny_families, name)().save_pretrained(known[name])
        return known[name]

    return get


@pytest.mark.parametrize(
    ("family", "name", "change", "line"),
    [
        ("stable_diffusion", "unet", {"layers_per_block": 10**7}, "it holds the number|names more layers"),
        ("stable_diffusion", "unet", {"transformer_layers_per_block": [1, 10**6]}, "names more layers"),
        ("stable_diffusion", "unet", {"block_out_channels": [8] * 9999}, "names more layers"),
        ("stable_diffusion", "unet", {"block_out_channels": [8] * 10**5}, "holds a list of 100000 values"),
        ("stable_diffusion", "unet", {"cross_attention_dim": 10**6}, "no tensor of its weights is wider"),
        ("stable_diffusion", "unet", {"cross_attention_dim": 10**60}, "holds the number"),
        ("stable_diffusion", "unet", {"sample_size": 10**6}, "at most 4096 can be used"),
        ("stable_diffusion", "vae", {"block_out_channels": [10**6, 8]}, "no tensor of its weights is wider"),
        ("stable_diffusion", "text_encoder", {"num_hidden_layers": 10**7}, "names more layers"),
        ("stable_diffusion", "text_encoder", {"intermediate_size": 10**7}, "no tensor of its weights is wider"),
        ("stable_diffusion", "text_encoder", {"max_position_embeddings": 10**6}, "at most 4096 can be used"),
        ("stable_diffusion", "text_encoder", {"num_attention_heads": -1}, "it must not be negative"),
        ("stable_diffusion", "scheduler", {"num_train_timesteps": 10**10}, "num_train_timesteps is 10000000000"),
        ("stable_diffusion", "scheduler", {"num_train_timesteps": None}, "num_train_timesteps is None"),
        ("stable_diffusion", "scheduler", {"num_train_timesteps": -1}, "num_train_timesteps is -1"),
        ("sd3", "transformer", {"num_layers": 10**6}, "names more layers"),
        ("sd3", "transformer", {"pos_embed_max_size": 10**6}, "at most 4096 can be used"),
        ("flux", "transformer", {"num_single_layers": 10**6}, "names more layers"),
    ],
)
def test_a_part_that_its_weights_cannot_be_is_refused(saved, family, name, change, line):
    folder = saved(family)
    path = folder / name / ("scheduler_config.json" if name == "scheduler" else "config.json")
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | change))
    try:
        with pytest.raises(SjcError, match=line) as caught:
            model_files.check(folder)
    finally:
        path.write_text(before)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["stable_diffusion", "sdxl", "sd3", "flux", "ddpm"])
def test_what_diffusers_writes_passes(saved, family):
    assert model_files.check(saved(family)).weight_bytes > 0


def test_a_scheduler_with_the_infinity_that_diffusers_writes(saved):
    path = saved("stable_diffusion") / "scheduler" / "scheduler_config.json"
    before = path.read_text()
    path.write_text(before.replace("{", '{"lambda_min_clipped": -Infinity,', 1))
    try:
        load_denoiser(str(saved("stable_diffusion")))
    finally:
        path.write_text(before)
