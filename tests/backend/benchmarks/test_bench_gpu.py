"""`bench gpu` on a tiny UNet and the CPU: everything but CUDA's own parts runs, and without CUDA it says so."""

import json
from typing import ClassVar

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import gpu, render
from sjc.errors import SjcError
from sjc.machine.capture import Recorded
from sjc.models.placement import Placement

TINY = {
    "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "cross_attention_dim": 16,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4, "attention_head_dim": 4,
}  # fmt: skip
SIZE = gpu.Size(TINY, grid=16, blocks=2, steps=2, warm_up=1, profiled=2, small="test")


def test_every_figure_is_there():
    record = gpu.benchmark(SIZE, torch.device("cpu"))
    assert list(record["median_ms"]) == ["plain unet", "loop", "unet", "plain loop", "embedded model"]
    assert all(len(samples) == 2 for samples in record["blocks_ms"].values())
    summary = record["summary"]
    assert summary["step_ms"] == record["median_ms"]["loop"]
    for name, row in (("step_over_unet", "unet"), ("step_over_plain_unet", "plain unet")):
        assert summary[name] == pytest.approx(summary["step_ms"] / record["median_ms"][row], abs=1e-3)
    assert summary["embedded_step_ms"] == record["median_ms"]["embedded model"]
    assert summary["minutes_for_10000_steps"] == pytest.approx(summary["step_ms"] / 6, abs=0.01)
    assert summary["peak_gb"] is None, "only CUDA tells it"
    for profile in (record["profiles"]["loop"], record["profiles"]["embedded model"]):
        assert profile["activity"]["steps"] == 2
        assert profile["activity"]["operators"] > 50
        assert profile["activity"]["device_busy_ms"] is None, "a processor is no device"
        assert any("advance" in row["function"] for row in profile["host_ms"]["with_calls"])
    json.dumps(record)
    text = gpu.text(record)
    assert "plain loop" in text
    assert "step_over_plain_unet" in text
    assert "operators of torch a step" in text
    assert "peak_gb" not in text


def test_the_verdicts():
    names = ("step_over_plain_unet", "minutes_for_10000_steps", "peak_gb", "plain_over_ours", "step_over_unet")
    summary = dict(zip(names, (1.1, 2.5, 3.0, 4, 1.3), strict=True))
    summary |= {"embedded_step_ms": 5.0, "embedded_synchronisations": 0, "embedded_launches": None}
    record = {"median_ms": {"loop": 12.0}, "peak_gb": {"loop": 3.0}, "notes": ["a note"], "profiles": {}}
    text = gpu.text({**record, "summary": summary})
    assert "step_over_plain_unet 1.1: reached, at most 1.15" in text
    assert "minutes_for_10000_steps 2.5: missed, at most 2" in text
    assert "peak_gb 3.0: missed, at most 2.5" in text
    assert "embedded_synchronisations 0: reached, at most 0" in text
    assert "embedded_launches" not in text
    assert text.endswith("a note")


def test_the_point_of_reference_is_diffusers_own_network(monkeypatch):
    """However fast the engine makes its network, what it is compared with stays the same."""
    monkeypatch.setattr(Placement, "network", lambda *_: pytest.fail("the engine has touched it"))
    monkeypatch.setattr(gpu, "random_denoiser", lambda *_: pytest.fail("measured too late"))
    measured = []

    def measure(step, _size, _device):
        step()
        measured.append(step)
        raise InterruptedError

    monkeypatch.setattr(gpu, "blocks_ms", measure)
    with pytest.raises(InterruptedError):
        gpu.benchmark(SIZE, torch.device("cpu"))
    assert len(measured) == 1
    assert next(gpu.random_unet(TINY, torch.device("cpu"), torch.float32).parameters()).is_contiguous()


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
    gpu.benchmark(gpu.Size(TINY, grid=8, blocks=1, steps=1, warm_up=0, profiled=1, small="test"), torch.device("cpu"))
    assert calls == ["auto", "reference", "auto"]


def test_without_cuda_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SjcError, match="needs a CUDA device"):
        gpu.benchmark(SIZE)
    assert command.main(["gpu", "--quick"]) == 2
    assert capsys.readouterr().err == (
        "bench: bench gpu needs a CUDA device and torch's CUDA build; there is none here.\n"
    )


def test_what_can_be_captured_is_timed_without_its_launches():
    """`bench render` with a stand-in for the graph: the times are of replays, and what fails gives its reason."""
    calls = []

    def capture(call):
        if call is bad:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        calls.append("captured")
        return Recorded(lambda: calls.append("replayed"), torch.ones(1))

    def bad():
        pass

    steps = {"warp": (lambda: calls.append("launched"), 3), "grid_sample": (bad, 2)}
    result = render.captured(steps, torch.device("cpu"), capture)
    assert calls == ["captured", *["replayed"] * 4]
    assert list(result["captured_ms"]) == ["warp"]
    assert result["not_captured"] == {"grid_sample": "operation not permitted when stream is capturing"}


def test_on_a_card_its_own_events_give_the_times(monkeypatch):
    class Event:
        made: ClassVar = []

        def __init__(self, enable_timing):
            assert enable_timing
            self.made.append(self)

        def record(self):
            self.at = len(log)
            log.append("event")

        def elapsed_time(self, other):
            return float(other.at - self.at)

    log = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _device: None)
    assert render._median_ms(lambda: log.append("step"), 3, torch.device("cuda")) == 2.0
    assert log == ["event", "step", "event"] * 4, "one of them to warm up"


def test_the_tables_of_a_card():
    scene = {
        "samples": 9, "forward_backward_ms": {"warp": 2.0}, "floor": {"ms": 0.02},
        "captured_ms": {"warp": 0.4}, "not_captured": {"grid_sample": "a reason"},
    }  # fmt: skip
    text = command.render_text({"scenes": {"fog": scene}})
    assert "warp captured ms" in text
    assert "0.4" in text
    assert "fog: grid_sample could not be captured as a graph: a reason" in text
    assert "captured" not in command.render_text({"scenes": {"fog": {k: scene[k] for k in list(scene)[:3]}}})
