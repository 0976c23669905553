"""Lists, folders and workers that lie: one bad entry takes no list down, and no message ends Blender's side."""

import io
import json
import os
import random
import sys
import threading

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.job import folder as job_folder
from sjc_blender.backend.sjc.output.npz import write_npz
from sjc_blender.backend.sjc.output.vdb import write_live_vdb, write_vdb
from sjc_blender.backend.sjc.worker import protocol
from sjc_blender.backend.sjc.worker.fake import ball, cube
from sjc_blender.queue import queue_file
from sjc_blender.queue.records import JobRecord, State
from sjc_blender.scene import glb, history, vdb
from sjc_blender.worker.pipes import Inbox
from sjc_blender.worker.process import WorkerProcess
from tests.addon.helpers import PACKAGE, chosen
from tests.backend.job.test_hostile_folder import BOMBS, archive

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes as other systems have them")
ODD = [
    None, True, -5, 2**62, 10**400, 0.5, float("nan"), float("inf"), "", "x" * 300, "a\0b", "\ud800", "../../etc", [],
    [1], {}, {"a": 1}, [[[]]],
]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ lists


@pytest.mark.parametrize(
    "name", ["id", "state", "folder", "resume", "settings", "step", "total", "seconds", "text", "warnings", "problem"]
)
def test_an_odd_entry_of_the_queue_leaves_the_others_in_place(tmp_path, name):
    path = tmp_path / "sjc_queue.json"
    records = [JobRecord(chosen(), tmp_path / f"job-{i}", state=State.STOPPED) for i in range(2)]
    queue_file.save(path, records)
    stored = json.loads(path.read_text())
    good = stored["jobs"]
    stored["jobs"] = [good[0], *({**good[1], name: value} for value in ODD), *ODD, {}, good[1]]
    path.write_text(json.dumps(stored).replace("NaN", "1e999").replace("Infinity", "1e999"))
    jobs = queue_file.load(path)
    assert [job.id for job in (jobs[0], jobs[-1])] == [record.id for record in records]
    for job in jobs:
        assert 0 <= job.step <= 1_000_000
        assert "\0" not in str(job.folder)
    queue_file.save(tmp_path / "again.json", jobs)
    assert len(queue_file.load(tmp_path / "again.json")) == len(jobs)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"jobs": ' + "9" * 5000 + "}", "NaN", "", "[]", '{"jobs": {}}'])
def test_an_odd_list_is_one_line(tmp_path, text):
    path = tmp_path / "sjc_queue.json"
    path.write_text(text)
    with pytest.raises(SjcError) as caught:
        queue_file.load(path)
    assert "\n" not in str(caught.value)


@posix
def test_a_pipe_in_the_place_of_the_list_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "sjc_queue.json")
    with pytest.raises(SjcError, match="a device or a pipe"):
        queue_file.load(tmp_path / "sjc_queue.json")


def test_an_odd_folder_leaves_the_history_in_place(tmp_path):
    from sjc_blender.ui import job_history

    job_folder.write_settings(tmp_path / "good", chosen())
    odd = ["{" * 100_000, "[1]", '{"prompt": 3}', '{"prompt": "a\\u0000b"}', '{"prompt": "\\ud800"}', "", "NaN"]
    for number, text in enumerate(odd):
        (tmp_path / f"odd-{number}").mkdir()
        (tmp_path / f"odd-{number}" / "job.json").write_text(text)
    if sys.platform != "win32":
        (tmp_path / "pipe").mkdir()
        os.mkfifo(tmp_path / "pipe" / "job.json")
        (tmp_path / "loop").symlink_to("loop")
    os.utime(tmp_path / "good", (2**40, 2**40))
    assert [entry.prompt for entry in job_history.jobs_in(tmp_path)] == ["a red mushroom"]


# -------------------------------------------------------------------------------------------------- volumes and meshes


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_no_newest_snapshot(tmp_path, name, monkeypatch):
    (tmp_path / "snapshots").mkdir()
    archive(tmp_path / "snapshots" / "f_0001.npz", BOMBS[name])
    monkeypatch.setattr("zipfile.ZipFile.testzip", lambda _: pytest.fail("it was unpacked"))
    assert history.newest(tmp_path) is None


@posix
def test_a_history_that_lies_elsewhere_is_not_removed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f_0001.vdb").write_bytes(b"theirs")
    (tmp_path / "snapshots").symlink_to(outside)
    history.drop(tmp_path / "snapshots")
    assert (outside / "f_0001.vdb").read_bytes() == b"theirs"


@pytest.mark.parametrize("reader", [glb.read, vdb.read_header])
def test_readers_survive_anything(tmp_path, reader):
    """Bits flipped, ends cut, random middles: what they refuse is one line."""
    path = tmp_path / "file"
    if reader is glb.read:
        path.write_bytes(cube("a"))
    else:
        write_vdb(path, *ball(0.5))
    whole, generator = path.read_bytes(), random.Random(7)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(generator.choice([1, 1, 3, 30])):
            data[generator.randrange(min(len(data), 2000))] = generator.randrange(256)
        path.write_bytes(data[: generator.choice([len(data), generator.randrange(len(data))])])
        try:
            reader(path)
        except SjcError as error:
            assert "\n" not in str(error)  # noqa: PT017 (what it gives is no error)


# ----------------------------------------------------------------------------------------------------- a lying worker


def lies(generator):
    """Lines of every type of message with odd values in its fields, and lines that are none."""
    kind = generator.choice(sorted(protocol.DOWN))
    usual = {int: 3, float: 0.5, str: "a", dict: {}, list: []}
    message = {"type": kind, **{name: usual[types[0]] for name, types in protocol.DOWN[kind].items()}}
    for name in protocol.DOWN[kind]:
        if generator.random() < 0.5:
            message[name] = generator.choice([*ODD, {"loss": 10**400, "\ud800": 1, "ok": 1.0}, "y" * 20_000])
    return json.dumps(message)


def test_whatever_a_worker_says_the_reader_and_the_queue_go_on(tmp_path, queue):
    made = queue("ok")
    job = made.add(chosen(), tmp_path / "job")
    process = WorkerProcess(["none"], package=PACKAGE)
    made.current, job.state = job, State.RUNNING
    process.hello = {"type": "hello"}
    generator = random.Random(11)
    for _ in range(2000):
        process._read(io.BytesIO(lies(generator).encode() + b"\n"))
        process._garbage = 0
        for message in process.inbox.take():
            if message["type"] not in ("done", "hello") and message.get("code") != "worker":
                made._take(message)
        assert made.current is job
        assert 0 <= job.step <= 1_000_000
    queue_file.save(tmp_path / "list.json", [job])
    assert [entry.id for entry in queue_file.load(tmp_path / "list.json")] == [job.id]


def test_a_message_that_makes_no_sense_ends_its_job_alone(tmp_path, queue, monkeypatch):
    made = queue("ok")
    first, second = made.add(chosen(), tmp_path / "a"), made.add(chosen(), tmp_path / "b")
    usual = JobRecord.take

    def take(self, message):
        if self is first and message["type"] == "progress":
            raise RuntimeError("nobody thought of it")
        usual(self, message)

    monkeypatch.setattr(JobRecord, "take", take)
    made.run()
    assert first.state is State.FAILED
    assert "not a message" in first.problem.text
    assert second.state is State.FINISHED


@pytest.mark.parametrize("path", ["", "a\0b", "/etc/passwd", "../../f_0001.npz", "f_0001.npz", "\ud800", "n" * 5000])
def test_a_snapshot_is_looked_for_in_the_jobs_own_folder(tmp_path, path):
    assert queue_file.snapshot_of(tmp_path, path, 3) is None


def test_a_snapshot_of_another_folder_is_not_taken(tmp_path):
    npz = tmp_path / "theirs" / "snapshots" / "f_0001.npz"
    write_live_vdb(npz.with_suffix(".vdb"), *ball(0.5))
    write_npz(npz, *ball(0.5), meta={"step": 3})
    assert queue_file.snapshot_of(tmp_path / "theirs", str(npz), 3) is not None
    assert queue_file.snapshot_of(tmp_path / "ours", str(npz), 3) is None


@posix
def test_a_log_that_is_a_link_or_a_pipe_is_not_written_to(tmp_path):
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("theirs\n")
    process = WorkerProcess(["none"], package=PACKAGE)
    (tmp_path / "link").symlink_to(theirs)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "new"):
        process.log = tmp_path / name
        writing = threading.Thread(target=process._note, args=("a line",), daemon=True)
        writing.start()
        writing.join(5)
        assert not writing.is_alive(), f"{name} blocks"
    assert theirs.read_text() == "theirs\n"
    assert (tmp_path / "new").read_text() == "a line\n"


def test_a_flood_is_bounded():
    inbox = Inbox()
    for number in range(10_000):
        inbox.put({"type": "warning", "text": str(number)})
    assert len(inbox.take()) <= Inbox.LIMIT
