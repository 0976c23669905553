"""The embedded model's card and log: `training.release`, alone and for a run that went on from the released model."""

import json

import pytest

from training import release, release_adapter, release_latent

ERRORS = {f"{kind}_{level}": 0.5 for kind in ("seen", "held_out") for level in (0.5, 1.5, 5.0)}


def run_folder(path, *rows):
    """A run's folder with a model that weighs nothing."""
    (path / "model").mkdir(parents=True)
    (path / "model" / "model_index.json").write_text("{}")
    (path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def target(tmp_path):
    """A released model of one run on a CPU: 10 steps of sentences, 20 of pictures."""
    rows = {"sketch_step": 10, "rms": 0.3}, {"step": 20, "minutes": 85.6, "loss": 0.1, **ERRORS}
    cpu = run_folder(tmp_path / "cpu", *rows)
    release.main([str(cpu), "--command", "first", "--target", str(tmp_path / "target")])
    return tmp_path / "target"


def log_of(target):
    return [json.loads(line) for line in (target / "training_log.jsonl").read_text().splitlines()]


def test_a_card_tells_of_a_run_on_a_cpu(target):
    card = (target / "README.md").read_text()
    assert "1. `first`\n\n   10 steps of 96 sentences, then 20 steps of 24 pictures, 86 minutes.\n" in card
    assert "2 CPU cores (float32)" in card
    assert [row["run"] for row in log_of(target)] == [1, 1]


def test_a_run_on_a_card_goes_further(target, tmp_path):
    """Runs before it stay in card and log, the adapter of the model before goes; batch and device are the log's own."""
    before = (target / "README.md").read_text()
    (target / release.NAME).write_bytes(b"old")
    (target / "training_log.jsonl").open("a").write(json.dumps({"run": "distilled", "step": 1}) + "\n")
    rows = [
        {"device": "NVIDIA H200", "batch": 512},
        {"step": 2816, "minutes": 5.5, "loss": 0.0308, **ERRORS, "seen_1.5": 0.0899},
    ]
    gpu = run_folder(tmp_path / "gpu", *rows)
    words = ["--further", "--note", "Another program ran beside it. " * 8, "--target", str(target)]
    release.main([str(gpu), "--command", "second", *words])
    card = (target / "README.md").read_text()
    assert release.stages_of(before) in card
    assert "2. `second`\n\n   2816 steps of 512 pictures, 5.5 minutes on one NVIDIA H200.\n   Another" in card
    assert "the loss is 0.0308;" in card
    assert "0.5 / 0.0899 / 0.5 on trained pairs" in card
    assert max(map(len, release.stages_of(card).splitlines())) <= 120
    assert [row["run"] for row in log_of(target)] == [1, 1, 2, 2]
    assert not (target / release.NAME).exists()
    release.main([str(gpu), "--command", "third", *words])
    assert [
        line[:2] for line in (target / "README.md").read_text().splitlines() if "`" in line and line[0].isdigit()
    ] == ["1.", "2.", "3."]


@pytest.mark.parametrize("module", [release, release_latent])
def test_a_card_without_runs_is_not_added_to(module, target, tmp_path):
    (target / "README.md").write_text("# A model\n")
    gpu = run_folder(tmp_path / "gpu", {"step": 1, "minutes": 0.1, "loss": 1, **ERRORS})
    words = ["--unet", str(gpu)] if module is release_latent else [str(gpu), "--further"]
    with pytest.raises(SystemExit, match="names no run"):
        module.main([*words, "--command", "a", "--target", str(target)])


def test_as_many_commands_as_runs(tmp_path):
    with pytest.raises(SystemExit, match="1 runs need as many --command, not 2"):
        release.main([str(tmp_path), "--command", "a", "--command", "b"])


def test_cards_that_ship_tell_of_runs_on_a_card():
    """Whoever reads them learns by which command of today such a run is made."""
    for module in (release, release_latent):
        card = (module.TARGET / "README.md").read_text()
        assert "training.train --device cuda" in card
        assert "An earlier script with these settings made this run" in " ".join(card.split())
    assert "training.distil --device cuda" in (release_adapter.TARGET / "README.md").read_text()
