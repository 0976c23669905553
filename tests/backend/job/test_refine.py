"""Going on from a result: a new job that starts from the finished field, names its parent and leaves it as it is."""

import hashlib
import json

import numpy as np
import pytest
import torch
import trimesh

from sjc.errors import SjcError
from sjc.field.finished import FinishedField
from sjc.field.grid import VoxelField
from sjc.guidance.schedules import annealed, level_at
from sjc.job import checkpoint, export, locks, refine
from sjc.job import folder as job_folder
from sjc.job.folder import CHECKPOINT, prepare_folder
from sjc.job.run import JobRun, reopen
from sjc.models import loading
from sjc.optimize import Optimization
from sjc.output.glb import write_glb
from sjc.output.mesh import Mesh
from tests.backend.stubs import SCHEDULE, StubDenoiser, bent, settings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A finished job of the stub."""
    folder = tmp_path_factory.mktemp("jobs") / "mushroom"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "SHEET_SIZE", 24)
        chosen = settings(steps=4, negative_prompt="gray")
        prepare_folder(folder, chosen)
        JobRun(folder, chosen, denoiser=StubDenoiser(bent)).run()
    return folder


def made(parent, folder, prompt=None, denoiser=None, **given):
    """The run of a job that goes on from the parent, finished."""
    chosen = refine.settings_of(parent, prompt, given)
    prepare_folder(folder, chosen)
    run = JobRun(folder, chosen, denoiser=denoiser or StubDenoiser(bent))
    return run, run.run()


def test_refining_starts_from_the_finished_field_and_names_the_parent(parent, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    before = {path: path.read_bytes() for path in parent.rglob("*") if path.is_file()}
    run, record = made(parent, tmp_path / "j", steps=2, learning_rate=1e-6, learning_rate_end=1)
    field = checkpoint.load(parent)[0]["field.grid"]
    assert torch.allclose(run.optimization.field.grid, field, atol=1e-4)
    stored = job_folder.read_settings(tmp_path / "j")
    assert (stored.parent, stored.start, stored.negative_prompt) == ("mushroom", "inputs/start.safetensors", "gray")
    digest = hashlib.sha256((parent / CHECKPOINT).read_bytes()).hexdigest()
    assert record["parent"] == {"folder": "mushroom", "id": digest[:16]}
    assert json.loads((tmp_path / "j/run.json").read_text())["parent"] == record["parent"]
    assert before == {path: path.read_bytes() for path in parent.rglob("*") if path.is_file()}


def test_a_finer_grid_goes_on_from_the_same_density(parent, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    run, _ = made(parent, tmp_path / "j", steps=1, grid=32, learning_rate=1e-6, density_shift=-2)
    field = checkpoint.load(parent)[0]
    same = VoxelField.from_state(
        {k.removeprefix("field."): v for k, v in field.items() if k.startswith("field.")},
        density_shift=-1,
        color_activation="tanh_sigmoid",
    ).resample(32)
    torch.testing.assert_close(
        run.optimization.field.activated_density(), same.activated_density(), atol=1e-3, rtol=1e-3
    )


def box(path, *sides):
    """A box from corner to corner as .glb, in the frame of a result's mesh.glb."""
    made = trimesh.creation.box(bounds=sides)
    points = made.vertices.astype(np.float32)
    write_glb(path, Mesh(points, made.faces.astype(np.int32), np.ones_like(points)))
    return str(path)


def test_other_words_change_only_what_lies_inside_of_a_part(parent, tmp_path, monkeypatch):
    """Bit by bit, with the grid's doublings of the settings left out."""
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    part = box(tmp_path / "part.glb", (0, -2, -2), (2, 2, 2))
    run, record = made(parent, tmp_path / "j", "a blue mushroom", steps=3, keep=part, coarse_to_fine=1)
    before, after = checkpoint.load(parent)[0]["field.grid"], run.optimization.field.grid.detach()
    half = len(after) // 2
    assert torch.equal(after[:half].view(torch.int32), before[:half].view(torch.int32))
    assert not torch.equal(after[half:], before[half:])
    assert record["start"]["changeable_share"] == 0.5
    for name, sides in {"nothing": ((3, 3, 3), (4, 4, 4)), "all": ((-2, -2, -2), (2, 2, 2))}.items():
        with pytest.raises(SjcError, match=f"keep: the part that may change covers {name} of the start"):
            made(parent, tmp_path / name, steps=2, keep=box(tmp_path / f"{name}.glb", *sides))


def test_a_stopped_refinement_goes_on_without_its_parent(parent, tmp_path, monkeypatch):
    """Its folder holds what it starts from; stopped before the first step it still does."""
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    denoiser = StubDenoiser(bent)
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: denoiser)
    whole, _ = made(parent, tmp_path / "whole", steps=3)
    chosen = refine.settings_of(parent, None, {"steps": 3})
    prepare_folder(tmp_path / "parts", chosen)
    moved = parent.rename(parent.with_name("elsewhere"))
    try:
        run = JobRun(tmp_path / "parts", reopen(tmp_path / "parts"))
        run.run()
    finally:
        moved.rename(parent)
    assert torch.equal(run.optimization.field.grid, whole.optimization.field.grid)


def test_other_words_hold_the_shape_and_colors_move(parent, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    asked = StubDenoiser(bent)
    run, _ = made(parent, tmp_path / "j", "a blue mushroom", asked, steps=3, density_rate=0)
    tensors = checkpoint.load(parent)[0]
    old, new = tensors["field.grid"], run.optimization.field.grid.detach()
    assert torch.equal(new[..., 0], old[..., 0])
    assert float(run.optimization.field.log_scale) == float(tensors["field.log_scale"])
    assert float((new[..., 1:] - old[..., 1:]).abs().max()) > 0.1
    assert all("blue" in prompt for prompts in asked.asked for prompt in prompts)


def test_what_follows_from_the_parent_and_what_is_given(parent):
    plain, before = refine.settings_of(parent), job_folder.read_settings(parent)
    assert (plain.steps, plain.start_noise, plain.density_rate) == (1, refine.REFINED["start_noise"], 1.0)
    assert plain.learning_rate == pytest.approx(before.learning_rate * before.learning_rate_end)
    words = refine.settings_of(parent, "a blue mushroom", {"steps": 7, "density_rate": 0.5})
    assert (words.color_rate, refine.settings_of(parent, "a blue mushroom").steps) == (0.5, 2)
    assert (words.prompt, words.steps, words.density_rate) == ("a blue mushroom", 7, 0.5)
    assert words.learning_rate == before.learning_rate
    assert refine.settings_of(parent, " a  red mushroom ").prompt == plain.prompt  # the same words
    assert refine.free_folder(parent, plain).name == "mushroom-refined"
    assert refine.free_folder(parent, words, [parent.with_name("a-blue-mushroom-0")]).name == "a-blue-mushroom-0-2"


def test_the_noise_begins_lower():
    """A share of the run that is left out at its start, whatever the law; the uniform one is cut instead."""
    run = Optimization(settings(steps=4, start_noise=0.5, sigma_min=0.7), StubDenoiser(bent), CPU)
    law = annealed(SCHEDULE, 3.0, 0.7)
    assert [run.draw(step).tensors["sigma"].item() for step in (0, 2)] == [law(0.5, 1).item(), law(0.75, 1).item()]
    even = Optimization(
        settings(steps=4, start_noise=0.5, sigma_min=0.7, sigma_schedule="uniform"), StubDenoiser(bent), CPU
    )
    drawn = [even.draw(step % 4).tensors["sigma"].item() for step in range(40)]
    assert max(drawn) <= level_at(SCHEDULE, 3.0, 0.7, 0.5) < 3.0
    assert level_at(SCHEDULE, 3.0, 0.7, 1.0) == pytest.approx(3.0)


def test_a_field_of_another_model_is_refused():
    start = FinishedField(torch.zeros(8, 8, 8, 5), torch.zeros(()), color_activation="identity")
    with pytest.raises(SjcError, match=r"4 channels \(latents\), and the model works with 3 \(pixels\)"):
        Optimization(settings(), StubDenoiser(bent), CPU, finished=start)


def _unfinished(folder):
    (folder / "run.json").unlink()


def _without_field(folder):
    (folder / CHECKPOINT).unlink()


def _damaged(folder):
    (folder / CHECKPOINT).write_bytes(b"no checkpoint")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_unfinished, "is not finished; finish it with sjc resume"),
        (_without_field, "has no checkpoint.safetensors"),
        (_damaged, "The field to start from cannot be read"),
    ],
)
def test_a_parent_that_cannot_go_on_is_refused_in_one_line(parent, tmp_path, change, match):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(parent, copy)
    change(copy)
    with pytest.raises(SjcError, match=match) as caught:
        made(copy, tmp_path / "j", steps=1)
    assert "\n" not in str(caught.value)


def test_a_parent_that_is_none_or_at_work_is_refused(parent, tmp_path):
    with pytest.raises(SjcError, match="is not a job folder"):
        refine.settings_of(tmp_path)
    prepare_folder(tmp_path / "running", settings())
    with locks.holding(tmp_path / "running"), pytest.raises(SjcError, match="is at work"):
        refine.settings_of(tmp_path / "running")
    with pytest.raises(SjcError, match="single ones"):
        refine.settings_of(parent, None, {"preset": "fast"})
