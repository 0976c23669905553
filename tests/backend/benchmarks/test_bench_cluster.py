"""What the benchmark of a cluster makes of moments and of seconds; and its plain loop, with jobs that only wait."""

import time
from types import SimpleNamespace

import pytest

from benchmarks import cluster
from sjc.batch import making
from sjc.errors import SjcError


def slots(*seconds, cpu=1.0):
    return [[(each, cpu * each) for each in slot] for slot in seconds]


def test_overhead_and_scaling_are_medians_of_what_each_round_compares_within_itself():
    """The second round is on a computer that is ten times as slow, the third has a cluster that was held up."""
    fast = {
        "plain": slots([10.0, 10.0]), "cluster": slots([10.0, 10.4], cpu=1.1),
        "plain_2": slots([10.0, 10.0], [12.0, 8.0]), "cluster_2": slots([12.0, 12.0], [12.0, 10.8]),
    }  # fmt: skip
    slow = {kind: [[(10 * s, 10 * cpu) for s, cpu in slot] for slot in made] for kind, made in fast.items()}
    held_up = fast | {"cluster": slots([20.0, 30.0], cpu=1.1)}
    summary = cluster.summary([{"load_average": [1.0], **each} for each in (fast, slow, held_up)])
    assert summary["plain_job_s"] == 10.0
    assert summary["cluster_job_s"] == 25.0
    assert summary["overhead"] == pytest.approx(0.02)
    assert summary["cpu_overhead"] == pytest.approx(0.122)
    assert summary["scaling"] == pytest.approx(2 * 10.2 / 11.7, abs=1e-3)
    assert summary["scaling_of_plain_loops"] == pytest.approx(2.0)
    table = cluster.text({"summary": summary, "slots": 2})
    assert "2.0 %" in table
    assert "12.2 %" in table


def test_a_slot_is_timed_from_its_second_job_to_the_end_of_its_last(monkeypatch):
    """Between the moments at which it is given one; nothing that the dispatcher does in between is left out."""
    moments = iter([0.0, 1.0, 9.0, 12.0, 20.0, 25.0])
    monkeypatch.setattr(cluster.time, "perf_counter", lambda: next(moments))
    monkeypatch.setattr(cluster, "_processor_seconds", lambda: 0.0)
    clock, (a, b, c, d) = cluster.Clock(), "abcd"
    for one, other in ((None, None), (a, b), (a, b), (c, b), (d, None), (None, None)):
        workers = [SimpleNamespace(number=1, task=one), SimpleNamespace(number=2, task=other)]
        clock.look(SimpleNamespace(workers=workers))
    assert clock.slots() == [[(3.0, 0.0), (13.0, 0.0)], []]


def test_the_plain_loop_is_timed_without_its_first_job(tmp_path, monkeypatch):
    waits = iter([0.5, 0.1, 0.2])

    class Waits:
        def __init__(self, report):
            pass

        def make(self, _place, _chosen, _stop):
            time.sleep(next(waits))
            return "made"

    monkeypatch.setattr(making, "Slot", Waits)
    (made,) = cluster.plain_loop([{"prompt": "a red cube", "seed": seed} for seed in range(3)], tmp_path)
    assert [seconds for seconds, _ in made] == pytest.approx([0.1, 0.2], abs=0.09)
    assert all(cpu < seconds for seconds, cpu in made)


def test_a_job_that_fails_ends_the_benchmark():
    failed = making.Result([{"state": "failed", "reason": "no such word"}])
    with pytest.raises(SjcError, match="no such word"):
        cluster._checked(failed, cluster.Clock())
