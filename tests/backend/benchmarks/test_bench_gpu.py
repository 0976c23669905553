"""`bench gpu` on a tiny UNet and the CPU: everything but CUDA's own parts runs, and without CUDA it says so."""

import json

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import gpu
from sjc.errors import SjcError
from sjc.models.placement import Placement

TINY = {
    "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "cross_attention_dim": 16,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4, "attention_head_dim": 4,
}  # fmt: skip
SIZE = gpu.Size(TINY, grid=16, blocks=2, steps=2, warm_up=1)


def test_every_figure_is_there():
    record = gpu.benchmark(SIZE, torch.device("cpu"))
    assert set(record["median_ms"]) == {"loop", "unet", "plain loop"}
    assert all(len(samples) == 2 for samples in record["blocks_ms"].values())
    summary = record["summary"]
    assert summary["step_ms"] == record["median_ms"]["loop"]
    assert summary["step_over_unet"] == pytest.approx(summary["step_ms"] / record["median_ms"]["unet"], abs=1e-3)
    assert summary["minutes_for_10000_steps"] == pytest.approx(summary["step_ms"] / 6, abs=0.01)
    assert summary["peak_gb"] is None, "only CUDA tells it"
    json.dumps(record)
    text = gpu.text(record)
    assert "plain loop" in text
    assert "step_over_unet" in text
    assert "peak_gb" not in text


def test_the_verdicts():
    names = ("step_over_unet", "minutes_for_10000_steps", "peak_gb", "plain_over_ours")
    record = {"median_ms": {"loop": 12.0}, "peak_gb": {"loop": 3.0}, "notes": ["a note"]}
    text = gpu.text({**record, "summary": dict(zip(names, (1.1, 2.5, 3.0, 4), strict=True))})
    assert "step_over_unet 1.1: reached, at most 1.15" in text
    assert "minutes_for_10000_steps 2.5: missed, at most 2" in text
    assert "peak_gb 3.0: reached, at most 4" in text
    assert text.endswith("a note")


def test_the_network_is_placed_as_the_engine_does(monkeypatch):
    asked = []
    monkeypatch.setattr(Placement, "network", lambda self, unet: asked.append(self.device.type) or unet)
    denoiser = gpu.random_denoiser(TINY, torch.device("cpu"), torch.float32)
    assert asked == ["cpu"]
    assert denoiser.placement.plan.network == 4 * sum(p.numel() for p in denoiser.unet.parameters())


def test_the_plain_loop_has_the_plain_renderer(monkeypatch):
    calls = []

    class Loop(gpu.Optimization):
        def __init__(self, settings, denoiser, device):
            calls.append(settings.renderer)
            super().__init__(settings, denoiser, device)

    monkeypatch.setattr(gpu, "Optimization", Loop)
    gpu.benchmark(gpu.Size(TINY, grid=8, blocks=1, steps=1, warm_up=0), torch.device("cpu"))
    assert calls == ["auto", "reference"]


def test_without_cuda_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SjcError, match="needs a CUDA device"):
        gpu.benchmark(SIZE)
    assert command.main(["gpu", "--quick"]) == 2
    assert capsys.readouterr().err == (
        "bench: bench gpu needs a CUDA device and torch's CUDA build; there is none here.\n"
    )
