"""Training: pictures that show the world, words that the model can read, and runs that stop and go on."""

import json
import math
import random
from collections import Counter

import numpy as np
import pytest
import torch

from sjc.field.cameras import look_at, rays, sample_cameras
from sjc.guidance.prompts import view_prompt
from sjc.models.loading import load_denoiser
from training import checkpoint, data, loss, model, pictures, train, world
from training.pictures import EMPTY, MEAN_SHADE, PRIOR, Bank, make_bank, random_light, shade
from training.prompts import Described, parse, phrase, random_described
from training.truth import ground_truth


@pytest.fixture(scope="session")
def bank():
    return make_bank(3, seed=5)


# ----------------------------------------------------------------------------------------------------------- pictures
def march(truth, origins, directions):
    """Rays by brute force: (first point inside or the start [R, 3], whether there is one [R], whether it is clear [R]).

    Not clear is a ray that grazes something: that passes an edge closely, before its hit or without one.
    """
    t = torch.arange(PRIOR.radius - 0.9, PRIOR.radius + 0.9, 0.006)
    points = origins[:, None] + t[None, :, None] * directions[:, None]
    inside = torch.from_numpy(truth.inside(points.view(-1, 3))).view(len(origins), len(t))
    near = world.distances(truth.described.name, points.view(-1, 3)).amin(0).view(inside.shape) < 0.005
    first, hit = inside.float().argmax(1), inside.any(1)
    clear = (near.any(1) == hit) & (t[first] - t[near.float().argmax(1)] < 0.04)
    return points[torch.arange(len(points)), first], hit, clear


@pytest.mark.parametrize("name", world.THINGS)
def test_a_traced_view_shows_the_truth(name):
    colors = iter(world.COLORS)
    described = Described(name, next(colors), {slot: next(colors) for slot in world.THINGS[name].slots})
    truth = ground_truth(phrase(described, random.Random(0)))
    cameras = sample_cameras(PRIOR, 2, torch.Generator().manual_seed(11))
    origins, directions = (r.reshape(-1, 3) for r in rays(cameras, 24, 24))
    part, normal = pictures.trace(name, origins, directions)
    points, hit, clear = march(truth, origins, directions)

    assert clear.float().mean() > 0.9
    assert ((part != EMPTY) == hit)[clear].all()
    assert not normal[part == EMPTY].any()
    shown = clear & hit
    assert shown.sum() > 100
    facing = (normal[shown] * directions[shown]).sum(-1) < 0.05
    assert facing.float().mean() > 0.98, "surfaces seen from behind (some at sharp edges are)"
    palette = np.array([world.COLORS[color] for color in described.palette()], dtype=np.float32)
    if len(palette) > 1:  # where two parts meet, half a step decides
        two = world.distances(name, points).topk(2, dim=0, largest=False).values
        shown &= two[1] - two[0] > 0.02
    np.testing.assert_array_equal(palette[part[shown].long()], truth.color(points[shown]))


def test_sub_pixels_tile_the_pixels():
    size, k = 8, 3
    cameras = look_at(torch.tensor([30.0, 200.0]), torch.tensor([20.0, -10.0]), 3.0, 36.0)
    _, directions = pictures.supersampled_rays(cameras, size, k)
    assert directions.shape == (2, k * size, k * size, 3)
    local = torch.einsum("vhwi,vij->vhwj", directions, cameras.rotation)  # right, up, backward
    focal = size / 2 / math.tan(math.radians(18.0))
    x = local[..., 0] / -local[..., 2] * focal + (size - 1) / 2
    y = -local[..., 1] / -local[..., 2] * focal + (size - 1) / 2
    expected = (torch.arange(k * size) + 0.5) / k - 0.5  # pixel j covers j - 0.5 to j + 0.5
    assert torch.allclose(x, expected.expand_as(x), atol=1e-4)
    assert torch.allclose(y, expected[:, None].expand_as(y), atol=1e-4)
    _, plain = rays(cameras, size, size)
    assert torch.allclose(directions[:, 1::3, 1::3], plain, atol=1e-6)  # the middle of an odd block is the pixel


def test_a_surface_shows_its_albedo_times_the_mean_shade_over_all_lights():
    count, normals = (
        20000,
        torch.nn.functional.normalize(torch.tensor([[1.0, 0, 0], [0, -1, 0], [1, 1, 1], [-1, 2, -3]]), dim=-1),
    )
    background, light, contrast = random_light(count, torch.Generator().manual_seed(12))
    albedo = torch.tensor([world.COLORS["white"], world.COLORS["brown"]])
    part = torch.tensor([[0, 1], [1, 0]], dtype=torch.uint8).expand(count, 2, 2)
    shown = shade(
        part,
        normals.view(1, 2, 2, 3).expand(count, 2, 2, 3),
        albedo.expand(count, 2, 3),
        background,
        light,
        contrast,
        supersample=1,
    )
    shown = (shown + 1) / 2
    error = shown.std(0) / math.sqrt(count)
    expected = MEAN_SHADE * albedo[part[0].long()].permute(2, 0, 1)
    assert (error < 1e-3).all()
    assert ((shown.mean(0) - expected).abs() < 5 * error).all()
    assert (shown.std(0) > 0.02 * expected).all(), "light must matter"


def test_the_side_towards_the_light_is_brighter():
    normal = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 0, -1]]).repeat(3, 1).view(1, 3, 3, 3)
    part = torch.zeros(1, 3, 3, dtype=torch.uint8)
    up, contrast = torch.tensor([[0.0, 0, 1]]), torch.tensor([0.2])
    image = (shade(part, normal, torch.full((1, 1, 3), 0.5), torch.zeros(1, 3), up, contrast, 1) + 1) / 2
    expected = 0.5 * MEAN_SHADE * torch.tensor([1.2, 1.0, 0.8])
    assert torch.allclose(image[0], expected.expand(3, 3, 3), atol=1e-6)


def test_lights_are_even_over_the_sphere_and_backgrounds_over_the_cube():
    background, light, contrast = random_light(20000, torch.Generator().manual_seed(13))
    assert (light.norm(dim=-1) - 1).abs().max() < 1e-5
    assert light.mean(0).abs().max() < 0.03
    assert torch.allclose(light.T @ light / 20000, torch.eye(3) / 3, atol=0.02)
    assert (background.mean(0) - 0.5).abs().max() < 0.02
    assert (background.std(0) - 12**-0.5).abs().max() < 0.01
    assert contrast.min() >= 0
    assert contrast.max() <= pictures.MAX_CONTRAST
    assert contrast.mean().item() == pytest.approx(pictures.MAX_CONTRAST / 2, rel=0.03)


def test_no_light_clips_a_color():
    brightest = max(max(rgb) for rgb in world.COLORS.values()) * MEAN_SHADE * (1 + pictures.MAX_CONTRAST)
    assert brightest <= 1 + 1e-6


def test_background_is_untouched_by_light(bank):
    part, normal = torch.from_numpy(bank.part), torch.from_numpy(bank.normal).float() / 127
    background, light, _ = random_light(len(part), torch.Generator().manual_seed(14))
    palette = torch.full((len(part), data.MAX_PARTS, 3), 0.3)
    image = shade(part, normal, palette, background, light, torch.full((len(part),), 0.25), 2)
    empty = torch.nn.functional.max_pool2d((part != EMPTY).float()[:, None], 2)[:, 0] == 0
    assert empty.float().mean() > 0.3
    expected = (background * 2 - 1)[:, :, None, None].expand_as(image)
    where = empty[:, None].expand_as(image)
    assert torch.allclose(image[where], expected[where], atol=1e-6)


def test_bank_is_even_over_objects_and_returns_from_its_file(bank, tmp_path):
    assert np.bincount(bank.thing).tolist() == [3] * len(world.THINGS)
    assert bank.part.shape == bank.normal.shape[:3] == (3 * len(world.THINGS), 64, 64)
    assert bank.elevation.min() >= PRIOR.elevation_min
    assert bank.elevation.max() <= PRIOR.elevation_max
    border = np.concatenate([bank.part[:, [0, -1]].ravel(), bank.part[:, :, [0, -1]].ravel()])
    assert (border == EMPTY).all(), "an object is cut"
    parts = np.array([len(thing.parts) for thing in world.THINGS.values()])[bank.thing]
    assert (np.where(bank.part == EMPTY, 0, bank.part).max(axis=(1, 2)) < parts).all()
    bank.save(tmp_path / "bank.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["bank.npz"]
    for name, value in vars(Bank.load(tmp_path / "bank.npz")).items():
        np.testing.assert_array_equal(value, getattr(bank, name))


# -------------------------------------------------------------------------------------------------------------- words
@pytest.fixture(scope="session")
def tokenizer():
    return model.make_tokenizer()


def test_every_sentence_and_view_is_read_whole(tokenizer):
    rng = random.Random(15)
    views = [("paper", a, e) for a in (0, 90, 180) for e in (0, 80)] + [("none", 0, 0)]
    views += [("fine", a, e) for a in range(0, 360, 10) for e in range(-30, 91, 10)]
    texts = []
    for i in range(3000):
        text = phrase(random_described(i % len(world.THINGS), rng, slot_chance=1.0), rng)
        style, azimuth, elevation = views[i % len(views)]
        texts.append(view_prompt(style, azimuth, elevation, text))
    ids = tokenizer(texts).input_ids
    unread = {text for text, row in zip(texts, ids, strict=True) if tokenizer.unk_token_id in row}
    assert not unread
    assert max(map(len, ids)) <= model.MAX_WORDS
    assert {row[-1] for row in ids} == {tokenizer.eos_token_id}


def test_words_that_no_one_taught_are_unknown(tokenizer):
    words = tokenizer.convert_ids_to_tokens(tokenizer("a Red, DRAGON!").input_ids)
    assert words == ["a", "red", "<unk>", "</s>"]


def test_case_and_punctuation_do_not_matter_but_order_does(tokenizer):
    def ids(text):
        return tokenizer(text).input_ids

    assert ids("A Mushroom, RED.") == ids("a mushroom red")
    assert ids("a red mushroom with a white stem") != ids("a white mushroom with a red stem")
    assert ids("azimuth 30 elevation -30 view of a cube") != ids("azimuth 30 elevation 30 view of a cube")


def test_each_word_has_one_token_and_the_card_lists_them(tokenizer):
    card = model.card_json()
    listed = [word for group in card["words"].values() for word in group]
    assert set(listed) | {"<pad>", "</s>", "<unk>"} == set(tokenizer.get_vocab())
    assert {*world.THINGS, *world.COLORS, *world.SYNONYMS} <= set(listed)
    assert card["camera"] == {name: value for name, value in vars(PRIOR).items() if name != "framing"}
    assert card["mean_shade"] == MEAN_SHADE


def test_angles_start_on_circles(tokenizer):
    """How far two of them lie apart depends on the turn between them alone; -10 and 350 are one."""
    table = model.make_text_encoder(tokenizer).get_input_embeddings().weight
    angle = {a: table[tokenizer.convert_tokens_to_ids(str(a)), :8] for a in (-10, *range(0, 360, 10))}
    assert torch.allclose(angle[-10], angle[350], atol=1e-4)
    for turn in (10, 50, 180):
        apart = [(angle[a] - angle[(a + turn) % 360]).norm() for a in range(0, 360, 10)]
        assert max(apart) - min(apart) < 1e-4
        assert min(apart) > 1.5


# --------------------------------------------------------------------------------------------------------------- data
@pytest.fixture(scope="session")
def drawn(bank):
    """What thousands of drawn prompts say: [(held out?, described)]."""
    out = []
    for held_out in (False, True):
        drawer = data.Data(bank, 16)
        drawer.draw = lambda _, things: things  # the pictures are not asked for here
        for _ in range(60 if not held_out else 10):
            _, things, texts = drawer.batch(100, held_out)
            out += [(held_out, described, text) for described, text in zip(things, texts, strict=True)]
    return out


def test_batches_never_show_a_held_out_pair_unless_asked(drawn):
    drawn_pairs = Counter((d.name, d.color) for held_out, d, _ in drawn if not held_out)
    assert drawn_pairs.total() == 6000
    assert not set(drawn_pairs) & world.HELD_OUT
    assert {name for name, _ in drawn_pairs} == set(world.THINGS)
    assert {color for _, color in drawn_pairs} == set(world.COLORS)
    assert {(d.name, d.color) for held_out, d, _ in drawn if held_out} == world.HELD_OUT


def test_texts_of_a_batch_say_what_its_pictures_show(drawn):
    for _, described, text in drawn:
        assert parse(text.split(" view of ")[-1]) == described


def test_a_picture_shows_its_colors(bank):
    """Flat light, one view: the colour of each part appears, and red and white change places with the words."""
    drawer = data.Data(bank, 17)
    index = int(np.flatnonzero(bank.thing == list(world.THINGS).index("mushroom"))[0])
    both = [parse("a red mushroom with a white stem"), parse("a white mushroom with a red stem")]
    image = (drawer.draw([index, index], both) + 1) / 2
    assert image.shape == (2, 3, 32, 32)
    cap = torch.nn.functional.avg_pool2d(torch.from_numpy(bank.part[[index]] == 0).float(), 2)[0] == 1
    assert cap.sum() > 20
    red, white = image[0][:, cap].mean(1), image[1][:, cap].mean(1)
    assert red[0] > 3 * red[1]
    assert white.max() < 1.1 * white.min()


# --------------------------------------------------------------------------------------------------------------- loss
def test_sigmas_rise_over_the_whole_range():
    sigma = loss.sigmas()
    assert len(sigma) == 1000
    assert (sigma.diff() > 0).all()
    assert sigma[0] < 0.02
    assert sigma[-1] > 80


class Perfect(torch.nn.Module):
    """Knows the picture: v from z and x."""

    def __init__(self, x, sigma):
        super().__init__()
        self.x, self.sigma = x, sigma

    def forward(self, z, t, ids, mask):
        s = self.sigma[t].view(-1, 1, 1, 1)
        alpha = (1 + s * s).rsqrt()
        noise = (z / alpha - self.x) / s
        return alpha * noise - s * alpha * self.x


def test_who_knows_the_picture_has_no_loss_and_no_error():
    sigma = loss.sigmas().double()
    x = torch.rand(8, 3, 4, 4, dtype=torch.float64) * 2 - 1
    t = torch.arange(100, 900, 100)
    noise = torch.randn(x.shape, dtype=torch.float64)
    assert loss.v_loss(Perfect(x, sigma), x, None, None, t, noise, sigma) < 1e-12
    x = x.float()
    scores = loss.evaluate(Perfect(x, sigma.float()), {"seen": (x, None, None)}, sigma.float())
    assert set(scores) == {f"seen_{level}" for level in loss.EVAL_SIGMAS}
    assert max(scores.values()) <= 2e-3


def test_who_says_nothing_has_the_loss_of_the_target():
    """v = 0 costs alpha^2 E[n^2] + (s alpha)^2 E[x^2], and its D is x alpha^2 (x + sigma n)."""
    sigma = loss.sigmas()
    x = torch.full((2000, 3, 2, 2), 0.5)
    t = torch.full((2000,), 500)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(18))
    alpha2 = 1 / (1 + sigma[500] ** 2)
    expected = (alpha2 + (1 - alpha2) * 0.25).item()

    def silent(z, t, ids, mask):
        return torch.zeros_like(z)

    assert loss.v_loss(silent, x, None, None, t, noise, sigma).item() == pytest.approx(expected, rel=0.03)


def test_learning_rate_warms_up_stays_and_falls_to_zero():
    args = train.parser().parse_args(["--out", "x", "--steps", "1000", "--lr", "0.5", "--decay-from", "0.6"])
    rate = [train.learning_rate(step, step, 1000, args) for step in range(1001)]
    assert rate[0] == pytest.approx(0.5 / 200)
    assert rate[199:600] == pytest.approx([0.5] * 401)
    assert rate[800] == pytest.approx(0.25)
    assert rate[1000] == 0
    assert rate[600:] == sorted(rate[600:], reverse=True)
    assert train.learning_rate(500, 8.0, 10.0, args) == pytest.approx(0.25), "by wall time: half of the fall"


# --------------------------------------------------------------------------------------------------------- checkpoint
def optimised(seed):
    """A model, its average and its optimiser after one step of made-up gradients."""
    torch.manual_seed(seed)
    net, ema = model.Model(), model.Model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for p in net.parameters():
        p.grad = torch.randn_like(p)
    optimizer.step()
    return net, ema, optimizer


def parts_of(net, ema):
    return {"model": net.state_dict(), "ema": ema.state_dict()}


def test_a_checkpoint_returns_every_bit(tmp_path):
    net, ema, optimizer = optimised(1)
    checkpoint.save(tmp_path / "c.safetensors", parts_of(net, ema), optimizer, 17, 12.5)
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]
    other = optimised(2)
    assert checkpoint.restore(tmp_path / "c.safetensors", parts_of(*other[:2]), other[2]) == (17, 12.5)
    with pytest.raises(SystemExit, match="is of another network"):
        latent = model.Model(latent=True)
        checkpoint.restore(tmp_path / "c.safetensors", parts_of(latent, latent), optimizer)
    for saved, loaded in zip((net, ema), other[:2], strict=True):
        assert saved.state_dict().keys() == loaded.state_dict().keys()
        assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in saved.state_dict().items())
    first, second = optimizer.state_dict()["state"], other[2].state_dict()["state"]
    assert first.keys() == second.keys()
    assert all(torch.equal(v, second[i][k]) for i, state in first.items() for k, v in state.items())
    for p, q in zip(net.parameters(), other[0].parameters(), strict=True):
        p.grad = q.grad = torch.ones_like(p)
    optimizer.step()
    other[2].step()
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), other[0].parameters(), strict=True))


# -------------------------------------------------------------------------------------------------------------- a run
@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A run of two steps, then the same folder continued to four: (folder, model, log)."""
    folder = tmp_path_factory.mktemp("run")
    common = ["--out", str(folder), "--views", "2", "--batch", "2", "--threads", "1", "--eval-every", "2"]
    common += ["--text-steps", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "EVAL_SIGMAS", (1.5,))
        train.main([*common, "--steps", "2"])
        traced = (folder / "bank-2.npz").stat().st_mtime_ns
        saved = train.main([*common, "--steps", "4"])
    assert (folder / "bank-2.npz").stat().st_mtime_ns == traced, "the bank is traced once"
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return folder, saved, log


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(runs):
    folder, _, log = runs
    assert log[0]["sketch_step"] == 2
    log = log[1:]
    assert [row["step"] for row in log] == [2, 4]
    # What a CPU learned before there were runs on cards, which must not change.
    assert [row["loss"] for row in log] == pytest.approx([0.5493, 0.8243], abs=2e-3)
    assert log[1]["minutes"] >= log[0]["minutes"]
    net = model.Model()
    parts = parts_of(net, model.Model())
    step, _ = checkpoint.restore(folder / "checkpoint.safetensors", parts, torch.optim.AdamW(net.parameters()))
    assert step == 4
    assert all(math.isfinite(value) for row in log for value in row.values())


@pytest.mark.slow
def test_a_run_leaves_a_model_that_denoises(runs):
    folder, saved, _ = runs
    assert saved == folder / "model"
    denoiser = load_denoiser(str(saved))
    assert (denoiser.channels, denoiser.size) == (3, 32)
    assert denoiser.card == json.loads(json.dumps(model.card_json()))
    assert torch.allclose(torch.as_tensor(denoiser.sigmas).float(), loss.sigmas(), rtol=1e-4)
    denoise = denoiser.conditioned(["azimuth 10 elevation 20 view of a red mushroom"], "", 1.0)
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(19))
    out = denoise(x, denoiser.snap(torch.tensor([1.5])))

    net = model.Model()
    optimizer = torch.optim.AdamW(net.parameters())
    ema = model.Model()
    checkpoint.restore(folder / "checkpoint.safetensors", parts_of(net, ema), optimizer)
    t = (loss.sigmas() - 1.5).abs().argmin().view(1)
    sigma = loss.sigmas()[t].item()
    alpha = 1 / math.sqrt(1 + sigma**2)
    with torch.no_grad():
        ids, mask = ema.tokens(["azimuth 10 elevation 20 view of a red mushroom"])
        expected = alpha * (alpha * x) - sigma * alpha * ema.eval()(alpha * x, t, ids, mask)
    assert torch.allclose(out, expected, atol=0.02)  # saved in half precision
    assert not torch.allclose(out, x, atol=0.1)
