"""A whole job on a folder of every latent family: small random weights in the layout that diffusers saves."""

import json

import numpy as np
import pytest
import torch

from sjc.errors import SjcError
from sjc.job import Job, prepare_folder
from sjc.output import files
from sjc.output.glb import read_glb
from sjc.output.mesh import is_closed
from sjc.settings import resolve
from tests.backend import tiny_families

FAMILIES = {
    "sd-eps": lambda: tiny_families.stable_diffusion("epsilon"),
    "sd-v": lambda: tiny_families.stable_diffusion("v_prediction"),
    "sdxl": lambda: tiny_families.sdxl("epsilon"),
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


def run(tmp_path, family, **given):
    model = saved(family, tmp_path / "model")
    chosen = resolve(
        "test",
        {
            "prompt": "a red mushroom", "model": str(model), "device": "cpu", "steps": 3, "view_words": "paper",
            "snapshot_every": 2, "density_shift": 2, "learning_rate": 0.01, **given,
        },
    )  # fmt: skip
    folder = tmp_path / "job"
    prepare_folder(folder, chosen)
    told = []
    record = Job(folder, chosen, told.append).run()
    assert [event["colors"] for event in told if event["type"] == "snapshot"] == ["preview"]
    return folder, record


@pytest.mark.parametrize("family", FAMILIES)
def test_a_job_ends_with_a_mesh_and_pictures(tmp_path, family):
    folder, record = run(tmp_path, family)
    assert record["model"]["source"] == str(tmp_path / "model")
    told = any("will hardly form an object" in text for text in record["warnings"])
    assert told == (family in {"sd-eps", "sd-v", "sdxl"}), "the test's guidance is the embedded model's"
    mesh = read_glb(folder / "mesh.glb")
    assert is_closed(mesh.faces)
    assert np.isfinite(mesh.colors).all()
    assert mesh.colors.std() > 0, "decoded pictures vary"
    preview, final = (files.read_npz(folder / "snapshots" / f"f_000{i}.npz") for i in (1, 2))
    assert preview.meta["color"] == "preview", "a voxel's latent has no true colour"
    for arrays in (preview, final, files.read_npz(folder / "field.npz")):
        assert arrays is preview or arrays.meta["color"] == "final", "until it is fitted to decoded views"
        assert arrays.latent.shape == (*arrays.density.shape, 4)
    assert (folder / "preview.png").stat().st_size > 1000
    assert (folder / "field.vdb").exists()


def test_without_the_fit_a_latent_volume_stays_a_preview(tmp_path):
    folder, _ = run(tmp_path, "sd-eps", rgb_grid=False)
    assert files.read_npz(folder / "field.npz").meta["color"] == "preview"


@pytest.mark.parametrize("background", ["fixed", "learned"])
def test_what_stands_behind_a_latent_field(tmp_path, background):
    folder, _ = run(tmp_path, "sd-eps", background=background)
    assert (folder / "mesh.glb").exists()


def test_a_second_run_of_the_export_replaces_the_last_snapshot(tmp_path):
    from sjc.job import clear_unfinished

    folder, _ = run(tmp_path, "sd-eps")
    clear_unfinished(folder)
    assert [p.name for p in files.snapshots(folder / "snapshots")] == ["f_0001.npz"]


def test_an_autoencoder_of_another_model_is_one_line(tmp_path):
    model = saved("sd-eps", tmp_path / "model")
    torch.manual_seed(0)
    tiny_families.vae(channels=16).save_pretrained(model / "vae")
    chosen = resolve("test", {"prompt": "a red mushroom", "model": str(model), "device": "cpu"})
    with pytest.raises(SjcError, match="4 channels instead of 16") as caught:
        Job(tmp_path / "job", chosen).load()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "job").exists()
