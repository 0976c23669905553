"""The promise: a sentence in, a mesh of that thing out, with the model that ships and its default settings."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sjc.output.colour import linear_to_srgb
from sjc.output.glb import read_glb
from sjc.output.measures import is_closed
from sjc.output.voxelize import inside_lattice
from training.truth import ground_truth

PROMPT = "a red mushroom"
CELLS = 128


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The finished job folder of `sjc generate "a red mushroom"`, made by a process of its own."""
    folder = tmp_path_factory.mktemp("demo") / "job"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "sjc", "generate", PROMPT, "--out", str(folder), "--device", "cpu"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(folder / name) for name in ("mesh.glb", "preview.png", "turntable.mp4")]
    return folder


def lattice():
    axis = (np.arange(CELLS) + 0.5) * (2 / CELLS) - 1
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_file_is_there(folder):
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "a-red-mushroom.sjc", "job.json", "run.json", "checkpoint.safetensors", "snapshots", "field.npz", "field.vdb",
        "mesh.glb", "preview.png", "turntable.mp4", "curves.png",
    }  # fmt: skip
    record = json.loads((folder / "run.json").read_text())
    assert record["settings"]["preset"] == "embedded"
    assert record["model"]["source"] == "embedded"
    assert record["mesh"]["watertight"]
    assert record["warnings"] == []
    assert (folder / "turntable.mp4").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_contact_sheet_shows_something_red(folder):
    sheet = np.asarray(Image.open(folder / "preview.png").convert("RGB")).astype(int)
    assert sheet.std() > 10, "the sheet is blank"
    red = (sheet[..., 0] > 120) & (sheet[..., 1:].max(-1) < 90)
    assert red.mean() > 0.01


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_mesh_is_closed_and_red(folder):
    mesh = read_glb(folder / "mesh.glb")
    assert is_closed(mesh.faces)
    color = linear_to_srgb(mesh.colors).mean(0)
    assert color[0] > 0.5
    assert color[0] > 2 * color[1:].max(), f"the object is not red: {color}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_stem_is_light(folder):
    mesh = read_glb(folder / "mesh.glb")
    z = mesh.vertices[:, 2]
    stem = linear_to_srgb(mesh.colors)[z < z.min() + 0.3 * (z.max() - z.min())].mean(0)
    assert stem.min() > 0.55, f"the stem is not light: {stem}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_solid_is_the_mushroom(folder):
    truth = ground_truth(PROMPT).inside(lattice()).reshape((CELLS,) * 3)
    made = inside_lattice(read_glb(folder / "mesh.glb"), CELLS)
    assert 0.005 < truth.mean() < 0.5
    iou = (truth & made).sum() / (truth | made).sum()
    assert iou > 0.8, f"solid IoU {iou:.3f}"
