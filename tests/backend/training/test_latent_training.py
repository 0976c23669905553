"""The small latent model: its autoencoder, its UNet on the embedded one's outer blocks, and the folder they make."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sjc
from sjc.models.autoencoder import load_autoencoder
from sjc.models.loading import load_denoiser
from training import codec, data, loss, model, release_latent, train
from training.pictures import Bank, make_bank

EMBEDDED = next(iter(sjc.__path__)) + "/embedded/model"


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    path = tmp_path_factory.mktemp("bank") / "bank-2.npz"
    make_bank(2, seed=0).save(path)
    return path


@pytest.fixture(scope="module")
def trained_codec(bank, tmp_path_factory):
    out = tmp_path_factory.mktemp("codec")
    arguments = ["--bank", str(bank), "--out", str(out), "--threads", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "HELD_BACK", 8)
        folder = codec.main([*arguments, "--steps", "24", "--batch", "2", "--eval-every", "12"])
    return folder, [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_the_autoencoder_learns(trained_codec):
    _, log = trained_codec
    assert [row["step"] for row in log] == [12, 24]
    assert log[1]["rms"] < 0.97 * log[0]["rms"], "and the rate falls all the way, for 24 steps are few"


def test_latents_of_the_world_have_mean_0_and_deviation_1(trained_codec, bank):
    autoencoder = load_autoencoder(trained_codec[0], torch.device("cpu"), torch.float32)
    assert (autoencoder.channels, autoencoder.factor) == (4, 2)
    drawer = data.Data(Bank.load(bank), 3, codec=autoencoder)
    _, latents, texts = drawer.batch(32)
    assert latents.shape == (32, 4, 32, 32)
    assert len(texts) == 32
    assert latents.mean().item() == pytest.approx(0, abs=0.15)
    assert latents.std().item() == pytest.approx(1, abs=0.15)


def test_a_decoder_learns_on_and_the_latents_keep_their_meaning(trained_codec, bank, tmp_path):
    folder, log = trained_codec
    words = ["--bank", str(bank), "--out", str(tmp_path), "--decoder-of", str(folder), "--threads", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "HELD_BACK", 8)
        after = codec.main([*words, "--steps", "24", "--batch", "2", "--eval-every", "24"])
    rms = json.loads((tmp_path / "log.jsonl").read_text())["rms"]
    assert rms < 0.97 * log[-1]["rms"]
    old, new = (load_file(f / "diffusion_pytorch_model.safetensors") for f in (folder, after))
    assert old.keys() == new.keys()
    for name, weights in old.items():
        same = torch.equal(weights, new[name])
        assert same == name.startswith(("encoder.", "quant_conv.")) or weights.numel() == 1, name
    configs = [json.loads((f / "config.json").read_text()) for f in (folder, after)]
    assert all(configs[0][key] == configs[1][key] for key in ("scaling_factor", "shift_factor", "block_out_channels"))


def test_what_is_trained_loads_as_a_latent_model(trained_codec, bank, tmp_path):
    (tmp_path / "bank-2.npz").symlink_to(bank)
    words = [
        "--views",
        "2",
        "--text-steps",
        "1",
        "--steps",
        "2",
        "--batch",
        "2",
        "--eval-every",
        "2",
        "--threads",
        "2",
        "--keep-text",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "EVAL_SIGMAS", (1.5,))
        folder = train.main(["--out", str(tmp_path), "--codec", str(trained_codec[0]), "--init", EMBEDDED, *words])
    denoiser = load_denoiser(str(folder))
    assert (denoiser.channels, denoiser.size) == (4, 32)
    assert denoiser.autoencoder.factor == 2
    assert denoiser.card["mean_shade"] == model.MEAN_SHADE
    x = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    assert denoiser.conditioned(["a red mushroom"])(x, torch.ones(1)).isfinite().all()


def test_a_smaller_unet_starts_from_the_outer_blocks(capsys):
    """up_blocks count from the inside: the last of the deeper one is the last of ours."""
    net = model.Model(latent=True)
    model.start_from(net, Path(EMBEDDED), keep_text=True)
    taken = int(capsys.readouterr().out.split()[0])
    saved = load_file(EMBEDDED + "/unet/diffusion_pytorch_model.safetensors")
    last = "resnets.1.conv2.weight"
    torch.testing.assert_close(net.unet.state_dict()[f"up_blocks.2.{last}"], saved[f"up_blocks.3.{last}"].float())
    assert taken > 50


def test_the_release_tells_how_it_was_made(trained_codec, tmp_path):
    run, target = tmp_path / "run", tmp_path / "target"
    (run / "model" / "unet").mkdir(parents=True)
    (run / "model" / "unet" / "weights").write_bytes(bytes(1000))
    row = {"step": 7, "minutes": 2.4} | {f"{k}_{s}": 0.5 for k in ("seen", "held_out") for s in (0.5, 1.5, 5.0)}
    (run / "log.jsonl").write_text(json.dumps(row) + "\n")
    words = ["--codec", str(trained_codec[0].parent), "--unet", str(run), "--target", str(target)]
    release_latent.main([*words, "--command", "make codec", "--command", "make unet"])
    card = (target / "README.md").read_text()
    assert "`make codec`" in card
    assert "`make unet`" in card
    assert "7 steps of 24 pictures, 2.4 minutes" in card
    assert len((target / "training_log.jsonl").read_text().splitlines()) == 3
    release_latent.main(["--unet", str(run), "--target", str(target), "--command", "go on"])
    card = (target / "README.md").read_text()
    assert card.index("2. `make unet`") < card.index("3. `go on`") < card.index("All logs are in")
    assert "trained further, 7 steps of 24 pictures" in card
    assert card.count("All logs are in") == 1
    log = [json.loads(line) for line in (target / "training_log.jsonl").read_text().splitlines()]
    assert [row["run"] for row in log] == ["codec", "codec", "unet", "unet again"]
    with pytest.raises(SystemExit, match="1 runs need as many"):
        release_latent.main(["--unet", str(run), "--target", str(target), "--command", "a", "--command", "b"])
    (run / "model" / "big").write_bytes(bytes(release_latent.LIMIT))
    with pytest.raises(SystemExit, match="more than 8"):
        release_latent.main([*words, "--command", "a", "--command", "b"])
