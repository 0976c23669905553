"""What a cluster costs and gains: the same jobs by the plain loop and on the slots of a Ray of this computer.

Every kind is a fresh process with one thread for each job: `sjc batch`'s plain loop, a cluster of one slot, as many
plain loops side by side as there are slots, and a cluster of that many slots. They take turns, round after round. A
job lasts from the moment at which its slot is given it to that at which the slot is given the next one, so whatever
Ray and the batch add is in it. The first job of every slot, in which it loads libraries and model, does not count.
Processor time, that of Ray's own processes included, hardly depends on what else the computer does; seconds do.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.job import PROMPT
from sjc.batch import making, plan, ray_cluster
from sjc.batch.destination import Destination
from sjc.batch.dispatch import Dispatch
from sjc.errors import SjcError
from sjc.job.progress import silent
from sjc.settings import Settings, validate

SLOTS = 2
ROUNDS, JOBS = 3, 3  # jobs: of each slot in each round, beside its first
QUICK_ROUNDS, QUICK_JOBS = 1, 1

Slots = list[list[tuple[float, float]]]
"""Of each slot its jobs but the first: (seconds, processor seconds of the process and of all that it started)."""


def benchmark(settings: Settings, quick: bool) -> dict[str, Any]:
    """{"device", "summary", "rounds"}: every kind in every round. Raises SjcError without Ray, or where a job fails."""
    ray_cluster.require_ray()
    chosen = validate(replace(settings, prompt=PROMPT, device="cpu"))
    rounds, jobs = (QUICK_ROUNDS, QUICK_JOBS) if quick else (ROUNDS, JOBS)
    measured = []
    for _ in range(rounds):
        loads = os.getloadavg() if hasattr(os, "getloadavg") else ()
        each = {"load_average": [round(load, 2) for load in loads]}
        each |= {"plain": side_by_side(chosen, 1, jobs), "cluster": on_slots(chosen, 1, jobs)}
        each |= {f"plain_{SLOTS}": side_by_side(chosen, SLOTS, jobs), f"cluster_{SLOTS}": on_slots(chosen, SLOTS, jobs)}
        measured.append(each)
    return {
        "device": "cpu",
        "threads_of_a_job": 1,
        "cores": os.cpu_count(),
        "slots": SLOTS,
        "jobs_of_a_slot": jobs,
        "ray": ray_cluster.require_ray().__version__,
        "summary": summary(measured),
        "rounds": measured,
    }


def summary(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds of what each compares within itself.

    overhead, cpu_overhead: of a job on one slot over the plain loop's, a share of its seconds and of its processor
    time. scaling: how many times as many jobs the slots make in the same time as one. scaling_of_plain_loops: the same
    of plain loops side by side, which is what the computer itself allows. rounds: {kind: slots}.
    """
    kinds = ("plain", "cluster", loops := f"plain_{SLOTS}", slots := f"cluster_{SLOTS}")
    seconds = [{kind: _mean(each[kind], 0) for kind in kinds} for each in rounds]
    cpu = [_mean(each["cluster"], 1) / _mean(each["plain"], 1) - 1 for each in rounds]
    return {
        "plain_job_s": round(statistics.median(s["plain"] for s in seconds), 2),
        "cluster_job_s": round(statistics.median(s["cluster"] for s in seconds), 2),
        "overhead": round(statistics.median(s["cluster"] / s["plain"] - 1 for s in seconds), 4),
        "cpu_overhead": round(statistics.median(cpu), 4),
        "scaling": round(statistics.median(SLOTS * s["cluster"] / s[slots] for s in seconds), 3),
        "scaling_of_plain_loops": round(statistics.median(SLOTS * s["plain"] / s[loops] for s in seconds), 3),
    }


def _mean(slots: Slots, which: int) -> float:
    return statistics.mean(job[which] for slot in slots for job in slot)


def side_by_side(settings: Settings, count: int, jobs: int) -> Slots:
    """Plain loops in processes of their own."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda number: _child("plain", settings, 1, jobs, number)[0], range(count)))


def on_slots(settings: Settings, count: int, jobs: int) -> Slots:
    """A cluster of so many slots."""
    return _child("cluster", settings, count, jobs, 0)


def _child(kind: str, settings: Settings, slots: int, jobs: int, number: int) -> Slots:
    """A fresh process, which is told how many jobs each slot makes; number: of the process. Raises SjcError."""
    with tempfile.TemporaryDirectory(prefix="sjc-bench-") as name:
        source, target = Path(name) / "jobs.json", Path(name) / "seconds.json"
        seeds = range(number * (jobs + 1), number * (jobs + 1) + slots * (jobs + 1))
        source.write_text(json.dumps([{**asdict(settings), "seed": seed} for seed in seeds]), "utf-8")
        words = [sys.executable, "-m", "benchmarks.cluster", kind, str(slots), str(source), name, str(target)]
        # Ray would start slots at a low priority, which on a busy computer is another comparison.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
        done = subprocess.run(words, cwd=report.ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SjcError(f"the jobs of the {kind} failed with exit code {done.returncode}")
        made: Slots = json.loads(target.read_text("utf-8"))
        return made


class Clock:
    """Notes the moments at which a slot is given a job, and its last one's end."""

    def __init__(self) -> None:
        self.moments: dict[int, list[tuple[float, float]]] = {}  # (seconds, processor seconds), by slot
        self._makes: dict[int, object] = {}

    def note(self, slot: int) -> None:
        """Now."""
        self.moments.setdefault(slot, []).append((time.perf_counter(), _processor_seconds()))

    def look(self, dispatch: Dispatch) -> None:
        """At every slot, whether it makes another job than before."""
        for worker in dispatch.workers:
            if self._makes.get(worker.number) is not worker.task:
                self._makes[worker.number] = worker.task
                self.note(worker.number)

    def slots(self) -> Slots:
        """What is between the moments of each."""
        return [
            [(round(b[0] - a[0], 3), round(b[1] - a[1], 3)) for a, b in itertools.pairwise(moments[1:])]
            for moments in self.moments.values()
        ]


def _processor_seconds() -> float:
    """Of this process and all that it has started and that live."""
    import psutil

    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.Error):  # it has just ended
            times = process.cpu_times()
            total += times.user + times.system
    return total


def plain_loop(jobs: list[dict[str, Any]], out: Path) -> Slots:
    """The jobs one after the other in this process."""
    clock = Clock()

    @contextlib.contextmanager
    def during() -> Iterator[Callable[[], bool]]:
        if not clock.moments:
            clock.note(0)
        yield lambda: False
        clock.note(0)

    return _checked(making.here(plan.plan_of(jobs, out), Destination(out), silent, during), clock)


def on_ray(jobs: list[dict[str, Any]], out: Path, slots: int) -> Slots:
    """The jobs on that many slots of one thread, of a Ray of this computer."""
    clock, options = Clock(), ray_cluster.ClusterOptions("local", cpus_per_job=1)
    chosen = plan.plan_of(jobs, out)
    with ray_cluster.joined("local", cpus=slots):
        return _checked(making.on_cluster(chosen, Destination(out), options, silent, clock.look), clock)


def _checked(result: making.Result, clock: Clock) -> Slots:
    """Raises SjcError where a job failed."""
    if result.failed:
        raise SjcError(result.failed[0]["reason"])
    return clock.slots()


def text(record: report.Record) -> str:
    """The result as a table."""
    s = record["summary"]
    rows = [
        ["what", "measured"],
        ["a job by the plain loop", f"{s['plain_job_s']:.1f} s"],
        ["a job on a cluster of one slot", f"{s['cluster_job_s']:.1f} s"],
        ["overhead of the cluster, in seconds", f"{100 * s['overhead']:.1f} %"],
        ["overhead of the cluster, in processor time", f"{100 * s['cpu_overhead']:.1f} %"],
        [f"{record['slots']} slots against one", f"x {s['scaling']:.2f}"],
        [f"{record['slots']} plain loops side by side against one", f"x {s['scaling_of_plain_loops']:.2f}"],
    ]
    return report.table(rows)


def main(words: list[str]) -> int:
    """One kind in this process; writes its seconds as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("plain", "cluster"))
    parser.add_argument("slots", type=int)
    for name in ("source", "out", "target"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(words)
    jobs = json.loads(given.source.read_text("utf-8"))
    out = given.out / "out"
    try:
        made = plain_loop(jobs, out) if given.kind == "plain" else on_ray(jobs, out, given.slots)
    except SjcError as error:
        print(f"bench cluster: {error}", file=sys.stderr)
        return 2
    given.target.write_text(json.dumps(made), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
