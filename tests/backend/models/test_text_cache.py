"""Large text encoders: loaded when needed, let go after reading, and not loaded again for a cached sentence."""

import pytest
import torch

from sjc.models import loading, model_files, pretrained, prompt_loading
from sjc.models.text_cache import TextCache, fingerprint
from sjc.models.text_encoders import Condition
from tests.backend import tiny_families

MAKERS = {
    "sd": tiny_families.stable_diffusion,
    "sdxl": tiny_families.sdxl,
    "sd3": tiny_families.sd3,
    "flux": tiny_families.flux,
}
PROMPT = "a red mushroom"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "text"


@pytest.fixture
def large(monkeypatch):
    """Every text encoder counts as large."""
    monkeypatch.setattr(prompt_loading, "LARGE_TEXT", 0)


@pytest.fixture(scope="module", params=MAKERS)
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "model"
    MAKERS[request.param]().save_pretrained(path)
    if request.param == "flux":
        (path / "sjc.json").write_text('{"size": 8}')
    return path


@pytest.fixture
def no_encoders(monkeypatch):
    """A call that breaks the loading of text encoders."""

    def forbid():
        real = pretrained._from_pretrained

        def load(files, component, *args, **kwargs):
            assert not component.startswith("text_encoder"), "a text encoder is loaded"
            return real(files, component, *args, **kwargs)

        monkeypatch.setattr(pretrained, "_from_pretrained", load)

    return forbid


def denoised(denoiser):
    x = torch.randn(2, 4, denoiser.size, denoiser.size, generator=torch.Generator().manual_seed(0))
    negative = "" if denoiser.distilled else "blue"
    prompts = [f"front view of {PROMPT}", f"side view of {PROMPT}"]
    return denoiser.conditioned(prompts, negative, 3.0)(x, torch.ones(2))


def encoders(denoiser):
    return ["module" in vars(encoder) for encoder in denoiser.prompt_encoder.text_encoders]


def test_small_encoders_stay_and_leave_nothing_on_the_disk(folder, cache):
    denoiser = loading.load_denoiser(str(folder))
    denoised(denoiser)
    assert all(encoders(denoiser))
    assert not cache.exists()


def test_large_ones_say_the_same_and_go(folder, large):
    denoiser = loading.load_denoiser(str(folder))
    assert not any(encoders(denoiser)), "nobody has asked yet"
    output = denoised(denoiser)
    assert not any(encoders(denoiser))
    small = loading.load_denoiser(str(folder))
    for encoder in small.prompt_encoder.text_encoders:
        _ = encoder.module
    small.prompt_encoder.cache = None
    assert torch.equal(output, denoised(small))


def test_what_was_read_once_needs_no_encoder(folder, large, no_encoders):
    first = loading.load_denoiser(str(folder))
    first.prepare(PROMPT, "paper", "" if first.distilled else "blue")
    no_encoders()
    output = denoised(first)  # every view was read
    assert torch.equal(output, denoised(loading.load_denoiser(str(folder))))
    with pytest.raises(AssertionError, match="a text encoder is loaded"):
        first.prompt_encoder.conditions(["red"])


def test_a_damaged_cache_is_read_anew(folder, large, cache):
    expected = denoised(loading.load_denoiser(str(folder)))
    for path in cache.rglob("*.safetensors"):
        path.write_bytes(b"\x00" * 20)
    assert torch.equal(denoised(loading.load_denoiser(str(folder))), expected)


def test_without_a_place_to_write_nothing_is_kept(folder, large, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder would be")
    assert denoised(loading.load_denoiser(str(folder))).isfinite().all()


def test_the_fingerprint_is_that_of_what_reads(folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)  # times are kept

    def now(*more):
        return fingerprint(model_files.check(copy), *more)

    before = now()
    assert before == fingerprint(model_files.check(folder))
    assert before != now("a LoRA")
    part = "transformer" if (copy / "transformer").is_dir() else "unet"
    (copy / part / "notes.txt").write_text("not read by a text encoder")
    assert before == now()
    weights = next((copy / "text_encoder").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert before != now()


def test_a_condition_comes_back_as_it_was(tmp_path):
    store = TextCache(tmp_path / "store")
    states = torch.randn(1, 5, 7, generator=torch.Generator().manual_seed(0)).half()
    for condition in (Condition(states), Condition(states, torch.ones(1, 3))):
        assert store.get("x") is None or condition.pooled is not None
        store.put("x", condition)
        stored = store.get("x")
        assert stored.states.dtype == torch.float16
        assert torch.equal(stored.states, condition.states)
        assert (stored.pooled is None) == (condition.pooled is None)
    assert store.get("y") is None
