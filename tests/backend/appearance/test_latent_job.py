"""`sjc generate --model DIR` on a folder of every family: small random weights in the layout that diffusers saves."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch

from sjc import cli
from sjc.appearance import latent, rgb_grid
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.job.checkpoint import saved_step
from sjc.job.run import JobRun
from sjc.output import npz
from sjc.output.glb import read_glb
from sjc.output.measures import is_closed
from sjc.settings import resolve
from tests.backend import tiny_families, tiny_models

PROMPT = "a red mushroom"

FAMILIES = {
    "sd-eps": lambda: tiny_families.stable_diffusion("epsilon"),
    "sd-v": lambda: tiny_families.stable_diffusion("v_prediction"),
    "sdxl": lambda: tiny_families.sdxl("epsilon"),
    "sdxl-v": lambda: tiny_families.sdxl("v_prediction"),
    "sd3": tiny_families.sd3,
    "flux-dev": lambda: tiny_families.flux(True),
    "flux-schnell": lambda: tiny_families.flux(False),
}


def saved(family, folder):
    """The family's pipeline as its own save_pretrained leaves it."""
    FAMILIES[family]().save_pretrained(folder)
    card = folder / "sjc.json"
    if family.startswith("flux"):
        card.write_text(json.dumps({"size": 8}))
    return folder


def run(tmp_path, model, **given):
    """The command's job folder, its run.json and the events that it told."""
    settings = {
        "preset": "test", "device": "cpu", "steps": 3, "view-words": "paper", "snapshot-every": 2, "density-shift": 2,
        "learning-rate": 0.01, **given,
    }  # fmt: skip
    words = [f"--{name}" if value is None else f"--{name}={value}" for name, value in settings.items()]
    folder, output = tmp_path / "job", io.StringIO()
    with contextlib.redirect_stdout(output):
        assert cli.main(["generate", PROMPT, "--model", str(model), "--out", str(folder), "--json", *words]) == 0
    events = [json.loads(line) for line in output.getvalue().splitlines()]
    return folder, json.loads((folder / "run.json").read_text("utf-8")), events


def run_family(tmp_path, family, **given):
    folder, record, events = run(tmp_path, saved(family, tmp_path / "model"), **given)
    assert [event["colors"] for event in events if event["type"] == "snapshot"] == ["preview"]
    return folder, record


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_job_of_a_pixel_model_with_learned_variance(tmp_path, variant):
    """DeepFloyd IF's first stage: T5 words, a second half of channels that is left out, weights in half precision."""
    folder, record, events = run(tmp_path, tiny_models.if_like(tmp_path / "model", variant))
    assert record["model"]["source"] == str(tmp_path / "model")
    assert [event["colors"] for event in events if event["type"] == "snapshot"] == ["exact"]
    assert is_closed(read_glb(folder / "mesh.glb").faces)
    field = npz.read_npz(folder / "field.npz")
    assert field.latent is None
    assert field.meta["color"] == "final"
    assert (folder / "preview.png").stat().st_size > 1000


def test_a_model_without_text_makes_no_object(tmp_path, capsys):
    tiny_families.ddpm().save_pretrained(tmp_path / "model")
    assert cli.main(["generate", PROMPT, "--model", str(tmp_path / "model"), "--out", str(tmp_path / "job")]) == 2
    line = capsys.readouterr().err.strip().rpartition("\n")[2]
    assert "takes no text" in line
    assert not (tmp_path / "job").exists()


def test_a_model_without_text_is_for_the_experiments_in_the_plane(tmp_path, capsys):
    tiny_families.ddpm().save_pretrained(tmp_path / "model")
    words = ["paas", "--model", str(tmp_path / "model"), "--quick", "--device", "cpu", "--seeds", "1"]
    assert cli.main(["experiment", *words, "--out", str(tmp_path / "out")]) == 0
    assert str(tmp_path / "out" / "paas.md") in capsys.readouterr().out
    assert (tmp_path / "out" / "paas.md").is_file()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_job_ends_with_a_mesh_and_pictures(tmp_path, family):
    folder, record = run_family(tmp_path, family)
    assert record["model"]["source"] == str(tmp_path / "model")
    warned = any("will hardly form an object" in text for text in record["warnings"])
    assert warned == (family in {"sd-eps", "sd-v", "sdxl", "sdxl-v"}), "the test's guidance is the embedded model's"
    mesh = read_glb(folder / "mesh.glb")
    assert is_closed(mesh.faces)
    assert np.isfinite(mesh.colors).all()
    assert mesh.colors.std() > 0, "decoded pictures vary"
    preview, final = (npz.read_npz(folder / "snapshots" / f"f_000{i}.npz") for i in (1, 2))
    assert preview.meta["color"] == "preview", "a voxel's latent has no true colour"
    for arrays in (preview, final, npz.read_npz(folder / "field.npz")):
        assert arrays is preview or arrays.meta["color"] == "final", "until it is fitted to decoded views"
        assert arrays.latent.shape == (*arrays.density.shape, 4)
    assert (folder / "preview.png").stat().st_size > 1000
    assert (folder / "field.vdb").exists()


def test_without_the_fit_a_latent_volume_stays_a_preview(tmp_path):
    folder, _ = run_family(tmp_path, "sd-eps", **{"no-rgb-grid": None})
    assert npz.read_npz(folder / "field.npz").meta["color"] == "preview"


@pytest.mark.parametrize(
    ("module", "function", "name", "color"),
    [
        (latent, "around", "the true colours", "preview"),
        (rgb_grid, "fitted", "the volume's true colour", "preview"),
        (latent, "true_colors", "the mesh's own colour", "final"),
    ],
)
def test_colours_that_cannot_be_had_cost_no_result(tmp_path, monkeypatch, module, function, name, color):
    """As when the card's memory is too small to decode: mesh and volume have the colours that there are."""

    def full(*_given, **_named):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr(module, function, full)
    folder, record = run_family(tmp_path, "sd-eps")
    assert f"{name} is missing from the result: the memory is full" in record["warnings"]
    assert npz.read_npz(folder / "field.npz").meta["color"] == color
    assert is_closed(read_glb(folder / "mesh.glb").faces)
    assert (folder / "preview.png").exists()


@pytest.mark.parametrize("background", ["fixed", "learned"])
def test_what_stands_behind_a_latent_field(tmp_path, background):
    folder, _ = run_family(tmp_path, "sd-eps", background=background)
    assert (folder / "mesh.glb").exists()


def test_a_second_run_of_the_export_replaces_the_last_snapshot(tmp_path):

    folder, _ = run_family(tmp_path, "sd-eps")
    job_folder.clear_unfinished(folder, saved_step(folder))
    assert [p.name for p in job_folder.snapshots(folder)] == ["f_0001.npz"]


def test_an_autoencoder_of_another_model_is_one_line(tmp_path):
    model = saved("sd-eps", tmp_path / "model")
    torch.manual_seed(0)
    tiny_families.vae(channels=16).save_pretrained(model / "vae")
    chosen = resolve("test", {"prompt": "a red mushroom", "model": str(model), "device": "cpu"})
    with pytest.raises(SjcError, match="4 channels instead of 16") as caught:
        JobRun(tmp_path / "job", chosen).load()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "job").exists()
