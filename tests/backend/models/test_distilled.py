"""A guidance scale built into the network by an adapter beside the model: one call a view, the adapter's D, and no
other.
"""

import json
from itertools import pairwise

import pytest
import torch
from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from peft.utils import get_peft_model_state_dict

from sjc import doctor, settings
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.job import run
from sjc.job.progress import silent
from sjc.models import distilled, lora
from sjc.models.layout import wanted_files
from sjc.models.loading import load_denoiser
from sjc.models.model_files import EMBEDDED
from tests.backend.tiny_models import CARD, noisy, word_model
from training import distil

SCALE = 2.5
SIGMA = torch.tensor([0.3, 1.0, 3.0, 9.0])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """A tiny model with an adapter in every layer of its UNet."""
    model = word_model(tmp_path / "model", card={**CARD, "distilled": SCALE})
    unet = load_denoiser(str(model)).unet
    own = distil.add_adapter(unet, rank=2)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for p in own.values():
            p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    made = StableDiffusionLoraLoaderMixin.save_lora_weights
    known = unet.peft_config["default"].to_dict()
    made(tmp_path / "lora", unet_lora_layers=get_peft_model_state_dict(unet), unet_lora_adapter_metadata=known)
    (tmp_path / "lora" / lora.IN_A_FOLDER).rename(model / distilled.NAME)
    return model


def denoised(denoiser, guidance=SCALE, **more):
    return denoiser.conditioned(["red mushroom"], "", guidance, **more)(noisy(), SIGMA)


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_it_is_the_lora_asked_once(folder, runtime):
    """What anyone gets who lays the file over the model and asks without guidance."""
    built = load_denoiser(str(folder), runtime=runtime, built_in=SCALE)
    expected = denoised(load_denoiser(str(folder), lora=str(folder / distilled.NAME)), 1.0)
    torch.testing.assert_close(denoised(built), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(expected, denoised(load_denoiser(str(folder)), 1.0), atol=1e-2)


@pytest.mark.parametrize(("built_in", "rows"), [(SCALE, 4), (None, 8)])
def test_the_network_sees_every_view_once(folder, built_in, rows):
    denoiser = load_denoiser(str(folder), built_in=built_in)
    batches, network = [], denoiser.network
    denoiser.network = lambda x, *more: batches.append(len(x)) or network(x, *more)
    denoised(denoiser)
    assert batches == [rows]


def test_each_has_a_graph_of_its_own(folder, tmp_path):
    """The plain network's graph is not taken for the adapted one, nor the other way round."""
    for _ in range(2):
        for built_in in (None, SCALE):
            known = {"runtime": "onnx", "built_in": built_in}
            plain = denoised(load_denoiser(str(folder), built_in=built_in))
            torch.testing.assert_close(denoised(load_denoiser(str(folder), **known)), plain, atol=1e-4, rtol=1e-4)
    assert len(list((tmp_path / "cache" / "onnx").iterdir())) == 3  # the third is the text encoder's


def test_the_next_start_reads_no_adapter(folder, monkeypatch):
    """It is in the graph that was kept: neither its file nor the libraries that lay it over are needed."""
    known = {"runtime": "onnx", "built_in": SCALE}
    first = denoised(load_denoiser(str(folder), **known))
    monkeypatch.setattr(lora, "_read", lambda *_: pytest.fail("read in vain"))
    assert torch.equal(denoised(load_denoiser(str(folder), **known)), first)


def test_it_knows_its_own_scale_alone(folder):
    denoiser = load_denoiser(str(folder), built_in=SCALE)
    for known in ({"guidance": 1.0}, {"guidance": 3.0}, {"rescale": 0.5}):
        with pytest.raises(SjcError, match=r"guidance 2\.5 built in and cannot use another"):
            denoised(denoiser, **known)
    with pytest.raises(SjcError, match="takes no negative prompt"):
        denoiser.conditioned(["red mushroom"], "blue", SCALE)
    with pytest.raises(SjcError, match="cannot change it during a run"):
        denoised(denoiser, torch.tensor([2.5]))
    with pytest.raises(SjcError, match="not support Perp-Neg"):
        denoised(denoiser, away=[[("blue mushroom", 1.0)]])


def test_another_scale_has_no_adapter(folder):
    with pytest.raises(SjcError, match="has no adapter for guidance 3;"):
        load_denoiser(str(folder), built_in=3.0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, SCALE),
        ({"guidance": 2.6}, None),
        ({"guidance": 1.0}, None),
        ({"distilled": False}, None),
        ({"negative_prompt": "blue"}, None),
        ({"perp_neg": 1.0}, None),
        ({"guidance_rescale": 0.5}, None),
        ({"lora": "style.safetensors"}, None),
        ({"guidance_end": 1.0}, None),
        ({"guidance_sigma_min": 1.0}, None),
        ({"guidance_sigma_max": 1.0}, None),
    ],
)
def test_when_a_run_takes_it(folder, given, expected):
    assert distilled.built_in(settings.resolve(None, {"model": str(folder), **given})) == expected


def test_a_model_without_one(tmp_path):
    for card in (None, CARD):
        model = word_model(tmp_path / str(card is None), card=card)
        assert distilled.built_in(settings.resolve(None, {"model": str(model)})) is None


@pytest.mark.parametrize("value", [0, -1, "2.5", True, [2.5]])
def test_a_scale_that_is_none(folder, value):
    (folder / "sjc.json").write_text(json.dumps({**CARD, "distilled": value}))
    with pytest.raises(SjcError, match="must be a number above 0"):
        distilled.scale(folder)


def test_a_file_that_is_missing_or_cut_short_is_said_before_torch_is_there(folder):
    given = settings.resolve(None, {"model": str(folder), "prompt": "a red mushroom"})
    run.check_early(given)
    file = folder / distilled.NAME
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(SjcError, match="cut short"):
        run.check_early(given)
    file.unlink()
    with pytest.raises(SjcError, match=r"distilled\.safetensors is missing"):
        run.check_early(given)


def test_models_info_tells_of_it(folder):
    assert {"name": "guidance", "text": "2.5 in one call (distilled)"} in doctor.model_info(str(folder))


def test_a_hub_id_brings_it():
    names = [
        "model_index.json",
        "sjc.json",
        distilled.NAME,
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    ]
    assert distilled.NAME in wanted_files(names)


def test_a_job_takes_it_and_the_next_takes_over_what_is_the_same(folder, tmp_path):
    """guidance: the adapter's, again, another one, the adapter's once more."""
    before, networks, records = None, [], []
    for number, guidance in enumerate([SCALE, SCALE, 3.0, SCALE]):
        words = {"preset": "test", "prompt": "red mushroom", "model": str(folder), "guidance": guidance}
        given = settings.resolve(None, words)
        job = tmp_path / str(number)
        job_folder.prepare_folder(job, given)
        before = run.JobRun(job, given, silent, previous=before)
        records.append(before.run()["model"]["guidance_built_in"])
        networks.append(before.denoiser)
    assert records == [SCALE, SCALE, None, SCALE]
    assert [a is b for a, b in pairwise(networks)] == [True, False, False]


# ------------------------------------------------------------------------------------------------- the one that ships
def test_the_shipped_one_says_what_guidance_says():
    """On what guidance adds, at the noise levels of the default run: most of it is there in one call."""
    assert distilled.built_in(settings.resolve()) == SCALE
    once, twice = load_denoiser("embedded", built_in=SCALE), load_denoiser("embedded")
    prompts = ["azimuth 130 elevation 20 view of a blue chair with a yellow seat", "front view of a yellow duck"]
    generator = torch.Generator().manual_seed(1)
    for level in (0.7, 1.5, 3.0):
        sigma = torch.full((8,), level)
        clean = 0.5 + 0.3 * torch.randn(8, 3, 1, 1, generator=generator)
        x = clean + level * torch.randn(8, 3, 32, 32, generator=generator)
        aim, plain = (twice.conditioned(prompts, "", scale)(x, sigma) for scale in (SCALE, 1.0))
        denoised_once = once.conditioned(prompts, "", SCALE)(x, sigma)
        assert (denoised_once - aim).square().mean() < 0.4 * (plain - aim).square().mean()


def test_card_and_log_tell_of_the_shipped_one():
    """The log's last lines are the adapter's, and the card names it."""
    rows = [json.loads(line) for line in (EMBEDDED / "training_log.jsonl").read_text().splitlines()]
    assert rows[-1]["run"] == "distilled"
    assert distilled.NAME in (EMBEDDED / "README.md").read_text()
