import argparse
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from sjc import cli
from sjc.errors import SjcError
from sjc.experiments import command, denoiser, harness, ood, paas, page, picture_folder, pictures, records
from sjc.guidance.empirical import EmpiricalDenoiser, GaussianDenoiser
from tests.backend import tiny_families


def one_number(name="sum", cells=3, log=None, fails_at=None):
    """An experiment whose cells count how often they are computed."""
    log = [] if log is None else log

    def cell(seed):
        def compute():
            if seed == fails_at:
                raise KeyboardInterrupt
            log.append(seed)
            return {"value": seed + 0.5}

        return harness.Cell(f"c-{seed}", {"seed": seed, "pair": (1, 2)}, compute)

    def figure(record):
        made, (axes,) = page.plots(1, 1)
        page.curve(axes, [0, 1], [[m["value"]] * 2 for m in records.measured(record)], 0, "value")
        page.name_axes(axes, "k", "value")
        return made

    return harness.Experiment(
        name,
        "How much?",
        "By counting.",
        lambda options: [cell(seed) for seed in range(min(cells, options.seeds))],
        lambda record: f"Mean {page.shown([m['value'] for m in records.measured(record)])}.",
        lambda record: page.table(["seed"], [[str(c["settings"]["seed"])] for c in record["cells"]]),
        figure,
        rooms=("guidance/paas.py",),
    )


def test_a_finished_cell_is_not_computed_again(tmp_path):
    log, messages = [], []
    first = harness.run(one_number(log=log), harness.Options(), tmp_path, messages.append)
    again = harness.run(one_number(log=log), harness.Options(), tmp_path, messages.append)
    assert log == [0, 1, 2]
    assert again == first
    assert messages[-1] == "sum: all 3 cells are there"


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    log, messages = [], []
    with pytest.raises(KeyboardInterrupt):
        harness.run(one_number(log=log, fails_at=1), harness.Options(), tmp_path, messages.append)
    assert log == [0]
    assert not (tmp_path / "sum.md").exists()
    harness.run(one_number(log=log), harness.Options(), tmp_path, messages.append)
    assert log == [0, 1, 2]
    assert any(line.startswith("sum: 2 of 3 cells left at ") for line in messages)


def test_a_clone_goes_on_from_the_committed_page(tmp_path):
    log = []
    harness.run(one_number(log=log), harness.Options(seeds=2), tmp_path, len)
    shutil.rmtree(tmp_path / "cells")
    harness.run(one_number(log=log), harness.Options(), tmp_path, len)
    assert log == [0, 1, 2]
    page = json.loads((tmp_path / "sum.json").read_text())
    page["cells"][1]["code"] = "older"
    (tmp_path / "sum.json").write_text(json.dumps(page))
    shutil.rmtree(tmp_path / "cells")
    harness.run(one_number(log=log), harness.Options(), tmp_path, len)
    assert log == [0, 1, 2, 1]


@pytest.mark.parametrize("spoil", ["half", "settings", "code", "no number"])
def test_what_is_not_the_cell_is_measured_anew(tmp_path, spoil):
    log = []
    harness.run(one_number(log=log), harness.Options(), tmp_path, len)
    (tmp_path / "sum.json").unlink()  # which holds the cells as well
    path = tmp_path / "cells" / "sum" / "c-1.json"
    saved = json.loads(path.read_text())
    if spoil == "half":
        path.write_text(path.read_text()[:40])
    else:
        saved.pop("measured") if spoil == "no number" else saved.update({spoil: "other"})
        path.write_text(json.dumps(saved))
    harness.run(one_number(log=log), harness.Options(), tmp_path, len)
    assert log == [0, 1, 2, 1]


def test_the_page_is_made_of_the_json_alone(tmp_path):
    experiment = one_number()
    harness.run(experiment, harness.Options(seeds=2), tmp_path, len)
    record = json.loads((tmp_path / "sum.json").read_text())
    assert page.text(experiment, record) == (tmp_path / "sum.md").read_text()
    assert "Mean 1 ± 0.71." in (tmp_path / "sum.md").read_text()
    record["cells"][0]["measured"]["value"] = 100
    assert "Mean 50.8 ±" in page.text(experiment, record)


def test_a_page_is_written_anew_from_its_record_without_measuring(tmp_path, capsys, monkeypatch):
    log = []
    harness.run(one_number(log=log), harness.Options(seeds=2), tmp_path, len)
    text = (tmp_path / "sum.md").read_text()
    (tmp_path / "sum.md").write_text("old words")
    (tmp_path / "sum.png").unlink()
    monkeypatch.setattr(command, "experiments", lambda: {"sum": one_number(log=log)})
    assert cli.main(["experiment", "sum", "--pages", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("Mean 1 ± 0.71.")
    assert (tmp_path / "sum.md").read_text() == text
    assert (tmp_path / "sum.png").is_file()
    assert log == [0, 1]
    assert cli.main(["experiment", "sum", "--pages", "--out", str(tmp_path / "empty")]) == 2
    assert "holds no sum.json; run it without --pages first." in capsys.readouterr().err


def test_names_of_points_cover_no_other_and_stay_in_the_frame():
    _, (axes,) = page.plots(1, 1)
    points = [(1.0, 1.0), (1.02, 1.0), (1.01, 1.02), (3.0, 3.0), (3.0, 2.97)]
    for x, y in points:
        axes.plot([x], [y], marker="o")
    axes.margins(x=0.2, y=0.15)
    page.name_axes(axes, "t", "IoU", legend=False)
    page.label_points(axes, points, [f"a long name {i}" for i in range(len(points))])
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(points)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_few_decades_have_plain_ticks():
    made, (axes,) = page.plots(1, 1)
    axes.plot([3, 40], [1e-9, 1])
    page.name_axes(axes, "t", "e", log="xy", legend=False)
    made.draw_without_rendering()
    assert {"5", "10", "20"} <= {label.get_text() for label in axes.get_xticklabels()}
    assert any("10^" in label.get_text() for label in axes.get_yticklabels())


def test_convergence_is_one_over_the_root_of_n():
    x = torch.full((1, 3, 8, 8), paas.X, dtype=torch.float64)
    rows = [paas.measure(GaussianDenoiser(2.0, 0.7), x, s, 256, 0, x) for s in (0.3, 2.0)]
    cell = {"settings": {"case": "gaussian", "noises": 256}, "measured": {"rows": rows}}
    noises, (errors,) = paas.converging({"experiment": "paas", "cells": [cell]}, "gaussian", "Eq. 16")
    assert noises == [1, 2, 4, 8, 16, 32, 64]
    assert errors == pytest.approx([n**-0.5 for n in noises], rel=0.1)


def test_budget_is_cells_left_times_what_was_measured():
    assert harness.budget("x", 10, [2.0, 4.0]) == "x: 8 of 10 cells left at 3.0 s each, about 24 s"
    assert harness.budget("x", 100, [30.0] * 4).endswith("about 48 min")
    assert "none measured yet" in harness.budget("x", 10, [])


def test_code_digest_follows_rooms_and_own_module(tmp_path, monkeypatch):
    experiment = one_number()
    (cell,) = experiment.cells(harness.Options(seeds=1))
    assert harness.code_digest(("guidance",), cell.compute) != harness.code_digest(("field",), cell.compute)
    here = harness.code_digest(("guidance/paas.py",), cell.compute)
    assert here != harness.code_digest(("guidance/paas.py",), ood.cells)


def test_a_measured_number_that_is_not_there_is_told():
    with pytest.raises(SjcError, match="no cell has"):
        records.measured({"experiment": "x", "cells": []}, case="a")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["deniser"], "did you mean denoiser?"),
        (["fig2"], "there are denoiser, ood, paas."),
        (["denoiser", "--seeds", "0"], "seeds: 0 is out of range; use 1 to 100."),
        (["denoiser", "--seeds", "101"], "use 1 to 100"),
        (["ood", "--model", "no/such/folder"], "no/such/folder"),
    ],
)
def test_bad_input_is_one_line(words, says, capsys, tmp_path):
    assert cli.main(["experiment", *words, *([] if "--out" in words else ["--out", str(tmp_path)])]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "experiments", lambda: {"sum": one_number()})
    (tmp_path / "file").write_text("")
    assert cli.main(["experiment", "sum", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "could not be written" in capsys.readouterr().err.splitlines()[-1]


def test_prints_the_answer(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "experiments", lambda: {"sum": one_number()})
    assert cli.main(["experiment", "sum", "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"Mean 0.5 ± 0.\n{tmp_path / 'sum'}.md\n"


def test_a_quick_run_stays_beside_the_whole_one():
    quick = argparse.Namespace(out=None, quick=True, model="embedded", device="auto", seeds=None)
    assert command.folder_of(quick).name == "experiments-quick"
    assert command.options_of(quick, one_number()).seeds == 2
    assert command.options_of(argparse.Namespace(**{**vars(quick), "quick": False}), one_number()).seeds == 5


def test_the_command_line_starts_without_numpy(stage_folder):
    code = "import sys, sjc.experiments.command; print({'torch', 'numpy', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(stage_folder / "backend")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


def test_discs_are_pictures_by_seed():
    made = pictures.discs(4, 16, 3)
    assert made.shape == (4, 3, 16, 16)
    assert float(made.abs().max()) <= 1
    assert torch.equal(made, pictures.discs(4, 16, 3))
    assert not torch.equal(made, pictures.discs(4, 16, 4))


def test_text_gives_the_picture_back():
    picture = pictures.discs(1, 16, 0)[0]
    again = pictures.from_text(pictures.to_text(picture)) / 127.5 - 1
    assert np.abs(again.transpose(2, 0, 1) - picture.numpy()).max() < 1 / 127


def test_a_folder_of_pictures_is_data(tmp_path):
    for i, shade in enumerate((0, 255)):
        Image.new("RGB", (40, 20), (shade, shade, shade)).save(tmp_path / f"{i}.png")
    source = picture_folder.folder_source(tmp_path)
    drawn = source.draw(2, 8, 0)
    assert drawn.shape == (2, 3, 8, 8)
    assert sorted(drawn.mean((1, 2, 3)).tolist()) == [-1, 1]
    assert re.fullmatch(r"[\w.-]+", source.name)
    with pytest.raises(SjcError, match="holds 2, 3 are needed"):
        source.draw(3, 8, 0)
    Image.new("RGB", (99, 20)).save(tmp_path / "0.png")
    assert picture_folder.folder_source(tmp_path).name != source.name
    (tmp_path / "0.png").write_text("no picture")
    with pytest.raises(SjcError, match="cannot be read as a picture"):
        picture_folder.folder_source(tmp_path).draw(2, 8, 0)


def test_a_persons_own_ddpm_on_their_pictures(tmp_path, monkeypatch, capsys):
    """A folder by diffusers' own save_pretrained, pictures as files; the second call finds all cells there."""
    tiny_families.ddpm().save_pretrained(tmp_path / "mine")
    (tmp_path / "faces").mkdir()
    for i, disc in enumerate(pictures.discs(12, 8, 0)):
        shown = ((disc + 1) * 127.5).byte().permute(1, 2, 0).numpy()
        Image.fromarray(shown).save(tmp_path / "faces" / f"{i}.png")
    for module in (ood, paas, denoiser):
        monkeypatch.setattr(module, "PICTURES", 8)
    monkeypatch.setattr(ood, "OTHERS", 2)
    for name in command.NAMES:
        words = [
            "experiment",
            name,
            "--quick",
            "--model",
            str(tmp_path / "mine"),
            "--pictures",
            str(tmp_path / "faces"),
        ]
        words += ["--out", str(tmp_path / "out")]
        assert cli.main(words) == 0
        errors = capsys.readouterr().err
        assert errors.startswith(f"{name}: ")
        assert "none measured yet" in errors.splitlines()[0]
        text = (tmp_path / "out" / f"{name}.md").read_text()
        weights = "" if name == "denoiser" else f" ({harness.model_digest(str(tmp_path / 'mine'))})"  # it asks no model
        assert f"Model: {tmp_path / 'mine'}{weights}; pictures: faces-" in text
        assert cli.main(words) == 0
        assert "cells are there" in capsys.readouterr().err


def test_an_empty_folder_of_pictures_is_one_line(tmp_path, capsys):
    words = ["experiment", "ood", "--pictures", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main(words) == 2
    error = capsys.readouterr().err.strip()
    assert "holds none" in error
    assert "\n" not in error


def test_row_is_side_by_side():
    one = pictures.discs(3, 8, 0)
    assert torch.equal(pictures.row(one)[:, :, 8:16], one[1])


def test_mixture_score_of_one_picture_points_at_it():
    y = pictures.discs(1, 8, 0).double()
    x = y + 0.3
    assert torch.allclose(denoiser.mixture_score(x, y, 0.5), (y - x) / 0.25, atol=1e-12)


def test_both_forms_agree_and_a_wrong_one_does_not(monkeypatch):
    monkeypatch.setattr(denoiser, "PICTURES", 24)
    result = denoiser.compute(pictures.DISCS, 0)
    assert max(result["float64"]) < 1e-9
    assert 1 <= result["neighbours"][0] < result["neighbours"][-1] <= 24

    class Wrong(EmpiricalDenoiser):
        def __call__(self, x, sigma):
            return super().__call__(x, 1.1 * sigma)

    monkeypatch.setattr("sjc.guidance.empirical.EmpiricalDenoiser", Wrong)
    assert max(denoiser.compute(pictures.DISCS, 0)["float64"]) > 1e-3


@pytest.mark.parametrize(("sigma", "eq16", "eq15"), [(0.3, 0.844828, 0.155172), (1.5, 0.178832, 0.821168)])
def test_deviation_and_mean_of_gaussian_data(sigma, eq16, eq15):
    assert paas.gaussian_deviation("Eq. 16", sigma) == pytest.approx(eq16, abs=1e-6)
    assert paas.gaussian_deviation("Eq. 15", sigma) == pytest.approx(eq15, abs=1e-6)
    x = torch.full((1, 3, 8, 8), paas.X, dtype=torch.float64)
    true = sigma * paas.gaussian_score(x, 2**0.5 * sigma)
    result = paas.measure(GaussianDenoiser(paas.MU, paas.SPREAD), x, sigma, 256, 0, true)
    for form, deviation in (("Eq. 16", eq16), ("Eq. 15", eq15)):
        assert result[form]["deviation"] == pytest.approx(deviation, rel=0.02)
        assert result[form]["ratio"] == pytest.approx(paas.gaussian_ratio(sigma), rel=0.02)


def test_ratio_is_between_one_and_two():
    assert paas.gaussian_ratio(1e-4) == pytest.approx(1)
    assert paas.gaussian_ratio(1e4) == pytest.approx(2)


def test_error_falls_with_the_root_of_the_noises_and_the_forms_cross_at_the_spread():
    x = torch.full((1, 3, 8, 8), paas.X, dtype=torch.float64)
    rows = [paas.measure(GaussianDenoiser(2.0, 0.7), x, s, 256, 0, x) for s in (0.3, 0.6, 0.8, 2.0)]
    cell = {"settings": {"case": "gaussian", "noises": 256}, "measured": {"rows": rows}}
    record = {"experiment": "paas", "cells": [cell]}
    assert paas.slope(record, "gaussian") == pytest.approx(-0.5, abs=0.03)
    assert paas.crossing(record, "gaussian") == 0.8


def test_latent_models_are_refused():
    with pytest.raises(SjcError, match="take a model of pixels"):
        paas.raise_latent("some/latent")


def test_sigma_scales_with_the_picture():
    assert ood.scaled_sigma(256) == 6.5
    assert ood.scaled_sigma(32) == 0.8125


def test_exact_denoiser_leads_to_the_data_both_ways():
    data = pictures.discs(12, 8, 0)
    paths = ood.follow(EmpiricalDenoiser(data), pictures.orange_blob(8), 0.3, data, 0)
    for way in ood.WAYS:
        assert paths[way]["distance"][-1] < 0.05 * paths[way]["distance"][0]
        assert pictures.from_text(paths[way]["picture"]).shape == (8, 8 * len(ood.SHOWN), 3)


def test_pictures_of_one_colour_each_have_no_sharpness_to_divide_by():
    data = torch.linspace(-1, 1, 4).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    paths = ood.follow(EmpiricalDenoiser(data), pictures.orange_blob(8), 0.3, data, 0)
    assert paths["clean"]["distance"][-1] < paths["clean"]["distance"][0]


def test_a_denoiser_that_fails_on_clean_pictures_is_seen():
    data = pictures.discs(12, 16, 0)
    exact = EmpiricalDenoiser(data)

    def blind(x, sigma):  # to a picture without noise it answers with the picture
        noisy = ood.sharpness(x) > 0.3
        return exact(x, sigma) if noisy else x

    paths = ood.follow(blind, pictures.orange_blob(16), 0.6, data, 1)
    assert paths["clean"]["distance"][-1] == pytest.approx(paths["clean"]["distance"][0])
    assert paths["PAAS"]["distance"][-1] < 0.5 * paths["PAAS"]["distance"][0]


@pytest.mark.parametrize(
    ("clean", "averaged", "says"),
    [
        (0.3, 0.2, "PAAS ends nearer the data"),
        (0.2, 0.3, "asking at the clean picture ends nearer the data"),
        (0.2, 0.2, "both ways end equally near the data"),
        (0.21, 0.2, "the two ways cannot be told apart"),
    ],
)
def test_the_verdict_follows_the_numbers(clean, averaged, says):
    def run(jitter):
        ways = {"clean": clean + jitter, "PAAS": averaged + 2 * jitter}
        return {
            **{w: {"distance": [0.4] + [d] * 20, "sharpness": 1.0} for w, d in ways.items()},
            "sigma": 0.8,
            "new_picture": 0.3,
        }

    cells = [{"settings": {"case": "model"}, "measured": run(j)} for j in (-0.01, 0.01, 0.0)]
    assert says in ood.answer({"experiment": "ood", "cells": cells})


@pytest.mark.parametrize(("sharp", "held"), [(0.4, True), (0.2, None)])
def test_a_blur_that_is_nearer_says_nothing(sharp, held):
    def run(jitter):
        return {
            "clean": {"distance": [0.3 + jitter], "sharpness": 0.4},
            "PAAS": {"distance": [0.2 + 2 * jitter], "sharpness": sharp},
        }

    cells = [{"settings": {"case": "model"}, "measured": run(j)} for j in (-0.01, 0.01, 0.0)]
    assert ood.misled({"experiment": "ood", "cells": cells}) is held


def test_cells_side_by_side_come_to_what_they_come_to_alone(tmp_path):
    messages = []
    alone = harness.run(denoiser.EXPERIMENT, harness.Options(seeds=2), tmp_path / "alone", messages.append)
    with harness.side_by_side(2) as processes:
        both = harness.run(denoiser.EXPERIMENT, harness.Options(seeds=2), tmp_path / "both", messages.append, processes)
    for one, other in zip(alone["cells"], both["cells"], strict=True):
        assert one["name"] == other["name"]
        for key, numbers in one["measured"].items():
            assert other["measured"][key] == pytest.approx(numbers, rel=1e-3, abs=1e-9), key
    assert sorted(path.name for path in (tmp_path / "both" / "cells" / "denoiser").iterdir()) == [
        "discs-0.json",
        "discs-1.json",
    ]
    with harness.side_by_side(1) as processes:
        assert processes is None
