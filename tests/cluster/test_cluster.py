"""Real Ray, several nodes on this computer, one CPU slot each: whatever is killed, every folder is made once."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from experiments import on_cluster
from tests.soak import cluster as soak
from tests.soak.cluster import command, wait_for

pytest.importorskip("ray", reason="Ray is not installed: python3 build.py cluster")
COUNT, COMPARED = 12, 4


@pytest.fixture(scope="module")
def cluster():
    """Three nodes; the head's has no slot, so that killing one of the others takes no head along."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in soak.ENVIRONMENT.items():
            patch.setenv(name, value)
        with soak.nodes(2) as made:
            yield made


def test_whatever_is_killed_every_folder_is_made_once(cluster, tmp_path):
    """A slot, the head, and a node, with a Ctrl-C in between; the plain loop makes the same fields."""
    list_file, out, lines = tmp_path / "prompts.txt", tmp_path / "out", soak.jobs(COUNT)
    list_file.write_text("\n".join(lines), "utf-8")
    watch = soak.Watch(out)
    with (tmp_path / "log.txt").open("w") as log:

        def start():
            words = command(list_file, out, "--cluster", cluster.address, "--json")
            return subprocess.Popen(words, stdout=log, stderr=log)

        driver = start()
        os.kill(wait_for(watch.holder, "a job that is being made"), signal.SIGKILL)
        wait_for(lambda: watch.look() >= 1, "a result")
        wait_for(watch.holder, "a job that is being made")
        driver.send_signal(signal.SIGINT)
        assert driver.wait(100) == 130, (tmp_path / "log.txt").read_text()[-3000:]
        assert "stopped; the same command goes on at" in (tmp_path / "log.txt").read_text()
        stopped = watch.look()
        driver = start()
        wait_for(lambda: watch.look() > stopped, "another result")
        wait_for(watch.holder, "a job that is being made")
        driver.kill()
        driver.wait()
        watch.look()
        driver = start()
        wait_for(lambda: watch.look() >= min(COUNT, stopped + 3), "results of the next head")
        cluster.remove_node(cluster.workers.pop(), allow_graceful=False)
        wait_for(lambda: watch.look() >= min(COUNT, stopped + 5), "results without the node")
        cluster.workers.append(cluster.add_node(num_cpus=1))
        wait_for(lambda: watch.look() >= COUNT or driver.poll() is not None, "all results")
        assert driver.wait(100) == 0, (tmp_path / "log.txt").read_text()[-3000:]

    assert watch.look() == COUNT
    record = json.loads((out / "batch.json").read_text("utf-8"))
    assert record["states"] == {"finished": COUNT}
    assert [row["prompt"] for row in record["jobs"]] == [json.loads(line)["prompt"] for line in lines]
    assert {"batch.csv", "batch.png", "index.html"} <= {path.name for path in out.iterdir()}
    assert not list(out.glob("*/.lock"))
    list_file.write_text("\n".join(lines[:COMPARED]), "utf-8")
    assert soak.compare(list_file, out, tmp_path / "plain") == COMPARED


def test_a_failing_job_is_tried_again_and_recorded_and_computers_are_checked(cluster, tmp_path):
    list_file, out = tmp_path / "prompts.txt", tmp_path / "out"
    list_file.write_text("a red cube\na blue zebra\n", "utf-8")
    batch = command(list_file, out, "--cluster", cluster.address)
    done = subprocess.run(batch, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "1 of 2 jobs failed" in done.stderr
    rows = json.loads((out / "batch.json").read_text("utf-8"))["jobs"]
    assert [row["state"] for row in rows] == ["finished", "failed"]
    assert '"zebra"' in rows[1]["reason"]

    program = """
import sys
from sjc import cli
from sjc.batch import ray_cluster
answers = ray_cluster._problems
ray_cluster._problems = lambda answer, out: answers(eval(sys.argv[1])(answer), out)
sys.exit(cli.main(sys.argv[2:]))
"""
    own = command(list_file, "memory://results", "--cluster", cluster.address)  # every process has a memory of its own
    for change, message, words in (
        ("lambda a: a | {'version': '9.9'}", "sjc is 9.9 there", batch),
        ("lambda a: a", "memory://results there is not the folder that is written here", own),
        ("lambda a: a | {'missing': ['no such model']}", "no such model", batch),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, change, *words[3:]], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_results_at_an_address_and_cells_of_an_experiment(cluster, tmp_path):
    list_file, out = tmp_path / "prompts.txt", tmp_path / "storage"
    list_file.write_text("a red cube\na blue cone\n", "utf-8")
    batch = command(list_file, f"local://{out}", "--cluster", cluster.address)
    done = subprocess.run(batch, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "batch.json").read_text("utf-8"))["states"] == {"finished": 2}
    assert soak.compare(list_file, out, tmp_path / "plain") == 2
    assert not list(out.glob("*/.*"))

    with on_cluster.computing(cluster.address) as cells:
        assert cells.submit(divmod, 7, 2).result(100) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            cells.submit(divmod, 7, 0).result(100)


def test_a_cluster_of_this_computer_listens_on_loopback_alone(cluster):
    program = """
from sjc.batch import ray_cluster
with ray_cluster.joined("local") as ray:
    print(ray.get_runtime_context().gcs_address, ray.nodes()[0]["NodeManagerAddress"], flush=True)
    input()
"""
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        gcs, node = process.stdout.readline().split()
        host, port = gcs.split(":")
        assert host == node == "127.0.0.1"
        network = cluster.address.split(":")[0]
        if network != host:
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((network, int(port)), 5)
        process.communicate("\n")
