"""Lock files: the living hold them, the dead do not."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sjc.errors import SjcError
from sjc.job import locks


def test_a_lock_of_the_dead_is_taken_over(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock = locks.Lock(tmp_path / ".lock")
    lock.take()
    lock.release()
    content = {"host": socket.gethostname(), "holders": {str(dead.pid): "123"}}
    lock.path.write_text(json.dumps(content))
    lock.take()
    assert str(os.getpid()) in lock.path.read_text()
    lock.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="births are known on Linux and Windows only")
def test_a_later_process_with_the_same_number_holds_nothing(tmp_path):
    lock = locks.Lock(tmp_path / ".lock")
    content = {"host": socket.gethostname(), "holders": {str(os.getppid()): "1"}}
    lock.path.write_text(json.dumps(content))
    lock.take()
    lock.release()
    content["holders"] = {str(os.getppid()): locks.birth(os.getppid())}
    lock.path.write_text(json.dumps(content))
    with pytest.raises(locks.Taken, match=str(os.getppid())):
        lock.take()


def test_a_lock_counts_as_long_as_the_worker_lives(tmp_path):
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lock = locks.Lock(tmp_path / ".lock")
    lock.take()
    lock.add(worker.pid)
    text = lock.path.read_text()
    lock.release()
    lock.path.write_text(text.replace(f'"{os.getpid()}"', '"999999999"'))
    with pytest.raises(locks.Taken, match=str(worker.pid)):
        locks.Lock(lock.path).take()
    worker.communicate(b"\n")
    locks.Lock(lock.path).take()


def test_another_computers_lock_is_honoured(tmp_path):
    (tmp_path / ".lock").write_text(json.dumps({"host": "render-07", "holders": {"1": "1"}}))
    with pytest.raises(locks.Taken, match="render-07"):
        locks.Lock(tmp_path / ".lock").take()


def test_a_damaged_lock_counts_only_while_it_may_be_being_written(tmp_path):
    path = tmp_path / ".lock"
    path.write_text("")
    with pytest.raises(locks.Taken, match="just"):
        locks.Lock(path).take()
    os.utime(path, (1, 1))
    lock = locks.Lock(path)
    lock.take()
    lock.release()


def test_a_folder_is_held_and_given_back(tmp_path):
    """What was made for the lock alone goes with it; a folder with something in it stays."""
    with locks.holding(tmp_path / "a" / "b"):
        assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == [".lock"]
        with pytest.raises(SjcError, match="is in use by this program already"), locks.holding(tmp_path / "a" / "b"):
            pass
        assert (tmp_path / "a" / "b" / ".lock").exists(), "who was refused takes nothing away"
    assert list(tmp_path.iterdir()) == []
    with locks.holding(tmp_path / "c"):
        (tmp_path / "c" / "job.json").touch()
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["job.json"]
    (tmp_path / "file").touch()
    with pytest.raises(SjcError, match="could not be written"), locks.holding(tmp_path / "file" / "x"):
        pass
