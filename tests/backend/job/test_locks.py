"""Lock files: the living hold them, the dead do not."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sjc.errors import SjcError
from sjc.job import locks
from sjc.output import files


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


# -------------------------------------------------------------------------------------------------------------- leases


def age(path, seconds):
    status = path.stat()
    os.utime(path, (status.st_atime, status.st_mtime - seconds))


def lease_of(host, seconds=60.0):
    return json.dumps({"host": host, "holders": {"1": "1"}, "lease": {"seconds": seconds, "mark": "its"}})


def test_a_lease_that_was_not_renewed_may_be_taken_by_another_computer(tmp_path):
    path = tmp_path / ".lock"
    path.write_text(lease_of("render-07"))
    age(path, 50)
    with pytest.raises(locks.Taken, match="render-07"):
        locks.Lock(path).take()
    age(path, 20)
    locks.Lock(path).take()
    assert socket.gethostname() in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]


def test_whoever_lost_a_lease_writes_nothing_more(tmp_path):
    with pytest.raises(locks.LeaseLost, match="may be another computer's"), locks.holding(tmp_path, 60.0) as lock:
        files.write_bytes(tmp_path / "before.bin", b"1")
        lock.check()
        lock.path.write_text(lease_of("render-07"))
        files.write_bytes(tmp_path / "after.bin", b"1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "before.bin"]
    assert "render-07" in lock.path.read_text(), "the other one's lock stays"
    files.write_bytes(tmp_path / "later.bin", b"1")


def test_a_lease_is_renewed_while_it_is_held_and_lost_where_it_could_not_be(tmp_path, monkeypatch):
    with locks.holding(tmp_path / "a", 0.4) as lock:
        time.sleep(0.8)
        lock.check()
    monkeypatch.setattr(locks.Lock, "renew", lambda _self: None)  # as while the storage is away
    with locks.holding(tmp_path / "b", 0.4) as lock:
        time.sleep(0.5)
        with pytest.raises(locks.LeaseLost, match="could not renew"):
            lock.check()


def test_a_quicker_taker_keeps_what_it_took(tmp_path, monkeypatch):
    """Both have read the lock of the dead; the slower one must not put the new one aside."""
    path = tmp_path / ".lock"
    path.write_text(lease_of("render-07"))
    age(path, 90)
    slow, quick = locks.Lock(path, 60.0), locks.Lock(path, 60.0)
    judge = locks.Lock._has_run_out

    def judged(self, content):
        result = judge(self, content)
        if self is slow and not quick.holders:
            quick.take()
        return result

    monkeypatch.setattr(locks.Lock, "_has_run_out", judged)
    with pytest.raises(locks.Taken):
        slow.take()
    quick.check()
    quick.release()
    assert list(tmp_path.iterdir()) == []
