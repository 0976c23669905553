"""A job runs to its end, stops, goes on, and leaves a whole folder: always resumable, snapshots without gaps."""

import json
import threading
import time

import numpy as np
import pytest
import torch

from sjc.errors import SjcError
from sjc.job import checkpoint, export
from sjc.job import folder as job_folder
from sjc.job import run as job_run
from sjc.job.folder import CHECKPOINT, prepare_folder
from sjc.job.pointer import read_pointer
from sjc.job.run import JobRun, Stopped, reopen
from sjc.machine import devices
from sjc.models import loading
from sjc.output import npz, pictures
from tests.backend.stubs import StubDenoiser, bent, settings

FOLDER = {
    "a-red-mushroom.sjc",
    "job.json",
    "run.json",
    "checkpoint.safetensors",
    "snapshots",
    "field.npz",
    "field.vdb",
    "mesh.glb",
    "preview.png",
    "curves.png",
}


@pytest.fixture
def stub(monkeypatch):
    """Every model is this one; pictures are small, for speed."""
    for name, value in {"SHEET_SIZE": 24, "TURN_FRAMES": 4, "TURN_SIZE": 32}.items():
        monkeypatch.setattr(export, name, value)
    denoiser = StubDenoiser(bent, card={"mean_shade": 0.8})
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: denoiser)
    return denoiser


class StopAfter:
    """Asked once before every step: says stop when `steps` are made."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left < 0


def stopped(folder, s, steps):
    with pytest.raises(Stopped):
        JobRun(folder, s, stop=StopAfter(steps)).run()


def resumed(folder):
    return JobRun(folder, reopen(folder)).run()


def names(folder):
    return {p.name for p in folder.iterdir()}


def snapshot_steps(folder):
    """The steps of f_0001, f_0002, ...; every number's npz and vdb are there and no other file."""
    paths = job_folder.snapshots(folder)
    expected = {f"f_{i:04d}.{kind}" for i in range(1, len(paths) + 1) for kind in ("npz", "vdb")}
    assert names(folder / "snapshots") == expected
    return [npz.read_npz(path).meta["step"] for path in paths]


# -------------------------------------------------------------------------------------------------------- whole jobs


def test_the_folder_and_what_stands_in_it(tmp_path, stub):
    events, s = [], settings(turntable=True, steps=4)
    prepare_folder(tmp_path / "j", s)
    record = JobRun(tmp_path / "j", s, events.append).run()
    assert names(tmp_path / "j") == FOLDER | {"turntable.mp4"}
    assert json.loads((tmp_path / "j/run.json").read_text()) == json.loads(json.dumps(record))
    assert record["settings"]["prompt"] == "a red mushroom"
    assert record["settings"]["seed"] == 0
    assert record["final"]["step"] == 4
    assert record["mesh"]["watertight"]
    assert set(record["seconds"]) == {"load", "optimise", "export"}
    assert record["versions"]["torch"] == torch.__version__.split("+")[0] or "+" in record["versions"]["torch"]
    assert job_folder.read_settings(tmp_path / "j") == s
    assert read_pointer(tmp_path / "j/a-red-mushroom.sjc")["files"]["mesh"].name == "mesh.glb"
    kinds = [e["type"] for e in events]
    assert kinds[0] == "status"
    assert kinds[-1] == "result"
    assert [e["step"] for e in events if e["type"] == "progress"] == [1, 2, 3, 4]
    assert all({"stage", "total", "it_s", "eta_s", "metrics"} <= set(e) for e in events if e["type"] == "progress")
    assert snapshot_steps(tmp_path / "j") == [2, 4]
    final = npz.read_npz(tmp_path / "j/field.npz")
    assert final.meta == {**final.meta, "step": 4, "color": "final", "prompt": "a red mushroom"}


@pytest.mark.parametrize("stop", [0, 3, 5])
def test_stopped_and_resumed_gives_the_same_field_and_history(tmp_path, stub, stop):
    s = settings(steps=6, coarse_to_fine=1, turntable=False)
    for name in ("whole", "parts"):
        prepare_folder(tmp_path / name, s)
    whole = JobRun(tmp_path / "whole", s).run()
    stopped(tmp_path / "parts", s, stop)
    assert "run.json" not in names(tmp_path / "parts")
    parts = resumed(tmp_path / "parts")
    assert names(tmp_path / "parts") == FOLDER
    assert whole["final"] == parts["final"]
    (one, meta_one), (two, meta_two) = (checkpoint.load(tmp_path / name) for name in ("whole", "parts"))
    assert meta_one["history"] == meta_two["history"]
    assert meta_two["history"]["step"] == [1, 2, 3, 4, 5, 6]
    assert all(torch.equal(one[key], two[key]) for key in one)
    a, b = (npz.read_npz(tmp_path / name / "field.npz") for name in ("whole", "parts"))
    np.testing.assert_array_equal(a.density, b.density)
    np.testing.assert_array_equal(a.color, b.color)
    assert snapshot_steps(tmp_path / "whole") == snapshot_steps(tmp_path / "parts") == [2, 4, 6]


def test_a_job_that_ends_early_says_so_and_counts_to_its_last_step(tmp_path, stub):
    s = settings(steps=50, early_stop=0.01, learning_rate=1e-6, checkpoint_every=50, snapshot_every=10)
    events = []
    prepare_folder(tmp_path, s)
    record = JobRun(tmp_path, s, events.append).run()
    line = "Finished early at step 35 of 50: the object no longer changes."
    assert record["warnings"].count(line) == 1
    progress = [event for event in events if event["type"] == "progress"]
    assert [(event["step"], event["total"]) for event in progress[-2:]] == [(35, 50), (35, 35)]
    assert progress[-1]["eta_s"] == 0
    assert snapshot_steps(tmp_path) == [10, 20, 30, 35]

    (tmp_path / "run.json").unlink()  # as if killed in the export: no step is made again, and the line is
    again = resumed(tmp_path)
    assert again["warnings"].count(line) == 1
    assert snapshot_steps(tmp_path) == [10, 20, 30, 35]


def test_snapshots_past_the_checkpoint_are_made_again_without_gaps(tmp_path, stub):
    """As after a power cut: snapshots 2 to 6 were written, the last checkpoint is of step 3."""
    s = settings(steps=8, snapshot_every=1, checkpoint_every=3)
    prepare_folder(tmp_path, s)
    stopped(tmp_path, s, 3)
    saved = (tmp_path / CHECKPOINT).read_bytes()
    reopen(tmp_path)
    with pytest.raises(Stopped):
        JobRun(tmp_path, s, stop=StopAfter(3)).run()
    (tmp_path / CHECKPOINT).write_bytes(saved)
    (tmp_path / "snapshots/f_0007.vdb").write_bytes(b"half a pair")
    (tmp_path / ".field.123~.npz").write_bytes(b"half a file")
    assert len(job_folder.snapshots(tmp_path)) == 6
    resumed(tmp_path)
    assert snapshot_steps(tmp_path) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert names(tmp_path) == FOLDER


def test_a_stop_during_the_export_can_be_resumed(tmp_path, stub):
    s = settings(steps=4)
    prepare_folder(tmp_path, s)
    stopped(tmp_path, s, 5)  # after the loop's four and the one between loop and export
    assert "field.npz" in names(tmp_path)
    assert "run.json" not in names(tmp_path)
    resumed(tmp_path)
    assert snapshot_steps(tmp_path) == [2, 4]


def test_who_deletes_the_mesh_can_make_it_again(tmp_path, stub):
    s = settings(steps=4, turntable=False)
    prepare_folder(tmp_path, s)
    JobRun(tmp_path, s).run()
    with pytest.raises(SjcError, match="is finished; nothing to resume"):
        reopen(tmp_path)
    mesh = (tmp_path / "mesh.glb").read_bytes()
    (tmp_path / "mesh.glb").unlink()
    assert resumed(tmp_path)["final"]["step"] == 4
    assert (tmp_path / "mesh.glb").read_bytes() == mesh
    assert snapshot_steps(tmp_path) == [2, 4]


@pytest.mark.parametrize("name", ["preview.png", "turntable.mp4", "curves.png", "the texture"])
def test_every_extra_may_fail_alone(tmp_path, stub, monkeypatch, name):
    """A warning among the events and in run.json, all other files, and nothing left to resume."""

    def fails(*_given, **_named):
        raise RuntimeError("The parrot is dead.\nMore of it.")

    place = {
        "preview.png": (export, "write_preview"),
        "turntable.mp4": (export, "write_turntable"),
        "curves.png": (pictures, "curves"),
        "the texture": (export, "textured"),
    }
    monkeypatch.setattr(*place[name], fails)
    s, events = settings(steps=2, turntable=True, texture_size=256), []
    prepare_folder(tmp_path, s)
    record = JobRun(tmp_path, s, events.append).run()
    text = f"{name} is missing from the result: The parrot is dead."
    assert [e["text"] for e in events if e["type"] == "warning"][-1:] == [text]
    assert text in record["warnings"]
    assert names(tmp_path) == (FOLDER | {"turntable.mp4"}) - {name}
    assert job_folder.finished(tmp_path)


@pytest.mark.parametrize("program", ["missing", "/bin/false"])
def test_without_a_working_ffmpeg_there_is_no_film_and_all_else(tmp_path, stub, monkeypatch, program):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / program) if program == "missing" else program)
    s = settings(steps=2, turntable=True)
    prepare_folder(tmp_path / "j", s)
    (warning,) = [w for w in JobRun(tmp_path / "j", s).run()["warnings"] if "turntable" in w]
    assert warning.startswith("turntable.mp4 is missing from the result: ")
    assert names(tmp_path / "j") == FOLDER


def test_a_kill_before_the_last_file_leaves_a_job_to_go_on_with_and_its_pointer(tmp_path, stub, monkeypatch):
    s, write_json = settings(steps=2), job_run.files.write_json

    def killed(path, value):
        if path.name == "run.json":
            raise SystemExit
        write_json(path, value)

    prepare_folder(tmp_path, s)
    monkeypatch.setattr(job_run.files, "write_json", killed)
    with pytest.raises(SystemExit):
        JobRun(tmp_path, s).run()
    monkeypatch.undo()
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: stub)
    assert read_pointer(tmp_path / "a-red-mushroom.sjc")["files"]["run"] == tmp_path / "run.json"
    assert not job_folder.finished(tmp_path)
    resumed(tmp_path)
    assert job_folder.finished(tmp_path)


def test_a_result_that_lost_its_pointer_gets_it_again(tmp_path, stub):
    s = settings(steps=1)
    prepare_folder(tmp_path, s)
    JobRun(tmp_path, s).run()
    (tmp_path / "a-red-mushroom.sjc").unlink()
    with pytest.raises(SjcError, match="nothing to resume"):
        reopen(tmp_path)
    assert names(tmp_path) == FOLDER


def test_a_checkpoint_waits_for_the_snapshots_before_it(tmp_path, stub, monkeypatch):
    """A job that goes on from it makes none of them again."""
    write, save, pairs = export.write_snapshot, checkpoint.save, []

    def slow(*given):
        time.sleep(0.1)
        write(*given)

    def saved(folder, tensors, meta):
        pairs.append((int(tensors["step"]), snapshot_steps(folder)))
        save(folder, tensors, meta)

    monkeypatch.setattr(export, "write_snapshot", slow)
    monkeypatch.setattr(checkpoint, "save", saved)
    s = settings(steps=4, snapshot_every=1, checkpoint_every=3)
    prepare_folder(tmp_path, s)
    JobRun(tmp_path, s).run()
    assert pairs == [(3, [1, 2, 3]), (4, [1, 2, 3])]


def test_nan_keeps_the_last_good_checkpoint(tmp_path, stub):
    s = settings(steps=9, checkpoint_every=2)
    prepare_folder(tmp_path, s)
    calls = []

    def breaks(x, sigma):
        calls.append(1)
        return bent(x, sigma) * (torch.nan if len(calls) == 6 else 1)

    stub.denoise = breaks
    with pytest.raises(SjcError, match="at step 6 of 9"):
        JobRun(tmp_path, s).run()
    tensors, meta = checkpoint.load(tmp_path)
    assert int(tensors["step"]) == 4
    assert all(torch.isfinite(v.float()).all() for v in tensors.values())
    assert meta["history"]["step"] == [1, 2, 3, 4]
    assert "run.json" not in names(tmp_path)
    assert resumed(tmp_path)["final"]["step"] == 9


def test_a_job_needs_no_main_thread(tmp_path, stub):
    s = settings(steps=1)
    prepare_folder(tmp_path, s)
    thread = threading.Thread(target=JobRun(tmp_path, s).run)
    thread.start()
    thread.join()
    assert "run.json" in names(tmp_path)


# ------------------------------------------------------------------------------------------------------------ device


def test_devices_that_are_not_there(monkeypatch):
    assert devices.choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:9"):
        with pytest.raises(SjcError, match=f"device {name} is not there: torch sees no CUDA device"):
            devices.choose_device(name)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.choose_device("auto") == torch.device("cpu")
    with pytest.raises(SjcError, match="mps is not there"):
        devices.choose_device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(SjcError, match=r"this machine has 2 \(cuda:0 to cuda:1\)"):
        devices.choose_device("cuda:2")


def test_what_the_model_notes_is_a_warning_once_whenever_it_comes(tmp_path, monkeypatch):
    """Before the steps, among them, and while the files are written."""
    warnings, denoiser = [], StubDenoiser(bent)
    denoiser.notes = ["It is tight here."]
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: denoiser)
    s = settings(steps=6, snapshot_every=100, turntable=False)
    one = JobRun(tmp_path / "a", s, lambda e: warnings.append(e["text"]) if e["type"] == "warning" else None)
    later = {0: "Tight before the steps.", 3: "Tight among them.", 6: "Tight after them."}

    def stop():
        note = later.get(len(denoiser.asked), "It is tight here.")
        if one.loaded and note not in denoiser.notes:
            denoiser.notes.append(note)
        return False

    one.stop = stop
    prepare_folder(tmp_path / "a", s)
    record = one.run()
    assert [text for text in warnings if "ight" in text] == ["It is tight here.", *later.values()]
    assert set(later.values()) < set(record["warnings"])
