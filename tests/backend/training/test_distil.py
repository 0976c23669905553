"""How the adapter is made that asks the network once: `training.distil`, and its release beside the model."""

import copy
import json
import shutil

import pytest
import torch

from sjc.models import distilled
from sjc.models.loading import load_denoiser
from sjc.models.lora import IN_A_FOLDER
from sjc.models.model_files import EMBEDDED
from training import distil, loss, release_adapter
from training.model import Model, start_from
from training.pictures import make_bank
from training.release import TARGET

TEXT = "azimuth 10 elevation 20 view of a red mushroom"


def noisy(sigma=1.5):
    """(pictures [2,3,32,32], timesteps [2], sigma [2,1,1,1])."""
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(19))
    t = (loss.sigmas() - sigma).abs().argmin().expand(2)
    return x, t, loss.sigmas()[t].view(-1, 1, 1, 1)


@pytest.fixture(scope="module")
def shipped():
    net = Model()
    start_from(net, TARGET, keep_text=True)
    return net.eval()


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_a_teacher_says_what_the_loop_hears_under_guidance(shipped, scale):
    """D of the teacher's v is the engine's D of the same folder at that guidance."""
    text = "azimuth 10 elevation 20 view of a red mushroom"
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(19))
    t = (loss.sigmas() - 1.5).abs().argmin().view(1)
    s = loss.sigmas()[t].view(1, 1, 1, 1)
    alpha = (1 + s * s).rsqrt()
    v = distil.guided(shipped, shipped.tokens([""]), scale)(alpha * x, t, *shipped.tokens([text]))
    denoise = load_denoiser("embedded", runtime="torch").conditioned([text], "", scale)
    torch.testing.assert_close(alpha * alpha * x - s * alpha * v, denoise(x, s.flatten()), rtol=0, atol=2e-3)


def test_a_student_that_is_its_teacher_has_a_loss_only_under_guidance(shipped):
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    words, t = shipped.tokens(["a red mushroom", "a blue chair"]), torch.tensor([500, 600])
    empty = shipped.tokens([""])
    with torch.no_grad():
        plain, more = (
            loss.v_loss(
                shipped, x, *words, t, torch.zeros_like(x), loss.sigmas(), distil.guided(shipped, empty, scale)
            ).item()
            for scale in (1.0, 2.5)
        )
    assert plain < 1e-9
    assert more > 1e-4


def test_a_new_adapter_changes_nothing_and_alone_learns(shipped):
    net = copy.deepcopy(shipped).requires_grad_(True)
    net.text_encoder.requires_grad_(False)
    x, t, _ = noisy()
    words = net.tokens([TEXT, TEXT])
    before = shipped(x, t, *words)
    own = distil.add_adapter(net.unet, rank=2)
    assert torch.equal(net(x, t, *words), before)
    assert set(own) == {name for name, p in net.unet.named_parameters() if "lora_" in name}
    assert [name for name, p in net.named_parameters() if p.requires_grad] == [f"unet.{name}" for name in own]
    assert all(p.shape[0] <= 2 for name, p in own.items() if "lora_A" in name)
    layers = [m for m in shipped.unet.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(own) == 2 * len(layers)


def test_the_average_stands_in_for_a_while(shipped):
    own = distil.add_adapter(copy.deepcopy(shipped.unet), rank=1)
    name, p = next(iter(own.items()))
    before = p.detach().clone()
    with distil.swapped(own, {key: torch.full_like(q, 3.0) for key, q in own.items()}):
        assert (own[name] == 3).all()
    assert torch.equal(own[name], before)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run, and what of it went through `distil.score` last."""
    out = tmp_path_factory.mktemp("distilled")
    bank = out / "bank-2.npz"
    make_bank(2, seed=0).save(bank)
    scored = []

    def score(student, *known):
        row = real(student, *known)
        scored.append((copy.deepcopy(student).requires_grad_(False), row))
        return row

    real = distil.score
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distil, "score", score)
        patch.setattr(loss, "EVAL_SIGMAS", (0.5, 1.5, 5.0))
        patch.setattr(distil, "HELD_BACK", 4)
        patch.setattr(distil, "WARM_UP", 1)
        words = ["--steps", "10", "--batch", "4", "--rank", "4", "--eval-every", "10", "--lr", "1e-2", "--ema", "0.5"]
        distil.main(["--bank", str(bank), "--out", str(out), *words])
    return out, scored


def test_it_comes_nearer_to_the_guided_teacher(run):
    before, after = (row for _, row in run[1])
    assert set(before) == {f"{kind}_{level}" for kind in ("seen", "held_out") for level in (0.5, 1.5, 5.0)}
    assert after["seen_1.5"] < 0.97 * before["seen_1.5"]
    assert after["held_out_1.5"] < 0.97 * before["held_out_1.5"]
    rows = [json.loads(line) for line in (run[0] / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 10]
    assert rows[-1]["seen_1.5"] == after["seen_1.5"]


def test_what_was_trained_is_what_the_engine_loads(run, tmp_path):
    """The adapter's file, released beside a copy of the model, gives the student's D in one call."""
    out, scored = run
    target = shutil.copytree(EMBEDDED, tmp_path / "model")
    words = [str(out), "--scale", "2.5", "--target", str(target)]
    release_adapter.main([*words, "--command", "make it"])
    student = scored[-1][0]
    x, t, s = noisy()
    alpha = (1 + s * s).rsqrt()
    v = student(alpha * x, t, *student.tokens([TEXT, TEXT]))
    denoise = load_denoiser(str(target), built_in=2.5).conditioned([TEXT], "", 2.5)
    torch.testing.assert_close(alpha * alpha * x - s * alpha * v, denoise(x, s.flatten()), rtol=0, atol=3e-3)
    apart = (denoise(x, s.flatten()) - load_denoiser(str(target)).conditioned([TEXT])(x, s.flatten())).abs().max()
    assert apart > 0.02


def test_the_release_says_how_it_was_made_however_often(run, tmp_path):
    target = shutil.copytree(EMBEDDED, tmp_path / "model")
    for command in ("make it", "make it again"):
        release_adapter.main([str(run[0]), "--scale", "2.5", "--target", str(target), "--command", command])
    card = (target / "README.md").read_text()
    assert card.count("## Guidance in one call") == 1
    assert "`make it again`" in card
    assert "10 steps" in card
    assert "`make it`" not in card
    rows = [json.loads(line) for line in (target / "training_log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["run"] == "distilled"] == [0, 10]
    assert distilled.scale(target) == 2.5
    assert (target / distilled.NAME).read_bytes() == (run[0] / "adapter" / IN_A_FOLDER).read_bytes()


def test_a_release_over_the_limit_is_refused(run, tmp_path):
    target = shutil.copytree(EMBEDDED, tmp_path / "model")
    (target / "more").write_bytes(bytes(2**21))
    with pytest.raises(SystemExit, match="more than 16"):
        release_adapter.main([str(run[0]), "--scale", "2.5", "--target", str(target), "--command", "a"])
