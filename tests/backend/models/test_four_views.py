"""The embedded model's sister that sees four views at once: untrained it is the shipped network, and what it asks."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sjc.cli import main
from sjc.errors import SjcError
from sjc.field.cameras import CameraPrior, sample_rings
from sjc.guidance.views import FOUR
from sjc.models import distilled, model_files, model_list
from sjc.models.layout import SISTER
from sjc.models.loading import load_denoiser
from sjc.settings import resolve
from training.views import sister

TEXT = "azimuth 10 elevation 20 view of a red mushroom"


@pytest.fixture(scope="module")
def parts():
    """The untrained tensors."""
    _, own = sister(model_files.EMBEDDED)
    return {name: value.detach().clone() for name, value in own.items()}


def folder_of(folder, tensors):
    folder.mkdir()
    save_file({name: value.half().contiguous() for name, value in tensors.items()}, folder / SISTER)
    return folder


def moved(parts):
    """Tensors of a sister that was trained, of a kind: its parts are no longer zero."""
    generator = torch.Generator().manual_seed(3)
    return {name: value + 0.05 * torch.randn(value.shape, generator=generator) for name, value in parts.items()}


@pytest.fixture(scope="module")
def trained(parts, tmp_path_factory):
    return folder_of(tmp_path_factory.mktemp("four") / "trained", moved(parts))


def rings(count, seed=1):
    return sample_rings(CameraPrior(), FOUR.azimuths, count, torch.Generator().manual_seed(seed))


def noisy(count):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2


def denoised(denoiser, x, cameras, guidance=1.0):
    at = torch.full((len(x),), 1.5)
    return denoiser.conditioned([TEXT] * len(x), "", guidance, poses=cameras.poses)(x, at)


def test_untrained_it_is_the_shipped_network(parts, tmp_path):
    """To the last bit: what was added ends in zeros."""
    fresh = load_denoiser(str(folder_of(tmp_path / "fresh", parts)))
    assert torch.equal(denoised(fresh, noisy(4), rings(1), 2.5), denoised(load_denoiser(), noisy(4), rings(1), 2.5))


def test_every_view_sees_the_others_and_two_rings_do_not_see_each_other(trained):
    denoiser, x, cameras = load_denoiser(str(trained)), noisy(8), rings(2)
    both = denoised(denoiser, x, cameras)
    alone = torch.cat([denoised(denoiser, x[ring], cameras[ring]) for ring in (slice(0, 4), slice(4, 8))])
    torch.testing.assert_close(both, alone, rtol=0, atol=2e-5)
    other = x.clone()
    other[3] += 1
    change = (denoised(denoiser, other, cameras) - both).abs().amax((1, 2, 3))
    assert (change[:4] > 1e-4).all()
    assert (change[4:] < 2e-5).all()


def test_a_view_knows_how_far_the_others_have_turned(trained):
    """The same ring begun at another of its views is the same; views in another order are not."""
    denoiser, x, cameras = load_denoiser(str(trained)), noisy(4), rings(1)
    here = denoised(denoiser, x, cameras)
    turned, swapped = torch.tensor([1, 2, 3, 0]), torch.tensor([0, 2, 1, 3])
    torch.testing.assert_close(denoised(denoiser, x[turned], cameras[turned]), here[turned], rtol=0, atol=2e-5)
    assert (denoised(denoiser, x[swapped], cameras[swapped]) - here[swapped]).abs().max() > 1e-4


def test_cameras_matter(trained):
    denoiser, x = load_denoiser(str(trained)), noisy(4)
    assert (denoised(denoiser, x, rings(1)) - denoised(denoiser, x, rings(1, 2))).abs().max() > 1e-4


def test_it_asks_for_four_views_and_shares_all_but_its_own(trained, parts, monkeypatch):
    files, shipped = model_files.check(trained), model_files.check(model_files.EMBEDDED)
    assert (files.family.label, files.family.views, files.family.ring.worded) == ("pixel (multi-view)", 4, True)
    assert files.folder == shipped.folder
    assert files.numbers_of["unet"] - shipped.numbers_of["unet"] == sum(value.numel() for value in parts.values())
    assert (trained / SISTER).stat().st_size < 0.5e6
    card = model_files.read_card(trained)
    assert card | {"distilled": 2.5} == model_files.read_card(model_files.EMBEDDED)
    assert distilled.built_in(resolve(None, {"prompt": "x", "model": str(trained), "guidance": 2.5})) is None
    monkeypatch.setitem(model_files.OWN, "embedded-views", trained)
    assert [row.family for row in model_list.rows(trained / "hub", trained / "cache")] == [
        "pixel",
        "pixel (multi-view)",
    ]


def test_a_job_asks_it_by_name(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(model_files.OWN, "embedded-views", trained)
    command = ["generate", "a red mushroom", "--model=embedded-views", "--preset=test", "--device=cpu"]
    assert main([*command, "--views-per-step=4", "--out", str(tmp_path / "job")]) == 0
    assert main([*command, "--views-per-step=2", "--out", str(tmp_path / "no")]) != 0
    assert "sees 4 views at once, and 2 cannot be divided so; use 4" in capsys.readouterr().err
    assert main(["models", "fetch", "embedded-views"]) == 0
    assert "ControlNet" not in capsys.readouterr().out


def test_the_sister_that_ships_is_not_worse_than_the_embedded_model():
    """By its log, on rings that no batch showed and pairs that were held out; and it is one file that fits."""
    log = (model_files.EMBEDDED_VIEWS / "training_log.jsonl").read_text("utf-8").splitlines()
    before, after = json.loads(log[0]), json.loads(log[-1])
    for level in ("0.5", "1.5", "5.0"):
        assert after[f"held_out_{level}"] <= before[f"held_out_{level}"], level
    x = noisy(4)
    here, there = (denoised(load_denoiser(name), x, rings(1)) for name in ("embedded-views", "embedded"))
    assert 0 < (here - there).abs().mean() < 0.05


def test_what_is_refused(parts, tmp_path, monkeypatch):
    monkeypatch.setitem(model_files.OWN, "embedded-views", tmp_path / "nothing")
    with pytest.raises(SjcError, match="lacks the embedded model for four views; choose embedded"):
        model_files.locate("embedded-views")
    assert model_list.own() == ["embedded"]
    monkeypatch.setitem(model_files.OWN, "embedded", tmp_path / "nothing")
    assert [row.state for row in model_list.rows(tmp_path / "hub", tmp_path / "cache")] == ["bad"], "the list is shown"
    wrong = folder_of(tmp_path / "wrong", parts | {"class_embedding.0.weight": torch.zeros(64, 12)})
    with pytest.raises(SjcError, match="does not fit the embedded model"):
        load_denoiser(str(wrong))
    short = folder_of(tmp_path / "short", parts)
    (short / SISTER).write_bytes((short / SISTER).read_bytes()[:-9])
    with pytest.raises(SjcError):
        load_denoiser(str(short))
    whole = load_file(wrong / SISTER)
    assert whole.keys() == parts.keys()
