"""What half precision does to D: the figures of docs/models.md, on the two models that are here."""

import pytest
import torch

from sjc.models.loading import load_denoiser

PICTURES, SIGMAS = 1, (0.05, 5.0)  # few: convolutions in half precision are slow on a CPU


def denoised(model, dtype, pictures=None):
    """D of the model's own pictures at each noise level, [2,1,C,S,S], and the pictures."""
    denoiser = load_denoiser(model, dtype=dtype)
    denoise = denoiser.conditioned(["a red mushroom"] * PICTURES, "", 1.0)
    shape = (PICTURES, denoiser.channels, denoiser.size, denoiser.size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        if pictures is None:
            pictures = denoise(20 * noise, torch.full((PICTURES,), 20.0))
        levels = [denoise(pictures + sigma * noise, torch.full((PICTURES,), sigma)) for sigma in SIGMAS]
    return torch.stack(levels).float(), pictures


@pytest.mark.parametrize("model", ["embedded", "tests/data/latent_model"])
def test_float16_moves_d_less_than_bfloat16_and_both_less_than_its_error(model):
    """D's own error is 0.05 to 0.18 (root mean square, model cards)."""
    exact, pictures = denoised(model, torch.float32)
    moved = {
        dtype: (denoised(model, dtype, pictures)[0] - exact).square().mean((1, 2, 3, 4)).sqrt().max().item()
        for dtype in (torch.float16, torch.bfloat16)
    }
    assert 0 < moved[torch.float16] < 1e-3
    assert 4 * moved[torch.float16] < moved[torch.bfloat16] < 1e-2
