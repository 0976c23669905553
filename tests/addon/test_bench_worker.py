"""The benchmark of the worker measures what it says; the worker here is the one with scripted faults."""

import pytest

from benchmarks import worker
from sjc.errors import SjcError
from sjc.settings import resolve
from tests.addon.players import fake

SETTINGS = resolve("test", {"prompt": "a red mushroom", "steps": 8})


def test_first_volume_and_loss(monkeypatch):
    monkeypatch.setattr(worker, "worker_command", lambda _python: fake("ok"))
    found = worker.benchmark(SETTINGS, quick=True)
    (first,) = found["first"]
    assert first["cold_s"] > first["warm_s"] >= 0  # the cold one starts a Python
    assert found["summary"]["first_volume_warm_s"] == first["warm_s"]
    assert found["loss"]["seconds"]["with"][0] > 0
    assert f"{first['cold_s']:.1f} s" in worker.text(found)


def test_a_worker_in_trouble_ends_it_with_one_line(monkeypatch):
    monkeypatch.setattr(worker, "worker_command", lambda _python: fake("memory"))
    with pytest.raises(SjcError, match="the worker failed"):
        worker.benchmark(SETTINGS, quick=True)
