"""One worker process with every fault it can have: each is one message, an end in bounded time, and no wait for it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from sjc_blender import problems
from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.job import locks
from sjc_blender.worker.pipes import CHUNK, Inbox, lines_of
from sjc_blender.worker.process import Times, WorkerProcess
from tests.addon.helpers import chosen, fake, until


def heard(process, condition, seconds=60):
    """Poll until the messages so far fulfil `condition`; they are given back."""
    got = []
    until(lambda: condition(got), lambda: got.extend(process.poll()), seconds)
    return got


def error_of(process, seconds=60):
    """The one error, once the process is gone."""
    got = heard(process, lambda _: not process.alive, seconds)
    (error,) = [m for m in got if m["type"] == "error"]
    assert error["code"] == "worker"
    assert "\n" not in error["text"]
    assert error["hint"]
    return error


def is_gone(pid):
    """Whether no such process is left (a zombie is none)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return locks.birth(pid) == ""


def start_of(folder, **changes):
    """The fields of a start command."""
    return {"folder": str(folder), "settings": asdict(chosen(**changes)), "resume": False}


# ------------------------------------------------------------------------------------------------------------- a good
# one


def test_hello_a_job_and_a_quiet_end(worker, tmp_path):
    process = worker()
    heard(process, lambda got: [m["type"] for m in got] == ["hello"])
    assert process.hello["pid"] == process.pid
    process.send("start", **start_of(tmp_path / "job"))
    got = heard(process, lambda got: any(m["type"] == "done" for m in got))
    assert got[-1]["state"] == "finished"
    assert "result" in [m["type"] for m in got]
    process.stop()
    rest = heard(process, lambda _: not process.alive, 20)
    assert not [m for m in rest if m["type"] == "error"]
    assert is_gone(process.pid)


def test_the_process_is_started_clean(worker, monkeypatch, tmp_path):
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "UV_PYTHON", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/nowhere")
    script = tmp_path / "show.py"
    script.write_text(
        "import json, os, sys\n"
        "json.dump([dict(os.environ), os.getpgrp() == os.getpid(), os.getcwd()], open(sys.argv[1], 'w'))"
    )
    answer = tmp_path / "answer"
    process = worker(command=[sys.executable, str(script), str(answer)], environment={"EXTRA": "ö"})
    heard(process, lambda _: not process.alive)
    environment, leads, folder = json.loads(answer.read_text())
    assert not {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "UV_PYTHON", "VIRTUAL_ENV"} & set(environment)
    assert environment["PYTHONNOUSERSITE"] == environment["PYTHONUTF8"] == "1"
    assert environment["EXTRA"] == "ö"
    assert leads
    assert folder != os.getcwd()  # noqa: PTH109


def test_stderr_goes_to_the_tail_and_the_log(worker, tmp_path):
    log = tmp_path / "worker.log"
    log.write_text("before\n")
    script = "import sys\nfor i in range(250): print('line', i, 'é', file=sys.stderr)"
    process = worker(command=[sys.executable, "-X", "utf8", "-c", script], log=log)
    heard(process, lambda _: not process.alive)
    assert process.tail[0] == "line 150 é"
    assert len(process.tail) == 100
    assert log.read_text("utf-8").splitlines() == ["before", *(f"line {i} é" for i in range(250))]


def test_a_log_that_cannot_be_written_does_no_harm(worker, tmp_path):
    process = worker("exit:3", log=tmp_path / "gone" / "worker.log")
    assert "the driver did not answer" in error_of(process)["text"]
    assert not (tmp_path / "gone").exists()


def test_a_log_does_not_fill_the_disk(worker, tmp_path, monkeypatch):
    monkeypatch.setattr("sjc_blender.worker.process.LOG_BYTES", 1000)
    script = "import sys\nfor i in range(999): print('x' * 50, file=sys.stderr)"
    process = worker(command=[sys.executable, "-c", script], log=tmp_path / "log")
    heard(process, lambda _: not process.alive)
    assert 1000 <= (tmp_path / "log").stat().st_size < 1100


# --------------------------------------------------------------------------------------------------------- bad
# beginnings


def test_no_such_program(tmp_path):
    with pytest.raises(SjcError, match=r"could not be started: .*nothing: No such file"):
        WorkerProcess([str(tmp_path / "nothing")]).start()


def test_no_such_script(worker, tmp_path):
    error = error_of(worker(command=[sys.executable, str(tmp_path / "gone.py")]))
    assert error["reason"] == "backend"
    assert "program is missing" in error["text"]


def test_it_ends_before_its_first_word(worker):
    error = error_of(worker("exit:7"))
    assert error["reason"] == "backend"
    assert "exit code 7" in error["text"]
    assert "the driver did not answer" in error["text"]
    assert "the driver did not answer" in error["details"]


def test_a_python_that_lacks_a_package(worker):
    error = error_of(worker("no-import"))
    assert error["reason"] == "backend"
    assert "No module named 'torch'" in error["text"]
    assert "Install the backend" in error["hint"]


@pytest.mark.parametrize(("fault", "excerpt"), [("wrong-protocol", "protocol 2"), ("wrong-hash", "other sources")])
def test_one_that_is_not_ours(worker, fault, excerpt):
    process = worker(fault)
    error = error_of(process)
    assert excerpt in error["text"]
    assert process.hello is None


def test_a_mute_one(worker):
    process = worker("mute", times=Times(hello=1.0, message=0.1, terminate=0.1))
    assert "did not respond for 1 s" in error_of(process)["text"]
    assert is_gone(process.pid)


# --------------------------------------------------------------------------------------------------------- in the
# middle


def test_one_that_hangs_is_ended(worker, tmp_path):
    process = worker("hang:2", times=Times(silence=2.0, message=0.1, terminate=0.1))
    heard(process, lambda got: any(m["type"] == "hello" for m in got))
    process.send("start", **start_of(tmp_path / "job"))
    error = error_of(process)
    assert "stopped responding" in error["text"]
    assert is_gone(process.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_one_that_the_system_holds_is_ended(worker):
    process = worker(times=Times(silence=2.0, message=0.1, terminate=0.1))
    heard(process, lambda got: got)
    os.kill(process.pid, signal.SIGSTOP)
    assert "stopped responding" in error_of(process)["text"]
    assert is_gone(process.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_time_in_which_nobody_polled_is_no_silence(worker):
    now = [0.0]
    process = worker(clock=lambda: now[0], times=Times(hello=1000.0, silence=5.0, gap=1.0))
    heard(process, lambda got: got)
    now[0] += 3600  # the computer slept, or Blender rendered
    assert not [m for m in process.poll() if m["type"] == "error"]
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.2)
    process.poll()  # the last that it said
    errors = []
    while not errors and now[0] < 1e6:
        now[0] += 3600
        errors = [m for m in process.poll() if m["type"] == "error"]
    assert 3600 * 6 <= now[0] <= 3600 * 7  # each time counts as a second, as many as make the five


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_job_that_loads_its_libraries_gets_more_time(worker, tmp_path):
    """A cold disk may hold the whole process, heartbeats included; with the first step the usual time counts again."""
    now = [0.0]
    process = worker(clock=lambda: now[0], times=Times(hello=1000.0, silence=5.0, loading=50.0, gap=1.0))
    heard(process, lambda got: got)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.2)
    process.poll()
    process.send("start", **start_of(tmp_path / "job"))
    errors = []
    while not errors and now[0] < 1000:
        now[0] += 1
        errors = [m for m in process.poll() if m["type"] == "error"]
    assert 45 < now[0] <= 52
    assert "stopped responding for 50 s" in errors[0]["text"]


def test_garbage_is_borne_for_a_while(worker):
    code = "import runpy, sys; sys.argv[1:] = ['--fake', 'ok']; print('Setting up...'); "
    code += f"runpy.run_path({fake()[5]!r}, run_name='__main__')"
    process = worker(command=[sys.executable, "-u", "-B", "-c", code])
    got = heard(process, lambda got: got)
    assert got[0]["type"] == "hello"
    assert "(not understood: not a JSON line: b'Setting up...')" in process.tail


def test_but_not_for_ever(worker):
    process = worker(command=[sys.executable, "-c", "while True: print('la la la')"])
    assert "not a message" in error_of(process)["text"]
    assert len(process.tail) < 50


def test_a_flood_neither_grows_nor_stops_the_reader(worker, tmp_path):
    process = worker("flood")
    heard(process, lambda got: got)
    process.send("start", **start_of(tmp_path / "job"))
    time.sleep(2.0)
    longest, got = 0.0, []
    for _ in range(20):
        began = time.thread_time()
        got += process.poll()
        longest = max(longest, time.thread_time() - began)
        time.sleep(0.05)
    assert len(process.inbox._messages) <= Inbox.LIMIT
    assert len(got) <= 20 * Inbox.LIMIT
    assert longest < 0.02  # of this thread's own time
    process.send("cancel")
    assert heard(process, lambda got: any(m["type"] == "done" for m in got))[-1]["state"] == "stopped"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("number", "reason", "excerpt"),
    [
        (signal.SIGKILL, "memory", "memory ran out"),
        (signal.SIGSEGV, "worker", "SIGSEGV"),
        (signal.SIGTERM, "worker", "SIGTERM"),
    ],
)
def test_killed_from_outside(worker, number, reason, excerpt):
    process = worker()
    heard(process, lambda got: got)
    os.kill(process.pid, number)
    error = error_of(process, 20)
    assert error["reason"] == reason
    assert excerpt in error["text"]


# ----------------------------------------------------------------------------------------------------------------
# ending


def test_a_deaf_one_is_killed_in_stages(worker, tmp_path):
    process = worker("deaf", times=Times(message=0.5, terminate=0.5))
    heard(process, lambda got: got)
    process.send("start", **start_of(tmp_path / "job"))
    process.stop()
    began = time.monotonic()
    got = heard(process, lambda _: not process.alive, 20)
    assert 1.0 <= time.monotonic() - began < 5.0
    assert process._process.returncode == (-signal.SIGKILL if sys.platform != "win32" else 1)
    assert not [m for m in got if m["type"] == "error"]


def test_a_busy_one_is_terminated_before_it_is_killed(worker):
    process = worker(
        command=[sys.executable, "-c", "import time; time.sleep(60)"], times=Times(message=0.3, terminate=30)
    )
    process.stop()
    heard(process, lambda _: not process.alive, 20)
    assert process._process.returncode != -signal.SIGKILL


def test_poll_and_stop_never_wait(worker):
    process = worker("deaf")
    heard(process, lambda got: got)
    for action in (process.poll, process.stop, lambda: process.send("pause", text="x" * 500_000)):
        began = time.perf_counter()
        action()
        assert time.perf_counter() - began < 0.2  # a busy machine's slices; waiting for the worker would be seconds


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_children_of_the_worker_go_with_it(worker):
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, file=sys.stderr, flush=True); time.sleep(60)"
    )
    process = worker(command=[sys.executable, "-c", script])
    until(lambda: process.tail)
    process.kill()
    until(lambda: is_gone(int(process.tail[0])), seconds=5)
    assert is_gone(process.pid)
    assert not process.alive


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_child_that_keeps_the_pipe_is_not_waited_for(worker):
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, file=sys.stderr, flush=True)"
    )
    process = worker(command=[sys.executable, "-c", script])
    error_of(process, 15)
    until(lambda: is_gone(int(process.tail[0])), seconds=5)


def test_what_lives_at_exit_is_killed(tmp_path):
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from sjc_blender.worker.process import WorkerProcess\n"
        f"p = WorkerProcess({fake('deaf')!r}); p.start()\n"
        "while not p.poll(): pass\n"
        "print(p.pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    until(lambda: is_gone(int(done.stdout)), seconds=5)


# -----------------------------------------------------------------------------------------------------------------
# pieces


class Chunks:
    """A pipe that gives what it is told."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def read(self, _size):
        return self.chunks.pop(0) if self.chunks else b""


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"b\n", b"c"], [b"ab", b"c"]),
        ([b"\n\n  \na\n"], [b"a"]),
        ([b"x" * 11 + b"\n", b"a\n"], [None, b"a"]),
        ([b"x" * 8, b"x" * 8, b"x" * 8, b"x\na\n"], [None, b"a"]),
        ([b"x" * 30], [None]),
    ],
)
def test_lines(chunks, lines):
    assert list(lines_of(Chunks(*chunks), 10)) == lines


def test_a_flood_of_bytes_is_slowed_down():
    waits = []
    list(lines_of(Chunks(*[b"x" * (CHUNK - 1) + b"\n"] * 5), CHUNK, waits.append))
    assert len(waits) >= 3
    calm = []
    list(lines_of(io.BytesIO(b"a\n" * 100), 10, calm.append))
    assert calm == []


def test_the_inbox_merges_progress_and_keeps_what_matters():
    inbox = Inbox()
    for step in range(5):
        inbox.put({"type": "progress", "step": step})
    inbox.put({"type": "error"})
    for step in range(3 * Inbox.LIMIT):
        inbox.put({"type": "warning", "step": step})
    inbox.put({"type": "done"})
    got = inbox.take()
    assert len(got) == Inbox.LIMIT
    assert [m["type"] for m in got if m["type"] != "warning"] == ["error", "done"]
    assert got[-2]["step"] == 3 * Inbox.LIMIT - 1
    assert inbox.take() == []


@pytest.mark.parametrize(
    ("code", "tail", "reason", "excerpt"),
    [
        (1, ["RuntimeError: CUDA out of memory. Tried ..."], "memory", "ran out of memory"),
        (1, ["OSError: [Errno 28] No space left on device"], "disk", "disk is full"),
        (-9, [], "memory", "memory ran out"),
        (0xC000012D, [], "memory", "memory ran out"),
        (0xC0000005, ["x"], "worker", "0xC0000005"),
        (-4, [], "processor", "lacks instructions"),
        (0xC0000135, [], "runtime", "Visual C++"),
        (1, ["OSError: [WinError 126] The specified module could not be found."], "runtime", "Visual C++"),
        (1, ["RuntimeError: CUDA error: no kernel image is available", "x"], "card", "no kernels for this"),
        (1, ["ModuleNotFoundError: No module named 'torch'"], "backend", "No module named 'torch'"),
        (-(2**31) + 5, [], "worker", "crashed"),
        (-11, ["Fatal Python error"], "worker", "Fatal Python error"),
        (1, ["", "last words", " "], "worker", "last words"),
        (0, [], "worker", "exit code 0"),
    ],
)
def test_every_end_is_explained(code, tail, reason, excerpt):
    problem = problems.of_exit(code, tail)
    assert problem.code == reason
    assert excerpt in problem.text
    assert problem.hint
