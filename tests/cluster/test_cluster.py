"""Real Ray, several nodes on this computer, one CPU slot each: whatever is killed, every folder is made once."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed: python3 build.py cluster")

from ray.cluster_utils import Cluster  # noqa: E402

from sjc.job import folder as job_folder  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
STAGE = ROOT / "build/stage/sjc_blender/backend"
SETTINGS = ("--preset", "test", "--device", "cpu")
COLORS = ("red", "green", "blue")
OBJECTS = ("mushroom", "cube", "tree", "duck")
PROMPTS = [f"a {color} {name}" for name in OBJECTS for color in COLORS]
SAME = ("field.npz", "mesh.glb", "job.json")
PATIENCE = 150.0  # seconds


@pytest.fixture(scope="module")
def environment():
    """Of everything that is started here, the nodes' processes included."""
    own = {"PYTHONPATH": str(STAGE), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        yield dict(os.environ)


@pytest.fixture(scope="module")
def cluster(environment):
    """Three nodes; the first has no slot, so that killing one of the others takes no head along."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.workers = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    made.shutdown()


def command(list_file, out, *more):
    return [sys.executable, "-m", "sjc", "batch", str(list_file), "--out", str(out), *SETTINGS, *more]


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return result


class Watch:
    """Notes when a folder's run.json appears, and that it stays the file that it was."""

    def __init__(self, out):
        self.out, self.first = out, {}

    def look(self):
        for path in self.out.glob("*/run.json"):
            status = path.stat()
            identity = (status.st_ino, status.st_mtime_ns)
            assert self.first.setdefault(path, identity) == identity, f"{path} was made twice"
        return len(self.first)

    def holder(self):
        """The process that makes a job right now."""
        for path in self.out.glob("*/.lock"):
            try:
                pids = list(json.loads(path.read_text("utf-8"))["holders"])
            except (OSError, ValueError):
                continue
            if not (path.parent / "run.json").exists() and (path.parent / "job.json").exists():
                return int(pids[0])
        return None


def test_whatever_is_killed_every_folder_is_made_once(cluster, environment, tmp_path):
    """An actor, the head's driver, and a node; the plain loop makes the same fields."""
    list_file, out, plain = tmp_path / "prompts.txt", tmp_path / "out", tmp_path / "plain"
    list_file.write_text("\n".join(PROMPTS), "utf-8")
    watch = Watch(out)
    with (tmp_path / "log.txt").open("w") as log:

        def start():
            return subprocess.Popen(
                command(list_file, out, "--cluster", cluster.address, "--json"), env=environment, stdout=log, stderr=log
            )

        driver = start()
        os.kill(wait_for(watch.holder, "a job that is being made"), signal.SIGKILL)
        wait_for(lambda: watch.look() >= 2, "two results")
        wait_for(watch.holder, "a job that is being made")
        driver.kill()
        driver.wait()
        watch.look()
        driver = start()
        wait_for(lambda: watch.look() >= 5, "five results")
        cluster.remove_node(cluster.workers.pop(), allow_graceful=False)
        wait_for(lambda: watch.look() >= 7, "seven results without the node")
        cluster.workers.append(cluster.add_node(num_cpus=1))
        wait_for(lambda: watch.look() >= len(PROMPTS) or driver.poll() is not None, "all results")
        assert driver.wait(PATIENCE) == 0, (tmp_path / "log.txt").read_text()[-3000:]

    assert watch.look() == len(PROMPTS)
    record = json.loads((out / "batch.json").read_text("utf-8"))
    assert record["states"] == {"finished": len(PROMPTS)}
    assert [row["prompt"] for row in record["jobs"]] == PROMPTS
    assert {"batch.csv", "batch.png", "index.html"} <= {path.name for path in out.iterdir()}
    assert not list(out.glob("*/.lock"))

    subprocess.run(command(list_file, plain), env=environment, check=True, capture_output=True)
    folders = sorted(path.name for path in plain.iterdir() if path.is_dir())
    assert folders == sorted(path.name for path in out.iterdir() if path.is_dir())
    for folder in folders:
        for name in SAME:
            assert (out / folder / name).read_bytes() == (plain / folder / name).read_bytes(), (folder, name)
        assert len(job_folder.snapshots(out / folder)) == len(job_folder.snapshots(plain / folder))


def test_a_failing_job_is_tried_again_and_recorded_and_storage_is_checked(cluster, environment, tmp_path):
    list_file, out = tmp_path / "prompts.txt", tmp_path / "out"
    list_file.write_text("a red cube\na blue zebra\n", "utf-8")
    done = subprocess.run(
        command(list_file, out, "--cluster", cluster.address),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "1 of 2 jobs failed" in done.stderr
    rows = json.loads((out / "batch.json").read_text("utf-8"))["jobs"]
    assert [row["state"] for row in rows] == ["finished", "failed"]
    assert '"zebra"' in rows[1]["reason"]

    refused = subprocess.run(
        command(list_file, out, "--cluster", cluster.address, "--model", "/nowhere/model"),
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "/nowhere/model" in refused.stderr


def test_a_cluster_of_this_computer_listens_on_loopback_alone(cluster, environment):
    program = """
from sjc.batch import ray_cluster
with ray_cluster.joined("local") as ray:
    print(ray.get_runtime_context().gcs_address, ray.nodes()[0]["NodeManagerAddress"], flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        gcs, node = process.stdout.readline().split()
        host, port = gcs.split(":")
        assert host == node == "127.0.0.1"
        network = cluster.address.split(":")[0]
        if network != host:
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((network, int(port)), 5)
        process.communicate("\n")
