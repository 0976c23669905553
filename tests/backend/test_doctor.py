"""The doctor: a line each, and what is wrong says what to do."""

import os
import shutil
import subprocess
from collections import namedtuple

import pytest
import torch

from sjc import doctor, errors
from sjc.errors import SjcError
from sjc.models import gated, model_files
from tests.backend.tiny_models import CARD, word_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return word_model(tmp_path_factory.mktemp("model"), card=CARD)


def line(name):
    return next(row for row in doctor.checks() if row["name"] == name)


def test_every_part_has_its_line(tiny, monkeypatch):
    monkeypatch.setattr(model_files, "EMBEDDED", tiny)
    rows = doctor.checks()
    assert [row["name"] for row in rows] == [
        "python",
        "torch",
        "device",
        "renderer",
        "runtime",
        "memory",
        "disk",
        "model",
        "token",
    ]
    for row in rows:
        assert set(row) == {"name", "ok", "text"}
        assert row["text"]
        assert "\n" not in row["text"]
    assert line("python")["ok"]
    assert line("torch") == {"name": "torch", "ok": True, "text": torch.__version__}
    assert line("model")["ok"]


def test_a_model_that_is_gone_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "EMBEDDED", tmp_path)
    assert line("model")["ok"] is False
    assert "reinstall it or choose another model" in line("model")["text"]


def test_a_card_without_its_torch_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    done = subprocess.CompletedProcess([], 0, "Some Card, 580.1\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert not line("device")["ok"]
    assert "Some Card is here, but torch" in line("device")["text"]
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(subprocess.TimeoutExpired("x", 1)))
    assert line("device")["ok"]


def test_too_little_memory_or_disk_says_what_to_do(monkeypatch):
    pages = {"SC_AVPHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__, raising=False)
    assert not line("memory")["ok"]
    assert "close other programs" in line("memory")["text"]
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 (as shutil's own)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10, 9, 1))
    assert not line("disk")["ok"]
    assert "make room" in line("disk")["text"]


def test_a_broken_library_is_one_line(monkeypatch):
    def broken():
        raise ImportError("libcudart.so: cannot open")

    broken.__name__ = "_torch"
    monkeypatch.setattr(doctor, "_torch", broken)
    assert not line("torch")["ok"]
    assert line("torch")["text"].startswith("libcudart.so")
    assert "build.py" in line("torch")["text"]
    monkeypatch.setattr(errors, "in_blender", True)
    assert "build.py" not in line("torch")["text"]
    assert "Install Backend" in line("torch")["text"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError("[WinError 126] The specified module could not be found."), "runtime", "Visual C++"),
        (OSError("The paging file is too small for this operation to complete. (os error 1455)"), "memory", "paging"),
        (RuntimeError("NumPy was built with baseline optimizations: (X86_V2)"), "processor", "processor"),
    ],
)
def test_a_library_that_does_not_load_is_explained(monkeypatch, error, code, words):
    def broken():
        raise error

    broken.__name__ = "_torch"
    monkeypatch.setattr(doctor, "_torch", broken)
    row = line("torch")
    assert (row["ok"], row["code"]) == (False, code)
    assert words in row["text"]
    monkeypatch.setattr(errors, "in_blender", True)
    assert words in line("torch")["text"]


def test_a_gated_model_is_named_with_what_to_do_until_it_is_here(tiny, tmp_path, monkeypatch):
    """From what the hub said last; the network stays out of it."""
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the doctor called"))
    assert line("token") == {"name": "token", "ok": True, "text": "There is none; only gated models need one."}
    gated.note("some-people/large")
    gated.note("some-people/other@v1")
    text = line("token")["text"]
    assert line("token")["ok"], "whoever does not want the model has nothing to mend"
    assert "may download some-people/large, some-people/other@v1." in text
    assert "https://huggingface.co/some-people/large, https://huggingface.co/some-people/other and make" in text
    assert "sjc models login" in text
    monkeypatch.setattr(errors, "in_blender", True)
    in_panel = line("token")["text"].splitlines()
    assert len(in_panel) == 4
    assert "press Sign In beside it" in in_panel[-1]
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    assert line("token")["text"].startswith("The hub's own client keeps one.\nOnly accounts")
    gated.forget("some-people/large")
    monkeypatch.setattr(model_files, "locate", lambda _model: tiny)  # the other one has come in another way
    assert line("token")["text"] == "The hub's own client keeps one."


@pytest.mark.parametrize("content", ["{", '[1, [2], "../x", "a/b"]', '{"a": 1}'])
def test_a_damaged_list_of_gated_models_is_no_trouble(tmp_path, monkeypatch, content):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "gated.json").write_text(content, "utf-8")
    assert gated.awaited() == (["a/b"] if content.startswith("[") else [])
    gated.note("c/d")
    assert gated.awaited()[-1] == "c/d"


def test_model_info_tells_size_and_words(tiny):
    rows = {row["name"]: row["text"] for row in doctor.model_info(str(tiny))}
    assert rows["pipeline"] == "IFPipeline"
    assert rows["pixels"] == "8"
    assert rows["objects"] == "mushroom"
    assert rows["size"].endswith(" MiB")
    assert rows["licence"] == "none stated"
    assert "revision" not in rows
    with pytest.raises(SjcError, match="no model folder"):
        doctor.model_info("nowhere at all")


def test_model_info_tells_licence_and_revision_of_a_cached_one(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "snapshots" / ("c" * 40))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", "utf-8")
    rows = {row["name"]: row["text"] for row in doctor.model_info(str(folder))}
    assert (rows["licence"], rows["revision"]) == ("mit", "c" * 40)


def test_the_table_has_two_columns():
    lines = []
    doctor.print_table([{"name": "a", "text": "b"}, {"name": "pipeline", "text": "IF"}], lines.append)
    assert lines == ["a         b", "pipeline  IF"]


def test_the_kernels_are_compiled_when_asked(monkeypatch, capsys):
    from sjc import cli
    from sjc.field import compilation

    row = doctor.kernels()
    assert row["ok"]
    assert row["text"].startswith("compiled for cpu in ")

    def broken():
        raise RuntimeError("nvrtc: error: invalid value for --gpu-architecture\nmore")

    monkeypatch.setattr(compilation, "compile_kernels", broken)
    assert "could not be compiled: nvrtc: error" in doctor.kernels()["text"]
    monkeypatch.setattr(doctor, "checks", list)
    assert cli.main(["doctor"]) == 0
    assert cli.main(["doctor", "--compile"]) == 2
    assert "FIX  kernels" in capsys.readouterr().out
