"""Job folders of release 0.1.0 (tests/data/release_0_1_0): the finished one reads, the half-finished one goes on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sjc.cli import main
from sjc.job import checkpoint, export
from sjc.job import folder as job_folder
from sjc.job.pointer import read_pointer
from sjc.models.loading import load_denoiser
from sjc.output import npz
from sjc.settings import from_json, resolve

JOBS = Path(__file__).parents[2] / "data" / "release_0_1_0" / "sjc"
FINISHED = {
    "a-red-mushroom.sjc", "job.json", "run.json", "checkpoint.safetensors", "snapshots", "field.npz", "field.vdb",
    "mesh.glb", "preview.png", "curves.png",
}  # fmt: skip


@pytest.fixture
def jobs(tmp_path):
    """A copy of both job folders."""
    return Path(shutil.copytree(JOBS, tmp_path / "sjc"))


def sjc(*arguments):
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def snapshot_steps(folder):
    """The steps of f_0001, f_0002 ...; each has its volume, and no number is left out."""
    paths = job_folder.snapshots(folder)
    assert [path.stem for path in paths] == [f"f_{n:04d}" for n in range(1, len(paths) + 1)]
    assert all(path.with_suffix(".vdb").is_file() for path in paths)
    return [npz.read_npz(path).meta["step"] for path in paths]


@pytest.mark.parametrize("name", ["finished", "half"])
def test_the_settings_read(name):
    chosen = job_folder.read_settings(JOBS / name)
    defaults_of_then = {"learning_rate": 0.2, "color_rate": 1.0, "sigma_min": 0.7}
    assert chosen == resolve(
        "test", {"prompt": "a red mushroom", "seed": 7, "steps": 12, "device": "cpu", **defaults_of_then}
    )
    written = json.loads((JOBS / name / "job.json").read_text("utf-8"))
    assert {key: getattr(chosen, key) for key in written} == {**written, "background_color": (1.0, 1.0, 1.0)}


def test_the_finished_results_load():
    folder = JOBS / "finished"
    record = json.loads((folder / "run.json").read_text("utf-8"))
    assert from_json(json.dumps({**record["settings"], "color_rate": 1.0})) == job_folder.read_settings(folder)
    assert (record["version"], record["final"]["step"]) == ("0.1.0", 12)
    field = npz.read_npz(folder / "field.npz")
    assert (field.meta["step"], field.meta["prompt"], field.meta["color"]) == (12, "a red mushroom", "final")
    assert (field.density.shape, field.color.shape) == ((16, 16, 16), (16, 16, 16, 3))
    assert field.density.max() > record["mesh"]["threshold"]
    assert snapshot_steps(folder) == [2, 4, 6, 8, 10, 12]
    tensors, meta = checkpoint.load(folder)
    assert int(tensors["step"]) == 12
    assert meta["history"]["step"] == list(range(1, 13))
    pointer = read_pointer(folder / "a-red-mushroom.sjc")
    assert pointer["files"]["mesh"] == folder / "mesh.glb"
    assert all(path.exists() for path in pointer["files"].values())


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("finished", ("resume",), "is finished; nothing to resume"),
        ("finished", ("generate", "a red mushroom", "--out"), "already holds a result; add --overwrite"),
        ("half", ("generate", "a red mushroom", "--out"), "holds an unfinished job: continue it with sjc resume"),
    ],
)
def test_what_is_there_is_refused_in_one_line_and_left_alone(jobs, capsys, name, arguments, says):
    assert sjc(*arguments, jobs / name) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sjc: {jobs / name} {says}")
    assert contents(jobs) == contents(JOBS)


@pytest.fixture(scope="module")
def libraries():
    """The model's libraries, whose import takes longer than the job."""
    load_denoiser("embedded")


def test_the_half_finished_folder_goes_on_to_the_field_of_the_uninterrupted_job(jobs, libraries, capsys, monkeypatch):
    """Its last five steps move the density by up to 5; other processors and thread counts by about 1e-5.

    The model that made the whole one has been trained on since: the end is as near as the two models are alike.
    """
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    half, before = jobs / "half", contents(jobs / "half" / "snapshots")
    assert sjc("resume", half) == 0
    out, err = capsys.readouterr()
    assert "resuming at step 7 of 12" in err
    assert "optimise 8/12" in err
    assert "optimise 7/12" not in err
    assert out.splitlines() == [str(half / name) for name in ("mesh.glb", "preview.png")]
    assert {path.name for path in half.iterdir()} == FINISHED
    assert snapshot_steps(half) == [2, 4, 6, 8, 10, 12]
    assert before.items() <= contents(half / "snapshots").items()
    _, meta = checkpoint.load(half)
    assert meta["history"]["step"] == list(range(1, 13))
    resumed, whole = (npz.read_npz(folder / "field.npz") for folder in (half, JOBS / "finished"))
    np.testing.assert_allclose(resumed.density, whole.density, atol=0.7)
    np.testing.assert_allclose(resumed.color, whole.color, atol=0.2)
