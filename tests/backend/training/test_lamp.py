"""The world's lamp: words for it, pictures lit by it, and a mug that shows whether it is empty."""

import json
import random
from collections import Counter

import numpy as np
import pytest
import torch

from sjc.field.cameras import look_at
from training import lamp, loss, model, pictures, train, world
from training.batches import DeviceBatches
from training.data import Data
from training.pictures import EMPTY, make_bank, shade
from training.prompts import parse
from training.release import TARGET
from training.sentences import draw_sentences
from training.truth import ground_truth


@pytest.fixture(scope="module")
def bank():
    return make_bank(2, seed=5)


def tokens(texts):
    t = model.make_tokenizer(lamps=True)(texts, padding="max_length", truncation=True, return_tensors="pt")
    return t.input_ids, t.attention_mask


def test_directions_are_those_of_the_camera_s_axes():
    azimuth, elevation = torch.tensor([0.0, 70.0, 200.0, 300.0]), torch.tensor([0.0, 35.0, -20.0, 80.0])
    axes = look_at(azimuth, elevation, 3.0, 36.0).rotation
    for number, (side, _) in enumerate(lamp.LAMPS, 1):
        there = lamp.world_directions(torch.full((4,), number), azimuth, elevation)
        expected = axes @ torch.tensor(lamp.DIRECTIONS[side])
        assert torch.allclose(there, expected.to(there), atol=1e-5), side
        assert torch.allclose(there.norm(dim=-1), torch.ones(4), atol=1e-5)


def sphere_lit_from(side, bank, plain=False):
    """A red ball under a lamp, [3, 32, 32] in [0, 1]."""
    view = int(np.flatnonzero(bank.thing == list(world.THINGS).index("sphere"))[0])
    number = 1 + lamp.LAMPS.index((side, plain))
    return (Data(bank, 3).draw([view], [parse("a red sphere")], [number])[0] + 1) / 2


def test_the_side_that_the_words_name_is_bright(bank):
    middle = slice(8, 24)
    left, right = (sphere_lit_from(side, bank)[0, middle] for side in ("left", "right"))
    assert left[:, 8:16].mean() > 1.3 * left[:, 16:24].mean()
    assert right[:, 16:24].mean() > 1.3 * right[:, 8:16].mean()
    above = sphere_lit_from("above", bank)[0, :, middle]
    assert above[8:16].mean() > 1.3 * above[16:24].mean()
    front = sphere_lit_from("front", bank)[0]
    assert front[15:17, 15:17].mean() > 1.2 * front[15:17, [6, 25]].mean()


def test_a_lit_picture_is_lambert_s_and_its_background_stays(bank):
    normal = torch.tensor([[0.0, 0, 1], [0.6, 0, 0.8], [0, 0, -1], [0, 0, 0]]).view(1, 2, 2, 3)
    part = torch.tensor([[0, 0], [0, EMPTY]], dtype=torch.uint8)[None]
    up = torch.tensor([[0.0, 0, 1]])
    lights = (torch.full((1, 3), 0.37), up, torch.tensor([0.2]))
    image = shade(part, normal, torch.full((1, 1, 3), 0.5), *lights, 1, torch.tensor([True]))
    cosines = torch.tensor([[1.0, 0.8], [0.0, 0.0]])
    expected = 0.5 * (lamp.AMBIENT + lamp.DIFFUSE * cosines)
    expected[1, 1] = 0.37
    assert torch.allclose((image[0] + 1) / 2, expected.expand(3, 2, 2), atol=1e-6)
    unlit = shade(part, normal, torch.full((1, 1, 3), 0.5), *lights, 1, torch.tensor([False]))
    assert torch.equal(unlit, shade(part, normal, torch.full((1, 1, 3), 0.5), *lights, 1))
    assert not torch.equal(unlit, image)


def test_no_lamp_clips_a_colour_and_clay_has_none(bank):
    assert lamp.AMBIENT + lamp.DIFFUSE <= 1
    image = sphere_lit_from("left", bank, plain=True)
    ball = torch.nn.functional.max_pool2d(image.std(0, unbiased=False)[None], 1)[0][12:20, 12:20]
    assert ball.max() < 1e-6, "red, green and blue are one"


def test_shares_of_lamps_are_as_stated():
    rng = random.Random(3)
    drawn = Counter(lamp.random_lamp(rng) for _ in range(20000))
    assert drawn[0] / 20000 == pytest.approx(1 - lamp.SHARE, abs=0.02)
    plain = sum(count for number, count in drawn.items() if number > len(lamp.DIRECTIONS))
    assert plain / (20000 - drawn[0]) == pytest.approx(lamp.UNCOLORED, abs=0.02)
    assert set(drawn) == set(range(1 + len(lamp.LAMPS)))


def test_words_say_which_lamp_a_picture_has(bank):
    """On the device as on the CPU; every word is known, and the longest sentence fits."""
    sentences = draw_sentences(bank, 400, seed=3, lamps=True)
    tokenizer = model.make_tokenizer(lamps=True)
    for number, ids in zip(sentences.lamp, sentences.ids, strict=True):
        words = tokenizer.decode(ids, skip_special_tokens=True)
        assert words.endswith(lamp.lit("", int(number)).strip())
        assert ("lit" in words.split()) == (number > 0)
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.eos_token_id in ids, "cut"
    drawer = DeviceBatches(bank, sentences, tokens, torch.device("cpu"), seed=7)
    x, _, _ = drawer.pictures(64)
    generator = torch.Generator().manual_seed(7)
    row = torch.randint(400, (64,), generator=generator).numpy()
    background, light, contrast = pictures.random_light(64, generator)
    view, lamps = sentences.view[row], torch.from_numpy(sentences.lamp[row])
    angles = (torch.from_numpy(angle[view]).float() for angle in (bank.azimuth, bank.elevation))
    light = torch.where(lamps[:, None] > 0, lamp.world_directions(lamps, *angles), light)
    colors = torch.tensor(list(world.COLORS.values()))[torch.from_numpy(sentences.palette[row]).long()]
    part, normal = torch.from_numpy(bank.part[view]), torch.from_numpy(bank.normal[view]).float() / 127
    palette = lamp.uncolored(colors, lamps)
    assert torch.equal(x, shade(part, normal, palette, background, light, contrast, 2, lamps > 0))


def test_without_lamps_nothing_changes(bank):
    plain = draw_sentences(bank, 50, seed=3)
    assert not plain.lamp.any()
    lit = draw_sentences(bank, 50, seed=3, lamps=True)
    assert np.array_equal(plain.view, lit.view)
    assert np.array_equal(plain.palette, lit.palette)
    assert "lamps" not in model.card_json()
    assert model.card_json(lamps=True)["lamps"]["directions"]["left"] == list(lamp.DIRECTIONS["left"])


def test_a_model_learns_the_words_and_keeps_what_it_knew():
    """New words stand behind the old ones, whose rows come from the model that had no lamps."""
    old, new = model.make_tokenizer(), model.make_tokenizer(lamps=True)
    assert {word: new.get_vocab()[word] for word in old.get_vocab()} == old.get_vocab()
    assert set(lamp.WORDS) <= set(new.get_vocab())
    without, net = model.Model(), model.Model(lamps=True)
    for one in (without, net):
        model.start_from(one, TARGET, keep_text=True)
    text = "azimuth 10 elevation 20 view of a red mushroom"
    z, t = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([500])
    with torch.no_grad():
        assert torch.equal(net(z, t, *net.tokens([text])), without(z, t, *without.tokens([text])))
    lit = model.Model(lamps=True).text_encoder
    assert lit.shared.num_embeddings > without.text_encoder.shared.num_embeddings


def test_a_model_with_more_words_is_not_gone_on_with(tmp_path):
    net = model.Model(lamps=True)
    model.save_folder(tmp_path, net.unet, net.text_encoder, net.tokenizer, lamps=True)
    assert json.loads((tmp_path / "sjc.json").read_text())["words"]["lamps"] == lamp.WORDS
    with pytest.raises(SystemExit, match="add --lamps"):
        model.start_from(model.Model(), tmp_path, keep_text=True)


# ------------------------------------------------------------------------------------------------------- the empty mug
def test_an_empty_mug_is_hollow():
    inside = np.array([[-0.1, 0.0, 0.0], [-0.1, 0.0, -0.47], [-0.1, 0.4, 0.0]])
    assert ground_truth("a blue mug").inside(inside).tolist() == [True, True, True]
    assert ground_truth("a blue mug", empty_mug=True).inside(inside).tolist() == [False, True, True]
    for name in set(world.THINGS) - {"mug"}:
        assert torch.equal(*(world.distances(name, torch.zeros(1, 3), empty) for empty in (False, True)))


def test_only_light_tells_an_empty_mug_from_one_under_a_lid():
    """From above, the bottom of the hollow has the lid's normal: it is the wall that a lamp from the side shows."""
    camera = look_at([0.0], [60.0], 3.0, 36.0)
    rays = [r.reshape(-1, 3) for r in pictures.supersampled_rays(camera, 32, 2)]
    part, normal = pictures.trace("mug", *rays, empty_mug=True)
    opening = ((rays[0] + 2.4 * rays[1])[:, :2] - torch.tensor([-0.1, 0.0])).norm(dim=-1) < 0.3
    assert set(part[part != EMPTY].tolist()) == {0, 1}
    assert (normal[opening & (part == 0)][:, 2] < 0.5).any(), "a wall is seen inside"
    lid, _ = pictures.trace("mug", *rays)
    assert 2 in lid.tolist(), "and coffee where there is some"


def test_a_run_learns_with_lamps(tmp_path, monkeypatch):
    monkeypatch.setattr(loss, "EVAL_SIGMAS", (1.5,))
    monkeypatch.setattr(train, "FIXED_PICTURES", 2)
    words = [
        "--out",
        str(tmp_path),
        "--views",
        "1",
        "--batch",
        "2",
        "--steps",
        "1",
        "--text-steps",
        "1",
        "--threads",
        "1",
    ]
    folder = train.main([*words, "--threads", "1", "--lamps", "--empty-mug", "--init", str(TARGET), "--keep-text"])
    assert (tmp_path / "bank-1-empty-mug.npz").exists()
    assert json.loads((folder / "sjc.json").read_text())["lamps"]["ambient"] == lamp.AMBIENT
