"""The engine's ceiling: the perfect denoiser answers with the truth, and whole jobs with it are scored and written."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import ceiling, perfect, quality, report, scoring
from sjc.errors import SjcError
from sjc.field.cameras import look_at
from sjc.guidance.denoiser import Origin
from sjc.guidance.parameterizations import Epsilon
from sjc.job import export, run
from sjc.models.text_denoiser import TextDenoiser
from sjc.optimize import Optimization
from tests.backend.stubs import StubDenoiser, bent, settings
from training import world
from training.pictures import SUPERSAMPLE, shade, supersampled_rays, trace

PROMPT = "a blue chair with a yellow seat"
CAMERAS = look_at([20.0, 200.0], [10.0, 50.0], 3.0, 36.0)
CPU = torch.device("cpu")


class SmallModel(TextDenoiser):
    """A pixel model without weights: what a job asks of a model beside its answers."""

    def __init__(self):
        self.prompt_encoder = StubDenoiser(bent, card={"mean_shade": 0.8})  # it reads prompts and has the card
        self.schedule, self.origin = self.prompt_encoder.schedule, Origin("small")
        self.vae, self.size, self.channels = None, 32, 3
        self.distilled, self.built_in, self.parameterization = False, None, Epsilon()
        self.placement, self.ring = SimpleNamespace(notes=[]), None


@pytest.fixture
def small_model(monkeypatch):
    """Every model that the benchmark loads is the small one."""
    monkeypatch.setattr(perfect, "load_denoiser", lambda _model, **_: SmallModel())


def exact(index, color, size):
    """The truth of one camera alone, by training's own functions: [1,3,size,size]."""
    full = size * SUPERSAMPLE
    rays = supersampled_rays(CAMERAS[index], size, SUPERSAMPLE)
    part, normal = trace("chair", *(r.reshape(-1, 3) for r in rays))
    slots = [p.slot for p in world.THINGS["chair"].parts]
    palette = torch.tensor([[world.COLORS["yellow" if slot == "seat" else "blue"] for slot in slots]])
    light = torch.zeros(1, 3)
    shape = part.view(1, full, full), normal.view(1, full, full, 3)
    return shade(*shape, palette, torch.tensor([color]), light, torch.zeros(1), SUPERSAMPLE)


@pytest.mark.parametrize("size", [16, 24])
def test_the_answer_is_the_exact_picture_of_each_view_whatever_the_image(size):
    denoiser = perfect.PerfectDenoiser(SmallModel(), PROMPT, size)
    colors = [[0.1, 0.5, 0.9], [0.7, 0.2, 0.3]]
    denoiser.look(CAMERAS, (torch.tensor(colors) * 2 - 1).repeat_interleave(size * size, 0))
    assert denoiser.card == {"mean_shade": 0.8}
    denoise = denoiser.conditioned(["a", "b"], "", 7.5)
    answer = denoise(torch.randn(4, 3, size, size), torch.ones(4))
    wanted = torch.cat([exact(i, color, size) for i, color in enumerate(colors)])
    torch.testing.assert_close(answer, torch.cat([wanted, wanted]))
    assert (wanted[0] - wanted[1]).abs().max() > 0.3
    assert denoiser.size == size
    assert denoiser.schedule is SmallModel().schedule


def test_true_colours_stand_before_the_background():
    """A cube from the front: its colour in the training's mean light, no light of its own, and the background."""
    picture = perfect.true_pictures(
        "a purple cube", look_at([0.0], [0.0], 3.0, 36.0), torch.tensor([[0.1, 0.9, 0.3]]), 32
    )
    purple = 0.8 * torch.tensor(world.COLORS["purple"]) * 2 - 1
    torch.testing.assert_close(picture[0, :, 16, 16], purple)
    torch.testing.assert_close(picture[0, :, 0, 0], torch.tensor([0.1, 0.9, 0.3]) * 2 - 1)


def test_a_step_tells_of_its_views_and_does_not_change_by_it():
    views = []
    chosen = settings(views_per_step=2)
    plain = Optimization(chosen, StubDenoiser(bent), CPU)
    watched = Optimization(chosen, StubDenoiser(bent), CPU, lambda *given: views.append(given))
    for _ in range(3):
        plain.advance()
        watched.advance()
    assert torch.equal(plain.field.grid, watched.field.grid)
    assert len(views) == 3
    cameras, background = views[0]
    assert len(cameras) == 2
    assert background.shape == (2 * 8 * 8, 3)
    assert torch.equal(background[:64], background[:1].expand(64, 3)), "one colour behind a view"
    assert not torch.equal(background[0], background[64])


def test_a_perfect_denoiser_is_not_handed_on_to_the_next_job(small_model, tmp_path, monkeypatch):
    chosen = settings(prompt=PROMPT)
    first = run.JobRun(tmp_path, chosen, denoiser=perfect.PerfectDenoiser(SmallModel(), PROMPT, 8))
    first.load()
    assert isinstance(first.denoiser, perfect.PerfectDenoiser)
    other = StubDenoiser(bent)
    monkeypatch.setattr("sjc.models.loading.load_denoiser", lambda _model, **_: other)
    second = run.JobRun(tmp_path, chosen, previous=first)
    second.load()
    assert second.denoiser is other


@pytest.fixture
def in_process(monkeypatch, small_model):
    """Jobs run here, not as fresh processes, and are scored on a small lattice; returns the folders made."""
    made = []

    def measure(words, folder, measured):
        assert words[:3] == ["-m", "benchmarks.perfect", str(folder)]
        made.append(folder.name)
        record = {"code": perfect.main(*words[2:]), "wall_s": 1.0, "peak_mb": None, "cores": 2}
        measured.write_text(json.dumps(record))
        return record

    monkeypatch.setattr(quality, "measure", measure)
    monkeypatch.setattr(export, "SHEET_SIZE", 24)  # for speed
    monkeypatch.setattr(perfect, "large_pages", lambda: None)
    monkeypatch.setattr(command, "large_pages", lambda: None)
    monkeypatch.setattr(scoring.score, "__defaults__", (32,))
    return made


SHORT = ("steps=40", "grid=16", "device=cpu", "renderer=reference")


def bench(tmp_path, *words):
    where = ("--out", str(tmp_path / "ceiling.json"), "--cache", str(tmp_path / "cache"))
    short = [word for setting in SHORT for word in ("--set", setting)]
    return command.main(["ceiling", "--quick", *short, *where, *words])


def test_a_job_becomes_a_mesh_that_is_scored_written_and_kept(in_process, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command.prompts, "QUICK", ("a purple cube",))
    assert bench(tmp_path, "--size", "16") == 0
    record = json.loads((tmp_path / "ceiling.json").read_text())
    (made,) = record["rows"]
    assert (made["prompt"], made["size"], made["error"]) == ("a purple cube", 16, "")
    assert made["solid"] > 0.6, "a perfect denoiser makes the cube"
    assert made["color"] < 15
    assert (record["settings"]["preset"], record["settings"]["steps"]) == ("fast", 40)
    assert record["device"]
    assert record["summary"]["16"]["all"]["solid"] == round(made["solid"], 4)
    assert "| 16     | a purple cube |" in capsys.readouterr().out
    assert bench(tmp_path, "--size", "16") == 0
    assert in_process == ["a-purple-cube-0"], "a finished job is taken up"


def test_every_size_and_seed_is_a_job_of_its_own_and_a_failed_one_is_told(monkeypatch, tmp_path, capsys):
    asked = []

    def measure(words, _folder, _measured):
        asked.append(words[2:])
        return {"code": 2, "error": "sjc: no mesh", "wall_s": 1.0, "peak_mb": None}

    monkeypatch.setattr(quality, "measure", measure)
    monkeypatch.setattr(command, "large_pages", lambda: None)
    monkeypatch.setattr(command.prompts, "QUICK", ("a purple cube",))
    assert bench(tmp_path, "--size", "12", "16", "--seeds", "2") == 0
    record = json.loads((tmp_path / "ceiling.json").read_text())
    assert [(r["size"], r["seed"]) for r in record["rows"]] == [(12, 0), (12, 1), (16, 0), (16, 1)]
    assert [size for _, size in asked] == ["12", "12", "16", "16"]
    assert len({folder for folder, _ in asked}) == 4
    assert {size: s["failed"] for size, s in record["summary"].items()} == {"12": 2, "16": 2}
    assert capsys.readouterr().out.count("sjc: no mesh") == 4


def test_the_model_s_scores_stand_beside_those_of_the_same_settings_alone(tmp_path):
    chosen = settings(prompt="", steps=9)
    rows = [{"prompt": PROMPT, "solid": s, "silhouette": 0.5, "color": 10.0} for s in (0.6, 0.8)]
    known = {"settings": asdict(replace(chosen, turntable=True))}
    report.write({"identity": known, "rows": rows}, tmp_path / "quality.json")
    scores = ceiling.model_scores(chosen, tmp_path)
    assert scores == {PROMPT: pytest.approx({"solid": 0.7, "silhouette": 0.5, "color": 10.0})}
    assert ceiling.model_scores(replace(chosen, steps=10), tmp_path) == {}
    assert ceiling.model_scores(chosen, tmp_path / "nothing") == {}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--size", "4"), "--size 4"),
        (("--seeds", "0"), "--seeds 0"),
        (("--at-once", "0"), "--at-once 0"),
        (("--set", "background=learned"), "background"),
        (("--set", "steps=many"), "steps"),
        (("--model", str(report.ROOT / "tests" / "data" / "latent_model")), "latents"),
    ],
)
def test_bad_options_end_with_one_line(words, line, tmp_path, capsys):
    assert bench(tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("bench: ")
    assert error.count("\n") == 1
    assert line in error
    assert not (tmp_path / "ceiling.json").exists()


def test_a_foreign_prompt_is_refused():
    with pytest.raises(SjcError, match="unicorn"):
        perfect.check(settings(prompt="a unicorn"))


def test_a_bad_folder_ends_the_process_with_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(perfect, "large_pages", lambda: None)
    assert perfect.main(str(tmp_path), "32") == 2
    assert capsys.readouterr().err.count("\n") == 1
