"""Row "paas": perturb-and-average against the score at sqrt(2) sigma (paper, Sec. 4.1, Eq. 15 and 16)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

from . import page
from .claims import Claim
from .harness import Cell, Experiment, Options, model_digest
from .records import Record, measured, settings_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from ..guidance.paas import Denoise

FORMS = {"Eq. 16": True, "Eq. 15": False}  # var_red
SIZE, PICTURES, NOISES = 16, 256, 512
MODEL_NOISES = 16
SIGMAS = tuple(round(0.1 * 10 ** (i / 4), 4) for i in range(9))  # 0.1 to 10
MODEL_SIGMAS = (0.3, 1.0, 3.0)
MU, SPREAD, X = 2.0, 0.7, -1.0  # the Gaussian data and the render
ALIKE = 0.99  # cosine from which on two scores count as pointing the same way
ROUNDING = 1e-12  # deviations below are of the arithmetic


def gaussian_score(x: Tensor, sigma: float) -> Tensor:
    """The score of N(MU, SPREAD^2 I) under noise sigma."""
    return (MU - x) / (SPREAD**2 + sigma**2)


def gaussian_ratio(sigma: float) -> float:
    """Length of the expected PAAS score over that of the score at sqrt(2) sigma, for Gaussian data: 1 to 2."""
    return (SPREAD**2 + 2 * sigma**2) / (SPREAD**2 + sigma**2)


def gaussian_deviation(form: str, sigma: float) -> float:
    """Standard deviation of one noise's g, weight 1/sigma, for Gaussian data."""
    part = SPREAD**2 if FORMS[form] else sigma**2
    return part / (SPREAD**2 + sigma**2)


def measure(denoise: Denoise, x: Tensor, sigma: float, noises: int, seed: int, true: Tensor | None) -> dict[str, Any]:
    """PAAS of the picture x [1,C,H,W] by single noises, in both forms, weight 1/sigma.

    true: sigma times the score at sqrt(2) sigma, None where nobody knows it. Per form: "deviation" of one noise's g
    (root mean square over elements), "convergence": the same for the mean of n noises about the mean of all, over
    disjoint groups; and against `true` the "cosine", the "ratio" of lengths, and the "bias" |g - true| / |true|.
    """
    import torch

    from ..guidance.paas import paas

    views = x.expand(noises, *x.shape[1:])
    level = torch.full((noises,), sigma, dtype=torch.float64)
    result: dict[str, Any] = {"sigma": sigma}
    for form, var_red in FORMS.items():
        generator = torch.Generator().manual_seed(seed)  # both forms see the same noise
        scores = paas(denoise, views, level, var_red=var_red, generator=generator).double()
        middle = scores.mean(0)
        variance = (scores - middle).square().mean() * noises / (noises - 1)
        one: dict[str, Any] = {"deviation": float(variance.sqrt())}
        groups = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= noises // 4]
        errors = [(scores[: noises // n * n].unflatten(0, (-1, n)).mean(1) - middle) for n in groups]
        one["convergence"] = {str(n): float(e.square().mean().sqrt()) for n, e in zip(groups, errors, strict=True)}
        if true is not None:
            target = true.double()
            one["cosine"] = float((middle * target).sum() / (middle.norm() * target.norm()))
            one["ratio"] = float(middle.norm() / target.norm())
            one["bias"] = float((middle - target).norm() / target.norm())
        result[form] = one
    return result


def _gaussian(seed: int) -> dict[str, Any]:
    import torch

    from ..guidance.empirical import GaussianDenoiser

    x = torch.full((1, 3, SIZE, SIZE), X, dtype=torch.float64)
    denoise = GaussianDenoiser(MU, SPREAD)
    return {
        "spread": SPREAD,
        "rows": [
            measure(denoise, x, sigma, NOISES, seed, sigma * gaussian_score(x, math.sqrt(2) * sigma))
            for sigma in SIGMAS
        ],
    }


def _empirical(options: Options, seed: int) -> dict[str, Any]:
    import torch

    from ..guidance.empirical import EmpiricalDenoiser

    images = options.pictures.draw(PICTURES + 1, SIZE, seed).double()
    x, data = images[-1:], images[:-1]  # a clean picture that the denoiser does not know, as a render is
    denoise = EmpiricalDenoiser(data)

    def true(sigma: float) -> Tensor:
        high = math.sqrt(2) * sigma
        return sigma * (denoise(x, torch.tensor([high], dtype=torch.float64)) - x) / high**2

    spread = float((data - data.mean(0)).square().mean().sqrt())
    rows = [measure(denoise, x, sigma, NOISES, seed, true(sigma)) for sigma in SIGMAS]
    return {"spread": spread, "rows": rows}


def _model(options: Options, seed: int) -> dict[str, Any]:
    import torch

    from ..machine.devices import choose_device
    from ..models.loading import load_denoiser

    model = load_denoiser(options.model, choose_device(options.device))
    if model.autoencoder is not None:
        raise_latent(options.model)
    x = options.pictures.draw(1, model.size, seed)
    sigmas = [float(model.snap(torch.tensor(sigma))) for sigma in MODEL_SIGMAS]
    denoise = model.conditioned([""])
    return {"rows": [measure(denoise, x, sigma, MODEL_NOISES, seed, None) for sigma in sigmas]}


def raise_latent(model: str) -> None:
    """Say that the 2D rows look at pixels."""
    from ..errors import SjcError

    raise SjcError(f"{model} paints latents; the two-dimensional experiments take a model of pixels, such as embedded.")


def cells(options: Options) -> list[Cell]:
    """One cell a case and seed: Gaussian data, pictures, and the model's own network."""
    cases: dict[str, tuple[dict[str, Any], Callable[[int], dict[str, Any]]]] = {
        "gaussian": ({"noises": NOISES}, _gaussian),
        "pictures": (
            {"noises": NOISES, "pictures": options.pictures.name, "count": PICTURES, "size": SIZE},
            partial(_empirical, options),
        ),
        "model": (
            {"noises": MODEL_NOISES, "pictures": options.pictures.name, "model": model_digest(options.model)},
            partial(_model, options),
        ),
    }
    return [
        Cell(f"{case}-{seed}", {"case": case, **known, "seed": seed}, partial(make, seed))
        for case, (known, make) in cases.items()
        for seed in range(options.seeds)
    ]


def over_sigma(record: Record, case: str, form: str, key: str) -> list[list[float]]:
    """[seeds][sigmas] of one number of one form."""
    return [[row[form][key] for row in run["rows"]] for run in measured(record, case=case)]


def sigmas(record: Record, case: str) -> list[float]:
    """The noise levels of a case."""
    return [row["sigma"] for row in measured(record, case=case)[0]["rows"]]


def crossing(record: Record, case: str) -> float | None:
    """The lowest noise level from which on Eq. 16 varies less than Eq. 15, by the mean over seeds; None: never."""
    means = {f: [mean(v) for v in zip(*over_sigma(record, case, f, "deviation"), strict=True)] for f in FORMS}
    calmer = [a < b for a, b in zip(means["Eq. 16"], means["Eq. 15"], strict=True)]
    for i, sigma in enumerate(sigmas(record, case)):
        if all(calmer[i:]):
            return sigma
    return None


def slope(record: Record, case: str, form: str = "Eq. 16") -> float:
    """The exponent of n in the error of the mean of n noises: least squares in log-log, over all seeds and sigmas.

    The mean of all N noises stands for the truth, which takes a known share 1/N off the variance; it is given back.
    """
    import numpy as np

    noises = next(c["settings"]["noises"] for c in record["cells"] if c["settings"]["case"] == case)
    slopes = []
    for run in measured(record, case=case):
        for row in run["rows"]:
            points = [(int(n), e) for n, e in row[form]["convergence"].items() if e > ROUNDING]
            if len(points) > 1:
                n = np.array([p[0] for p in points], float)
                error = np.array([p[1] for p in points]) / np.sqrt(1 - n / noises)
                slopes.append(float(np.polyfit(np.log(n), np.log(error), 1)[0]))
    return mean(slopes)


def is_score(record: Record) -> bool:
    """Whether the mean over noises is as long as the score at sqrt(2) sigma, within 5 %, for both data."""
    return all(
        abs(ratio - 1) < 0.05
        for case in ("gaussian", "pictures")
        for run in over_sigma(record, case, "Eq. 16", "ratio")
        for ratio in run
    )


def answer(record: Record) -> str:
    """Direction, length, convergence and the variance of the two forms."""
    cosines = [mean(v) for v in zip(*over_sigma(record, "pictures", "Eq. 16", "cosine"), strict=True)]
    aligned = sum(cosine >= ALIKE for cosine in cosines)
    direction = "points the same way" if aligned == len(cosines) else "points nearly the same way"
    length = f"but {'is as long' if is_score(record) else 'is up to twice as long'}"
    exponent = slope(record, "pictures")
    rate = "with the square root of the number of noises" if abs(exponent + 0.5) < 0.05 else f"as n^{exponent:.2f} does"
    names = {"gaussian": "Gaussian data", "pictures": "pictures"}
    extents = []
    for case, name in names.items():
        start = crossing(record, case)
        everywhere = start == sigmas(record, case)[0]
        extent = (
            "at no noise level" if start is None else "at every noise level" if everywhere else "only at high noise"
        )
        extents.append(f"{extent} for {name}")
    return (
        f"PAAS {direction} as the score at √2σ {length.replace('but is as', 'and is as')}; its error falls {rate}; Eq. "
        f"16 varies less than Eq. 15 {' and '.join(extents)}."
    )


def tables(record: Record) -> str:
    """One table a case."""
    made = []
    for case in settings_of(record, "case"):
        known = "cosine" in measured(record, case=case)[0]["rows"][0]["Eq. 16"]
        head = ["σ", "one noise's deviation, Eq. 16", "Eq. 15"]
        head += ["cosine with the score at √2σ", "ratio of lengths", "bias"] if known else []
        rows = []
        for i, sigma in enumerate(sigmas(record, case)):
            keys = [(f, "deviation") for f in FORMS] + [("Eq. 16", k) for k in ("cosine", "ratio", "bias") if known]
            rows.append(
                [f"{sigma:.4g}", *(page.shown([run[i] for run in over_sigma(record, case, *key)]) for key in keys)]
            )
        rates = [f"n^{slope(record, case, form):.2f} ({form})" for form in FORMS]
        lines = [f"The error of the mean of n noises falls as {' and '.join(rates)}."]
        if known:
            start, spread = crossing(record, case), mean(run["spread"] for run in measured(record, case=case))
            extent = "at no noise level" if start is None else f"from σ = {start:g} on"
            lines.append(f"Eq. 16 varies less than Eq. 15 {extent}; the data's own spread is {spread:.2f}.")
        if case == "gaussian":
            ratios = [mean(v) for v in zip(*over_sigma(record, case, "Eq. 16", "ratio"), strict=True)]
            off = max(abs(r / gaussian_ratio(s) - 1) for r, s in zip(ratios, sigmas(record, case), strict=True))
            lines.append(f"The ratio of lengths is that of the closed form within {off:.1%}.")
        made.append(f"## {case}\n\n{page.table(head, rows)}\n{' '.join(lines)}\n")
    return "\n".join(made)


def figure(record: Record) -> Figure:
    """Length and direction against the score at sqrt(2) sigma; deviation of both forms; convergence."""
    made, axes = page.plots(3, 2)
    for style, case in enumerate(("gaussian", "pictures")):
        levels = sigmas(record, case)
        page.curve(axes[0], levels, over_sigma(record, case, "Eq. 16", "ratio"), style, f"length, {case}")
        page.curve(axes[0], levels, over_sigma(record, case, "Eq. 16", "cosine"), style + 2, f"cosine, {case}")
    levels = sigmas(record, "gaussian")
    axes[0].plot(levels, [gaussian_ratio(s) for s in levels], color="#000000", linewidth=0.6, label="closed form")
    page.name_axes(axes[0], "σ", "PAAS against the score at √2σ", log="x")
    for panel, case in ((1, "gaussian"), (2, "pictures"), (3, "model")):
        for style, form in enumerate(FORMS):
            runs = over_sigma(record, case, form, "deviation")
            page.curve(axes[panel], sigmas(record, case), runs, style, f"{form}, one noise, {case}")
        page.name_axes(axes[panel], "σ", "standard deviation of g", log="xy")
    axes[2].set_ylim(bottom=1e-3)  # where D is one picture nothing varies but the last digit
    for form, looks in zip(FORMS, page.STYLES[4:], strict=False):
        closed = [gaussian_deviation(form, s) for s in levels]
        axes[1].plot(levels, closed, linewidth=0.8, color=looks["color"], label=f"{form}, closed form")
    axes[1].legend(fontsize=7.5, frameon=False)
    for below, form in zip(axes[4:], FORMS, strict=True):
        for style, case in enumerate(settings_of(record, "case")):
            noises, runs = converging(record, case, form)
            page.curve(below, noises, runs, style, f"{form}, {case}")
        page.name_axes(below, "n, noises", "error of their mean, for n = 1 taken as 1", log="xy")
        below.plot([1, 64], [1, 1 / 8], color="#000000", linewidth=0.6, label="1/√n")
        below.legend(fontsize=7.5, frameon=False)
    return made


def converging(record: Record, case: str, form: str) -> tuple[list[int], list[list[float]]]:
    """Numbers of noises, and by seed the error of their mean over that of one noise, averaged over noise levels.

    Corrected as in `slope`.
    """
    total = next(c["settings"]["noises"] for c in record["cells"] if c["settings"]["case"] == case)
    runs = []
    for run in measured(record, case=case):
        errors = [row[form]["convergence"] for row in run["rows"] if row[form]["convergence"]["1"] > ROUNDING]
        runs.append({n: mean(e[n] / e["1"] for e in errors) for n in errors[0]})
    noises = [int(n) for n in runs[0]]
    share = {str(n): math.sqrt((1 - 1 / total) / (1 - n / total)) for n in noises}
    return noises, [[one[n] * share[n] for n in one] for one in runs]


EXPERIMENT = Experiment(
    "paas",
    "Is PAAS(x, √2σ) the score at √2σ, how fast does it converge in the number of noises, and which form varies less?",
    f"The picture x carries no noise, as a render does not. There are three cases: Gaussian data N({MU:g}, "
    f"{SPREAD:g}² I) with x = {X:g} everywhere; {PICTURES} pictures of {SIZE} x {SIZE} pixels as an empirical "
    f"distribution, with another picture as x; and the model without a prompt, with a picture as x ({MODEL_NOISES} "
    f"noises; its true score is unknown, so only the variance is measured). The other cases have {NOISES} noises. g "
    "has the weight 1/σ. Deviations are root mean squares over elements. Convergence compares disjoint groups of n "
    "noises with the mean of all, corrected for that mean's own error.",
    cells,
    answer,
    tables,
    figure,
    claims=(
        Claim(
            "PAAS(x, √2σ) is the score at √2σ (Sec. 4.1)",
            is_score,
            "PAAS divides by σ², the score at √2σ by 2σ², so PAAS is up to twice as long: by (s² + 2σ²)/(s² + σ²) "
            "for Gaussian data of deviation s. The step size absorbs that factor. On pictures the direction differs, "
            "too, where D jumps from one picture to another (see the cosine in the table): the mean of D over noises "
            "is not D at a higher noise level.",
        ),
        Claim(
            "Subtracting the clean picture (Eq. 16) varies less than subtracting the noised one (Eq. 15)",
            lambda record: all(crossing(record, case) == sigmas(record, case)[0] for case in ("gaussian", "pictures")),
            "It does where σ exceeds the data's own spread, and wherever D is one picture. Below that, D follows the "
            "noise of x, and subtracting the same noise cancels it: the deviations are s²/(s² + σ²) for Eq. 16 and "
            "σ²/(s² + σ²) for Eq. 15 on Gaussian data.",
        ),
    ),
)
