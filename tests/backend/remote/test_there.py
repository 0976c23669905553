"""The end of the line on the other computer, without a line: whose state counts, what is sent, when it gives up."""

import base64
import io
import json
import time

import pytest

from sjc.errors import SjcError
from sjc.remote import wire
from sjc.remote.there import There
from sjc.worker import protocol

JOB = "a-red-mushroom-1-0123456789ab"


class Line(io.RawIOBase):
    """Keeps the messages that are written to it."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def write(self, data):
        self.messages.append(json.loads(data))
        return len(data)

    def kinds(self):
        return [message["type"] for message in self.messages]


@pytest.fixture
def there(tmp_path):
    one = There(io.BytesIO(), Line(), tmp_path / "jobs")
    yield one
    one._release()


def tell(there, **message):
    there._understand(protocol.encode(message))
    return there.line_out.messages[-1]


def opened(there, resume=True, checkpoint="", have=None, paths=None):
    return tell(there, type="open", name=JOB, resume=resume, checkpoint=checkpoint, have=have or {}, paths=paths or {})


def send(there, name, data):
    for message in wire.messages_of(name, io.BytesIO(data)):
        there._understand(protocol.encode(message))


def written(there, name, data="{}"):
    path = there.jobs / JOB / "job" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data, "utf-8")
    return wire.digest(path, path.parent)


def test_a_job_that_is_not_there_is_sent(there):
    have = {"job.json": "1", "checkpoint.safetensors": "2", "inputs/start.glb": "3", "../../.bashrc": "4"}
    answer = opened(there, have=have, checkpoint="2")
    assert answer["resume"]
    assert answer["wanted"] == ["job.json", "checkpoint.safetensors", "inputs/start.glb"]
    send(there, "job.json", b"{1}")
    assert (there.job / "job.json").read_bytes() == b"{1}"


def test_of_a_new_job_only_its_inputs_are_sent(there):
    written(there, "mesh.glb")
    written(there, "job.json")
    answer = opened(there, resume=False, have={"job.json": "1", "inputs/start.glb": "3"})
    assert answer["wanted"] == ["inputs/start.glb"]
    assert wire.names_in(there.job) == []  # what stood there was an earlier attempt


def test_whoever_has_gone_on_counts(there):
    """The state there counts, unless somebody went on from it elsewhere."""
    written(there, "job.json")
    own = written(there, "checkpoint.safetensors", "at step 5")
    assert opened(there)["wanted"] == []
    assert opened(there, checkpoint="of step 9, made elsewhere", have={"job.json": "1"})["wanted"] == ["job.json"]
    written(there, "job.json")
    assert opened(there, checkpoint="of step 9, made elsewhere", have={"job.json": "1"})["wanted"] == []
    there._sender.start()
    written(there, "checkpoint.safetensors", "at step 5")
    there.write(protocol.encode({"type": "done", "state": "stopped"}))
    there.close()
    assert opened(there, checkpoint=own, have={"job.json": "1"})["wanted"] == []


def test_a_job_that_finished_while_the_line_was_lost_is_sent(there):
    for name in ("job.json", "run.json", "mesh.glb", "snapshots/f_0001.npz"):
        written(there, name)
    opened(there, have={"mesh.glb": wire.digest(there.jobs / JOB / "job" / "mesh.glb", there.jobs)})
    there._sender.start()
    tell(there, type="start", folder="job", settings={}, resume=True)
    there.close()
    sent = [message["name"] for message in there.line_out.messages if message["type"] == "file"]
    assert sorted(sent) == ["job.json", "run.json", "snapshots/f_0001.npz"]  # the mesh is at the other end already
    assert there.line_out.kinds()[-1] == "done"
    assert there.line_out.kinds().index("result") > max(
        number for number, kind in enumerate(there.line_out.kinds()) if kind == "whole"
    )
    tell(there, type="forget")
    assert not (there.jobs / JOB).exists()


def test_the_folder_here_is_made_before_the_first_file_arrives(there):
    """On a card a step is told late: the first snapshot, or a mesh that is painted, may come before any progress."""
    opened(there, resume=False)
    there._sender.start()
    written(there, "snapshots/f_0001.npz")
    written(there, "painted.glb")
    there.write(protocol.encode({"type": "snapshot", "step": 1, "path": "f_0001.npz", "shape": [], "colors": "exact"}))
    there.write(protocol.encode({"type": "painted", "step": 1}))
    there.close()
    there.write(protocol.encode({"type": "progress", "step": 1, "total": 8, "it_s": 1.0, "eta_s": 7.0, "metrics": {}}))
    kinds = there.line_out.kinds()
    assert kinds.count("begun") == 1
    assert kinds.index("begun") < kinds.index("file")
    sent = [message["name"] for message in there.line_out.messages if message["type"] == "file"]
    assert sent == ["snapshots/f_0001.npz", "painted.glb"]


def test_what_cannot_be_read_stays_there(there, monkeypatch):
    """The only copy of a file is not removed because it could not be sent."""
    opened(there)
    there._sender.start()
    written(there, "run.json")
    written(there, "mesh.glb")
    readable = wire.digest
    monkeypatch.setattr(wire, "digest", lambda path, *more: "" if path.name == "mesh.glb" else readable(path, *more))
    there.write(protocol.encode({"type": "done", "state": "finished"}))
    there.close()
    (warning,) = [message["text"] for message in there.line_out.messages if message["type"] == "warning"]
    assert warning.startswith("mesh.glb cannot be read on the other computer; the job stays there")
    tell(there, type="forget")
    assert (there.job / "mesh.glb").exists()


def test_two_lines_do_not_work_on_one_job(there, tmp_path):
    opened(there)
    second = There(io.BytesIO(), Line(), tmp_path / "jobs")
    assert opened(second)["code"] == "in use"


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 300, "a b"])
def test_no_folder_elsewhere(there, name):
    answer = tell(there, type="open", name=name, resume=False, checkpoint="", have={}, paths={})
    assert answer["type"] == "refused"
    assert not there.jobs.exists()


def test_a_silent_line_is_lost(tmp_path):
    there = There(io.BytesIO(), Line(), tmp_path, silence=0.2)
    began = time.monotonic()
    there._watch()
    assert 0.1 < time.monotonic() - began < 10
    assert there.commands.read() == b""  # its end, upon which a worker saves its job


# ---------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "name",
    [
        "../job.json", "/etc/passwd.json", "inputs/../../x.png", "snapshots/a/b.npz", ".remote.json", "run.py", "x.exe",
        "other/mesh.glb", "mesh.glb/", "a\\b.png", "C:x.png", "mesh", "-", "", "x.png\n", 3, "worker.log",
    ],
)  # fmt: skip
def test_names_that_are_refused(tmp_path, name):
    assert not wire.fits(name)
    with pytest.raises(SjcError, match="no job has"):
        wire.Receiver(tmp_path).take({"type": "file", "name": name})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a-red-mushroom.sjc", "버섯.sjc", "snapshots/f_0001.vdb", "inputs/picture-2.jpg"])
def test_names_that_are_taken(name):
    assert wire.fits(name)


def test_a_file_damaged_on_its_way_is_none(tmp_path):
    receiver = wire.Receiver(tmp_path)
    (tmp_path / "mesh.glb").write_bytes(b"old")
    messages = list(wire.messages_of("mesh.glb", io.BytesIO(bytes(2 * wire.CHUNK + 1))))
    assert [message["type"] for message in messages] == ["file", "chunk", "chunk", "chunk", "whole"]
    for message in messages[:2]:
        receiver.take(message)
    with pytest.raises(SjcError, match="damaged on the way"):
        receiver.take(messages[-1])
    receiver.take(messages[0])
    with pytest.raises(SjcError, match="damaged on the way"):
        receiver.take({"type": "chunk", "data": "*"})
    receiver.take(messages[0])
    receiver.drop()
    assert [path.name for path in tmp_path.iterdir()] == ["mesh.glb"]
    assert (tmp_path / "mesh.glb").read_bytes() == b"old"


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    job = tmp_path / "job"
    job.mkdir()
    (job / "snapshots").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SjcError, match="leads out of the job folder"):
        wire.Receiver(job).take({"type": "file", "name": "snapshots/f_0001.npz"})


def test_a_message_holds_a_chunk():
    line = protocol.encode({"type": "chunk", "data": base64.b64encode(bytes(wire.CHUNK)).decode()})
    assert len(line) < protocol.LONGEST_LINE
