"""Work beside the steps: in order, errors where they are waited for, and a snapshot is of the moment that it was taken."""

import threading

import pytest
import torch

from sjc import export, job
from sjc.beside import Beside
from sjc.errors import SjcError
from sjc.guidance import loading
from sjc.job import Job
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
