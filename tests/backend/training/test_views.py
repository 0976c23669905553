"""What the sister for four views learns from: rings of one object in one light, whoever makes the batches."""

import argparse

import pytest
import torch
from safetensors.torch import load_file

from sjc.guidance.views import FOUR
from training import data, model, views
from training.batches import batches_for
from training.pictures import make_rings

RINGS = 3


@pytest.fixture(scope="module")
def bank():
    return make_rings(4, 5)


@pytest.fixture(scope="module", params=[0, 40], ids=["on the host", "on the device"])
def batch(request, bank, tmp_path_factory):
    """((pictures, ids, mask), numbers of the views) of some rings."""
    args = argparse.Namespace(device="cpu", sentences=request.param, seed=1, processes=1, lamps=False)
    path = tmp_path_factory.mktemp("rings") / "rings.npz"
    tokenizer = model.make_tokenizer()

    def tokens(texts):
        read = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return read.input_ids, read.attention_mask

    return batches_for(args, (path, bank), tokens, 3).pictures_and_views(RINGS * len(FOUR), 0.5)


def test_a_ring_is_one_object_from_four_sides(bank, batch):
    _, view = batch
    rows = view.view(RINGS, len(FOUR))
    azimuths, elevations = (torch.from_numpy(angles)[rows] for angles in (bank.azimuth, bank.elevation))
    assert torch.allclose((azimuths - azimuths[:, :1]) % 360, torch.tensor(FOUR.azimuths).expand(RINGS, 4), atol=1e-3)
    assert (elevations == elevations[:, :1]).all()
    assert (bank.thing[rows] == bank.thing[rows][:, :1]).all()


def test_a_ring_has_one_background_and_is_silent_as_a_whole(batch):
    (x, ids, _), _ = batch
    corners = x[:, :, 0, 0].view(RINGS, 4, 3)
    torch.testing.assert_close(corners, corners[:, :1].expand_as(corners))
    assert not torch.equal(corners[0], corners[1])
    spoken = ((ids != 0).sum(1) > 1).view(RINGS, 4)  # </s> alone is silence
    assert (spoken == spoken[:, :1]).all()


def test_a_ring_has_one_light_and_the_same_colours(bank):
    """A sphere's visible halves from in front and behind are lit from one side of the world."""
    drawn = data.Data(bank, 2)
    _, things, _ = drawn.choose(RINGS * len(FOUR))
    assert all(things[4 * ring] == thing for ring in range(RINGS) for thing in things[4 * ring : 4 * ring + 4])
    sphere = [i for i in range(len(bank.thing)) if bank.thing[i] == 0][:4]
    described = [data.random_described(0, drawn.rng)] * 4
    x = drawn.draw(sphere, described)
    samples = torch.from_numpy(bank.normal[sphere]).float().unflatten(1, (-1, 2)).unflatten(3, (-1, 2)) / 127
    brightness, normals, inside = x.mean(1), samples.mean((2, 4)), (samples.norm(dim=-1) > 0.9).all(2).all(3)
    # One light: brightness is one linear function of the normal in all four views.
    a = torch.cat([normals[inside], torch.ones(int(inside.sum()), 1)], 1)
    b = brightness[inside][:, None]
    residual = a @ torch.linalg.lstsq(a, b).solution - b
    assert residual.abs().mean() < 0.2 * (b - b.mean()).abs().mean()


def test_it_learns_and_goes_on_from_its_checkpoint(bank, tmp_path, monkeypatch):
    monkeypatch.setattr(views, "HELD_BACK", 1)
    for name in ("rings-4.npz", "held-rings.npz"):
        bank.save(tmp_path / name)
    words = ["--out", str(tmp_path), "--views", "4", "--batch", "4", "--threads", "1", "--eval-every", "2"]
    before = {name: value.clone() for name, value in views.sister(views.EMBEDDED)[1].items()}
    for steps in ("2", "3"):
        made = views.main([*words, "--steps", steps])
    rows = [line for line in (tmp_path / "log.jsonl").read_text().splitlines() if '"step"' in line]
    assert [int(row.split('"step": ')[1].split(",")[0]) for row in rows] == [0, 2, 3]
    after = load_file(made)
    changed = [name for name, value in before.items() if not torch.equal(after[name].float(), value.half().float())]
    assert any(name.endswith("out.weight") for name in changed)
    assert "class_embedding.2.weight" in changed


def test_fewer_pictures_than_a_ring_has_are_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        views.main(["--out", str(tmp_path), "--batch", "3"])
    assert "give at least 4, because a ring has four pictures" in capsys.readouterr().err
