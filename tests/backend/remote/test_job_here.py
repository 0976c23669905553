"""A job that another computer works on, as it stands here: what is sent, and what is taken over from there."""

import numpy as np
import pytest

from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.output.npz import write_npz
from sjc.remote.job_here import JobHere
from sjc.remote.paths import needed
from sjc.settings import Settings, resolve


def job_in(folder, **changes):
    folder.mkdir(exist_ok=True)
    return JobHere(folder, Settings(prompt="a red mushroom"), **changes)


def test_only_files_of_the_job_are_sent(tmp_path):
    """Whatever the other computer asks for."""
    secret = tmp_path / "secret.json"
    secret.write_text("{}", "utf-8")
    job = job_in(tmp_path / "job", begun=True)
    (job.folder / "job.json").write_text("{}", "utf-8")
    (job.folder / "mesh.glb").symlink_to(secret)
    job.look()
    assert list(job.have) == ["job.json"]
    wanted = ["../secret.json", "mesh.glb", 3, "job.json"]
    assert [m["name"] for m in job.messages_of(wanted) if m["type"] == "file"] == ["job.json"]


def snapshot(folder, number, step):
    path = folder / job_folder.SNAPSHOTS / f"f_{number:04d}.npz"
    path.parent.mkdir(exist_ok=True)
    write_npz(path, np.zeros((2, 2, 2), np.float32), np.zeros((2, 2, 2, 3), np.float32), meta={"step": step})
    return path


def test_snapshots_that_were_made_while_nobody_listened(tmp_path):
    job = job_in(tmp_path / "job", begun=True, shown={"f_0001.npz"})
    paths = [snapshot(job.folder, number, 2 * number) for number in (1, 2, 3, 4)]
    there = [f"snapshots/{path.name}" for path in paths[:3]]
    assert [(news["step"], news["path"]) for news in job.follow(there)] == [(4, str(paths[1])), (6, str(paths[2]))]
    assert [path.exists() for path in paths] == [True, True, True, False]
    assert list(job.follow(there)) == []  # only once


def test_a_painted_mesh_goes_with_its_job(tmp_path):
    job = job_in(tmp_path / "job", begun=True)
    (job.folder / job_folder.PAINTED).write_bytes(b"glTF")
    list(job.follow([job_folder.PAINTED]))
    assert (job.folder / job_folder.PAINTED).exists()
    list(job.follow(["mesh.glb"]))
    assert not (job.folder / job_folder.PAINTED).exists()


def test_a_snapshot_is_a_file_of_the_job(tmp_path):
    job = job_in(tmp_path / "job", begun=True)
    news = {"type": "snapshot", "step": 1, "shape": [], "colors": "exact"}
    assert job.snapshot({**news, "path": "/there/f_0001.npz"})["path"] == str(job.folder / "snapshots" / "f_0001.npz")
    for path in ("..", "/there/run.sh"):
        with pytest.raises(SjcError, match="a snapshot that no job has"):
            job.snapshot({**news, "path": path})


def test_the_name_there_is_remembered_for_each_computer(tmp_path):
    job = job_in(tmp_path / "a red mushroom!")
    name = job.name_there("friend")
    assert name.startswith("a-red-mushroom-")
    assert job_in(job.folder).name_there("friend") == name
    assert job.name_there("another") != name
    job_folder.check_folder(job.folder, job.settings)  # and is nothing that a job may not begin beside


def test_which_paths_the_other_computer_must_have(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    given = {"prompt": "x", "lora": "/a.safetensors:0.5, /b.safetensors", "mv_adapter": "/c.safetensors"}
    assert needed(resolve(None, {**given, "model": str(model)})) == {
        "model": str(model),
        "lora": "/a.safetensors",
        "lora 2": "/b.safetensors",
        "mv_adapter": "/c.safetensors",
    }
    assert needed(resolve(None, {"prompt": "x", "model": "some/model"})) == {}
    assert needed(resolve(None, {"prompt": "x"})) == {}
