"""What keeps the fog away: the emptiness loss with its schedule, and the centre depth loss.

(Paper, section 4.3; facts 1.6.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SjcError
from .grid import VoxelField
from .render_reference import Rendered


def emptiness_loss(rendered: Rendered) -> Tensor:
    """[] mean of log(1 + beta w) over all Ns x R samples, counting the ones behind a ray's exit, as released.

    The divisor is the longest ray's sample count, so the loss depends a little on the view; beta is render's.
    """
    count = torch.as_tensor(rendered.samples * len(rendered.emptiness)).clamp(min=1)
    return rendered.emptiness.sum() / count


def emptiness_weight(
    step: int, steps: int, lambda1: float = 1e4, multiplier: float = 20.0, switch: float = 0.5
) -> float:
    """The factor of the emptiness loss: lambda1, and lambda1 * multiplier from step switch * steps on (a hard jump)."""
    return lambda1 * multiplier if step >= switch * steps else lambda1


def center_depth_loss(depth: Tensor, ratio: float = 50 / 64, eps: float = 1e-6) -> Tensor:
    """[] -log(max(mean border depth - mean centre depth, eps)), mean over views.

    It pulls the centre nearer than the border. depth [V,H,W] is full depth (background included). The centre is the
    middle `ratio` of each side: 50 of 64 pixels.
    The released code has the difference the other way round (facts 0); its NaN loss had this gradient. The loss falls
    silent (gradient 0) when the centre is not nearer than the border by eps. Raises SjcError where an image has no
    border or no centre.
    """
    height, width = depth.shape[-2:]
    top, left = (round(n * (1 - ratio) / 2) for n in (height, width))
    if not (0 < 2 * top < height and 0 < 2 * left < width):
        raise SjcError(
            f"an image of {height} x {width} pixels has no centre and border at ratio {ratio:g}; use a larger image"
        )
    center = depth[..., top : height - top, left : width - left]
    pixels = center.shape[-2] * center.shape[-1]
    border_mean = (depth.sum((-2, -1)) - center.sum((-2, -1))) / (height * width - pixels)
    return -(border_mean - center.mean((-2, -1))).clamp(min=eps).log().mean()


def opacity_entropy(rendered: Rendered, eps: float = 1e-5) -> Tensor:
    """[] mean binary entropy, in nats, of the rays' opacities: 0 where every pixel is clear or solid (Latent-NeRF)."""
    p = rendered.opacity.clamp(eps, 1 - eps)
    return -torch.mean(p * p.log() + (1 - p) * (1 - p).log())


def carving(rendered: Rendered, score: Tensor, background: Tensor, eps: float = 1e-6) -> Tensor:
    """[] sum over rays of max(dL/do, 0) * tau: what the score wants thinner gets thinner, opaque or not.

    score, background [R,C]: PAAS's pull on the composited pixels, and what stands behind them. A ray of optical depth
    tau has opacity o = 1 - exp(-tau), so the chain rule damps every pull on its density by exp(-tau): what is opaque by
    mistake, such as the fat around a flat side that rays graze, stays (measured, with a denoiser that cannot be wrong:
    a cube 14 % too large, a torus 32 %). Here tau itself is pulled, with the slope dL/do = -score . (color -
    background) and no damping. Rays opaquer than 1 - eps count as 1 - eps and get no pull.
    """
    opacity = rendered.opacity
    with torch.no_grad():
        color = rendered.color / opacity.clamp(min=1e-4)[:, None]
        slope = -(score * (color - background)).sum(-1)
    return -(slope.clamp(min=0) * (1 - opacity).clamp(min=eps).log()).sum()


def total_variation(field: VoxelField) -> Tensor:
    """[] mean squared difference of activated density and raw colour between neighbours, summed over the axes."""
    values = torch.cat([field.activated_density()[..., None], field.grid[..., 1:]], dim=-1)
    loss = values.new_zeros(())
    for axis in range(3):
        loss = loss + values.diff(dim=axis).square().mean()
    return loss
