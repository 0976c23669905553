"""A job folder from a stranger: nothing outside of it is touched, nothing hangs, every refusal is one line."""

import io
import json
import os
import sys
import zipfile

import numpy as np
import pytest
import torch

from sjc import foreign
from sjc.errors import SjcError
from sjc.job import checkpoint, run
from sjc.job import folder as job_folder
from sjc.job.batch import read_batch
from sjc.job.pointer import read_pointer
from sjc.output import files, npz
from sjc.output.npz import read_npz, write_npz
from tests.backend.stubs import settings
from tests.backend.test_optimize import start

FIELD = np.ones((6, 6, 6), "f4"), np.ones((6, 6, 6, 3), "f4")
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes as other systems have them")


def refused(work, line=""):
    with pytest.raises(SjcError) as caught:
        work()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def archive(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as target:
        for name, data in members.items():
            target.writestr(name, data)


def header(shape, kind="<f4"):
    """The head of an .npy file, whatever follows."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array))
    return stream.getvalue()


def members(**changes):
    """Those of a good field, as bytes, and what is changed."""
    good = {"density": FIELD[0], "color": FIELD[1], "bounds": npz.UNIT_BOX, "meta": json.dumps({"version": 1})}
    own = {f"{name}.npy": npy(value) for name, value in good.items()}
    return {**own, **{f"{name}.npy": data for name, data in changes.items()}}


# ----------------------------------------------------------------------------------------------------- special files


@posix
@pytest.mark.parametrize("name", [job_folder.JOB, job_folder.CHECKPOINT, "run.json"])
def test_a_pipe_or_an_endless_device_in_a_job_folder_is_refused_at_once(tmp_path, name):
    if name != job_folder.JOB:
        job_folder.write_settings(tmp_path, settings())
    if name == "run.json":
        (tmp_path / job_folder.JOB).unlink()
    os.mkfifo(tmp_path / name)
    refused(lambda: run.reopen(tmp_path), "is a device or a pipe, not a file")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    refused(lambda: run.reopen(tmp_path))


@posix
def test_linked_snapshots_are_neither_read_nor_removed_nor_written(tmp_path):
    outside, job = tmp_path / "outside", tmp_path / "job"
    write_npz(outside / "f_0001.npz", *FIELD, meta={"step": 3, "steps": 8})
    (outside / "f_0001.vdb").write_bytes(b"theirs")
    job_folder.write_settings(job, settings())
    (job / "snapshots").symlink_to(outside)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    refused(lambda: run.reopen(job), "is a link that leads out of the job folder")
    refused(lambda: job_folder.prepare_folder(job, settings(overwrite=True)), "is a link that leads out")
    assert job_folder.snapshots(job) == []
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


@posix
def test_a_linked_settings_file_or_snapshot_is_not_read(tmp_path):
    job = tmp_path / "job"
    job_folder.write_settings(tmp_path / "other", settings())
    write_npz(tmp_path / "other" / "a.npz", *FIELD, meta={"step": 3})
    (job / "snapshots").mkdir(parents=True)
    (job / "job.json").symlink_to(tmp_path / "other" / "job.json")
    (job / "snapshots" / "f_0001.npz").symlink_to(tmp_path / "other" / "a.npz")
    refused(lambda: job_folder.read_settings(job), "is a link that leads out of")
    assert job_folder.snapshot_meta(job / "snapshots" / "f_0001.npz") is None


@posix
def test_what_is_written_never_follows_a_link(tmp_path):
    """Neither the one that stands where the file will be, nor the one that waits under its temporary name."""
    theirs = tmp_path / "theirs.json"
    theirs.write_text("theirs")
    (tmp_path / "run.json").symlink_to(theirs)
    (tmp_path / f".run.{os.getpid()}~.json").symlink_to(theirs)
    files.write_json(tmp_path / "run.json", {"ours": 1})
    assert theirs.read_text() == "theirs"
    assert not (tmp_path / "run.json").is_symlink()


# --------------------------------------------------------------------------------------------------------- contents


@pytest.mark.parametrize(
    "text",
    ['{"steps":' * 100_000, '{"steps": ' + "9" * 400 + "}", '{"steps": ' + "9" * 5000 + "}", '{"grid": NaN}',
     '{"grid": null}', '{"prompt": "\\ud800"}', '{"prompt": "a\\u0000b"}', '{"model": "a\\u0000b"}',
     '{"lora": ["a"]}', '{"": 1}'],
    ids=range(10),
)  # fmt: skip
def test_odd_settings_are_one_line(tmp_path, text):
    (tmp_path / job_folder.JOB).write_text(text)
    refused(lambda: job_folder.read_settings(tmp_path))


@pytest.mark.parametrize(
    "meta", [{"step": None}, {"step": -5}, {"step": 2**62}, {"step": "3"}, {"step": 3.5}, [1], "x"]
)
def test_a_snapshots_step_is_one_that_a_run_can_have(tmp_path, meta):
    path = tmp_path / "snapshots" / "f_0001.npz"
    path.parent.mkdir()
    archive(path, members(meta=npy(json.dumps(meta))))
    assert job_folder.snapshot_meta(path) is None
    refused(lambda: read_npz(path))
    job_folder.clear_unfinished(tmp_path, 1)  # and does not stop a resume


@pytest.mark.parametrize("step", [-5, 2**62, float("inf"), float("nan"), 9])
def test_a_checkpoint_beyond_the_job_is_refused_and_never_finished(tmp_path, step):
    optimization = start(steps=8)
    tensors = {**optimization.state(), "step": torch.tensor(step)}
    checkpoint.save(tmp_path, tensors, {"history": {}})
    refused(lambda: optimization.load_state(checkpoint.load(tmp_path)[0]))


@pytest.mark.parametrize(
    "meta",
    [{"seconds": "x"}, {"seconds": float("inf")}, {"history": [1]}, {"history": {"loss": 3}},
     {"history": {"loss": ["x"]}}, {"history": {"loss": [10**400]}}, {"version": "1"}, {"version": 2**70}],
    ids=range(8),
)  # fmt: skip
def test_a_checkpoints_description_is_checked(tmp_path, meta):
    checkpoint.save(tmp_path, {"step": torch.tensor(1)}, meta)
    refused(lambda: checkpoint.load(tmp_path))


@posix
def test_a_pointer_to_a_link_in_a_circle_is_one_line(tmp_path):
    (tmp_path / "mesh.glb").symlink_to("mesh.glb")
    (tmp_path / "a.sjc").write_text(json.dumps({"sjc": 1, "files": {"mesh": "mesh.glb"}}))
    if sys.version_info < (3, 13):  # later ones give the link itself
        refused(lambda: read_pointer(tmp_path / "a.sjc"), "is no path")


def test_a_checkpoint_larger_than_its_grid_can_be_is_not_read(tmp_path):
    job_folder.write_settings(tmp_path, settings(grid=16))
    checkpoint.save(tmp_path, {"step": torch.tensor(1), "more": torch.zeros(4_000_000)}, {})
    refused(lambda: run.reopen(tmp_path), "is larger than 11.57")
    assert checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    "entry", [{"mesh": 3}, {"mesh": "a\0b"}, {"mesh": "\ud800"}, {"mesh": ["a"]}, {"mesh": "../a"}]
)
def test_a_pointer_names_files_of_its_folder_alone(tmp_path, entry):
    (tmp_path / "a.sjc").write_text(json.dumps({"sjc": 1, "prompt": "a", "files": entry}))
    refused(lambda: read_pointer(tmp_path / "a.sjc"))


@pytest.mark.parametrize("line", ['{"a":' * 100_000, '{"prompt": NaN}', '{"steps": ' + "9" * 5000 + "}"], ids=range(3))
def test_a_line_of_a_batch_is_one_problem(line):
    refused(lambda: read_batch(line, dict), "line 1: this is not a JSON object")


# ------------------------------------------------------------------------------------------------------------ bombs


BOMBS = {
    "a shape that claims more than the file": members(density=header((4000, 4000, 4000))),
    "an edge that no grid has": members(density=header((513, 513, 513)) + bytes(513)),
    "thousands of channels": members(latent=header((6, 6, 6, 10**6)) + bytes(4 * 6**3)),
    "a large array of another name": members(more=npy(np.zeros(10**6))),
    "objects": members(color=header((6, 6, 6, 3), "|O") + b"cos"),
    "a negative shape": members(color=header((-6, -6, 6, 3))),
    "a header that is no dictionary": members(color=b"\x93NUMPY\1\0\4\0[1]\n"),
    "a nested header": members(color=b"\x93NUMPY\1\0" + (1000).to_bytes(2, "little") + b"(" * 1000),
    "no density": {k: v for k, v in members().items() if k != "density.npy"},
    "many members": {**members(), **{f"x{i}.npy": npy(1) for i in range(1000)}},
    "meta of text without end": members(meta=header((), f"<U{10**8}")),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_field_that_claims_too_much_is_refused_before_it_is_unpacked(tmp_path, name, monkeypatch):
    path = tmp_path / "f_0001.npz"
    archive(path, BOMBS[name], compression=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("it was unpacked"))
    refused(lambda: read_npz(path))


def test_a_large_field_may_not_be_packed_tightly(tmp_path, monkeypatch):
    """A shape that a grid can have: 320 MB in 300 kB."""
    path = tmp_path / "f_0001.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, shape in (("density", (272,) * 3), ("color", (272, 272, 272, 3))):
            with target.open(f"{name}.npy", "w", force_zip64=True) as stream:
                stream.write(header(shape))
                for _ in range(272 * shape[-1] if len(shape) == 4 else 272):
                    stream.write(bytes(4 * 272 * 272))
    assert path.stat().st_size < foreign.MB
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("it was unpacked"))
    refused(lambda: read_npz(path), "MB of it claim to be 322 MB")


def test_a_field_is_measured_before_it_is_unpacked(tmp_path, monkeypatch):
    """All zeros: compressed a thousandfold."""
    path = tmp_path / "f_0001.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in ("density.npy", "color.npy"):
            with target.open(name, "w", force_zip64=True) as stream:
                stream.write(header((900, 60, 60)))
                stream.write(bytes(4 * 900 * 60 * 60))
    assert path.stat().st_size < foreign.MB / 10
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("it was unpacked"))
    refused(lambda: read_npz(path), "cannot be read as a field (a density of the shape (900, 60, 60))")
