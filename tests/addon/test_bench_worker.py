"""The benchmark of the worker measures what it says; the worker here is the one with scripted faults."""

import pytest

from benchmarks import worker
from sjc.errors import SjcError
from sjc.settings import resolve
from tests.addon.helpers import fake

SETTINGS = resolve("test", {"prompt": "a red mushroom", "steps": 8})


def test_first_volume_and_loss(monkeypatch):
    monkeypatch.setattr(worker, "worker_command", lambda _python: fake("ok"))
    timings = worker.benchmark(SETTINGS, quick=True)
    (first,) = timings["first"]
    assert first["cold_s"] > first["warm_s"] >= 0  # the cold one starts a Python
    assert timings["summary"]["first_volume_warm_s"] == first["warm_s"]
    assert timings["loss"]["seconds"]["with"][0] > 0
    assert f"{first['cold_s']:.1f} s" in worker.text(timings)


def test_a_failing_worker_ends_it_with_one_line(monkeypatch):
    monkeypatch.setattr(worker, "worker_command", lambda _python: fake("memory"))
    with pytest.raises(SjcError, match="the worker failed"):
        worker.benchmark(SETTINGS, quick=True)
