"""Row "denoiser": eps to D to score, held to closed forms (paper, preliminaries, Eq. 1-3)."""

from __future__ import annotations

from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

from . import page
from .claims import Claim
from .harness import Cell, Experiment, Options
from .pictures import PictureSource
from .records import Record, measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

SIZE, PICTURES, POINTS = 16, 256, 8
SIGMAS = tuple(round(0.05 * 10 ** (i / 4), 4) for i in range(12))  # 0.05 to 28
TINY = 1e-9  # what counts as equal in float64
COLUMNS = {
    "float64": "error, float64",
    "float32": "error, float32",
    "neighbours": "pictures in D, 1/Σp²",
    "nearest": "weight of the nearest",
    "mean": "distance of D to the mean picture",
}


def mixture_score(x: Tensor, images: Tensor, sigma: float) -> Tensor:
    """The score of p_sigma = mean_i N(y_i, sigma^2 I) at x [B,C,H,W], by differentiating its log density.

    No posterior mean appears: it is the other way to the number that (D - x) / sigma^2 claims to be (Eq. 3).
    """
    import torch

    x = x.detach().requires_grad_()
    distance = (x.flatten(1)[:, None] - images.flatten(1)[None]).square().sum(-1)
    log_density = torch.logsumexp(-distance / (2 * sigma**2), dim=1)
    (score,) = torch.autograd.grad(log_density.sum(), x)
    return score


def compute(source: PictureSource, seed: int) -> dict[str, Any]:
    """For every sigma: the relative error of the denoiser form in float64 and float32, and what D is a mean of."""
    import torch

    from ..guidance.empirical import EmpiricalDenoiser

    images = source.draw(PICTURES, SIZE, seed).double()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(POINTS, *images.shape[1:], generator=generator, dtype=torch.float64)
    denoise = EmpiricalDenoiser(images)
    rows: dict[str, list[float]] = {"float64": [], "float32": [], "neighbours": [], "nearest": [], "mean": []}
    for sigma in SIGMAS:
        x = images[:POINTS] + sigma * noise
        level = torch.full((POINTS,), sigma, dtype=torch.float64)
        true = mixture_score(x, images, sigma)
        denoised = denoise(x, level)
        rows["float64"].append(_relative((denoised - x) / sigma**2, true))
        single = denoise(x.float(), level)
        rows["float32"].append(_relative(((single - x.float()) / sigma**2).double(), true))
        weights = denoise.posterior(x, level)
        rows["neighbours"].append(float((1 / weights.square().sum(1)).mean()))
        rows["nearest"].append(float(weights.max(1).values.mean()))
        rows["mean"].append(_relative(denoised, images.mean(0).expand_as(denoised)))
    return {"sigma": list(SIGMAS), **rows}


def _relative(computed: Tensor, true: Tensor) -> float:
    return float((computed - true).norm() / true.norm())


def cells(options: Options) -> list[Cell]:
    """One cell a seed."""
    source = options.pictures
    return [
        Cell(
            f"{source.name}-{seed}",
            {"pictures": source.name, "count": PICTURES, "size": SIZE, "points": POINTS, "seed": seed},
            partial(compute, source, seed),
        )
        for seed in range(options.seeds)
    ]


def answer(record: Record) -> str:
    """Whether the two forms agree, and where D stops being one picture."""
    runs = measured(record)
    worst = max(max(run["float64"]) for run in runs)
    equal = "Yes: (D - x)/σ² equals" if worst < TINY else "No: (D - x)/σ² differs from"
    rounding = " to rounding" if worst < TINY else " by more than rounding"
    crowd = [sigma for sigma, n in zip(SIGMAS, _over_sigma(runs, "neighbours"), strict=True) if n > 2]
    mixture = (
        f"D is one picture at low noise and a weighted mean of several from σ = {crowd[0]:g} on"
        if crowd
        else "D is one picture at every one of these noise levels"
    )
    return f"{equal} the score of the noised data{rounding}, and {mixture}."


def _over_sigma(runs: list[dict[str, Any]], key: str) -> list[float]:
    return [mean(values) for values in zip(*(run[key] for run in runs), strict=True)]


def tables(record: Record) -> str:
    """One line a noise level."""
    runs = measured(record)
    rows = [
        [f"{sigma:g}", *(page.shown([run[key][i] for run in runs]) for key in COLUMNS)]
        for i, sigma in enumerate(SIGMAS)
    ]
    return page.table(["σ", *COLUMNS.values()], rows)


def figure(record: Record) -> Figure:
    """Error, and number of neighbours, over sigma."""
    runs = measured(record)
    made, (left, right) = page.plots(1, 2)
    for style, key in enumerate(("float64", "float32")):
        page.curve(left, SIGMAS, [[max(v, 1e-17) for v in run[key]] for run in runs], style, key)
    page.name_axes(left, "σ", "|(D - x)/σ² - ∇log p_σ| / |∇log p_σ|", log="xy")
    page.curve(right, SIGMAS, [run["neighbours"] for run in runs], 0, "pictures in D")
    page.name_axes(right, "σ", "1 / Σ p²", log="xy")
    return made


EXPERIMENT = Experiment(
    "denoiser",
    "Is (D(x; σ) - x)/σ² the score of the data under noise σ, and is D a weighted mean of neighbours?",
    f"The data are {PICTURES} pictures of {SIZE} x {SIZE} pixels; p_σ is the mixture of normal distributions around "
    f"them. The points x are {POINTS} of the pictures with noise σ added. The score is computed in two ways: as the "
    "automatic derivative of the log density (log-sum-exp of distances, no denoiser), and as (D - x)/σ² with D the "
    "posterior mean (Karras et al. 2022, App. B.3). Errors are relative and taken over all points together. 1/Σp² is "
    "the effective number of pictures in the mean D; the relative distance to the mean picture shows how close D has "
    "come to it.",
    cells,
    answer,
    tables,
    figure,
    claims=(
        Claim(
            "(D - x)/σ² is the score of the noised data (preliminaries, Eq. 1 to 3)",
            lambda record: max(max(run["float64"]) for run in measured(record)) < TINY,
            "The two forms should differ by rounding alone, so there is a mistake in this program.",
        ),
    ),
)
