"""Whether a latent model's autoencoder keeps colours, and whether its latents are as strong as the network expects.

Two kinds of pictures are needed.  What the network samples and the autoencoder decodes comes back unchanged from many a
wrong scaling factor: the latents are too weak for the autoencoder, but so evenly that encoding them undoes it.  Known
pictures show it: the network pulls latents that are too strong for it towards weaker ones, and the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..appearance.latent import latent_paint
from ..errors import SjcError
from ..guidance.denoiser import Autoencoder
from .subject import Subject
from .verdict import Verdict

BALLS = (("a red ball", (0.85, 0.1, 0.1)), ("a blue ball", (0.1, 0.2, 0.85)))
BALL_RADIUS = 0.6  # of half the picture
STRENGTHS = tuple(2 ** (i / 2) for i in range(-4, 5))
LARGEST_ERROR = 0.08
"""Mean absolute error of a colour after encoding and decoding, 0 to 1.  Measured with the small latent model: 0.02."""
LARGEST_LOSS = 0.3
"""Of latents decoded and encoded again, root mean square over their deviation.  Measured: 0.06 to 0.08, and 0.6 with
the scaling factor of Stable Diffusion in its place, 2.7 times too small."""
LARGEST_FACTOR = 1.6
"""Between the latents of known pictures and those that the network expects, either way.  Measured: 0.87 to 0.9, and 0.4
with a scaling factor that is twice too large."""


@dataclass(frozen=True)
class Colours:
    """What was measured.

    errors: of known colours after a round trip, by channel, 0 to 1.  loss: of the model's own latents after one, over
    their deviation.  preview_error: of the affine map that colours a growing field, 0 to 1.  strength: by what the
    latents of known pictures should be multiplied to be as strong as the network expects; None where it does not say.
    """

    errors: tuple[float, float, float]
    loss: float
    preview_error: float
    strength: float | None


def balls(edge: int) -> Tensor:
    """[2,3,edge,edge] in [-1,1]: a shaded red and a blue ball on white."""
    axis = (torch.arange(edge) + 0.5) / edge * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    distance = (x**2 + y**2) / BALL_RADIUS**2
    height = (1 - distance).clamp(min=0).sqrt()
    shade = 0.55 + 0.45 * (0.7 * height - 0.5 * x - 0.5 * y).clamp(0, 1)
    inside = (distance < 1).float()
    pictures = [torch.tensor(color)[:, None, None] * shade * inside + (1 - inside) for _, color in BALLS]
    return torch.stack(pictures) * 2 - 1


def measure(subject: Subject, autoencoder: Autoencoder, own: Tensor) -> tuple[Colours, dict[str, Tensor]]:
    """The measurements, and pictures [B,3,H,W] in [-1,1] by name: "own", "own again", "known", "known again".

    own [B,C,h,w]: latents that the model sampled.  Raises SjcError where the autoencoder gives no finite numbers.
    """
    rgb = autoencoder.decode(own)
    again = autoencoder.encode(rgb)
    known = balls(subject.denoiser.size * autoencoder.factor)
    encoded = autoencoder.encode(known)
    decoded = autoencoder.decode(encoded)
    red, green, blue = ((decoded - known).abs().mean((0, 2, 3)) / 2).tolist()
    colours = Colours(
        errors=(red, green, blue),
        loss=float((again - own).square().mean().sqrt() / own.std()),
        preview_error=_preview_error(autoencoder, own, rgb),
        strength=strength(subject, encoded, float(own.std())),
    )
    pictures = {"own": rgb, "own again": autoencoder.decode(again), "known": known, "known again": decoded}
    return colours, pictures


def _preview_error(autoencoder: Autoencoder, latents: Tensor, rgb: Tensor) -> float:
    paint = torch.from_numpy(latent_paint(autoencoder)).float()
    painted = torch.einsum("bchw,cr->brhw", latents, paint[:-1]) + paint[-1][None, :, None, None]
    small = (avg_pool2d(rgb, autoencoder.factor) + 1) / 2
    return float((painted.clamp(0, 1) - small).abs().mean())


def strength_rows(pictures: int, rows: int) -> int:
    """Pictures that go through the network for `strength`."""
    return 2 * len(STRENGTHS) * pictures * rows


def strength(subject: Subject, latents: Tensor, deviation: float) -> float | None:
    """By what the latents [2,C,h,w] of `balls` should be multiplied, so that the network pulls them neither way.

    deviation: of latents that the network sampled.  For y = k latents the pull is <D(y + sigma n) - y, y> / <y, y>, at
    sigma of one and two deviations; it falls with k, and the answer is where it is 0.  None where it is so nowhere.
    """
    denoise = subject.denoise(_prompts(subject))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2))
    pulls = []
    for factor in STRENGTHS:
        y, pull = factor * latents, 0.0
        for sigma in (deviation, 2 * deviation):
            level = float(subject.denoiser.schedule.snap(torch.tensor(sigma)))
            denoised = denoise(y + level * noise, torch.full((len(y),), level))
            pull += float(((denoised - y) * y).sum() / y.square().sum())
        pulls.append(pull)
    return crossing(STRENGTHS, pulls)


def _prompts(subject: Subject) -> list[str]:
    """The words for `balls`, the empty sentence where the model cannot read them."""
    try:
        return [subject.denoiser.check_prompt(prompt) for prompt, _ in BALLS] if subject.reads else [""]
    except SjcError:
        return [""]


def crossing(factors: Sequence[float], pulls: Sequence[float]) -> float | None:
    """Where pulls fall through 0 for the last time, between two factors on a logarithmic scale; None if nowhere."""
    for i in reversed(range(len(pulls) - 1)):
        if pulls[i] > 0 >= pulls[i + 1]:
            share = pulls[i] / (pulls[i] - pulls[i + 1])
            return float(factors[i] * (factors[i + 1] / factors[i]) ** share)
    return None


def judge(colours: Colours) -> list[Verdict]:
    """The checks "colours" and "latents"."""
    error = sum(colours.errors) / 3
    channels = ", ".join(f"{e:.3f}" for e in colours.errors)
    if error > LARGEST_ERROR:
        trip = Verdict(
            "colours",
            False,
            f"Colours do not survive encoding and decoding: error {error:.3f} of 1 (red, green, blue: {channels}); the "
            "weights of vae are damaged or of another model",
        )
    elif colours.loss > LARGEST_LOSS:
        trip = Verdict(
            "colours",
            False,
            f"The model's own latents change by {colours.loss:.0%} when they are decoded and encoded again; check "
            "scaling_factor and shift_factor in vae/config.json",
        )
    else:
        trip = Verdict(
            "colours",
            True,
            f"Colours survive encoding and decoding: error {error:.3f} of 1 (red, green, blue: {channels}); the "
            f"model's own latents change by {colours.loss:.0%}",
        )
    return [trip, _judge_strength(colours.strength)]


def _judge_strength(factor: float | None) -> Verdict:
    if factor is None:
        return Verdict(
            "latents",
            False,
            "The latents of known pictures are far from what the network expects; check scaling_factor and "
            "shift_factor in vae/config.json",
        )
    if 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
        return Verdict(
            "latents",
            True,
            f"The latents of known pictures are as strong as the network expects: they would fit best at {factor:.2f} "
            "times their strength",
        )
    return Verdict(
        "latents",
        False,
        f"The latents of known pictures are not as strong as the network expects: they would fit best at {factor:.2f} "
        "times their strength; check scaling_factor and shift_factor in vae/config.json",
    )
