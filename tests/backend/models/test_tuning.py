"""Fused projections and compiled blocks: other operations, the same numbers; what cannot be done is said in a line."""

import pytest
import torch

from sjc.models import tuning
from sjc.models.loading import load_denoiser
from tests.backend import tiny_families
from tests.backend.tiny_models import CARD, if_like, word_model

MADE = {
    "pixels": word_model,
    "deepfloyd": if_like,
    "sd": lambda folder: tiny_families.stable_diffusion().save_pretrained(folder),
    "sdxl": lambda folder: tiny_families.sdxl().save_pretrained(folder),
    "flux": lambda folder: tiny_families.flux().save_pretrained(folder),
    "ddpm": lambda folder: tiny_families.ddpm().save_pretrained(folder),
}


def loaded(name, folder, **more):
    MADE[name](folder)
    return load_denoiser(str(folder), dtype=torch.float32, **more)


def ask(denoiser):
    x = torch.randn(2, denoiser.channels, 8, 8, generator=torch.Generator().manual_seed(0))
    return denoiser.conditioned(["a red mushroom"], "", 3.0)(x, torch.tensor([0.5, 2.0]))


@pytest.mark.parametrize("name", ["pixels", "deepfloyd", "sd", "sdxl"])
def test_fused_projections_change_no_number(tmp_path, name):
    denoiser = loaded(name, tmp_path / "model")
    before = ask(denoiser)
    count = sum(p.numel() for p in denoiser.unet.parameters())
    assert tuning.fuse_projections(denoiser.unet)
    torch.testing.assert_close(ask(denoiser), before, atol=1e-4, rtol=1e-4)
    names = [part for part, _ in denoiser.unet.named_modules()]
    assert any(part.endswith("to_qkv") for part in names)
    assert not any(part.endswith(("to_k", "to_v")) for part in names)
    assert sum(p.numel() for p in denoiser.unet.parameters()) == count, "nothing is kept twice"


@pytest.mark.parametrize("name", ["flux", "ddpm"])
def test_other_networks_keep_their_projections(tmp_path, name):
    unet = loaded(name, tmp_path / "model").unet
    before = list(unet.state_dict())
    assert not tuning.fuse_projections(unet)
    assert list(unet.state_dict()) == before


def test_compiled_blocks_change_no_number(tmp_path):
    denoiser = loaded("sd", tmp_path / "model")
    before, lines = ask(denoiser), []
    denoiser.network = tuning.Compiled(denoiser.network, denoiser.unet, lines.append, backend="aot_eager")
    kinds = {type(block).__name__ for block in denoiser.network.blocks}
    assert kinds == {"ResnetBlock2D", "BasicTransformerBlock"}
    torch.testing.assert_close(ask(denoiser), before, atol=1e-4, rtol=1e-4)
    assert lines == []
    assert denoiser.network.blocks, "the compiler had nothing against them"


def test_where_the_compiler_fails_the_network_works_as_it_is(tmp_path):
    def broken(_graph, _inputs):
        raise RuntimeError("no compiler here\nand more")

    denoiser = loaded("sd", tmp_path / "model")
    before, lines = ask(denoiser), []
    denoiser.network = tuning.Compiled(denoiser.network, denoiser.unet, lines.append, backend=broken)
    for _ in range(2):
        assert torch.equal(ask(denoiser), before)
    (line,) = lines
    assert line.startswith("The network is not compiled: ")
    assert "\n" not in line


def test_a_device_without_a_compiler_is_named_in_a_line(tmp_path, monkeypatch):
    denoiser = loaded("pixels", tmp_path / "model", compiling=True)
    assert denoiser.notes == ["The network is not compiled: that is done on CUDA alone."]
    monkeypatch.setattr(tuning.importlib.util, "find_spec", lambda _name: None)
    assert "triton is missing" in tuning.compile_obstacle(torch.device("cuda"))


def test_a_device_is_given_all_sentences_ahead(tmp_path):
    """Where steps run behind the host's back, a new sentence in the middle would hold them up."""
    word_model(tmp_path / "model", card=CARD)
    encoder = load_denoiser(str(tmp_path / "model")).prompt_encoder
    encoder.prepare("red mushroom", "paper")
    assert not encoder._encoded
    encoder.device = torch.device("meta")
    encoder.prepare("red mushroom", "paper")
    assert set(encoder._encoded) == {
        "", *(f"{view} view of red mushroom" for view in ("front", "side", "backside", "overhead"))
    }  # fmt: skip


def test_a_run_of_many_views_reads_them_together(tmp_path):
    """One by one they would take many times as long; only those that its cameras can see are read."""
    word_model(tmp_path / "model", card={**CARD, "words": {}})
    encoder = load_denoiser(str(tmp_path / "model")).prompt_encoder
    encoder.prepare("red mushroom", "paper", elevations=(-30, 20))
    assert not encoder._encoded
    encoder.prepare("red mushroom", "paper", elevations=(-30, 20), asked=2)
    assert set(encoder._encoded) == {"", *(f"{view} view of red mushroom" for view in ("front", "side", "backside"))}
