"""The cache: what a killed process has left goes after a day, what somebody writes now stays."""

import os

import torch

from sjc.machine import disk_cache, folders


def test_what_was_abandoned_is_removed(tmp_path):
    old, new = tmp_path / "part-abc", tmp_path / "part-def"
    for folder in (old, new):
        folder.mkdir()
        (folder / ".tmpAb3xQ9").write_bytes(b"half")
    (tmp_path / "part-ghi").write_bytes(b"half a graph")
    (tmp_path / "whole.onnx").write_bytes(b"whole")
    for path in (old, tmp_path / "part-ghi", tmp_path / "whole.onnx"):
        os.utime(path, (1, 1))
    folders.clear_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-def", "whole.onnx"]


def test_what_is_kept_comes_back_and_leaves_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "colours" / "a.safetensors"
    disk_cache.save(path, {"a": torch.arange(3.0)})
    assert torch.equal(disk_cache.load(path)["a"], torch.arange(3.0))
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    disk_cache.save(path.with_name("b.safetensors"), {"a": torch.zeros(1)})  # no error: it is made again instead
