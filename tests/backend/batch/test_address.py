"""A batch at an fsspec address: worked here, written there whole, made once; what the storage cannot do is one line.

local:// is fsspec's own name for a folder: storage that several processes see.
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from sjc import batch, cli, settings
from sjc.batch import borrowing
from sjc.batch.address import AddressFolder, is_address
from sjc.batch.borrowing import AddressLease, borrowed
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.job import locks
from sjc.job.locks import LeaseLost

QUICK = {"preset": "test", "steps": 8, "device": "cpu", "checkpoint_every": 2}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(borrowing, "SETTLE_SECONDS", 0.0)


@pytest.fixture(params=["local", "memory"])
def job(request, tmp_path):
    """The address of a job, on storage with folders and on storage without."""
    return f"{request.param}://{tmp_path}/storage/001-a-red-cube-0"


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_is_an_address():
    assert is_address("s3://bucket/results")
    assert not is_address("file:///home/me")
    assert not is_address(r"C:\results")
    assert not is_address("results")


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("s3://bucket/results", "pip install s3fs"),
        ("nowhere://bucket/results", "Protocol not known: nowhere"),
        ("memory://", "no address of a folder"),
    ],
)
def test_an_address_that_cannot_be_used_gets_one_line(address, line, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("a red cube\n")
    assert cli.main(["batch", str(tmp_path / "list.txt"), "--out", address]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert line in error


class Buckets(MemoryFileSystem):
    """An object store as s3fs shows it: makedirs would make the bucket, and nothing can be written without one."""

    protocol = "buckets"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("buckets://").strip("/")

    def split_path(self, path):
        bucket, _, key = self._strip_protocol(path)[1:].partition("/")
        return bucket, key, None

    made: ClassVar[list[str]] = []

    def makedirs(self, path, exist_ok=False):
        self.made.append(path)

    def pipe_file(self, path, value, mode="overwrite", **_):
        if self.split_path(path)[0] == "mistyped":
            raise FileNotFoundError("The specified bucket does not exist")
        return super().pipe_file(path, value, mode=mode)


def test_no_bucket_is_made_and_one_that_is_not_there_is_told_before_anything_starts(tmp_path, capsys):
    fsspec.register_implementation("buckets", Buckets, clobber=True)
    folder = AddressFolder("buckets://mine/results")
    folder.write("001/job.json", b"{}")
    assert folder.create("001/.lock", b"x")
    assert set(folder.sizes()) == {"001/job.json", "001/.lock"}

    (tmp_path / "list.txt").write_text("a red cube\na blue cone\n")
    assert cli.main(["batch", str(tmp_path / "list.txt"), "--out", "buckets://mistyped/results"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "buckets://mistyped/results cannot be used" in error
    assert "bucket does not exist" in error
    assert Buckets.made == []


def test_a_batch_lies_at_its_address_as_in_a_folder(tmp_path):
    """Finished, it is left alone; what was half done on another computer goes on there from its checkpoint."""
    jobs = [{"prompt": "a red cube", **QUICK}, {"prompt": "a blue zebra", **QUICK}]
    storage, address = tmp_path / "storage", f"local://{tmp_path}/storage"
    events = []
    result = batch.run(jobs, address, report=events.append)
    plain = batch.run(jobs, tmp_path / "plain")
    keep = ("folder", "prompt", "state", "faces", "watertight", "mesh_warnings", "reason")
    assert [[row[key] for key in keep] for row in result.rows] == [[row[key] for key in keep] for row in plain.rows]
    assert [row["state"] for row in result.rows] == ["finished", "failed"]
    name = result.rows[0]["folder"]
    made, wanted = storage / name, tmp_path / "plain" / name
    assert names(made) == names(wanted)
    assert (made / "field.npz").read_bytes() == (wanted / "field.npz").read_bytes()
    assert {"batch.json", "batch.csv", "batch.png", "index.html"} <= names(storage)
    assert f"{name}/mesh.glb" in (storage / "index.html").read_text("utf-8")
    assert not [path for path in names(storage) if "~" in path or ".lock" in path]
    assert {event["folder"] for event in events if event["type"] == "result"} == {f"{address}/{name}"}
    assert not names(tmp_path / "cache" / "batch"), "nothing stays here"

    before = (made / "run.json").stat().st_mtime_ns
    batch.run(jobs[:1], address)
    assert (made / "run.json").stat().st_mtime_ns == before, "it was made again"

    for path in ("run.json", "mesh.glb", "field.npz"):
        (made / path).unlink()
    resumed = []
    batch.run(jobs[:1], address, report=resumed.append)
    assert any(event.get("stage") == "resume" for event in resumed)
    assert (made / "field.npz").read_bytes() == (wanted / "field.npz").read_bytes()
    assert names(made) == names(wanted)


def test_what_was_half_done_is_sent_with_its_checkpoint_and_run_json_comes_last(job, monkeypatch):
    order = []
    send = AddressFolder.send
    monkeypatch.setattr(AddressFolder, "send", lambda self, path, name: (order.append(name), send(self, path, name)))
    chosen = settings.resolve_job({"prompt": "a red cube"})

    def written(folder, *files):
        for name in files:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(name)

    with borrowed(job, chosen) as one:
        job_folder.write_settings(one.folder, chosen)
        written(one.folder, "snapshots/f_0001.npz", "checkpoint.safetensors", ".mesh.1~.glb")
    assert order == ["job.json", "snapshots/f_0001.npz", "checkpoint.safetensors"]
    order.clear()
    with borrowed(job, chosen) as one:
        assert names(one.folder) == {".lock", "job.json", "snapshots/f_0001.npz", "checkpoint.safetensors"}
        written(one.folder, "mesh.glb", "run.json", "z.txt")
        (one.folder / "snapshots" / "f_0001.npz").unlink()
    assert order == ["mesh.glb", "z.txt", "run.json"]
    assert set(AddressFolder(job).sizes()) == {"job.json", "checkpoint.safetensors", "mesh.glb", "run.json", "z.txt"}


def test_whoever_lost_a_lease_at_an_address_writes_nothing_more(job):
    chosen = settings.resolve_job({"prompt": "a red cube"})
    other = AddressLease(AddressFolder(job), 60.0)
    with pytest.raises(LeaseLost, match="may be another computer's"), borrowed(job, chosen) as one:
        job_folder.write_settings(one.folder, chosen)
        (one.folder / "checkpoint.safetensors").write_text("x")
        AddressFolder(job).remove(locks.FOLDER_LOCK)
        other.take()
    assert set(AddressFolder(job).sizes()) == {locks.FOLDER_LOCK}, "and leaves the other's lock"
    with pytest.raises(SjcError, match="is in use by"):
        AddressLease(AddressFolder(job), 60.0).take()
    other.release()
    AddressLease(AddressFolder(job), 60.0).take()


def test_of_two_that_take_it_at_once_one_holds_it(job, monkeypatch):
    """Storage whose "create" replaces what is there: the later one's lock counts for both."""
    monkeypatch.setattr(borrowing, "SETTLE_SECONDS", 0.3)
    together = threading.Barrier(2)

    def create(self, name, data):
        together.wait()
        self.write(name, data)
        return True

    monkeypatch.setattr(AddressFolder, "create", create)
    outcomes = []

    def take():
        try:
            AddressLease(AddressFolder(job), 60.0).take()
            outcomes.append("held")
        except SjcError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted(["held", locks.IN_USE])


@pytest.mark.parametrize(
    ("held", "free"),
    [
        ({"host": "elsewhere", "mark": "x", "expires": 60}, False),
        ({"host": "elsewhere", "mark": "x", "expires": -1}, True),
        ({"host": None, "pid": 999_999_999, "born": "1", "mark": "x", "expires": 60}, True),  # a dead one of here
        ({"mark": "x"}, True),
    ],
)
def test_a_lease_ends_with_its_time_or_its_process(job, held, free):
    if "expires" in held:
        held = {**held, "expires": time.time() + held["expires"]}
    if "pid" in held:
        held["host"] = locks.socket.gethostname()
    AddressFolder(job).write(locks.FOLDER_LOCK, json.dumps(held).encode())
    lease = AddressLease(AddressFolder(job), 60.0)
    if free:
        lease.take()
        lease.renew()
        lease._renewed -= 46
        with pytest.raises(LeaseLost):
            lease.check()
    else:
        with pytest.raises(SjcError, match="in use by") as caught:
            lease.take()
        assert caught.value.code == locks.IN_USE


def test_a_finished_job_that_could_not_be_sent_is_sent_by_the_next_try(job, monkeypatch):
    chosen = settings.resolve_job({"prompt": "a red cube"})
    send = AddressFolder.send

    def broken(_self, _path, _name):
        raise SjcError("the network is gone")

    monkeypatch.setattr(AddressFolder, "send", broken)
    with pytest.raises(SjcError, match="network"), borrowed(job, chosen) as one:
        job_folder.write_settings(one.folder, chosen)
        (one.folder / "mesh.glb").write_text("m")
        (one.folder / "run.json").write_text("{}")
    monkeypatch.setattr(AddressFolder, "send", send)
    with borrowed(job, replace(chosen, seed=1)) as one:
        assert names(one.folder) == {".lock"}, "with other settings it is no result"
        job_folder.write_settings(one.folder, chosen)
        (one.folder / "mesh.glb").write_text("m")
        (one.folder / "run.json").write_text("{}")
    assert {"mesh.glb", "run.json"} <= set(AddressFolder(job).sizes())


def test_a_killed_process_costs_nothing_finished_and_the_next_goes_on(tmp_path):
    """Two processes over one address; the first is killed in the middle of its second job."""
    (tmp_path / "list.txt").write_text("a red cube\na blue cone\n")
    storage = tmp_path / "storage"
    given = [tmp_path / "list.txt", "--out", f"local://{storage}", "--preset", "test", "--device", "cpu", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "sjc", "batch", *map(str, given)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if '"[2/2]' in line:
                break
        process.kill()
    first = next(storage.glob("001-*/run.json"))
    before = first.stat().st_mtime_ns
    assert cli.main(["batch", *map(str, given)]) == 0
    assert first.stat().st_mtime_ns == before
    assert len(list(storage.glob("*/run.json"))) == 2
    assert not list(storage.glob("*/.lock"))
