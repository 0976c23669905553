"""Variants: several short jobs share the calls of a model, and each is what it would have been alone."""

import json

import pytest
import torch

from sjc import cli
from sjc.errors import SjcError
from sjc.job import checkpoint, export, placement
from sjc.job import folder as job_folder
from sjc.job.run import JobRun, Stopped, reopen
from sjc.models import loading
from sjc.settings import resolve
from sjc.variants import making, plan
from sjc.variants.side_by_side import side_by_side
from tests.backend.stubs import StubDenoiser, bent, settings


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    for name, value in {"SHEET_SIZE": 24, "LIVE_SIZE": 24}.items():
        monkeypatch.setattr(export, name, value)


def short_jobs(count, **given):
    return plan.variants_of(settings(steps=8, views_per_step=2, seed=5, **given), count)


def alone(folder, chosen, steps):
    """The same job by itself, stopped after so many steps."""
    job = JobRun(folder, chosen, stop=lambda: job.optimization.step >= steps, denoiser=StubDenoiser(bent))
    job_folder.prepare_folder(folder, chosen)
    with pytest.raises(Stopped):
        job.run()
    return checkpoint.load(folder)[0]


@pytest.mark.parametrize("more", [{}, {"noise_source": "inverted"}, {"noises_per_view": 2, "carving_weight": 0.1}])
def test_a_variant_is_to_the_bit_what_it_is_alone_in_one_call_for_all(tmp_path, more):
    wanted, model = short_jobs(3, **more), StubDenoiser(bent)
    made = making.make(wanted, tmp_path / "v", lambda _event: None, denoiser=model)
    assert made.problems == {}
    assert not made.stopped
    asked = [prompts for prompts in model.asked if len(prompts) > 1]
    calls = 3 if "noise_source" in more else 1  # two rungs up, and one from the top
    assert [len(prompts) for prompts in asked] == [6] * 2 * calls
    for number, (folder, chosen) in enumerate(zip(made.folders, wanted, strict=True)):
        theirs = alone(tmp_path / f"alone{number}", chosen, 2)
        ours = checkpoint.load(folder)[0]
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), number
        assert (folder / plan.PICTURE).is_file()
    rows = json.loads((tmp_path / "v" / plan.LIST).read_text("utf-8"))["variants"]
    assert [(row["folder"], row["seed"]) for row in rows] == [(f.name, 5 + i) for i, f in enumerate(made.folders)]
    assert (tmp_path / "v" / plan.SHEET).is_file()


def test_one_taken_to_full_length_is_the_whole_job_and_clearing_leaves_it(tmp_path):
    wanted, model = short_jobs(3), StubDenoiser(bent)
    made = making.make(wanted, tmp_path / "v", lambda _event: None, denoiser=model)
    taken, other, spared = made.folders
    JobRun(taken, reopen(taken), denoiser=model).run()
    whole = JobRun(tmp_path / "whole", wanted[0], denoiser=model)
    job_folder.prepare_folder(tmp_path / "whole", wanted[0])
    whole.run()
    assert (taken / "field.npz").read_bytes() == (tmp_path / "whole" / "field.npz").read_bytes()
    assert plan.clear(tmp_path / "v", keep=[spared]) == [other]
    assert job_folder.finished(taken)
    assert spared.is_dir()
    (spared / "notes.txt").write_text("mine")
    assert plan.clear(tmp_path / "v") == []
    assert [path.name for path in spared.iterdir()] == ["notes.txt"]


def test_variants_that_were_stopped_on_their_way_are_cleared_too(tmp_path):
    model = StubDenoiser(bent)
    made = making.make(short_jobs(2), tmp_path / "v", lambda _event: None, lambda: bool(model.asked), denoiser=model)
    assert made.stopped
    assert not any((folder / plan.PICTURE).exists() for folder in made.folders)
    assert plan.clear(tmp_path / "v") == made.folders


def test_a_variant_that_somebody_goes_on_with_or_that_is_damaged_is_not_cleared(tmp_path):
    where = placement.Placement((1.0, 2.0, 3.0), 1.5, 0.3)  # Blender writes it for all of them
    placement.write(tmp_path / "v", where)
    made = making.make(short_jobs(2), tmp_path / "v", lambda _event: None, denoiser=StubDenoiser(bent))
    assert [placement.read(folder) for folder in made.folders] == [where] * 2
    going, damaged = made.folders
    job = JobRun(going, reopen(going), stop=lambda: job.optimization.step >= 6, denoiser=StubDenoiser(bent))
    with pytest.raises(Stopped):
        job.run()
    (damaged / "job.json").write_text("{")
    assert plan.clear(tmp_path / "v") == []
    (tmp_path / "v" / plan.LIST).write_text('{"variants": [{"folder": "../x"}]}')
    with pytest.raises(SjcError, match=r"variants\.json cannot be read: it names a folder elsewhere"):
        plan.clear(tmp_path / "v")
    (tmp_path / "v" / plan.LIST).write_text("[")
    with pytest.raises(SjcError, match=r"variants\.json cannot be read"):
        plan.clear(tmp_path / "v")


def test_an_error_ends_its_own_job_and_one_of_the_model_all():
    def asks(model):
        return model.conditioned(["a"], "", 1.0)(torch.ones(1, 3, 8, 8), torch.ones(1)).sum().item()

    def fails(_model):
        raise SjcError("of its own")

    one, bad, other = side_by_side(StubDenoiser(bent), [asks, fails, asks])
    assert one == other > 0
    assert str(bad) == "of its own"

    def broken(_x, _sigma):
        raise SjcError("the model's")

    assert [str(end) for end in side_by_side(StubDenoiser(broken), [asks, asks])] == ["the model's"] * 2


def test_questions_of_another_kind_are_asked_apart():
    def asks(negative, views):
        return lambda model: model.conditioned(["a"] * views, negative, 1.0)(
            torch.ones(views, 3, 8, 8), torch.ones(views)
        )

    model = StubDenoiser(bent)
    ends = side_by_side(model, [asks("", 1), asks("blurry", 1), asks("", 2)])
    assert [len(end) for end in ends] == [1, 1, 2]
    assert sorted(map(len, model.asked)) == [1, 3]


def test_the_first_variant_is_the_job_and_seeds_stay_in_range():
    first, second, third = plan.variants_of(
        resolve("embedded", {"prompt": "a cube", "seed": 2**31 - 2, "steps": 400}), 3
    )
    assert first == resolve("embedded", {"prompt": "a cube", "seed": 2**31 - 2, "steps": 400})
    assert (second.seed, third.seed) == (2**31 - 1, 0)
    assert plan.difference(second, first) == {"carving_weight": 0.3}
    assert plan.short_steps(first) == 100


@pytest.mark.parametrize("count", [0, -1, 1000, True, 2.5, "3"])
def test_a_number_of_variants_that_cannot_be(count):
    with pytest.raises(SjcError, match="choose a whole number from 1 to 16"):
        plan.variants_of(settings(), count)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: StubDenoiser(bent))
    words = ["variants", "a red mushroom", "--out", str(tmp_path / "v"), "--preset", "test", "--device", "cpu"]
    assert cli.main([*words, "-n", "0"]) == 2
    assert "0 variants cannot be made; choose a whole number from 1 to 16." in capsys.readouterr().err
    assert cli.main(["variants", " "]) == 2
    assert "The prompt is empty" in capsys.readouterr().err
    assert cli.main([*words, "-n", "2", "--renderer", "reference"]) == 0
    listed = capsys.readouterr().out.split()
    assert listed[0] == str(tmp_path / "v" / plan.SHEET)
    assert len(listed) == 3
    assert cli.main([*words, "-n", "2"]) == 2
    assert "is not empty; choose another folder for the variants" in capsys.readouterr().err
    assert cli.main(["variants", str(tmp_path / "v"), "--clear"]) == 0
    assert capsys.readouterr().out.split() == listed[1:]
    assert cli.main(["variants", str(tmp_path / "nothing"), "--clear"]) == 2
    assert "variants.json cannot be read" in capsys.readouterr().err
