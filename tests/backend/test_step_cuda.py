"""Steps on a CUDA device: one graph each, nobody waits, and the same numbers as without a graph.

test_step.py holds the same code without a device, to the bit.  Here sums come in whole numbers, so that they do not
depend on their order; what is left is what libraries choose to do differently within a graph.
"""

import pytest
import torch

from sjc.field import render_warp
from sjc.job import checkpoint
from sjc.models.loading import load_denoiser
from sjc.optimize import Optimization
from tests.backend import tiny_families, tiny_models
from tests.backend.stubs import settings
from tests.backend.tape import Refusing

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not render_warp.available("cuda")[0], reason="needs a CUDA device")]
CUDA = torch.device("cuda", 0)
MODELS = {
    "pixels": tiny_models.word_model,
    "sd": lambda folder: tiny_families.stable_diffusion().save_pretrained(folder),
    "sdxl": lambda folder: tiny_families.sdxl().save_pretrained(folder),
    "sd3": lambda folder: tiny_families.sd3().save_pretrained(folder),
    "flux": lambda folder: tiny_families.flux().save_pretrained(folder),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    MODELS[request.param](folder)
    return str(folder)


@pytest.fixture(autouse=True)
def sums_in_order():
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def start(model, recorder=None, **given):
    chosen = {"steps": 40, "grid": 32, "renderer": "warp", "device": "cuda", "guidance": 3.0, "view_words": "paper"}
    chosen |= {"background": "random", "carving_weight": 1.0, "emptiness_switch": 0.3, "learning_rate_end": 0.2}
    run = Optimization(settings(**chosen | given), load_denoiser(model, CUDA), CUDA, recorder=recorder)
    run.denoiser.prepare(run.settings.prompt, run.settings.view_words)
    return run


def go(run, steps):
    return [losses.read() for losses in [run.advance() for _ in range(steps)]]


def close(one, other):
    for a, b in zip(one, other, strict=True):
        assert a == pytest.approx(b, rel=1e-2, abs=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamax"])
def test_a_captured_step_is_a_plain_one_on_a_card(model, optimizer):
    given = {"optimizer": optimizer, "coarse_to_fine": 1}
    captured, plain = start(model, **given), start(model, Refusing(), **given)
    close(go(captured, 40), go(plain, 40))
    assert captured.notes == []
    assert plain.notes


def test_nobody_waits_in_a_steady_step(model):
    run = start(model)
    go(run, 8)
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = [run.advance() for _ in range(20)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(one.finite for one in losses)
    assert run.notes == []


def test_a_resumed_run_goes_on_on_a_card(model, tmp_path):
    whole = start(model)
    history = go(whole, 16)
    first = start(model)
    go(first, 7)
    checkpoint.save(tmp_path, first.state(), {})
    second = start(model)
    second.load_state(checkpoint.load(tmp_path)[0])
    close(go(second, 9), history[7:])
    assert torch.equal(second.state()["generator"], whole.state()["generator"])
    torch.testing.assert_close(second.field.grid, whole.field.grid, rtol=1e-2, atol=1e-3)
