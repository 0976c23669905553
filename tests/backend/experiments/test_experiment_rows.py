"""The rows that need the embedded world: sample2d, and the 3D ablations."""

import json
import re

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from benchmarks import prompts, scoring
from experiments import __main__ as command
from experiments import ablation, compare, index, rows, sample2d, three_d, world_pictures
from sjc.experiments import page
from sjc.experiments.harness import MAX_SEEDS, Options, model_digest, run
from sjc.experiments.pictures import discs, to_text
from sjc.guidance.empirical import EmpiricalDenoiser
from sjc.guidance.schedules import VESchedule
from sjc.settings import resolve
from training import classifier, pictures
from training.prompts import parse

SCHEDULE = VESchedule(torch.logspace(-2, 2, 1000, dtype=torch.float64))


def test_alike_is_zero_and_a_shift_is_its_square():
    a = torch.randn(40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert sample2d.frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert sample2d.frechet(a, a + 0.5) == pytest.approx(6 * 0.25)


@pytest.mark.parametrize(("n", "m"), [(50, 60), (4, 5)])
def test_is_the_formula_with_the_root_of_the_matrix(n, m):
    g = torch.Generator().manual_seed(1)
    a, b = (
        torch.randn(n, 8, generator=g, dtype=torch.float64),
        2 * torch.randn(m, 8, generator=g, dtype=torch.float64),
    )
    ca, cb = np.cov(a.numpy().T), np.cov(b.numpy().T)
    root = np.trace(sqrtm(ca @ cb).real)
    formula = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(ca) + np.trace(cb) - 2 * root
    assert sample2d.frechet(a, b) == pytest.approx(formula, rel=1e-4)


def test_annealed_reaches_the_data_and_visits_more_of_it_than_one_level():
    data = discs(24, 8, 0)
    denoise = EmpiricalDenoiser(data)
    spreads = {}
    for law in ("single", "annealed"):
        made = sample2d.sample(denoise, sample2d.law_of(law, SCHEDULE), 12, 40, 0, 8)
        nearest = torch.cdist(made.flatten(1), data.flatten(1)).amin(1) / (3 * 64) ** 0.5
        spreads[law] = len(torch.cdist(made.flatten(1), data.flatten(1)).argmin(1).unique())
        if law == "annealed":
            assert float(nearest.max()) < 0.02
    assert spreads["annealed"] > spreads["single"]


def test_the_laws():
    draw = torch.Generator().manual_seed(0)
    assert sample2d.law_of("single", SCHEDULE)(0.3, 2, draw).tolist() == pytest.approx([1.5] * 2, rel=0.01)
    drawn = sample2d.law_of("random", SCHEDULE)(0.0, 500, draw)
    assert 0.05 <= float(drawn.min()) < 0.1
    assert 10 < float(drawn.max()) <= 20
    falling = sample2d.law_of("annealed", SCHEDULE)
    assert [float(falling(p, 1, draw)) for p in (0.0, 1.0)] == pytest.approx([20, 0.05], rel=0.01)


def test_sampling_verdict_follows_the_numbers():
    far = {"single": 3.0, "random": 2.0, "annealed": 1.0, sample2d.TRUE: 0.5}

    def made(far):
        cells = [
            {
                "settings": {"case": c, "law": law},
                "measured": {"features": f + (j if law == "random" else -j), "named": 0.5},
            }
            for c in sample2d.CASES
            for law, f in far.items()
            for j in (-0.01, 0.0, 0.01)
        ]
        return {"experiment": "sample2d", "seeds": 3, "cells": cells}

    answer = sample2d.answer(made(far))
    assert answer.startswith("For varied pictures, falling noise levels come nearest to true pictures; ")
    assert answer.endswith("the paper's claim about varied pictures holds here.")
    assert "for text prompts, a single noise level comes" in sample2d.answer(made({**far, "single": 0.9}))
    assert "falling noise levels and random noise levels cannot be told apart" in sample2d.answer(
        made({**far, "random": 1.001})
    )


def test_classifier_that_ships_names_what_it_never_saw():
    bank = pictures.make_bank(1, 99)
    shown, things = classifier.batches(bank, 0)(100)
    assert classifier.accuracy(classifier.load(sample2d.WEIGHTS), shown, things) > 0.75


def test_classifier_learns_and_comes_back_from_its_file(tmp_path):
    generator = torch.Generator().manual_seed(0)

    def batch(count):  # the number is the colour
        things = torch.randint(2, (count,), generator=generator)
        return (things.view(-1, 1, 1, 1) * 1.0).expand(count, 3, 32, 32), things

    model = classifier.train(batch, steps=20, size=16)
    shown, things = batch(32)
    assert classifier.accuracy(model, shown, things) == 1
    classifier.write(model, tmp_path / "c.safetensors", {"steps": 20})
    assert torch.equal(classifier.load(tmp_path / "c.safetensors")(shown), model(shown))


def test_sds_draws_every_tick_from_2_to_98_percent():
    drawn = three_d.sds_law(SCHEDULE)(0.9, 20_000, torch.Generator().manual_seed(0)).double()
    ticks = SCHEDULE.tick(drawn)
    assert (int(ticks.min()), int(ticks.max())) == (20, 980)
    assert len(ticks.unique()) == 961


def test_strays_of_the_truth_and_of_what_is_moved():
    truth = np.zeros((64, 64, 64), bool)
    truth[20:40, 20:40, 20:40] = True
    clear = np.zeros((32, 32, 32))
    assert three_d.strays(truth, truth, clear) == {"floaters": 0, "fog": 0, "offset": 0}
    moved = np.roll(truth, 16, 0)
    strays = three_d.strays(moved, truth, clear + 0.25)
    assert strays["offset"] == pytest.approx(16 * 2 / 64)
    assert strays["floaters"] == pytest.approx((16 - three_d.FAR) / 20)
    assert strays["fog"] == pytest.approx(0.25)
    assert three_d.strays(np.zeros_like(truth), truth, clear)["offset"] == 2


@pytest.mark.parametrize(("turned", "low", "high"), [(0.0, 0.0, 1e-9), (180.0, 0.99, 1.0)])
def test_frontness_is_0_for_the_truth_and_1_for_its_front(monkeypatch, turned, low, high):
    settings = resolve("ablation", {"prompt": "a white duck"})
    fov = (settings.fov_min + settings.fov_max) / 2

    def view(_run, _paint, azimuth, s):
        return three_d._truth_view(s.prompt, (azimuth + turned) % 360, fov, s.radius)

    monkeypatch.setattr(three_d, "_rendered_view", view)
    assert low <= three_d.fronts(None, None, settings)["frontness"] <= high


def test_one_cell_of_the_real_model():
    settings = resolve("test", {"prompt": "a pink chair", "steps": 2})
    measured = three_d.compute(settings, sds=True)
    json.dumps(measured, allow_nan=False)
    assert measured["curve"]["step"] == [1, 2]
    assert set(compare.MEASURES) < set(measured)
    assert measured["seconds"] > 0
    assert page.STYLES
    assert scoring.NOTHING.solid <= measured["solid"] < 0.9


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_every_variant_is_settings_of_its_own(row):
    made = row.cells(Options(seeds=2))
    assert len({c.name for c in made}) == len(made) == 2 * len(row.prompts) * len(row.variants)
    runs = [json.dumps([c.settings["run"], c.settings["sds"]]) for c in made]
    assert len(set(runs)) == len(runs)
    assert all(c.name.isascii() for c in made)
    quick = row.cells(Options(seeds=1, quick=True))
    assert 2 <= len(quick) <= 6
    assert all(c.settings["run"]["steps"] == ablation.QUICK_STEPS for c in quick)


def test_the_ways_against_faces_make_as_many_calls():
    for cell in rows.FACES.cells(Options(seeds=1)):
        given = cell.settings["run"]
        calls = 3.92 if given["perp_neg"] else 1 if given["guidance"] == 1 else 2
        assert given["steps"] * given["views_per_step"] * calls == pytest.approx(rows.CALLS, rel=0.01)


def test_settings_are_not_chosen_on_scored_prompts():
    for row in rows.ROWS:
        for prompt in row.prompts:
            parse(prompt)
        if row is not rows.GENERATE3D:
            assert not set(row.prompts) & set(prompts.SCORED)
            assert not {prompts.pair(p) for p in row.prompts} & {prompts.pair(p) for p in prompts.SCORED}


def test_a_row_makes_its_page_and_the_index_has_its_answer(tmp_path, monkeypatch):
    def compute(settings, sds):
        numbers = dict.fromkeys(compare.MEASURES, settings.guidance / 100)
        curve = {"step": [1, 2], "seconds": [1.0, 2.0], "iou": [0.1, 0.2]}
        return {**numbers, "curve": curve, "picture": to_text(discs(1, 8, 0)[0])}

    monkeypatch.setattr(ablation, "compute", compute)
    experiment = rows.SCHEDULE.experiment()
    made = run(experiment, Options(seeds=1), tmp_path, len)
    index.write([experiment, rows.CENTRE.experiment()], tmp_path)
    contents = (tmp_path / "README.md").read_text()
    assert experiment.answer(made) in contents
    assert "noise" in experiment.answer(made)
    assert "reaches IoU" in (tmp_path / "schedule.md").read_text()
    assert "not run here" in contents
    assert (tmp_path / "schedule.png").stat().st_size > 1000
    weights = model_digest("embedded")
    assert f"Model: embedded ({weights})" in (tmp_path / "schedule.md").read_text()
    assert "earlier release" not in contents

    monkeypatch.setattr(index, "model_digest", lambda _: "another")
    contents = index.text([experiment, rows.CENTRE.experiment()], tmp_path)
    assert "has the digest another. These experiments" in contents
    assert "each page: schedule.\n" in contents


@pytest.mark.parametrize(
    ("words", "says"), [(["bseline"], "did you mean baseline?"), (["views", "--seeds", "0"], "use 1 to 100")]
)
def test_bad_input_is_one_line(words, says, capsys):
    assert command.main(words) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error


def test_every_row_of_the_list_is_there():
    assert set(command.known()) == {
        "denoiser", "ood", "paas", "sample2d", "generate3d", "baseline", "emptiness", "centre", "views", "faces",
        "schedule", "method", "presets", "paper", "texture",
    }  # fmt: skip


def test_world_pictures_come_by_seed(monkeypatch):
    bank = pictures.make_bank(1, 3)
    monkeypatch.setattr(world_pictures, "bank", lambda: bank)
    one = world_pictures.draw(6, 16, 1)
    assert one.shape == (6, 3, 16, 16)
    assert torch.equal(one, world_pictures.draw(6, 16, 1))
    assert not torch.equal(one, world_pictures.draw(6, 16, 1 + MAX_SEEDS))
    with pytest.raises(Exception, match="32 pixels wide"):
        world_pictures.draw(1, 20, 0)


COMMITTED = [name for name in command.known() if (command.OUT / f"{name}.json").is_file()]


def test_committed_pages_are_what_the_records_say():
    """After a change of words: python3 build.py experiments --pages."""
    for name in COMMITTED:
        contents = json.loads((command.OUT / f"{name}.json").read_text("utf-8"))
        assert page.text(command.known()[name], contents) == (command.OUT / f"{name}.md").read_text("utf-8"), name
    assert index.text(command.known().values(), command.OUT) == (command.OUT / "README.md").read_text("utf-8")


def test_numbers_on_the_page_of_benchmarks_are_those_of_the_pages():
    benchmarks = (command.OUT.parent / "benchmarks.md").read_text("utf-8")
    lines = re.findall(r"^\| \[(\w+)\]\(experiments/\w+\.md\).*?\|(.*)\|$", benchmarks, re.MULTILINE)
    assert len(lines) >= 6
    for name, contents in lines:
        page_numbers = re.findall(r"\d+\.?\d*", (command.OUT / f"{name}.md").read_text("utf-8"))
        assert set(re.findall(r"\d+\.\d+", contents)) <= set(page_numbers), name


def test_pages_alone_are_written_and_nothing_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "measure", None)
    (tmp_path / "centre.json").write_bytes((command.OUT / "centre.json").read_bytes())
    assert command.main(["--pages", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert (tmp_path / "centre.png").is_file()
    assert "not run here" in (tmp_path / "README.md").read_text()
    assert command.main(["views", "--pages", "--out", str(tmp_path)]) == 2
    assert "holds no views.json" in capsys.readouterr().err


def test_claims_of_every_row_fit_its_committed_record():
    for name in COMMITTED:
        row = command.known()[name]
        contents = json.loads((command.OUT / f"{name}.json").read_text("utf-8"))
        for claim in row.claims:
            assert claim.held(contents) in (True, False, None)
            assert claim.says in (command.OUT / f"{name}.md").read_text("utf-8"), name


@pytest.mark.parametrize(("guidance", "expected"), [(2.5, 2.5), (1.0, None)])
def test_presets_are_measured_as_jobs_run_them(monkeypatch, guidance, expected):
    """With the model's adapter where a job has it."""

    class AskedError(Exception):
        pass

    def model(_name, _device, built_in=None):
        raise AskedError(built_in)

    monkeypatch.setattr(three_d, "model", model)
    given = resolve("test", {"prompt": "a red cone", "guidance": guidance})
    with pytest.raises(AskedError) as caught:
        three_d.compute(given)
    assert caught.value.args == (expected,)
