"""Perturb-and-Average Scoring: the 2D score of a render (paper, Sec. 4.1, Eq. 15 and 16).

A diffusion model is trained on noised images; a render is not noised, so D(y; sigma) is out of its distribution.  PAAS
asks the denoiser only at y + sigma n and averages over n, which estimates the score at noise level sqrt(2) sigma.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import SjcError

Denoise = Callable[[Tensor, Tensor], Tensor]
"""D(x; sigma): x [B,C,H,W], sigma [B] -> the denoised images [B,C,H,W]."""

WEIGHTS = ("1/sigma", "1/sigma^2", "1", "sigma/(1+sigma^2)", "1/mean")
SMALLEST_MEAN = 1e-6  # of |D - y|: a picture with which the model agrees is not pulled by rounding errors


def score_factor(weight: str, sigma: Tensor, correction: Tensor) -> Tensor:
    """What D - y is multiplied with: "1/sigma" as released, "1/sigma^2" as in the paper (the true score), "1".

    sigma: [B,1,1,1].  correction: D - y, [draws,B,C,H,W].  The factor has a shape that multiplies with it.

    "sigma/(1+sigma^2)" is score distillation's w(t) = 1 - abar_t on eps_hat - n (DreamFusion, arXiv 2209.14988, Eq. 3):
    n - eps_hat = (D - y) / sigma, and 1 - abar = sigma^2 / (1 + sigma^2).  "1/mean" divides by the mean of |D - y| over
    the picture, so that every view pulls alike whatever its noise level (DMD, arXiv 2311.18828, Eq. 8).
    """
    if weight == "1/mean":
        return 1 / correction.abs().mean((-3, -2, -1), keepdim=True).clamp(min=SMALLEST_MEAN)
    if weight == "1/sigma":
        return 1 / sigma
    if weight == "1/sigma^2":
        return 1 / sigma**2
    if weight == "sigma/(1+sigma^2)":
        return sigma / (1 + sigma**2)
    if weight == "1":
        return torch.ones_like(sigma)
    raise SjcError(f'Unknown score weight "{weight}"; choose one of {", ".join(WEIGHTS)}.')


def draw_noise(n: int, x: Tensor, generator: torch.Generator | None = None, shared_noise: bool = False) -> Tensor:
    """Standard normal noise [n,B,C,H,W], n draws for every view of x [B,C,H,W].

    With `shared_noise` all views of one draw get the same.  Drawn on the generator's device (the CPU without one), so
    a seed means the same on every device.
    """
    noise = host_noise(n, x.shape, generator, shared_noise)
    return noise.to(x.device, x.dtype).expand(n, *x.shape)


def host_noise(
    n: int, shape: Sequence[int], generator: torch.Generator | None = None, shared_noise: bool = False
) -> Tensor:
    """`draw_noise` for pictures of a shape (B,C,H,W) where it is drawn, [n,B,C,H,W]; [n,1,C,H,W] if it is shared."""
    device = generator.device if generator is not None else torch.device("cpu")
    views = 1 if shared_noise else shape[0]
    return torch.randn((n, views, *shape[1:]), generator=generator, device=device, dtype=torch.float32)


@torch.no_grad()
def paas(
    denoise: Denoise,
    x: Tensor,
    sigma: Tensor,
    n: int = 1,
    *,
    var_red: bool = True,
    weight: str = "1/sigma",
    chunk: int | None = None,
    generator: torch.Generator | None = None,
    shared_noise: bool = False,
    noise: Tensor | None = None,
    clip: float | Tensor = 0.0,
) -> Tensor:
    """The score g [B,C,H,W] of the renders x [B,C,H,W] at noise levels sigma [B].

    Ascending g makes x more likely, so the loop's upstream gradient on x is -g (summed over pixels, no mean: as
    released).  With z = x + sigma n:  var_red=True  (Eq. 16)  g = mean_n (D(z; sigma) - x) * factor
                           var_red=False (Eq. 15)  g = mean_n (D(z; sigma) - z) * factor
    where factor is `score_factor`.  Both have the same mean; Eq. 16 has the lower variance where sigma
    exceeds the spread of the data, Eq. 15 where it does not.

    clip > 0 bounds every element of g to [-clip, clip], weight included (static score clipping, arXiv 2303.15413, Sec.
    4.1); as a tensor [] on x's device it is not read on the host, and inf stands for no bound.

    noise: [n,B,C,H,W] or [n,1,C,H,W] on x's device, drawn before; without it the generator draws.

    n noises per view; `chunk` of them go through the denoiser in one call (None: all), as a batch of chunk * B images
    whose image i belongs to view i mod B.  The noise does not depend on `chunk`.  No gradient flows through D.  Raises
    SjcError for n < 1 and an unknown weight.
    """
    if n < 1:
        raise SjcError(f"noises per view must be at least 1, not {n}.")
    views = x.shape[0]
    x = x.detach()
    host_sigma = sigma  # the denoiser reads it on the host, where it does not have to wait for the device
    sigma = sigma.to(x.device, x.dtype)
    noise = draw_noise(n, x, generator, shared_noise) if noise is None else noise.to(x.dtype).expand(n, *x.shape)
    levels = sigma.view(views, 1, 1, 1)
    scores = torch.empty((n, *x.shape), dtype=x.dtype, device=x.device)
    for start in range(0, n, chunk or n):
        z = x + levels * noise[start : start + (chunk or n)]
        draws = z.shape[0]
        denoised = denoise(z.flatten(0, 1), host_sigma.repeat(draws)).to(x.dtype).unflatten(0, (draws, views))
        factor = score_factor(weight, levels, denoised - x)
        scores[start : start + draws] = (denoised - (x if var_red else z)) * factor
    score = scores.mean(0)
    if isinstance(clip, Tensor):
        return score.clamp(-clip, clip)
    return score.clamp(-clip, clip) if clip else score
