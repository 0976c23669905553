"""The embedded model's other engine: ONNX Runtime gives what torch gives, and torch stands in where it cannot."""

import os
import subprocess
import sys

import pytest
import torch
from diffusers import DDPMScheduler
from safetensors.torch import load_file, save_file

from sjc.errors import SjcError
from sjc.models import model_files, network_loading, onnx_graph, onnx_text, onnx_unet, prompt_loading
from sjc.models.loading import load_denoiser
from sjc.models.text_encoders import Condition
from tests.backend.tiny_models import if_like, word_model


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "onnx"


def denoised(folder, runtime, prompts, batch, guidance=3.0):
    denoiser = load_denoiser(str(folder), runtime=runtime)
    x = torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    return denoiser.conditioned(prompts, "", guidance)(x, torch.linspace(0.3, 4, batch))


@pytest.mark.parametrize("make", [word_model, if_like])
def test_same_as_torch(make, tmp_path):
    folder = make(tmp_path / "model")
    torch.testing.assert_close(
        denoised(folder, "onnx", ["red mushroom", "blue mushroom"], 6),
        denoised(folder, "torch", ["red mushroom", "blue mushroom"], 6),
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.mark.parametrize("make", [word_model, if_like])
def test_sentences_are_read_as_torch_reads_them(make, tmp_path):
    """Long and short ones side by side: padding is masked where the encoder was trained so (T5), and nowhere else."""
    folder = make(tmp_path / "model")
    sentences = ["red mushroom", "", "blue mushroom red"]
    by_onnx, by_torch = (load_denoiser(str(folder), runtime=name).prompt_encoder for name in ("onnx", "torch"))
    assert isinstance(by_onnx.text_encoders[0].module, onnx_text.GraphEncoder)
    for texts in (sentences, sentences[:1]):
        torch.testing.assert_close(by_onnx.encode(texts), by_torch.encode(texts), atol=1e-5, rtol=1e-5)


def test_a_start_imports_no_model_of_the_libraries(tmp_path):
    """What the embedded model needs is in its graphs: the libraries' models take seconds to import."""
    folder, environment = word_model(tmp_path / "model"), {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(folder / "scheduler")  # as it has
    expected = load_denoiser(str(folder), runtime="onnx").prompt_encoder.encode(["mushroom"])
    program = (
        "import sys; from sjc.models.loading import load_denoiser;"
        f"states = load_denoiser({str(folder)!r}, runtime='onnx').prompt_encoder.encode(['mushroom']);"
        "print(float(states.double().sum()), *{'diffusers', 'transformers.modeling_utils'} & set(sys.modules))"
    )
    answer = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True).split()
    assert answer == [str(float(expected.double().sum()))]


def test_any_number_of_tokens(tmp_path):
    """It is traced with some number of tokens, and told of others by models that read longer sentences."""
    folder = word_model(tmp_path / "model")
    unet = load_denoiser(str(folder)).unet
    for tokens in (3, 40):
        run = onnx_unet.network(model_files.check(folder), unet, tokens=7)
        x, t, states = torch.randn(3, 3, 8, 8), torch.tensor([1, 400, 999]), torch.randn(3, tokens, 16)
        expected = unet(x, t, encoder_hidden_states=states, return_dict=False)[0]
        output = run(x, t, Condition(states), 1.0)
        torch.testing.assert_close(output, expected, atol=1e-4, rtol=1e-4)


def test_graph_is_kept_and_the_next_start_needs_no_unet(tmp_path, cache, monkeypatch):
    folder = word_model(tmp_path / "model")
    first = denoised(folder, "onnx", ["mushroom"], 2)
    graphs = sorted(cache.iterdir())
    assert len(graphs) == 2  # the network's and the text encoder's
    monkeypatch.setattr(onnx_graph, "new_session", lambda *_: pytest.fail("written a second time"))
    monkeypatch.setattr(network_loading, "load_network_module", lambda *_: pytest.fail("loaded in vain"))
    monkeypatch.setattr(prompt_loading, "load_text_encoder", lambda *_: pytest.fail("loaded in vain"))
    assert torch.equal(denoised(folder, "auto", ["mushroom"], 2), first)
    assert sorted(cache.iterdir()) == graphs


def test_unet_is_there_when_somebody_asks_for_it(tmp_path):
    folder = word_model(tmp_path / "model")
    denoised(folder, "onnx", ["mushroom"], 2)
    unet = load_denoiser(str(folder), runtime="onnx").unet
    assert unet.config.in_channels == 3
    assert not unet.training


def test_other_weights_get_a_graph_of_their_own(tmp_path):
    folder = word_model(tmp_path / "model")
    before = onnx_unet.graph_path(model_files.check(folder))
    assert onnx_unet.graph_path(model_files.check(folder)) == before
    (weights,) = (folder / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    next(iter(tensors.values())).view(-1)[0] += 1e-3
    save_file(tensors, weights)
    assert onnx_unet.graph_path(model_files.check(folder)) != before


def test_damaged_graph_is_written_anew(tmp_path, cache):
    folder = word_model(tmp_path / "model")
    expected = denoised(folder, "onnx", ["mushroom"], 2)
    for graph in cache.iterdir():
        graph.write_bytes(graph.read_bytes()[:1000])
    assert torch.equal(denoised(folder, "onnx", ["mushroom"], 2), expected)
    assert all(graph.stat().st_size > 1000 for graph in cache.iterdir())


def test_no_place_for_the_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "file"))
    folder = word_model(tmp_path / "model")
    torch.testing.assert_close(
        denoised(folder, "onnx", ["mushroom"], 2), denoised(folder, "torch", ["mushroom"], 2), atol=1e-4, rtol=1e-4
    )


def test_torch_stands_in(tmp_path, monkeypatch):
    """Without the packages, or with an exporter that fails, auto still gives a denoiser; onnx says why not."""
    folder = word_model(tmp_path / "model")
    expected = denoised(folder, "torch", ["mushroom"], 2)

    def broken(*_):
        raise RuntimeError("no such operator")

    for name, stand_in in (("available", lambda: False), ("export", broken)):
        with monkeypatch.context() as patch:
            patch.setattr(onnx_graph, name, stand_in)
            assert torch.equal(denoised(folder, "auto", ["mushroom"], 2), expected)
            with pytest.raises(SjcError, match="Set runtime to auto or torch"):
                denoised(folder, "onnx", ["mushroom"], 2)


def test_large_networks_stay_with_torch(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_unet, "LARGEST", 1000)
    with pytest.raises(SjcError, match="512 MiB"):
        denoised(word_model(tmp_path / "model"), "onnx", ["mushroom"], 2)
