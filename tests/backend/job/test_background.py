"""Work beside the steps: in order, errors where they are waited for, and a snapshot is of the moment that it was taken."""

import threading

import pytest
import torch

from sjc.errors import SjcError
from sjc.job import checkpoint, export
from sjc.job import run as job
from sjc.job.background import Beside
from sjc.job.run import Job
from sjc.models import loading
from sjc.output import files
from tests.backend.stubs import StubDenoiser, bent, settings


@pytest.fixture
def beside():
    made = Beside()
    yield made
    made.close()


def test_one_after_another_and_not_here(beside):
    held, done = threading.Event(), []
    beside.start(lambda: (held.wait(60), done.append(threading.current_thread().name)))
    assert not done
    beside.look()  # not done, so nothing is waited for
    threading.Timer(0.1, held.set).start()
    beside.start(lambda: done.append("second"))
    assert done[0].startswith("beside")
    beside.finish()
    assert done[1] == "second"


def fail(text):
    raise SjcError(text)


@pytest.mark.parametrize("waiting", ["finish", "start", "look"])
def test_an_error_comes_out_once_where_it_is_waited_for(beside, waiting):
    beside.start(lambda: fail("The disk is full."))
    with pytest.raises(SjcError, match="disk is full"):
        if waiting == "start":
            beside.start(list)
        elif waiting == "finish":
            beside.finish()
        else:
            while True:
                beside.look()
    beside.finish()


def test_closing_waits_and_says_nothing():
    beside, done = Beside(), []
    beside.start(lambda: (threading.Event().wait(0.1), done.append(1), fail("x")))
    beside.close()
    assert done == [1]


class FakeStream:
    """A CUDA stream that writes down what is asked of it, and whether in the thread beside."""

    def __init__(self, told, name, device="cuda:0"):
        self.told, self.name, self.device = told, name, torch.device(device)

    def note(self, what):
        beside = threading.current_thread().name.startswith("beside")
        self.told.append(f"{'beside' if beside else 'here'}: {self.name} {what}")

    def record_event(self):
        self.note("records")
        return f"event of {self.name}"

    def wait_event(self, event):
        self.note(f"waits for {event}")

    def synchronize(self):
        self.note("is waited for")

    def __enter__(self):
        self.note("begins")

    def __exit__(self, *_):
        self.note("ends")


def test_on_cuda_a_stream_of_its_own_begins_after_what_was_queued(monkeypatch):
    told = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: FakeStream(told, "side", device))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeStream(told, "main", device))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    beside = Beside(torch.device("cuda:1"))
    beside.start(lambda: told.append("work"))
    beside.close()
    assert told == [
        "here: main records",
        "beside: side begins",
        "beside: side waits for event of main",
        "work",
        "beside: side is waited for",
        "beside: side ends",
    ]


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    denoiser = StubDenoiser(bent)
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: denoiser)


def test_a_snapshot_is_the_field_of_its_step_though_steps_go_on(tmp_path, stub, monkeypatch):
    """The writer is held until the job has made all its steps."""
    s = settings(steps=6, snapshot_every=2, turntable=False)
    seen, now = {}, Job._snapshot

    def noted(self, run):
        seen[run.step] = export.arrays(run.field, self.appearance.paint)[0].copy()
        write, further = now(self, run), run.step + 2

        def later():
            while run.step < further:
                pass
            write()

        return later

    monkeypatch.setattr(Job, "_snapshot", noted)
    job.prepare_folder(tmp_path / "a", s)
    told = []
    Job(tmp_path / "a", s, told.append).run()
    assert [e["step"] for e in told if e["type"] == "snapshot"] == [2, 4]
    for number, step in ((1, 2), (2, 4)):
        found = files.read_npz(tmp_path / "a" / "snapshots" / f"f_{number:04d}.npz")
        assert found.meta["step"] == step
        torch.testing.assert_close(
            torch.from_numpy(found.density).float(), torch.from_numpy(seen[step]), rtol=1e-3, atol=1e-3
        )


def test_a_failed_snapshot_ends_the_job(tmp_path, stub, monkeypatch):
    monkeypatch.setattr(Job, "_write_snapshot", lambda *_: fail("The disk is full."))
    s = settings(steps=4, snapshot_every=1, turntable=False)
    job.prepare_folder(tmp_path / "a", s)
    with pytest.raises(SjcError, match="disk is full"):
        Job(tmp_path / "a", s).run()
    assert not (tmp_path / "a" / "run.json").exists()


def test_numbers_of_steps_that_are_under_way_are_told_later_and_none_is_lost(tmp_path, stub, monkeypatch):
    """As on a GPU: step 5 was begun when the numbers of step 3 were read; a checkpoint has those of all steps."""
    s = settings(steps=6, checkpoint_every=4, snapshot_every=100, turntable=False)
    monkeypatch.setattr(job, "_ahead", lambda _: 2)
    job.prepare_folder(tmp_path / "a", s)
    told, one = [], Job(tmp_path / "a", s)
    one.report = lambda e: told.append((e["step"], one.run_state.step)) if e["type"] == "progress" else None
    one.stop = lambda: hasattr(one, "run_state") and one.run_state.step == 5
    with pytest.raises(job.Stopped):
        one.run()
    assert told == [(1, 3), (2, 4), (3, 4), (4, 4), (5, 5)]
    assert checkpoint.load(tmp_path / "a")[1]["history"]["step"] == [1, 2, 3, 4, 5]
    again = Job(tmp_path / "a", s)
    again.run()
    assert again.history["step"] == [1, 2, 3, 4, 5, 6]
