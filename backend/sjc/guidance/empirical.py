"""Denoisers in closed form: they need no weights, so they hold everything that takes a denoiser to exact numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SjcError


class EmpiricalDenoiser:
    """D(x; sigma) of the empirical distribution of `images` [M,C,H,W] (Karras et al. 2022, App. B.3):

        D = sum_i p_i y_i,   p_i = softmax_i( -|x - y_i|^2 / (2 sigma^2) )

    the posterior mean under p_sigma = mean_i N(y_i, sigma^2 I).  At small sigma it is the nearest image, at large
    sigma the mean.  `chunk` images are held in double precision at a time; x may be any batch [B,C,H,W], sigma [B].
    """

    def __init__(self, images: Tensor, chunk: int = 256) -> None:
        if images.ndim != 4 or images.shape[0] == 0 or not bool(torch.isfinite(images).all()):
            raise SjcError("An empirical denoiser needs at least one image, [M,C,H,W], all values finite.")
        self.images = images.detach()
        self.chunk = chunk

    @property
    def channels(self) -> int:
        """C of the images."""
        return self.images.shape[1]

    @property
    def size(self) -> int:
        """W of the images."""
        return self.images.shape[-1]

    def posterior(self, x: Tensor, sigma: Tensor) -> Tensor:
        """How likely each image is the one under the noise of x: p [B,M], float64.

        |x - y|^2 = |x|^2 - 2 x.y + |y|^2, and |x|^2 is the same for all i, so the softmax does not see it; double
        precision because the rest is divided by sigma^2, 1e4 and more at the fine end.
        """
        flat = x.detach().to(self.images.device, torch.float64).flatten(1)
        if flat.shape[1] != self.images[0].numel():
            raise SjcError(
                f"The denoiser's images are {tuple(self.images.shape[1:])}, the input is {tuple(x.shape[1:])}."
            )
        logits = []
        for part in self.images.split(self.chunk):
            y = part.to(torch.float64).flatten(1)
            logits.append(flat @ y.T - 0.5 * y.square().sum(1))
        scale = sigma.to(flat.device, torch.float64).square().view(-1, 1)
        return torch.softmax(torch.cat(logits, 1) / scale, dim=1)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x; sigma) [B,C,H,W] in x's type and on its device."""
        p = self.posterior(x, sigma)
        mean = torch.zeros(x.shape[0], self.images[0].numel(), dtype=torch.float64, device=self.images.device)
        for weights, part in zip(p.split(self.chunk, 1), self.images.split(self.chunk), strict=True):
            mean += weights @ part.to(torch.float64).flatten(1)
        return mean.view(x.shape).to(x.device, x.dtype)


class GaussianDenoiser:
    """D(x; sigma) of data N(mu, s^2 I): (s^2 x + sigma^2 mu) / (s^2 + sigma^2).

    mu: a number or a tensor that broadcasts against [B,C,H,W]; s > 0 in the same unit.
    """

    def __init__(self, mu: Tensor | float, s: float) -> None:
        if not s > 0:
            raise SjcError(f"The standard deviation of the data must be positive, not {s}.")
        self.mu = mu
        self.s = s

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x; sigma) [B,C,H,W] in x's type and on its device."""
        var = sigma.to(x.device, x.dtype).square().view(-1, 1, 1, 1)
        mu = torch.as_tensor(self.mu, dtype=x.dtype, device=x.device)
        return (self.s**2 * x + var * mu) / (self.s**2 + var)
