"""Work beside the steps: in order, errors where they are waited for, snapshots of the moment they were taken."""

import threading

import pytest
import torch

from sjc.appearance import views as field_views
from sjc.errors import SjcError
from sjc.job import checkpoint, export
from sjc.job import folder as job_folder
from sjc.job import run as job_run
from sjc.job.background import BackgroundWriter
from sjc.job.run import JobRun
from sjc.models import loading
from sjc.output import npz
from tests.backend.stubs import StubDenoiser, bent, settings


@pytest.fixture
def writer():
    made = BackgroundWriter()
    yield made
    made.close()


def test_one_after_another_and_not_here(writer):
    held, done = threading.Event(), []
    writer.start(lambda: (held.wait(60), done.append(threading.current_thread().name)))
    assert not done
    writer.raise_error()  # not done, so nothing is waited for
    threading.Timer(0.1, held.set).start()
    writer.start(lambda: done.append("second"))
    assert done[0].startswith("background writer")
    writer.finish()
    assert done[1] == "second"


def fail(text):
    raise SjcError(text)


@pytest.mark.parametrize("waiting", ["finish", "start", "raise_error"])
def test_an_error_comes_out_once_where_it_is_waited_for(writer, waiting):
    writer.start(lambda: fail("The disk is full."))
    with pytest.raises(SjcError, match="disk is full"):
        if waiting == "start":
            writer.start(list)
        elif waiting == "finish":
            writer.finish()
        else:
            while True:
                writer.raise_error()
    writer.finish()


def test_closing_waits_and_says_nothing():
    writer, done = BackgroundWriter(), []
    writer.start(lambda: (threading.Event().wait(0.1), done.append(1), fail("x")))
    writer.close()
    assert done == [1]


class FakeStream:
    """A CUDA stream that writes down what is asked of it, and whether in the background thread."""

    def __init__(self, events, name, device="cuda:0"):
        self.events, self.name, self.device = events, name, torch.device(device)

    def note(self, what):
        background = threading.current_thread().name.startswith("background")
        self.events.append(f"{'background' if background else 'here'}: {self.name} {what}")

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
    events = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: FakeStream(events, "side", device))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeStream(events, "main", device))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    writer = BackgroundWriter(torch.device("cuda:1"))
    writer.start(lambda: events.append("work"))
    writer.close()
    assert events == [
        "here: main records",
        "background: side begins",
        "background: side waits for event of main",
        "work",
        "background: side is waited for",
        "background: side ends",
    ]


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    denoiser = StubDenoiser(bent)
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: denoiser)


def test_a_snapshot_is_the_field_of_its_step_though_steps_go_on(tmp_path, stub, monkeypatch):
    """The writer is held until the job has made two more steps; a checkpoint would wait for it."""
    s = settings(steps=6, snapshot_every=2, checkpoint_every=100, turntable=False)
    densities, now = {}, JobRun._snapshot

    def noted(self):
        run = self.optimization
        densities[run.step] = field_views.arrays(run.field, self.appearance.paint)[0].copy()
        write, further = now(self), run.step + 2

        def later():
            while run.step < further:
                pass
            write()

        return later

    monkeypatch.setattr(JobRun, "_snapshot", noted)
    job_folder.prepare_folder(tmp_path / "a", s)
    events = []
    JobRun(tmp_path / "a", s, events.append).run()
    assert [e["step"] for e in events if e["type"] == "snapshot"] == [2, 4]
    for number, step in ((1, 2), (2, 4)):
        snapshot = npz.read_npz(tmp_path / "a" / "snapshots" / f"f_{number:04d}.npz")
        assert snapshot.meta["step"] == step
        torch.testing.assert_close(
            torch.from_numpy(snapshot.density).float(), torch.from_numpy(densities[step]), rtol=1e-3, atol=1e-3
        )


def test_a_failed_snapshot_ends_the_job(tmp_path, stub, monkeypatch):
    monkeypatch.setattr(JobRun, "_write_snapshot", lambda *_: fail("The disk is full."))
    s = settings(steps=4, snapshot_every=1, turntable=False)
    job_folder.prepare_folder(tmp_path / "a", s)
    with pytest.raises(SjcError, match="disk is full"):
        JobRun(tmp_path / "a", s).run()
    assert not (tmp_path / "a" / "run.json").exists()


def test_numbers_of_steps_that_are_under_way_are_told_later_and_none_is_lost(tmp_path, stub, monkeypatch):
    """As on a GPU: step 5 was begun when the numbers of step 3 were read; a checkpoint has those of all steps."""
    s = settings(steps=6, checkpoint_every=4, snapshot_every=100, turntable=False)
    monkeypatch.setattr(job_run, "_steps_ahead", lambda _: 2)
    job_folder.prepare_folder(tmp_path / "a", s)
    events, one = [], JobRun(tmp_path / "a", s)
    one.report = lambda e: events.append((e["step"], one.optimization.step)) if e["type"] == "progress" else None
    one.stop = lambda: hasattr(one, "optimization") and one.optimization.step == 5
    with pytest.raises(job_run.Stopped):
        one.run()
    assert events == [(1, 3), (2, 4), (3, 4), (4, 4), (5, 5)]
    assert checkpoint.load(tmp_path / "a")[1]["history"]["step"] == [1, 2, 3, 4, 5]
    again = JobRun(tmp_path / "a", s)
    again.run()
    assert again.history["step"] == [1, 2, 3, 4, 5, 6]
