"""The worker itself: the real one with the embedded model, and what it does whatever its main thread does."""

import errno
import io
import json
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.job import locks, run
from sjc_blender.backend.sjc.worker import protocol, serve
from sjc_blender.install import environment
from sjc_blender.queue.queue_file import read_folder
from sjc_blender.queue.records import State
from sjc_blender.worker.process import Times
from tests.addon.helpers import Watched, chosen, until

PATIENT = Times(hello=120, silence=120, message=30, terminate=10)


class Real(Watched):
    """A queue with the real worker."""

    def _next_command(self):
        return environment.worker_command(sys.executable)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(queue, two jobs): the first was paused for a while, the second cancelled in the middle and taken up again."""
    folder = tmp_path_factory.mktemp("real")
    queue = Real(state_file=folder / "list.json", times=PATIENT)
    first = queue.add(chosen("a red mushroom", steps=10), folder / "ein Ördner 🍄")
    second = queue.add(chosen("a blue tree", steps=12, snapshot_every=3, checkpoint_every=100), folder / "b")
    queue.run_until(lambda: first.step >= 2, 280)
    queue.pause(first)
    queue.run_until(lambda: first.stage == "paused", 120)
    queue.paused_at = first.step
    for _ in range(40):
        queue.turn()
        time.sleep(0.02)
    assert first.step == queue.paused_at
    queue.resume(first)
    queue.run_until(lambda: second.step >= 5, 280)
    queue.cancel(second)
    queue.run(280)
    queue.stopped = (second.state, second.step, second.problem)
    queue.retry(second)
    queue.run(280)
    yield queue, first, second
    queue.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_says_hello_once_for_both(finished):
    queue, _first, _second = finished
    assert queue.kinds().count("hello") == 1
    assert queue.hello["versions"]["torch"][0].isdigit()


@pytest.mark.slow
def test_a_paused_job_finishes(finished):
    _queue, first, _second = finished
    assert first.state is State.FINISHED, first.problem
    files = {path.name for path in first.folder.iterdir()}
    assert {"job.json", "run.json", "mesh.glb", "field.npz", "field.vdb", "preview.png"} <= files
    assert ".lock" not in files
    assert json.loads((first.folder / "job.json").read_text("utf-8"))["prompt"] == "a red mushroom"


@pytest.mark.slow
def test_snapshots_come_while_it_runs_with_pictures(finished):
    queue, first, _second = finished
    kinds = queue.kinds(first)
    assert kinds.index("snapshot") < kinds.index("result")
    assert [s.step for s in first.snapshots] == [2, 4, 6, 8]
    assert all(s.png.read_bytes().startswith(b"\x89PNG") for s in first.snapshots)
    assert all(s.vdb.stat().st_size for s in first.snapshots)


@pytest.mark.slow
def test_a_cancelled_job_goes_on_where_it_stopped(finished):
    queue, _first, second = finished
    state, step, problem = queue.stopped
    assert (state, problem) == (State.STOPPED, None)
    assert 5 <= step < 12
    assert second.state is State.FINISHED, second.problem
    (resumed,) = [m["text"] for m in queue.messages(second, "status") if m["stage"] == "resume"]
    assert resumed == f"resuming at step {step} of 12"
    assert [s.step for s in read_folder(second.folder).snapshots] == [3, 6, 9, 12]


@pytest.mark.slow
def test_the_second_job_takes_over_the_model(finished):
    queue, first, second = finished
    (one,), (two,) = (queue.messages(job, "result") for job in (first, second))
    assert two["seconds"]["load"] < one["seconds"]["load"] / 4


# --------------------------------------------------------------------------------------------------------- its threads


@pytest.mark.parametrize(
    "busy",
    ["time.sleep(60)", "while True: pass", "self.ending.wait(); ctypes.PyDLL(None).sleep(60)"],
    ids=["asleep", "busy", "holding-the-interpreter"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="no sleep in the C library there")
def test_the_end_of_the_input_ends_it_whatever_it_does(busy):
    code = (
        f"import ctypes, os, sys, time; sys.path.insert(0, {str(environment.PACKAGE)!r})\n"
        "from sjc.worker import serve\n"
        "class Busy(serve.Worker):\n"
        "    def _work(self, *_):\n"
        "        self.send('status', stage='busy', text='')\n"
        f"        {busy}\n"
        "Busy(sys.stdin.buffer, os.fdopen(1, 'wb', 0)).serve()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(protocol.encode({"type": "start", "folder": "", "settings": {}, "resume": False}))
    process.stdin.flush()
    while b'"busy"' not in process.stdout.readline():
        pass
    process.stdin.close()
    began = time.monotonic()
    process.wait(30)
    assert time.monotonic() - began < 10
    process.stdout.close()
    process.stderr.close()


def answers(worker, *commands, count=1):
    """What a playing worker says to commands that come all at once, up to the last `done`."""
    process, got = worker(), []
    for kind, fields in commands:
        process.send(kind, **fields)
    until(lambda: [m["type"] for m in got].count("done") == count, lambda: got.extend(process.poll()))
    return got


def start(folder, **changes):
    return "start", {"folder": str(folder), "settings": asdict(chosen(**changes)), "resume": False}


def test_free_and_start_at_once(worker, tmp_path):
    got = answers(worker, ("free", {}), start(tmp_path / "a"))
    assert got[-1]["state"] == "finished"


def test_a_second_start_is_refused_and_the_first_goes_on(worker, tmp_path):
    got = answers(worker, start(tmp_path / "a", steps=30), start(tmp_path / "b"))
    assert any("busy" in m["text"] for m in got if m["type"] == "warning")
    assert got[-1]["state"] == "finished"
    assert not (tmp_path / "b").exists()


def test_an_unknown_command_is_answered_and_the_next_obeyed(worker, tmp_path):
    got = answers(worker, ("dance", {}), ("start", {"folder": 3}), start(tmp_path / "a"))
    assert sum("did not understand" in m["text"] for m in got if m["type"] == "warning") == 2
    assert got[-1]["state"] == "finished"


def test_a_cancel_of_the_last_job_is_not_the_next_ones(worker, tmp_path):
    process, got = worker(), []
    kind, fields = start(tmp_path / "a", steps=30)
    for command in ("start", "cancel", "pause"):
        process.send(command, **(fields if command == "start" else {}))
    until(lambda: got and got[-1]["type"] == "done", lambda: got.extend(process.poll()))
    assert got[-1]["state"] == "stopped"
    process.send(kind, **start(tmp_path / "b")[1])
    got.clear()
    until(lambda: got and got[-1]["type"] == "done", lambda: got.extend(process.poll()))
    assert got[-1]["state"] == "finished"


def test_shutdown_ends_it(worker, tmp_path):
    process = worker(times=Times(message=30))
    process.send(*start(tmp_path / "a", steps=500)[:1], **start(tmp_path / "a", steps=500)[1])
    until(lambda: any(m["type"] == "progress" for m in process.poll()))
    process.stop()
    until(lambda: not process.alive, process.poll)
    assert process._process.returncode == 0
    assert not locks.birth(process.pid)
    assert read_folder(tmp_path / "a").state is State.STOPPED


@pytest.mark.parametrize(("every", "asked"), [(0, True), (4, False)])
def test_the_volume_is_there_after_the_first_step_unless_the_job_says_when(monkeypatch, tmp_path, every, asked):
    wanted = []

    class Recorded:
        has_model = False

        def __init__(self, _folder, _settings, _report, _stop, wants_snapshot, previous):
            self.wants_snapshot = wants_snapshot

        def load(self):
            pass

        def run(self):
            wanted.extend([self.wants_snapshot(), self.wants_snapshot()])

    monkeypatch.setattr(run, "JobRun", Recorded)
    monkeypatch.setattr(run, "check_early", lambda _settings, _folder: None)
    serving = serve.Worker(io.BytesIO(), io.BytesIO())
    serving._work(tmp_path / "job", asdict(chosen(snapshot_every=every)), resume=False)
    assert wanted == [asked, False]


# -------------------------------------------------------------------------------------------------------- its words


def raised(error, cause=None):
    try:
        raise error from cause
    except type(error) as caught:
        return caught


FULL = OSError(errno.ENOSPC, "No space left on device")


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


@pytest.mark.parametrize(
    ("error", "code", "excerpt"),
    [
        (SjcError("the prompt is empty"), "input", "the prompt is empty"),
        (MemoryError(), "memory", "ran out of memory"),
        (OutOfMemoryError("tried to allocate"), "memory", "ran out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"), "memory", "out of memory"),
        (RuntimeError("CUDA error: out of memory"), "memory", "out of memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory", "out of memory"),
        (FULL, "disk", "disk is full"),
        (raised(SjcError("x was not written"), FULL), "disk", "x was not written"),
        (ModuleNotFoundError("No module named 'torch'"), "environment", "No module named 'torch'"),
        (ValueError("bad\nvery bad"), "bug", "ValueError: bad"),
        (KeyError(), "bug", "KeyError"),
    ],
)
def test_errors_are_explained(error, code, excerpt):
    message = serve.error_fields(raised(error, error.__cause__))
    assert message["code"] == code
    assert excerpt in message["text"]
    assert "\n" not in message["text"]
    assert ("traceback" in message) == (code == "bug")
    assert message["hint"] or code == "input"
    protocol.decode(protocol.encode({"type": "error", **message}), protocol.DOWN)
