"""What a job starts from lies in its folder, and nothing outside of the folder is needed from then on."""

import json
from dataclasses import replace

import pytest

from sjc import foreign
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.job import inputs
from sjc.job.run import reopen
from tests.backend.stubs import settings


@pytest.fixture
def mesh(tmp_path):
    path = tmp_path / "elsewhere" / "My Chair.GLB"
    path.parent.mkdir()
    path.write_bytes(b"a chair")
    return path


def test_a_new_folder_takes_in_its_inputs_and_names_them_relatively(tmp_path, mesh):
    folder = tmp_path / "job"
    s = settings(start=str(mesh), keep=str(mesh))
    job_folder.prepare_folder(folder, s)
    stored = json.loads((folder / "job.json").read_text())
    assert (stored["start"], stored["keep"]) == ("inputs/start.glb", "inputs/keep.glb")
    assert {path.name for path in (folder / "inputs").iterdir()} == {"start.glb", "keep.glb"}
    mesh.unlink()
    assert inputs.path(folder, stored["start"]).read_bytes() == b"a chair"
    assert reopen(folder) == job_folder.read_settings(folder) == inputs.named(s)
    # The same folder again, and its settings for another job.
    job_folder.prepare_folder(folder, replace(inputs.named(s), overwrite=True))
    assert (folder / "inputs" / "start.glb").read_bytes() == b"a chair"
    assert inputs.outside(inputs.named(s), folder).start == str(folder / "inputs" / "start.glb")


def test_inputs_may_be_there_before_the_job(tmp_path, mesh):
    s = inputs.take_in(tmp_path / "job", settings(start=str(mesh)))
    assert s.start == "inputs/start.glb"
    job_folder.prepare_folder(tmp_path / "job", s)
    assert job_folder.read_settings(tmp_path / "job") == s


def test_a_name_at_the_command_line_is_a_path_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert inputs.whole(settings(start="inputs/start.glb")).start == str(tmp_path / "inputs" / "start.glb")
    assert inputs.whole(settings()) == settings()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _path: None, r"start: .* does not exist"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b"x" * 2000), "larger than 0.001 MB"),
    ],
)
def test_what_cannot_be_read_is_said_before_anything_is_written(tmp_path, monkeypatch, make, says):
    known = replace(inputs.FILES["start"], suffixes={".glb": 1000})
    monkeypatch.setitem(inputs.FILES, "start", known)
    make(tmp_path / "it.glb")
    with pytest.raises(SjcError, match=says) as caught:
        job_folder.prepare_folder(tmp_path / "job", settings(start=str(tmp_path / "it.glb")))
    assert "\n" not in str(caught.value)
    assert not foreign.kind(tmp_path / "job")


def test_other_kinds_of_files_are_refused(tmp_path):
    with pytest.raises(SjcError, match=r"cat.png is not a .glb or .safetensors file"):
        inputs.check(settings(start=str(tmp_path / "cat.png")), tmp_path)


@pytest.mark.parametrize("stored", ["/etc/passwd.glb", "../start.glb", "inputs/../../start.glb", "inputs/start.glb"])
def test_a_strangers_folder_leads_nowhere_else(tmp_path, mesh, stored):
    """The last one is a link that leads out."""
    folder = tmp_path / "job"
    (folder / "inputs").mkdir(parents=True)
    (folder / "inputs" / "start.glb").symlink_to(mesh)
    job_folder.write_settings(folder, settings(start=stored))
    with pytest.raises(SjcError, match=r"not one of the files in inputs|leads out of"):
        reopen(folder)


def test_something_to_keep_needs_a_start(mesh):
    with pytest.raises(SjcError, match="nothing to keep without a start"):
        settings(keep=str(mesh))
