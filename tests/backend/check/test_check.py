"""A whole check of models in folders: the sound one passes, each deliberate mistake in a copy of it fails by name."""

import json
import shutil
from pathlib import Path

import pytest

from sjc import cli
from sjc.check import identity, place
from sjc.check.run import check_model
from sjc.check.subject import Effort
from sjc.errors import SjcError
from sjc.models import model_files
from tests.backend import tiny_families
from tests.backend.tiny_models import CARD, word_model

LATENT = Path(__file__).parents[2] / "data" / "latent_model"
EFFORT = Effort(steps=8, levels=5, repeats=0)
TIMED = Effort(steps=8, levels=5, repeats=1)


def verdicts(record):
    return {check["name"]: check["ok"] for check in record["checks"]}


def changed(folder, file, **values):
    """A copy of the small latent model with other values in one of its files."""
    shutil.copytree(LATENT, folder)
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """(record, events, folder) of the latent model's check."""
    folder, events = tmp_path_factory.mktemp("check") / "report", []
    return check_model(str(LATENT), folder, events.append, device="cpu", effort=TIMED), events, folder


def test_the_latent_model_passes(sound):
    record, _, _ = sound
    assert record["ok"], record["checks"]
    assert list(verdicts(record)) == ["noise", "schedule", "words", "colours", "latents", "time", "memory"]


def test_the_report_is_whole_and_names_nobody(sound, monkeypatch):
    record, _, folder = sound
    text = (folder / "check.json").read_text("utf-8")
    assert json.loads(text) == record
    assert record["model"]["name"] == "latent_model"
    assert set(record["model"]["sha256"]) == {
        f"{part}/{name}.safetensors"
        for part, name in {
            "unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"
        }.items()
    }  # fmt: skip
    assert record["machine"]["versions"]["torch"]
    for private in (str(LATENT), str(LATENT.parent), str(folder), str(Path.home())):
        assert private not in text


def test_the_picture_is_small_enough_to_attach(sound):
    _, _, folder = sound
    data = (folder / "check.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert 20_000 < len(data) < 300_000


def test_each_preset_has_its_price(sound):
    record, _, _ = sound
    jobs = {job["preset"]: job for job in record["jobs"]}
    assert list(jobs) == ["fast", "embedded", "quality", "paper"]
    for job in jobs.values():
        assert job["minutes"] == pytest.approx(
            (job["steps"] * (job["call_s"] + job["other_s"]) + job["colours_s"]) / 60, rel=1e-3
        )
        assert job["memory"] is None or job["memory"] > 1e8
    assert jobs["paper"]["steps"] == 10_000


def test_every_stage_is_counted_to_its_end(sound):
    _, events, _ = sound
    last = {event["stage"]: event for event in events if event["type"] == "progress"}
    assert list(last) == ["sample", "noise", "schedule", "words", "colours", "time", "jobs"]
    assert all(event["step"] == event["total"] and event["eta_s"] == 0 for event in last.values())


@pytest.mark.parametrize("prediction", ["epsilon", "sample"])
def test_a_flipped_prediction_type_fails_and_is_named(tmp_path, prediction):
    wrong = changed(tmp_path / "model", "scheduler/scheduler_config.json", prediction_type=prediction)
    record = check_model(str(wrong), tmp_path / "out", device="cpu", effort=EFFORT)
    assert not record["ok"]
    line = next(check for check in record["checks"] if check["name"] == "noise")
    assert not line["ok"]
    assert f"The scheduler says {prediction}, but v_prediction fits" in line["text"]


def test_another_noise_schedule_fails(tmp_path):
    wrong = changed(
        tmp_path / "model", "scheduler/scheduler_config.json", beta_schedule="scaled_linear", beta_start=0.00085,
        beta_end=0.012,
    )  # fmt: skip
    record = check_model(str(wrong), tmp_path / "out", device="cpu", effort=EFFORT)
    assert verdicts(record)["schedule"] is False


def test_a_network_that_was_never_trained_fails(tmp_path):
    record = check_model(str(word_model(tmp_path / "model", card=CARD)), tmp_path / "out", device="cpu", effort=EFFORT)
    assert verdicts(record)["noise"] is False


def test_the_status_tells_sound_from_wrong_from_missing(tmp_path, monkeypatch, capsys):
    model = str(word_model(tmp_path / "model", card=CARD))
    command = ["models", "check", model, "--output", str(tmp_path / "out"), "--device", "cpu"]
    assert cli.main(command) == 1
    assert "FIX  noise" in capsys.readouterr().out
    assert cli.main([*command, "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["type"] == "result"
    assert lines[-1]["ok"] is False
    assert lines[-1]["folder"] == str(tmp_path / "out")
    assert cli.main(["models", "check", str(tmp_path / "nothing")]) == 2


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    events = []
    with pytest.raises(SjcError, match="cannot be made"):
        check_model("embedded", tmp_path / "file" / "out", events.append)
    assert not events


def test_a_report_has_a_folder_of_its_own(tmp_path):
    assert place.free_folder(tmp_path, "some/Model@main") == tmp_path / "check-some-model-main"
    (tmp_path / "check-model").mkdir()
    (tmp_path / "model").mkdir()
    assert place.free_folder(tmp_path, str(tmp_path / "model")) == tmp_path / "check-model-2"


def test_the_variant_that_is_loaded_is_the_one_that_is_hashed(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(LATENT, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    listed = identity.weight_files(model_files.check(folder))
    assert listed["unet"] == [weights]
    weights.unlink()
    listed = identity.weight_files(model_files.check(folder))
    assert [path.name for path in listed["unet"]] == ["diffusion_pytorch_model.fp16.safetensors"]


@pytest.mark.parametrize("family", ["stable_diffusion", "sdxl", "sd3", "flux", "ddpm"])
def test_every_family_is_measured_to_the_end(tmp_path, family):
    """Small and random: each must fail at noise, and none may stop on the way."""
    getattr(tiny_families, family)().save_pretrained(tmp_path / "model")
    if family == "flux":
        (tmp_path / "model" / "sjc.json").write_text('{"size": 8}')
    record = check_model(
        str(tmp_path / "model"), tmp_path / "out", device="cpu", effort=Effort(steps=4, levels=4, repeats=0)
    )
    assert verdicts(record)["noise"] is False
    assert ("words" in verdicts(record)) == (family != "ddpm")
    assert ("colours" in verdicts(record)) == (family != "ddpm")
    assert bool(record["other_predictions"]) == (family not in {"sd3", "flux"})
    assert (tmp_path / "out" / "check.png").is_file()
