"""The checkpoint: what was saved comes back, and anything else is refused in one line."""

import errno
import json
import os
import re
import shutil
import sys

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from sjc.errors import SjcError
from sjc.job import checkpoint
from sjc.job.folder import CHECKPOINT
from sjc.output.files import TEMPORARY

TENSORS = {"a": torch.arange(12.0).view(3, 4), "step": torch.tensor(7), "generator": torch.arange(5).byte()}
META = {"history": {"sigma": [1.5, 0.1 + 0.2]}, "seconds": 3.25}


def foreign(path, metadata=None):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path, metadata)


def test_round_trip(tmp_path):
    checkpoint.save(tmp_path, TENSORS, META)
    tensors, meta = checkpoint.load(tmp_path)
    assert tensors.keys() == TENSORS.keys()
    for key, value in TENSORS.items():
        assert torch.equal(tensors[key], value)
        assert tensors[key].dtype == value.dtype
    assert meta == {"version": 1, **META}
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize("length", [0, 4, 8, 60, -1])
def test_a_cut_file_is_refused(tmp_path, length):
    checkpoint.save(tmp_path, TENSORS, META)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(SjcError, match="is damaged") as caught:
        checkpoint.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        (None, "not a checkpoint of this program"),
        ({"format": "pt"}, "not a checkpoint of this program"),
        ({"sjc": "[]"}, "not a checkpoint of this program"),
        ({"sjc": "{}"}, "not a checkpoint of this program"),
        ({"sjc": '{"version": "new"}'}, "not a checkpoint of this program"),
        ({"sjc": "{"}, "is damaged"),
        ({"sjc": json.dumps({"version": checkpoint.VERSION + 1})}, "newer version"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, metadata, match):
    foreign(tmp_path / CHECKPOINT, metadata)
    with pytest.raises(SjcError, match=match) as caught:
        checkpoint.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_pickle_are_refused(tmp_path):
    with pytest.raises(SjcError, match="is damaged"):
        checkpoint.load(tmp_path)
    torch.save(TENSORS, tmp_path / CHECKPOINT)
    with pytest.raises(SjcError, match="is damaged"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    "failure",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, "No space left on device"),
        KeyboardInterrupt(),
    ],
    ids=["library", "system", "person"],
)
def test_a_failed_write_keeps_the_last_good_one(tmp_path, monkeypatch, failure):
    checkpoint.save(tmp_path, TENSORS, META)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def fails(tensors, path, metadata):
        path.write_bytes(b"half")
        raise failure

    monkeypatch.setattr(safetensors.torch, "save_file", fails)
    expected = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else SjcError
    with pytest.raises(expected) as caught:
        checkpoint.save(tmp_path, {"a": torch.zeros(1)}, {})
    if expected is SjcError:
        assert "was not written" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(SjcError, match="could not be written"):
        checkpoint.save(file / "job", TENSORS, META)
    assert file.read_text() == "mine"
    shutil.rmtree(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_checkpoint_has_the_rights_of_every_other_file(tmp_path):
    before = os.umask(0o027)
    try:
        checkpoint.save(tmp_path, TENSORS, META)
    finally:
        os.umask(before)
    assert (tmp_path / CHECKPOINT).stat().st_mode & 0o777 == 0o640


def test_all_that_a_kill_can_leave_has_a_name_of_ours(tmp_path, monkeypatch):
    """The library's own temporary file lies in a folder of ours."""
    file_names = []

    def killed(_tensors, path, _metadata):
        (path.parent / ".tmpAb3xQ9").write_bytes(b"half")
        file_names.extend(p.name for p in tmp_path.iterdir())
        raise SystemExit

    monkeypatch.setattr(safetensors.torch, "save_file", killed)
    with pytest.raises(SystemExit):
        checkpoint.save(tmp_path, TENSORS, META)
    assert file_names
    assert all(re.fullmatch(TEMPORARY, name) for name in file_names)
