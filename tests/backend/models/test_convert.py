"""`sjc models convert`: the only door for a pickle, and what does not pass it."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sjc.cli import main
from sjc.errors import SjcError
from sjc.models.convert import convert


def test_weights_come_out_equal(tmp_path, capsys):
    shared = torch.randn(3, 4)
    state = {"a": shared, "tied": shared, "half": torch.ones(2).half(), "turned": torch.randn(4, 3).T}
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert main(["models", "convert", str(tmp_path / "pytorch_model.bin")]) == 0
    out = tmp_path / "model.safetensors"
    assert str(out) in capsys.readouterr().out
    tensors = load_file(out)
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[k], state[k]) and tensors[k].dtype == state[k].dtype for k in state)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors", "pytorch_model.bin"]
    with pytest.raises(SjcError, match="already exists"):
        convert(tmp_path / "pytorch_model.bin")


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (self.marker, "w"))


def test_a_program_in_a_pickle_does_not_run(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "evil.bin"
    torch.save({"a": torch.ones(1), "b": Hostile(str(marker))}, path)
    with pytest.raises(SjcError, match="holds more than weights") as caught:
        convert(path)
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    assert not path.with_suffix(".safetensors").exists()
    path.write_bytes(pickle.dumps(Hostile(str(marker))))
    with pytest.raises(SjcError, match="holds more than weights"):
        convert(path)
    assert not marker.exists()


def test_other_files(tmp_path):
    with pytest.raises(SjcError, match="There is no file"):
        convert(tmp_path / "absent.bin")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SjcError, match=r"ends in \.bin"):
        convert(tmp_path / "notes.txt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(SjcError, match="no table of named weights"):
        convert(tmp_path / "list.pt")


def test_a_checkpoint_of_a_trainer_becomes_a_model(tmp_path, monkeypatch, capsys):
    """With what trainers save beside the weights: names of their classes, numbers, lists. None of it is imported."""
    import sys
    import types

    from sjc.models import model_files
    from tests.backend.single_files import original, parts

    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    trainer = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    trainer.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": trainer.__name__})
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks", trainer.__name__):
        monkeypatch.setitem(sys.modules, name, trainer)
    state = {"state_dict": original("2", parts("2")) | {"note": "text"}, "global_step": 875000, "epoch": 3}
    state |= {"callbacks": {trainer.ModelCheckpoint: {"best": trainer.ModelCheckpoint()}}, "lr": np.float64(0.1)}
    path = tmp_path / "Model.CKPT"
    torch.save(state, path)
    with pytest.raises(SjcError, match="sjc models convert"):
        model_files.check_there(str(path))
    assert main(["models", "convert", str(path)]) == 0
    files = model_files.check(model_files.locate(str(tmp_path / "Model.safetensors")))
    assert files.configs["scheduler"]["prediction_type"] == "epsilon"
