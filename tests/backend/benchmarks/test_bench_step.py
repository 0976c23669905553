"""The stopwatches of the benchmarks find what they measure."""

import pytest

from benchmarks import job, step
from sjc.settings import resolve
from tests.backend.tiny_models import CARD, word_model


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = word_model(tmp_path_factory.mktemp("tiny") / "model", card=CARD)
    return resolve("test", {"model": str(folder), "prompt": "a red mushroom", "steps": 4, "device": "cpu"})


def test_step_tells_of_every_runtime(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path))
    monkeypatch.setattr(step, "CALLS", 2)
    record = step.benchmark(settings, quick=False)
    assert set(record["runtimes"]) == {"torch", "onnx"}
    for run in record["runtimes"].values():
        assert run["steps"] == 4
        parts = run["network_ms"] + run["render_forward_ms"] + run["backward_and_rest_ms"]
        assert parts == pytest.approx(run["step_ms"], abs=0.01)
        assert min(run["network_ms"], run["render_forward_ms"], run["backward_and_rest_ms"]) > 0
    summary = record["summary"]
    best = record["runtimes"][summary["best_runtime"]]
    assert best["step_ms"] == min(run["step_ms"] for run in record["runtimes"].values())
    assert summary["step_over_network"] == pytest.approx(
        best["step_ms"] / min(run["network_alone_ms"] for run in record["runtimes"].values()), abs=1e-3
    )
    assert summary["best_runtime"] in step.text(record)


def test_job_looks_inside_a_run(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(job, "CALLS", 2)
    monkeypatch.setattr(job, "FROZEN", tmp_path / "none.json")
    record = job.inside(settings)
    assert record["steps"] == 4
    assert 0 < record["denoiser_ms_per_step"] < record["step_ms"]
    assert record["share_outside_frozen_denoiser"] is None
