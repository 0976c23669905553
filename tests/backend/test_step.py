"""A step's device part: it reads nothing on the host, and as a recorded graph it does what it does otherwise."""

import importlib
from itertools import product

import pytest
import torch

from sjc.field import render_reference
from sjc.field.cameras import sample_cameras
from sjc.job import checkpoint
from sjc.machine.capture import WARM_UP
from sjc.machine.staging import Staging, layout
from sjc.models.graphs import Replayed
from sjc.models.loading import load_denoiser
from sjc.optimize import Optimization
from sjc.step import Draw
from tests.backend import tiny_families, tiny_models
from tests.backend.stubs import SIZE, StubDenoiser, bent, settings
from tests.backend.tape import CAPTURABLE, NoHost, Refusing, Tape, masked_render

CPU, META = torch.device("cpu"), torch.device("meta")
FAMILIES = {
    "sd": tiny_families.stable_diffusion,
    "sd-v": lambda: tiny_families.stable_diffusion("v_prediction"),
    "sdxl": tiny_families.sdxl,
    "ddpm": tiny_families.ddpm,
    "sd3": tiny_families.sd3,
    "flux-dev": tiny_families.flux,
    "flux-schnell": lambda: tiny_families.flux(distilled=False),
}
FOLDERS = {"pixels": tiny_models.word_model, "deepfloyd": tiny_models.if_like}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """name -> the folder of a model of that family."""
    made = {}

    def get(name):
        if name == "embedded":
            return name
        if name not in made:
            folder = made[name] = tmp_path_factory.mktemp(name)
            if name in FOLDERS:
                FOLDERS[name](folder)
            else:
                FAMILIES[name]().save_pretrained(folder)
        return str(made[name])

    return get


@pytest.fixture(autouse=True)
def capturable_anywhere(monkeypatch):
    """torch's optimisers refuse to be captured anywhere but on a GPU."""
    for name in ("adam", "adamax"):
        module = importlib.import_module(f"torch.optim.{name}")
        monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda **_: CAPTURABLE)


def start(folder, recorder=None, device=CPU, **given):
    """A run whose network may be captured, behind a renderer that looks at no number."""
    denoiser = load_denoiser(folder)
    if device == META:
        assert denoiser.autoencoder is None or denoiser.autoencoder.channels  # loaded where there are numbers
        denoiser.unet.to(device)
        denoiser.device = device
    denoiser.network = Replayed(denoiser.network)
    if given.get("lamp"):
        denoiser.prompt_encoder.check = len  # the small models know no words for lamps
        denoiser.card.update(mean_shade=0.8, lamps={"ambient": 0.3, "diffuse": 0.7, "directions": {"left": [-1, 0, 0]}})
    prompt = "" if "ddpm" in folder else "a red mushroom"
    run = Optimization(settings(**{"prompt": prompt, "grid": 16, **given}), denoiser, device, recorder=recorder)
    run.render = masked_render
    return run


# -------------------------------------------------------------------------------------------------- nothing is read


STEPS = {
    "one": {"background": "random", "guidance": 3.0, "optimizer": "adam", "carving_weight": 1.0, "tv_weight": 1.0},
    "other": {
        "background": "learned", "guidance": 1.0, "optimizer": "adamax", "noises_per_view": 2, "score_clip": 1.0,
        "opacity_entropy_weight": 1.0, "center_depth_weight": 1.0, "render_size": 12, "rays_per_pixel": 2,
        "shared_noise": True,
    },
    "inverted": {"background": "random", "guidance": 3.0, "noise_source": "inverted", "whole_flow": True},
    "surface": {"background": "random", "guidance": 3.0, "noise_source": "surface", "sigma_schedule": "dreamtime"},
    "lit": {"background": "random", "guidance": 3.0, "carving_weight": 1.0, "lamp": 0.5},
    "varied": {"guidance": 3.0, "guidance_end": 2.0, "score_weight": "1/mean", "color_rate": 0.5},
}  # fmt: skip
NEWER = [("inverted", "pixels"), ("inverted", "flux-dev"), ("surface", "sd"), ("varied", "sdxl"), ("lit", "deepfloyd")]


@pytest.mark.parametrize(("given", "name"), [*product(("one", "other"), [*FAMILIES, *FOLDERS]), *NEWER])
def test_a_step_reads_nothing_on_the_host(model, name, given):
    """On a device that has no numbers at all: what came from the host unstaged, or went there, would be noticed."""
    words = {"ddpm": {"view_words": "none", "guidance": 1.0}, "deepfloyd": {"view_words": "paper"}}
    run = start(model(name), Tape(), META, views_per_step=2, **STEPS[given] | words.get(name, {}))
    for step in range(2):  # at the first one, constants move to the device
        drawn = run.draw(step)
        staged = run.staging(drawn.tensors)
        if step == 0:
            run.device_step(drawn, staged)
    refusing = NoHost("meta")
    with refusing:
        measured = run.device_step(drawn, staged)
    assert measured.shape == (6,)
    assert refusing.count > 300


@pytest.mark.parametrize(
    "reading",
    [
        lambda x: float(x.sum()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.to("cpu"),
        lambda x: x + torch.tensor(2.0),
        lambda x: bool((x > 0).any()),
    ],
    ids=["item", "mask", "nonzero", "copy", "a number of the host's", "if"],
)
def test_what_reads_on_the_host_is_refused(reading):
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), NoHost("meta"):
        reading(torch.ones(3, device="meta"))


# ------------------------------------------------------------------------------------------------------- one graph

RUNS = [
    ("pixels", {"optimizer": "adam", "background": "learned", "sigma_jitter": 0.5, "guidance": 3.0}),
    ("pixels", {"optimizer": "adamax", "background": "random", "sigma_schedule": "uniform", "noises_per_view": 2}),
    (
        "pixels",
        {
            "optimizer": "adam",
            "background": "random",
            "guidance": 3.0,
            "guidance_end": 1.5,
            "guidance_sigma_min": 1.0,
            "score_weight": "1/mean",
            "sigma_schedule": "dreamtime",
        },
    ),
    ("sd", {"optimizer": "adam", "background": "fixed", "score_clip": 0.5, "score_clip_end": 2.0, "guidance": 3.0}),
    ("sdxl", {"optimizer": "adamax", "background": "random", "shared_noise": True, "guidance": 3.0}),
    (
        "pixels",
        {"optimizer": "adam", "background": "fixed", "noise_source": "inverted", "color_rate": 0.3, "guidance": 3.0},
    ),
    ("pixels", {"optimizer": "adamax", "background": "random", "noise_source": "inverted", "whole_flow": True}),
    ("pixels", {"optimizer": "adam", "background": "random", "noise_source": "surface"}),
    ("flux-dev", {"optimizer": "adam", "background": "random", "views_per_step": 2}),
    ("deepfloyd", {"optimizer": "adam", "background": "random", "lamp": 0.6, "view_words": "paper"}),
]
OVER_THE_RUN = {
    "steps": 14,
    "coarse_to_fine": 1,  # the grid grows at step 7
    "learning_rate_end": 0.2,
    "carving_weight": 5.0,
    "emptiness_weight": 20.0,
    "emptiness_switch": 0.9,  # two steps after the second capture
}


def go(run, steps):
    return [run.advance().read() for _ in range(steps)]


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


@pytest.mark.parametrize(("name", "given"), RUNS, ids=[f"{i}-{name}" for i, (name, _) in enumerate(RUNS)])
def test_a_captured_step_is_a_plain_one(model, tmp_path, name, given):
    """To the bit: over a change of the grid, weights that fall or switch, and a resume in the middle."""
    given = given | OVER_THE_RUN
    plain = start(model(name), Refusing(), **given)
    history = go(plain, 14)
    tape = Tape()
    captured = start(model(name), tape, **given)
    assert go(captured, 14) == history
    assert tape.made == 2, "one graph for each size of the grid"
    assert_same(captured.state(), plain.state())

    first = start(model(name), Tape(), **given)
    go(first, 5)
    checkpoint.save(tmp_path, first.state(), {})
    second = start(model(name), Tape(), **given, seed=99)
    second.settings = first.settings
    second.draw = Draw(first.settings, second.denoiser, second.generator)
    second.load_state(checkpoint.load(tmp_path)[0])
    assert go(second, 9) == history[5:]
    assert_same(second.state(), plain.state())


def test_without_a_graph_a_run_is_the_same_but_for_rounding(model):
    """On a CPU the learning rate is a number; where steps may be captured it is a tensor in single precision."""
    given = {"optimizer": "adam", "background": "random", **OVER_THE_RUN}
    one, other = (start(model("pixels"), recorder, **given) for recorder in (None, Tape()))
    assert one.graphs is None
    for a, b in zip(go(one, 14), go(other, 14), strict=True):
        assert a == pytest.approx(b, rel=1e-3)


def test_the_first_steps_are_made_as_they_are(model):
    tape = Tape()
    run = start(model("pixels"), tape, steps=9)
    go(run, WARM_UP)
    assert tape.made == 0
    go(run, 1)
    assert tape.made == 1


def test_a_seed_means_the_same_numbers_everywhere():
    """The host draws cameras, backgrounds, noise levels and noise, in this order, whatever the device."""
    chosen = settings(
        views_per_step=3, noises_per_view=2, sigma_schedule="annealed", sigma_jitter=0.5, background="random", seed=5
    )
    run = Optimization(chosen, StubDenoiser(bent), CPU)
    generator = torch.Generator()
    generator.set_state(run.generator.get_state())
    tensors = run.draw(1).tensors
    cameras = sample_cameras(run.draw.prior, 3, generator)
    color = torch.rand(3, 3, generator=generator)
    sigma = run.draw.law(1 / chosen.steps, 3, generator)
    noise = torch.randn(2, 3, 3, SIZE, SIZE, generator=generator)
    expected = {"eye": cameras.eye, "background": color * 2 - 1, "sigma": sigma, "noise": noise}
    assert_same({name: tensors[name] for name in expected}, expected)
    assert torch.equal(run.generator.get_state(), generator.get_state())


# ----------------------------------------------------------------------------------------------- what has no graph


def line(run, steps=2):
    go(run, steps)
    (note,) = run.notes
    return note


def test_what_cannot_be_captured_says_so_once(model):
    assert "Perp-Neg asks" in line(start(model("pixels"), Tape(), steps=9, perp_neg=1.0, view_words="paper"))
    reference = start(model("pixels"), Tape(), steps=9)
    reference.render = render_reference.render
    assert "the reference renderer reads" in line(reference)
    pieces = start(model("pixels"), Tape(), steps=9)
    pieces.denoiser.placement.in_pieces = True
    assert "layers come to the device one by one" in line(pieces)
    watched = start(model("pixels"), Tape(), steps=9)
    watched.on_views = lambda _cameras, _background: None
    assert "the views are watched" in line(watched)
    stub = Optimization(settings(steps=9), StubDenoiser(bent), CPU, recorder=Tape())
    stub.render = masked_render
    assert "the model works on the host" in line(stub)


def test_a_capture_that_fails_is_tried_once(model):
    run = start(model("pixels"), Refusing(), steps=9)
    assert line(run, 9) == (
        "Steps run without a CUDA graph, which is slower: operation not permitted when stream is capturing."
    )


# --------------------------------------------------------------------------------------------------------- staging


def test_staged_numbers_are_the_hosts_and_lie_where_they_lay():
    staging = Staging(CPU, fixed=True)
    first = {"a": torch.arange(5), "b": torch.randn(2, 3), "c": torch.tensor(2.5, dtype=torch.float64)}
    second = {name: value + 1 for name, value in first.items()}
    one = staging(first)
    places = {name: value.data_ptr() for name, value in one.items()}
    assert all(torch.equal(one[name], first[name]) for name in first)
    two = staging(second)
    assert {name: value.data_ptr() for name, value in two.items()} == places
    assert all(torch.equal(two[name], second[name]) for name in second)
    other = staging({"a": torch.arange(6)})
    assert torch.equal(other["a"], torch.arange(6))
    assert layout(first) == layout(second) != layout({"a": torch.arange(6)})


def test_without_fixed_memory_nothing_is_copied_on_a_cpu():
    given = {"a": torch.arange(5)}
    assert Staging(CPU, fixed=False)(given)["a"] is given["a"]
