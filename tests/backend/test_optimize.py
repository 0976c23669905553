"""The loop: repeatable, resumable to the bit, downhill, and nothing in the gradient but what the settings ask for."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sjc import step as step_module
from sjc.errors import SjcError
from sjc.field.cameras import orbit, pixel_rays, rays
from sjc.field.render_reference import composite, render
from sjc.job import checkpoint
from sjc.optimize import Optimization, grid_size, last_planned_change
from sjc.step import DevicePart, per_ray, pictures, score_clip
from tests.backend.stubs import SIZE, StubDenoiser, bent, settings

CPU = torch.device("cpu")


def start(denoise=bent, **given):
    return Optimization(settings(**given), StubDenoiser(denoise), CPU)


def go(run, steps):
    return [run.advance() for _ in range(steps)]


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


# ------------------------------------------------------------------------------------------------- seeds and resuming


def test_a_run_is_its_seed():
    one, two, other = (start(seed=seed, steps=4, background="learned") for seed in (7, 7, 8))
    assert go(one, 4) == go(two, 4) != go(other, 4)
    assert_same(one.state(), two.state())
    assert not torch.equal(one.field.grid, other.field.grid)
    assert one.denoiser.asked == two.denoiser.asked != other.denoiser.asked


def test_a_run_ends_when_its_solid_rests_and_resumes_to_the_bit(tmp_path):
    """Nothing moves: at rest a fifth of the run after the emptiness loss has its last weight, at step 25 of 50."""
    given = {"steps": 50, "early_stop": 0.01, "learning_rate": 1e-6, "seed": 3}
    whole = start(**given)
    history = []
    while not whole.done:
        history += go(whole, 1)
    assert whole.step == len(history) == 35

    first = start(**given)
    go(first, 30)
    checkpoint.save(tmp_path, first.state(), {})
    second = start(**given | {"seed": 4})
    second.settings = first.settings
    second.load_state(checkpoint.load(tmp_path)[0])
    assert not second.done
    assert go(second, 5) == history[30:]
    assert second.done
    assert_same(second.state(), whole.state())
    third = start(**given)
    third.load_state(second.state())
    assert third.done


def test_an_early_end_is_off_and_planned_changes_come_first():
    resting = {"steps": 20, "learning_rate": 1e-6}
    run = start(**resting)
    go(run, 19)
    assert not run.done
    assert "stillness.solid" not in run.state()
    assert last_planned_change(settings(steps=100)) == 50
    assert last_planned_change(settings(steps=100, emptiness_switch=0.9)) == 90
    assert last_planned_change(settings(steps=100, emptiness_multiplier=1)) == 0
    assert last_planned_change(settings(steps=100, emptiness_switch=0.1, coarse_to_fine=1)) == 50


def test_color_takes_its_share_of_every_step():
    """Of Adam's first step, which is the learning rate whatever the gradient."""
    runs = {rate: start(optimizer="adam", learning_rate=0.1, color_rate=rate) for rate in (1.0, 0.25)}
    before = {rate: run.field.grid.detach().clone() for rate, run in runs.items()}
    for run in runs.values():
        go(run, 1)
    moved = {rate: run.field.grid.detach() - before[rate] for rate, run in runs.items()}
    torch.testing.assert_close(moved[0.25][..., 1:], 0.25 * moved[1.0][..., 1:], atol=1e-6, rtol=1e-5)
    assert torch.equal(moved[0.25][..., :1], moved[1.0][..., :1])
    assert float(moved[1.0][..., 1:].abs().max()) == pytest.approx(0.1, rel=1e-3)


VARIANTS = itertools.cycle(
    [
        {"background": "learned", "sigma_schedule": "annealed", "sigma_jitter": 0.5, "renderer": "reference"},
        {"background": "random", "sigma_schedule": "uniform", "renderer": "warp", "noises_per_view": 2},
        {
            "background": "fixed",
            "sigma_schedule": "annealed",
            "renderer": "reference",
            "views_per_step": 2,
            "rays_per_pixel": 2,
        },
        {"background": "learned", "sigma_schedule": "uniform", "renderer": "warp"},
        {"background": "random", "sigma_schedule": "annealed", "renderer": "reference", "shared_noise": True},
        {"background": "random", "sigma_schedule": "dreamtime", "noise_source": "inverted", "color_rate": 0.5},
        {"background": "random", "noise_source": "surface", "score_weight": "1/mean", "early_stop": 0.1},
    ]
)
RESUMES = [
    {"optimizer": optimizer, "coarse_to_fine": coarse, "stop": stop, **next(VARIANTS)}
    for optimizer, coarse, stop in itertools.product(("adam", "adamax"), (0, 1), (0, 2, 3, 4))
]


@pytest.mark.parametrize("given", RESUMES, ids=lambda g: "-".join(str(v) for v in g.values()))
def test_stopped_and_resumed_equals_uninterrupted(tmp_path, given):
    """With coarse_to_fine the grid grows at step 3 of 6: the stops lie before, at and after it."""
    given = dict(given)
    stop = given.pop("stop")
    given |= {"steps": 6, "learning_rate_end": 0.5}
    whole = start(**given)
    history = go(whole, 6)

    first = start(**given)
    before = go(first, stop)
    checkpoint.save(tmp_path, first.state(), {})
    second = start(**given, seed=99)  # nothing of a fresh run may show through
    second.settings = first.settings
    second.load_state(checkpoint.load(tmp_path)[0])
    assert second.step == stop
    assert before + go(second, 6 - stop) == history
    assert_same(second.state(), whole.state())
    assert second.done
    assert whole.field.size == 16


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop("step"), "no step"),
        (lambda t: t.pop("generator"), "random state"),
        (lambda t: t.pop("field.grid"), "no tensor 'grid'"),
        (lambda t: t.update({"field.grid": torch.zeros(12, 12, 12, 4)}), r"12\^3 voxels .* ask for 16\^3"),
        (lambda t: t.update({"field.grid": torch.zeros(16, 16, 16, 5)}), "of 4 channels"),
        (lambda t: t.update({"field.grid": torch.zeros(16, 16, 4)}), "no tensor 'grid'"),
        (lambda t: t.update({"field.log_scale": torch.zeros(3)}), "does not fit"),
        (lambda t: t.update({"generator": torch.zeros(3)}), "random state"),
        (lambda t: t.update({"optimizer.0.exp_avg": torch.zeros(2, 2)}), "moments"),
        (lambda t: t.pop("optimizer.1.exp_avg_sq"), "moments"),
        (lambda t: t.update({"optimizer.7.exp_avg": torch.zeros(2)}), "moments"),
    ],
)
def test_a_state_of_another_run_is_refused_in_one_line(change, match):
    run = start(steps=4)
    go(run, 2)
    tensors = run.state()
    change(tensors)
    with pytest.raises(SjcError, match=match) as caught:
        start(steps=4).load_state(tensors)
    assert "\n" not in str(caught.value)


def test_a_state_of_the_other_optimizer_is_refused():
    run = start(steps=4, optimizer="adam")
    go(run, 1)
    with pytest.raises(SjcError, match="moments"):
        start(steps=4, optimizer="adamax").load_state(run.state())


# --------------------------------------------------------------------------------------------------------- direction


def flat(color):
    return torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)


def disc():
    axis = torch.arange(SIZE) - (SIZE - 1) / 2
    white = (axis[:, None] ** 2 + axis[None] ** 2 < (0.3 * SIZE) ** 2).float()
    return (2 * white - 1).expand(1, 3, SIZE, SIZE)


def distance(run, image):
    """Mean square between what four cameras see, on black, and the image."""
    origins, directions = (r.reshape(-1, 3) for r in rays(orbit(4, 20.0, 3.0, 36.0), SIZE, SIZE))
    with torch.no_grad():
        pixels = composite(render(run.field, origins, directions), torch.tensor([-1.0, -1.0, -1.0]))
    return float((pixels.view(4, SIZE, SIZE, 3).permute(0, 3, 1, 2) - image).square().mean())


@pytest.mark.parametrize(
    ("image", "factor"), [(flat([0.8, -0.6, -0.2]), 4), (disc(), 4)], ids=["flat colour", "white disc"]
)
@pytest.mark.parametrize("optimizer", ["adam", "adamax"])
def test_the_render_goes_where_the_denoiser_points(image, factor, optimizer):
    """D is one known image, so the score points at it from everywhere; wrong signs go away from it instead."""
    run = start(
        lambda x, _sigma: image.expand_as(x),
        steps=60,
        optimizer=optimizer,
        background="fixed",
        background_color=(0.0, 0.0, 0.0),
        emptiness_weight=0,
        score_weight="1",
    )
    before = distance(run, image)
    go(run, 60)
    assert distance(run, image) < before / factor


@pytest.mark.parametrize("rays", [1, 3])
def test_the_gradient_on_the_render_is_minus_the_score_over_the_views(monkeypatch, rays):
    """With D = mu the score is (mu - y) / sigma in closed form; the field gets its vector-Jacobian product, no more."""
    mu, captured = flat([0.5, -0.5, 0.25]), {}

    def watched(denoise, y, sigma, *args, **kwargs):
        captured.update(y=y, g=(mu - y.detach()) / sigma.view(-1, 1, 1, 1))
        captured["vjp"] = torch.autograd.grad(
            y, [run.field.grid, run.field.log_scale], -captured["g"] / 3, retain_graph=True
        )
        y.retain_grad()
        return paas(denoise, y, sigma, *args, **kwargs)

    paas = step_module.paas
    monkeypatch.setattr(step_module, "paas", watched)
    run = start(lambda x, _sigma: mu.expand_as(x), views_per_step=3, emptiness_weight=0, sigma_schedule="uniform",
                rays_per_pixel=rays)  # fmt: skip
    run.advance()
    assert captured["g"].abs().max() > 0.1
    torch.testing.assert_close(captured["y"].grad, -captured["g"] / 3, atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(run.field.grid.grad, captured["vjp"][0], atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(run.field.log_scale.grad, captured["vjp"][1], atol=1e-6, rtol=1e-4)


def test_a_render_of_another_size_is_brought_to_the_models():
    run = start(render_size=16, steps=2)
    sizes = []
    run.denoiser.denoise = lambda x, sigma: sizes.append(tuple(x.shape)) or bent(x, sigma)
    go(run, 2)
    assert sizes == [(1, 3, SIZE, SIZE)] * 2


def test_a_pixel_is_the_mean_of_its_rays():
    """What the model sees of a field is the mean of the pictures that each place in the pixel gives alone."""
    noised = []
    run = start(
        lambda x, _sigma: noised.append(x.clone()) or x, rays_per_pixel=4, views_per_step=2, sigma_schedule="uniform"
    )
    drawn = run.draw(0)
    DevicePart(run.settings, run.field, run.render, SIZE).gradients(drawn, drawn.tensors)
    origins, directions = pixel_rays(drawn.cameras, SIZE, SIZE, 4)
    background = drawn.tensors["background"].repeat_interleave(SIZE**2, 0)
    each = []
    for i in range(4):
        flat = [r[:, :, :, i].reshape(-1, 3) for r in (origins, directions)]
        each.append(composite(run.render(run.field, *flat, step=run.settings.ray_step * run.field.voxel), background))
    mean = torch.stack(each).mean(0).view(2, SIZE, SIZE, 3).permute(0, 3, 1, 2).detach()
    expected = mean + drawn.tensors["sigma"].view(-1, 1, 1, 1) * drawn.tensors["noise"][0]
    torch.testing.assert_close(noised[0], expected, atol=1e-5, rtol=1e-5)
    assert (each[0] - each[3]).abs().max() > 0.01


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**16))
def test_rays_get_the_pull_of_their_pixel(size, count, seed):
    """`per_ray` is the chain rule of `pictures`, in double precision: <pictures(v), g> = <v, per_ray(g)>."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2 * size * size * count, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    pull = torch.randn(2, 3, size, size, dtype=torch.float64, generator=generator)
    (pulled,) = torch.autograd.grad((pictures(values, size, count) * pull).sum(), values)
    torch.testing.assert_close(per_ray(pull, size, count), pulled)
    if size * count <= 8:
        assert torch.autograd.gradcheck(lambda v: pictures(v, size, count), values)


def test_each_view_gets_its_own_words():
    run = start(views_per_step=3, view_words="fine")
    go(run, 1)
    (prompts,) = run.denoiser.asked
    assert len(set(prompts)) == 3
    assert all(p.startswith("azimuth ") and p.endswith("view of a red mushroom") for p in prompts)


# ------------------------------------------------------------------------------------------------------ regularisers


def grads(steps, **given):
    """The gradient of the grid at each step of a run that hardly moves and that the denoiser leaves alone."""
    run = start(lambda x, _sigma: x, steps=steps, learning_rate=1e-6, noises_per_view=1, var_red=False, **given)
    gradients = []
    for _ in range(steps):
        run.advance()
        gradients.append(run.field.grid.grad.clone())
    return gradients


def test_without_score_and_regularisers_nothing_pulls():
    assert all(g.abs().max() == 0 for g in grads(2, emptiness_weight=0))


def test_emptiness_weighs_more_after_the_switch():
    plain = grads(4, emptiness_weight=3, emptiness_multiplier=1)
    raised = grads(4, emptiness_weight=3, emptiness_multiplier=20, emptiness_switch=0.5)
    assert all(g.abs().max() > 1e-6 for g in plain)
    for step, factor in enumerate((1, 1, 20, 20)):
        scale = float(plain[step].abs().max())
        torch.testing.assert_close(raised[step], factor * plain[step], atol=1e-4 * factor * scale, rtol=1e-3)
    assert plain[0][..., 0].sum() > 0, "descending makes the field emptier"


@pytest.mark.parametrize("name", ["center_depth_weight", "tv_weight", "opacity_entropy_weight"])
def test_the_other_terms_enter_with_their_weight(name):
    one, two = (grads(1, emptiness_weight=0, **{name: weight})[0] for weight in (10, 20))
    assert one.abs().max() > 1e-6
    torch.testing.assert_close(two, 2 * one, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("render_size", "rays"), [(0, 1), (24, 1), (0, 4)])
def test_carving_enters_with_its_weight_and_clears(render_size, rays):
    """A denoiser that sees nothing but a white background before a dark field: opaque rays are cleared at full rate."""

    def grad(weight):
        run = start(
            lambda x, _sigma: torch.ones_like(x), learning_rate=1e-6, emptiness_weight=0, carving_weight=weight,
            background="fixed", background_color=(1, 1, 1), density_shift=3, render_size=render_size,
            rays_per_pixel=rays,
        )  # fmt: skip
        run.advance()
        return run.field.grid.grad[..., 0].clone()

    none, one, two = grad(0), grad(10), grad(20)
    assert (one - none).min() >= -1e-6, "descending takes density away"
    assert (one - none).max() > 10 * none.abs().max(), "the score alone is damped where rays are opaque"
    torch.testing.assert_close(two - none, 2 * (one - none), atol=1e-3 * float(two.max()), rtol=1e-2)


def test_beta_reaches_the_renderer():
    mild, sharp = (grads(1, emptiness_weight=3, emptiness_beta=beta)[0] for beta in (1, 100))
    assert not torch.allclose(mild, sharp, rtol=0.1)


# --------------------------------------------------------------------------------------------------------- schedules


def test_the_grid_doubles_over_the_first_half():
    s = settings(steps=100, grid=64, coarse_to_fine=2)
    sizes = [grid_size(s, step) for step in range(100)]
    assert sizes == [16] * 25 + [32] * 25 + [64] * 50
    assert {grid_size(settings(steps=9, grid=50), step) for step in range(9)} == {50}


def test_the_learning_rate_falls_in_a_line():
    run = start(steps=5, learning_rate=0.2, learning_rate_end=0.5, background="learned", background_learning_rate=0.01)
    rates = []
    for _ in range(5):
        run.advance()
        rates.append([group["lr"] for group in run.optimizer.param_groups])
    falls = [1 - 0.5 * step / 5 for step in range(5)]
    assert rates == [pytest.approx([0.2 * fall, 0.01 * fall]) for fall in falls]


def test_the_noise_falls():
    sigmas = [losses.sigma for losses in go(start(steps=6, sigma_max=10, sigma_min=0.1), 6)]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[0] == pytest.approx(10, rel=0.02)


def test_a_step_tells_the_length_of_its_gradient():
    run = start(steps=4)
    losses = run.advance().read()
    assert list(losses) == ["sigma", "score", "opacity", "emptiness", "gradient"]
    assert losses["gradient"] > 0
    assert losses["gradient"] == pytest.approx(float(run.field.grid.grad.norm()))


# ------------------------------------------------------------------------------------------------------------- NaN


@pytest.mark.parametrize("renderer", ["reference", "warp"])
@pytest.mark.parametrize("channel", [0, 1], ids=["density", "colour"])
def test_nan_in_the_field_stops_the_step(renderer, channel):
    run = start(steps=9, renderer=renderer)
    go(run, 2)
    with torch.no_grad():
        run.field.grid[7:9, 7:9, 7:9, channel] = torch.nan
    log_scale = run.field.log_scale.clone()
    with pytest.raises(SjcError, match="no longer finite at step 3 of 9; the last checkpoint is kept"):
        run.advance()
    assert run.step == 2
    assert torch.equal(run.field.log_scale, log_scale), "the bad gradient was not applied"


@pytest.mark.parametrize("renderer", ["reference", "warp"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_nan_from_the_denoiser_stops_the_step(renderer, bad):
    run = start(steps=9, renderer=renderer)
    go(run, 1)
    run.denoiser.denoise = lambda x, _sigma: torch.full_like(x, bad)
    grid = run.field.grid.detach().clone()
    with pytest.raises(SjcError, match="at step 2 of 9"):
        run.advance()
    assert torch.equal(run.field.grid, grid)


def test_a_device_that_runs_ahead_still_names_the_step():
    """On a GPU the numbers are looked at every so many steps, and before anything is saved."""
    run = start(steps=9)
    run.unchecked = 4
    go(run, 2)
    run.state()  # looks at both
    with torch.no_grad():
        run.field.grid[7:9, 7:9, 7:9, 0] = torch.nan
    go(run, 2)
    with pytest.raises(SjcError, match="no longer finite at step 3 of 9"):
        run.state()
    again = start(steps=9)
    again.unchecked = 4
    go(again, 1)
    again.denoiser.denoise = lambda x, _sigma: torch.full_like(x, torch.nan)
    go(again, 2)
    with pytest.raises(SjcError, match="no longer finite at step 2 of 9"):
        again.advance()


# ---------------------------------------------------------------------------------------------------- clipping of
# scores


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ({"score_clip": 0.5}, [0.5, 0.5, 0.5, 0.5]),
        ({"score_clip": 0.5, "score_clip_end": 2.5}, [0.5, 1.0, 1.5, 2.0]),
        ({"score_clip": 2.0, "score_clip_end": 1.0}, [2.0, 1.75, 1.5, 1.25]),
    ],
)
def test_the_bound_on_the_score_moves_in_equal_steps(given, bounds):
    """Against a denoiser that pulls with 1000 everywhere, the score is the bound."""
    run = start(lambda x, _: x + 1000, steps=4, score_weight="1", **given)
    assert [losses.score for losses in go(run, 4)] == pytest.approx(bounds)
    assert score_clip(run.settings, 4) == pytest.approx(given.get("score_clip_end", given["score_clip"]))


def test_without_a_bound_nothing_is_clipped():
    run = start(lambda x, _: x + 1000, steps=2, score_weight="1")
    assert score_clip(run.settings, 1) == 0
    assert run.advance().score > 900
