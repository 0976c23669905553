"""Runs as on a card: batches made on the device from sentences drawn beforehand, and a budget of wall time."""

import argparse
import json
from collections import Counter

import numpy as np
import pytest
import torch

from training import batches, codec, data, distil, loss, pictures, run, train, views, world
from training.model import Model, make_tokenizer
from training.pictures import EMPTY, Bank, make_bank, shade
from training.sentences import CHUNK, Sentences, draw_sentences
from training.solids import normals

CPU = torch.device("cpu")
COUNT = 600
SMALL = ["--sentences", "50", "--processes", "1", "--threads", "1", "--batch", "2"]


@pytest.fixture(scope="module")
def bank_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bank") / "bank-2.npz"
    make_bank(2, seed=5).save(path)
    return path


@pytest.fixture(scope="module")
def bank(bank_file):
    return Bank.load(bank_file)


@pytest.fixture(scope="module")
def sentences(bank):
    return draw_sentences(bank, COUNT, seed=3)


def tokens(texts):
    t = make_tokenizer()(texts, padding="max_length", truncation=True, return_tensors="pt")
    return t.input_ids, t.attention_mask


def test_sentences_say_what_their_rows_show(bank, sentences):
    """Object, colours and view words of a row agree, and a held-out pair never comes."""
    tokenizer, colors = make_tokenizer(), list(world.COLORS)
    drawn = Counter()
    for view, palette, ids in zip(sentences.view, sentences.palette, sentences.ids, strict=True):
        words = tokenizer.decode(ids, skip_special_tokens=True).split()
        name = list(world.THINGS)[bank.thing[view]]
        assert {world.SYNONYMS.get(word, word) for word in words} & set(world.THINGS) >= {name}
        slots = [part.slot for part in world.THINGS[name].parts]
        drawn[name, colors[palette[slots.index("main")]]] += 1
        if "azimuth" in words:
            azimuth = int(words[words.index("azimuth") + 1])
            assert abs((azimuth - bank.azimuth[view] + 180) % 360 - 180) <= 5.001
    assert not set(drawn) & world.HELD_OUT
    assert len({name for name, _ in drawn}) == len(world.THINGS)


def test_sentences_do_not_depend_on_how_many_draw_them(bank, sentences, monkeypatch):
    monkeypatch.setattr("training.sentences.CHUNK", COUNT)
    for name, value in vars(draw_sentences(bank, COUNT, 3, processes=4)).items():
        np.testing.assert_array_equal(value, getattr(sentences, name))
    assert CHUNK > COUNT


@pytest.mark.slow
def test_processes_draw_what_one_draws(bank, monkeypatch):
    monkeypatch.setattr("training.sentences.CHUNK", 40)
    alone, together = (draw_sentences(bank, 80, 3, processes) for processes in (1, 2))
    assert all(np.array_equal(value, getattr(together, name)) for name, value in vars(alone).items())
    assert not np.array_equal(alone.ids[:40], alone.ids[40:]), "each chunk has a seed of its own"


def test_a_batch_on_the_device_shows_its_rows(bank, sentences):
    """The pictures are those of shade() for the rows that were drawn, and their tokens are the rows' own."""
    drawer = batches.DeviceBatches(bank, sentences, tokens, CPU, seed=7)
    x, ids, mask = drawer.pictures(16)
    generator = torch.Generator().manual_seed(7)
    row = torch.randint(COUNT, (16,), generator=generator)
    light = pictures.random_light(16, generator)
    view = sentences.view[row]
    colors = torch.tensor([[world.COLORS[list(world.COLORS)[c]] for c in line] for line in sentences.palette[row]])
    part, normal = torch.from_numpy(bank.part[view]), torch.from_numpy(bank.normal[view]).float() / 127
    assert torch.equal(x, shade(part, normal, colors, *light, pictures.SUPERSAMPLE))
    assert torch.equal(ids, torch.from_numpy(sentences.ids[row].astype(np.int64)))
    assert torch.equal(mask, torch.from_numpy(sentences.mask[row].astype(np.int64)).bool())
    target, ids, _ = drawer.sketches(8)
    assert target.shape == (8, 4, 32, 32)
    assert ids.shape == (8, 24)


def test_a_tenth_of_the_sentences_is_empty(bank, sentences):
    drawer = batches.DeviceBatches(bank, sentences, tokens, CPU, seed=1)
    _, ids, mask = drawer.pictures(2000, empty=0.1)
    silent = mask.sum(1) == 1
    assert 0.07 < silent.float().mean() < 0.13
    assert torch.equal(ids[silent], tokens([""])[0].expand(int(silent.sum()), -1))


def test_fine_pictures_are_twice_as_fine(bank, sentences):
    coarse, fine = (
        batches.DeviceBatches(bank, sentences, tokens, CPU, 1, fine=f).pictures(4)[0] for f in (False, True)
    )
    assert fine.shape == (4, 3, 64, 64)
    assert torch.allclose(torch.nn.functional.avg_pool2d(fine, 2), coarse, atol=1e-5)


class OnCard(torch.Generator):
    """A generator that says it is another device's; tensors without values draw nothing from it."""

    device = torch.device("meta")


def test_a_step_on_a_card_meets_no_tensor_of_the_host():
    """Tensors of the meta device refuse to meet those of a CPU: batch, noise and loss stay where the bank is."""
    card = torch.device("meta")
    drawer = batches.DeviceBatches.__new__(batches.DeviceBatches)
    drawer.part = torch.empty(40, 64, 64, dtype=torch.uint8, device=card)
    drawer.normal = torch.empty(40, 64, 64, 3, dtype=torch.int8, device=card)
    drawer.view = torch.empty(COUNT, dtype=torch.int32, device=card)
    drawer.palette = torch.empty(COUNT, data.MAX_PARTS, dtype=torch.uint8, device=card)
    drawer.ids = torch.empty(COUNT, 24, dtype=torch.int16, device=card)
    drawer.mask = torch.empty(COUNT, 24, dtype=torch.bool, device=card)
    drawer.lamp = torch.empty(COUNT, dtype=torch.uint8, device=card)
    drawer.azimuth, drawer.elevation = torch.empty(2, 40, device=card)
    drawer.empty_ids = torch.empty(1, 24, dtype=torch.int64, device=card)
    drawer.empty_mask = torch.empty(1, 24, dtype=torch.bool, device=card)
    drawer.colors = torch.empty(12, 3, device=card)
    drawer.supersample, drawer.codec, drawer.together = 2, None, 4
    drawer.generator = OnCard()
    x, ids, mask = drawer.pictures(8, 0.1)
    target, _, _ = drawer.sketches(8)
    sigma = torch.empty(1000, device=card)
    t, noise = loss.draw_noise(x, sigma, argparse.Namespace(log_sigma=0.5, log_sigma_spread=1.0), None)
    error = loss.v_loss(lambda z, *words: z * words[0].sum() * words[1].sum(), x, ids, mask, t, noise, sigma)
    assert {a.device.type for a in (x, ids, mask, target, t, noise, error)} == {"meta"}
    assert x.shape == (8, 3, 32, 32)


def test_distances_and_normals_are_where_their_points_are():
    points = torch.empty(9, 3, device="meta")
    for name in world.THINGS:
        there = normals(lambda p, name=name: world.distances(name, p).amin(0), points)
        assert there.device.type == "meta", name


# ---------------------------------------------------------------------------------------------------------- wall time
def test_progress_counts_steps_or_the_time_of_all_parts(monkeypatch):
    clock = iter([100.0, 100.0, 103.0, 109.0, 111.0])
    monkeypatch.setattr(run.time, "monotonic", lambda: next(clock))
    steps = run.Progress(10, None, step=4)
    assert steps.place() == (4, 10)
    timed = run.Progress(10, 20.0, step=4, spent=10.0)
    assert timed.place() == (13.0, 20.0)
    assert not timed.ended()
    assert timed.ended()


def test_no_card_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device here; --device cpu"):
        train.main(["--out", str(tmp_path / "run"), "--device", "cuda"])
    assert not (tmp_path / "run").exists()
    with pytest.raises(SystemExit):
        train.main(["--out", str(tmp_path / "run"), "--device", "fridge"])


@pytest.fixture(scope="module")
def tiny():
    """Scores of few pictures at one level."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "EVAL_SIGMAS", (1.5,))
        patch.setattr(train, "FIXED_PICTURES", 4)
        patch.setattr(distil, "HELD_BACK", 4)
        patch.setattr(codec, "HELD_BACK", 4)
        yield


def small_run(bank_file, out):
    """The words that every short run begins with."""
    usual = ["--sentences", "50", "--processes", "1", "--threads", "1"]
    return ["--out", str(out), "--bank", str(bank_file), *usual]


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("tiny")
def test_a_timed_run_ends_in_time_stops_and_goes_on(bank_file, tmp_path):
    """The card's way on a CPU: it ends after its seconds, and a second call with more goes on from its checkpoint."""
    words = [*small_run(bank_file, tmp_path), "--batch", "2", "--text-steps", "1", "--eval-every", "1000"]
    train.main([*words, "--seconds", "1"])
    first = rows(tmp_path)[-1]
    assert first["step"] >= 1
    assert first["lr"] == 0, "the rate has fallen to zero with the time"
    spent = first["minutes"] * 60
    file = bank_file.with_name("bank-2-sentences-50.npz")
    drawn = file.stat().st_mtime_ns
    train.main([*words, "--seconds", str(spent + 2)])
    last = rows(tmp_path)[-1]
    assert last["step"] > first["step"]
    assert last["minutes"] > first["minutes"]
    assert file.stat().st_mtime_ns == drawn, "sentences are drawn once"
    assert isinstance(Sentences.load(file), Sentences)
    before = len(rows(tmp_path))
    train.main([*words, "--seconds", "1"])
    assert len(rows(tmp_path)) == before, "nothing is left to do"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("module", [distil, codec])
def test_adapter_and_autoencoder_go_on_from_their_checkpoint(module, bank_file, tmp_path):
    words = (
        small_run(bank_file, tmp_path)
        + ["--batch", "2", "--eval-every", "2"]
        + (["--rank", "1"] if module is distil else [])
    )
    module.main([*words, "--steps", "2"])
    folder = module.main([*words, "--steps", "3"])
    assert [row["step"] for row in rows(tmp_path)] == ([0, 2, 3] if module is distil else [2, 3])
    assert any(folder.iterdir())


# ------------------------------------------------------------------------------------------------------------ on a card
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_run_on_a_card(bank_file, tmp_path):
    """A bank traced on the card is that of the CPU but for rays that graze, and a run there leaves a model."""
    card, host = make_bank(1, 3, device="cuda"), make_bank(1, 3)
    assert (card.part != host.part).mean() < 1e-3
    assert ((card.part == EMPTY) != (host.part == EMPTY)).mean() < 1e-3
    words = ["--out", str(tmp_path), "--bank", str(bank_file), "--device", "cuda", "--sentences", "200"]
    folder = train.main([*words, "--batch", "8", "--text-steps", "2", "--seconds", "5", "--eval-every", "20"])
    assert (folder / "model_index.json").exists()
    log = rows(tmp_path)
    assert all(np.isfinite(value) for row in log for value in row.values() if isinstance(value, float))
    adapter = ["--out", str(tmp_path / "d"), "--bank", str(bank_file), "--device", "cuda", "--sentences", "200"]
    distil.main([*adapter, "--model", str(folder), "--batch", "8", "--seconds", "3"])
    assert (tmp_path / "d" / "adapter").exists()
    sister = ["--out", str(tmp_path / "v"), "--views", "4", "--device", "cuda", "--sentences", "200"]
    assert views.main([*sister, "--model", str(folder), "--batch", "8", "--seconds", "3"]).exists()


def test_a_model_knows_where_it_is():
    assert Model(latent=True).device == CPU
