"""Makes many jobs on a cluster of several nodes on this computer while nodes, slots and the head are killed at random.

`python3 build.py soak cluster [--jobs N] [--minutes N] [--seed N] [--every SECONDS]`; the same command goes on where it
stopped. It needs Ray: python3 build.py cluster. Afterwards every folder must be there, none made twice, nothing left
behind, and the fields of a sample equal to those of the plain loop, byte by byte.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import report

ROOT = Path(__file__).resolve().parents[2]
STAGE = ROOT / "build" / "stage" / "sjc_blender" / "backend"
ENVIRONMENT = {"PYTHONPATH": str(STAGE), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
SETTINGS = ("--preset", "test", "--device", "cpu")
SAME = ("field.npz", "mesh.glb", "job.json")  # a .vdb has an identity of its own
SAMPLE = 8
ATTEMPTS = 4  # to start a node of Ray
OBJECTS = ("mushroom", "cube", "tree", "duck", "chair", "house", "rocket", "mug", "cone", "lamp")
COLORS = ("red", "green", "blue", "yellow", "purple")
KINDS = ("slot", "slot", "head", "node")


class Failure(Exception):  # noqa: N818 (it is the finding)
    """A job is missing, was made twice, or differs."""


def jobs(count: int) -> list[str]:
    """That many lines of a list: every object in every colour, then again with the next seed."""
    pairs = list(itertools.product(OBJECTS, COLORS))
    numbered = (divmod(number, len(pairs)) for number in range(count))
    return [
        json.dumps({"prompt": f"a {color} {name}", "seed": seed})
        for seed, index in numbered
        for name, color in [pairs[index]]
    ]


def command(list_file: Path, out: Path, *more: str) -> list[str]:
    """`sjc batch` as a program of its own."""
    return [sys.executable, "-m", "sjc", "batch", str(list_file), "--out", str(out), *SETTINGS, *more]


class Watch:
    """Notes when a folder's run.json appears, and that it stays the file that it was."""

    def __init__(self, out: Path, note: Path | None = None) -> None:
        self.out, self.note = out, note
        self.first: dict[str, list[int]] = {}
        if note and note.exists():
            self.first = json.loads(note.read_text("utf-8"))

    def look(self) -> int:
        """How many are there. Raises Failure for one that was made twice."""
        for path in self.out.glob("*/run.json"):
            status = path.stat()
            identity = [status.st_ino, status.st_mtime_ns]
            if self.first.setdefault(path.parent.name, identity) != identity:
                raise Failure(f"{path} was made twice")
        if self.note:
            self.note.write_text(json.dumps(self.first), "utf-8")
        return len(self.first)

    def holder(self) -> int | None:
        """A process that makes a job right now."""
        for path in self.out.glob("*/.lock"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                pids = list(json.loads(path.read_text("utf-8"))["holders"])
                if (path.parent / "job.json").exists() and not (path.parent / "run.json").exists():
                    return int(pids[0])
        return None


@contextlib.contextmanager
def nodes(count: int) -> Iterator[Any]:
    """A cluster: a head without slots, and `count` nodes of one slot each."""
    from ray.cluster_utils import Cluster

    os.environ.update(ENVIRONMENT)
    without = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}  # they take from the jobs
    made = patiently(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **without}))
    try:
        made.workers = [patiently(lambda: made.add_node(num_cpus=1)) for _ in range(count)]
        yield made
    finally:
        made.shutdown()


def patiently(start: Callable[[], Any]) -> Any:
    """What starts a part of Ray, again where it was too slow: Ray waits 30 seconds, which a busy computer may need."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(Exception):  # Ray raises a bare one
            return start()
    return start()


def compare(list_file: Path, out: Path, plain: Path) -> int:
    """Make the jobs of a list by the plain loop; -> how many there are. Raises Failure where a field differs."""
    done = subprocess.run(command(list_file, plain), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"the plain loop ended with {done.returncode}: {done.stderr[-1000:]}")
    folders = [path for path in plain.iterdir() if path.is_dir()]
    for folder in folders:
        for name in SAME:
            if (folder / name).read_bytes() != (out / folder.name / name).read_bytes():
                raise Failure(f"{folder.name}/{name} is not that of the plain loop")
        counts = [len(list((parent / "snapshots").glob("*.npz"))) for parent in (folder, out / folder.name)]
        if counts[0] != counts[1]:
            raise Failure(f"{folder.name} has {counts[1]} snapshots, not {counts[0]}")
    return len(folders)


def soak(folder: Path, count: int, minutes: float, dice: random.Random, every: float, slots: int) -> dict[str, Any]:
    """Go on until all are made, or the time is over. Raises Failure."""
    list_file, out, kills = folder / "prompts.txt", folder / "out", folder / "kills.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    list_file.write_text("\n".join(jobs(count)), "utf-8")
    watch, began = Watch(out, folder / "first.json"), time.monotonic()
    with nodes(slots) as cluster, (folder / "log.txt").open("a", encoding="utf-8") as log:

        def head() -> subprocess.Popen[bytes]:
            started = command(list_file, out, "--cluster", cluster.address, "--json")
            return subprocess.Popen(started, stdout=subprocess.DEVNULL, stderr=log)

        driver, next_kill = head(), time.monotonic() + every
        try:
            while driver.poll() is None and time.monotonic() - began < 60 * minutes:
                time.sleep(0.2)
                if time.monotonic() < next_kill:
                    continue
                next_kill = time.monotonic() + dice.expovariate(1 / every)
                if victim := kill(dice.choice(KINDS), watch, cluster, driver):
                    with kills.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps({"kind": victim, "made": watch.look()}) + "\n")
                    print(f"{watch.look()} of {count} made; killed a {victim}", flush=True)
                if driver.poll() is not None:
                    driver = head()
        finally:
            code = driver.poll()
            if code is None:
                driver.send_signal(signal.SIGINT)
                driver.wait(120)
            with (folder / "seconds.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(f"{time.monotonic() - began:.1f}\n")
    lines = kills.read_text("utf-8").splitlines() if kills.exists() else []
    total = sum(float(line) for line in (folder / "seconds.jsonl").read_text("utf-8").split())
    return {
        "jobs": count,
        "made": watch.look(),
        "made_twice": 0,  # else `look` has raised
        "kills": dict(Counter(json.loads(line)["kind"] for line in lines)),
        "seconds": round(total),
        "slots": slots,
        "mean_seconds_between_kills": every,
        "ended": code,
    }


def kill(kind: str, watch: Watch, cluster: Any, driver: subprocess.Popen[bytes]) -> str:
    """Kill one of a kind -> the kind, "" where there is none now."""
    if kind == "slot":
        pid = watch.holder()
        if pid is None:
            return ""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    elif kind == "head":
        driver.kill()
        driver.wait()
    else:
        cluster.remove_node(cluster.workers.pop(0), allow_graceful=False)
        cluster.workers.append(patiently(lambda: cluster.add_node(num_cpus=1)))
    return kind


def check(folder: Path, count: int) -> int:
    """What must hold when all are made -> how many were compared with the plain loop. Raises Failure."""
    out = folder / "out"
    record = json.loads((out / "batch.json").read_text("utf-8"))
    if record["states"] != {"finished": count}:
        raise Failure(f"batch.json says {record['states']}")
    left_behind = [path for path in out.rglob(".*") if path.name == ".lock" or path.name.endswith("~")]
    if left_behind:
        raise Failure(f"left behind: {left_behind[:5]}")
    sample, plain = folder / "sample.txt", folder / "plain"
    shutil.rmtree(plain, ignore_errors=True)
    sample.write_text("\n".join(jobs(min(count, SAMPLE))), "utf-8")
    return compare(sample, out, plain)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 150.0) -> Any:
    """What the condition gives once it gives something. Raises Failure."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"waited in vain for {what}")
        time.sleep(0.05)
    return result


def write_record(path: Path, words: list[str], result: dict[str, Any]) -> None:
    """What the documents quote, with what it was made by."""
    import ray

    made = report.envelope("soak cluster", words, {"preset": "test", "device": "cpu", "threads": 1})
    command = "python3 build.py soak cluster " + shlex.join(words)
    report.write({**made, "command": command, "ray": ray.__version__, "summary": result}, path)


def main(words: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="build.py soak cluster", description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=600.0, help="stop after so many; the same command goes on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=60.0, help="mean seconds from one kill to the next")
    parser.add_argument("--slots", type=int, default=2, help="nodes of one slot each, beside the head's")
    parser.add_argument("--folder", type=Path, default=Path("build/soak/cluster"))
    parser.add_argument("--record", type=Path, help="where the result goes as JSON, once all are made")
    given = parser.parse_args(words)
    try:
        import ray  # noqa: F401
    except ImportError:
        print("soak cluster: needs Ray: python3 build.py cluster")
        return 2
    folder = given.folder.absolute()
    try:
        dice = random.Random(f"{given.seed}-{time.time()}")
        result = soak(folder, given.jobs, given.minutes, dice, given.every, given.slots)
        if result["made"] == given.jobs and result["ended"] == 0:
            result["equal_to_the_plain_loop"] = check(folder, given.jobs)
            if given.record:
                write_record(given.record, sys.argv[1:] if words is None else words, result)
    except Failure as failure:
        print(f"soak cluster: FAILED: {failure}")
        return 1
    print(f"soak cluster: {json.dumps(result)}")
    return 0 if result["ended"] in (0, None) else 1


if __name__ == "__main__":
    raise SystemExit(main())
