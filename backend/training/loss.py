"""What training minimises and what it is scored by: noise levels, the loss of v, and the error of D."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from training.model import make_scheduler

EVAL_SIGMAS = (0.2, 0.5, 1.5, 5.0, 20.0)

Predicts = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(noisy pictures [B,C,S,S], timesteps [B], token ids [B,L], mask [B,L]) -> v [B,C,S,S]."""
Batch = tuple[Tensor, Tensor, Tensor]
"""(pictures [B,C,S,S], token ids [B,L], mask [B,L])."""


def sigmas(device: str | torch.device = "cpu") -> Tensor:
    """sigma of every timestep [1000], ascending."""
    abar = make_scheduler().alphas_cumprod.to(device)
    return ((1 - abar) / abar).sqrt()


def draw_noise(x: Tensor, sigma: Tensor, args: argparse.Namespace, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Timesteps [B] and noises like x: ln sigma is normal, about where SJC asks, with tails over the whole range."""
    normal = torch.randn(len(x), generator=generator, device=x.device)
    level = (args.log_sigma + args.log_sigma_spread * normal).exp()
    t = torch.searchsorted(sigma, level).clamp(0, len(sigma) - 1)
    return t, torch.randn(x.shape, generator=generator, device=x.device)


def v_loss(
    model: Predicts,
    x: Tensor,
    ids: Tensor,
    mask: Tensor,
    t: Tensor,
    noise: Tensor,
    sigma: Tensor,
    teacher: Predicts | None = None,
) -> Tensor:
    """Mean squared error of v = alpha * noise - s * x (Salimans & Ho 2022), alpha = 1/sqrt(1+sigma^2), s = sigma*alpha.

    With a teacher: against what the teacher says in the place of v.
    """
    s = sigma[t].view(-1, 1, 1, 1)
    alpha = (1 + s * s).rsqrt()
    z = alpha * (x + s * noise)
    target = teacher(z, t, ids, mask) if teacher else alpha * noise - s * alpha * x
    return ((model(z, t, ids, mask) - target) ** 2).mean()


def noisy_levels(x: Tensor, sigma: Tensor) -> Iterator[tuple[float, Tensor, Tensor, Tensor, Tensor]]:
    """Pictures under the same noise at every level of EVAL_SIGMAS: (level, t [B], s and alpha [B,1,1,1], z like x)."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(7)).to(x.device)
    for level in EVAL_SIGMAS:
        t = (sigma - level).abs().argmin().expand(len(x))
        s = sigma[t].view(-1, 1, 1, 1)
        alpha = (1 + s * s).rsqrt()
        yield level, t, s, alpha, alpha * (x + s * noise)


@torch.no_grad()
def evaluate(model: nn.Module, batches: dict[str, Batch], sigma: Tensor) -> dict[str, float]:
    """The 2D score: root mean square error of D(x + sigma n; sigma) per noise level, on fixed pictures and noises."""
    out = {}
    model.eval()
    for kind, (x, ids, mask) in batches.items():
        for level, t, s, alpha, z in noisy_levels(x, sigma):
            denoised = alpha * z - s * alpha * model(z, t, ids, mask)
            out[f"{kind}_{level}"] = round((denoised - x).pow(2).mean().sqrt().item(), 4)
    model.train()
    return out
