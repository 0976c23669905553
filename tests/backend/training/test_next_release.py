"""One call trains and releases everything: a tiny one on the CPU, killed in every stage and called again."""

import json
import shutil

import pytest

from sjc.models.loading import load_denoiser
from training import distil, loss, next_release, release, release_latent, train, views


class Killed(BaseException):
    """What ends a run in this test, at a moment when its files are as a kill leaves them."""


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_release_is_made_whole_however_often_it_is_killed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loss, "EVAL_SIGMAS", (0.5, 1.5, 5.0))
    monkeypatch.setattr(train, "FIXED_PICTURES", 2)
    monkeypatch.setattr(distil, "HELD_BACK", 2)
    monkeypatch.setattr(views, "HELD_BACK", 1)
    init = shutil.copytree(release.TARGET, tmp_path / "init")
    latent = shutil.copytree(release_latent.TARGET, tmp_path / "latent")
    words = ["--out", str(tmp_path / "next"), "--init", str(init), "--latent", str(latent), "--views", "4"]
    words += [
        "--sentences",
        "40",
        "--batch",
        "2",
        "--adapter-batch",
        "2",
        "--latent-batch",
        "2",
        "--ring-batch",
        "4",
        "--seconds",
        "8",
    ]
    words += ["--eval-every", "1", "--processes", "1", "--threads", "1", "--seed", "3"]

    def kill_after(module, name):
        """The next call of a module's function does its work, then the run dies."""
        real = getattr(module, name)

        def last(*arguments):
            real(*arguments)
            monkeypatch.setattr(module, name, real)
            raise Killed

        monkeypatch.setattr(module, name, last)

    banks = []
    for module in (train, distil, views):
        kill_after(module, "save")
        with pytest.raises(Killed):
            next_release.main(words)
        banks.append((tmp_path / "next" / "bank-4.npz").stat().st_mtime_ns)
    assert len(set(banks)) == 1, "the bank is traced once"
    first = rows(tmp_path / "next" / "network")
    next_release.main(words)
    assert rows(tmp_path / "next" / "network") == first, "what is done is not done again"
    out = capsys.readouterr().out
    assert "until all is trained" in out
    assert "network: done before" in out
    for name in ("network", "adapter", "views", "latent"):
        steps = [row["step"] for row in rows(tmp_path / "next" / name)]
        assert steps == sorted(steps), name
        # Adapter and sister were killed at step 0, and on a slow machine their share of the seconds is spent by then.
        assert steps[-1] >= 1 or name in ("adapter", "views"), name

    before = (init / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    next_release.main([*words, "--release"])
    assert (init / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() != before
    card = (init / "README.md").read_text()
    assert "9. `python -m training.train --device cpu" in card
    assert "`python -m training.distil --device cpu" in card
    assert "6. `python -m training.train --device cpu" in (latent / "README.md").read_text()
    assert load_denoiser(str(init), built_in=2.5).channels == 3
    assert load_denoiser(str(latent)).channels == 4
    assert "`python -m training.views --device cpu" in (tmp_path / "views" / "README.md").read_text()
    assert (tmp_path / "views" / "four_views.safetensors").stat().st_size < 512 * 2**10
    next_release.main([*words, "--release"])
    assert (init / "README.md").read_text() == card, "and it is released once"


def test_the_time_is_shared_out_whole():
    assert sum(next_release.SHARES.values()) == pytest.approx(1)
    plan = next_release.Plan({"network": 10.0, "adapter": 3.0, "latent": 2.0}, ["network"])
    assert plan.left() == 5


def test_a_plan_with_other_stages_and_too_few_views_are_one_line(tmp_path, capsys):
    (tmp_path / "plan.json").write_text(json.dumps({"seconds": {"network": 10.0}, "done": []}))
    with pytest.raises(SystemExit, match="of an earlier version, with other stages; give another folder as --out"):
        next_release.main(["--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        next_release.main(["--out", str(tmp_path), "--ring-batch", "3"])
    assert "--views and --ring-batch: give at least 4" in capsys.readouterr().err
