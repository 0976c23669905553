"""An autoencoder as the library saves it: scaled latents, one line for what cannot be used."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL

from sjc.errors import SjcError
from sjc.models.autoencoder import KLAutoencoder, load_autoencoder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(3)
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.5,
        shift_factor=0.25,
    ).eval()
    folder = tmp_path_factory.mktemp("model") / "vae"
    vae.save_pretrained(folder)
    return vae, folder


def loaded(folder):
    return load_autoencoder(folder, "cpu", torch.float32)


def test_latents_are_scaled_as_the_denoiser_sees_them(saved):
    vae, folder = saved
    auto = loaded(folder)
    assert (auto.channels, auto.factor) == (4, 2)
    rgb = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        raw = vae.encode(rgb).latent_dist.mean
        expected = vae.decode(raw).sample.clamp(-1, 1)
    latents = auto.encode(rgb)
    torch.testing.assert_close(latents, (raw - 0.25) * 0.5)
    torch.testing.assert_close(auto.decode(latents), expected, rtol=1e-4, atol=1e-5)


def refused(ask, line):
    with pytest.raises(SjcError, match=line) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_what_cannot_be_decoded_is_said(saved, tmp_path):
    auto = loaded(saved[1])
    refused(lambda: auto.decode(torch.zeros(1, 3, 4, 4)), "4 channels, the model's have 3")
    refused(lambda: auto.decode(torch.full((1, 4, 4, 4), torch.nan)), "NaN")
    refused(lambda: loaded(tmp_path / "vae"), "autoencoder .* is missing")
    (tmp_path / "config.json").write_bytes((saved[1] / "config.json").read_bytes())
    refused(lambda: loaded(tmp_path), "cannot be loaded")


class Overflowing(torch.nn.Module):
    """Doubles its input by way of numbers that half precision does not hold."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(60000.0))
        self.config = SimpleNamespace(latent_channels=4, block_out_channels=(8,), scaling_factor=1.0, shift_factor=None)

    dtype = property(lambda self: self.weight.dtype)
    device = property(lambda self: self.weight.device)

    def decode(self, x):
        return SimpleNamespace(sample=x[:, :3] * self.weight * 4 / self.weight * 0.5)

    def encode(self, x):
        mean = torch.cat([x, x[:, :1]], 1) * self.weight * 4 / self.weight * 0.5
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean))


@pytest.mark.parametrize("way", ["decode", "encode"])
def test_what_overflows_in_half_precision_is_done_again_in_whole(way):
    auto = KLAutoencoder(Overflowing().half())
    x = torch.rand(5, 4 if way == "decode" else 3, 2, 2) * 0.2 + 0.3
    output = getattr(auto, way)(x)
    torch.testing.assert_close(output[:, :3], 2 * x[:, :3].half().float(), atol=1e-3, rtol=0)
    assert auto.vae.dtype == torch.float32, "and stays so"
    refused(lambda: getattr(auto, way)(torch.full_like(x, torch.inf)), "NaN or infinite")
