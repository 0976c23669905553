"""Row "ood": the score asked at a clean picture against PAAS (paper, Sec. 4.1, Fig. 2)."""

from __future__ import annotations

from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

from . import page
from .claims import Claim, verdict
from .harness import Cell, Experiment, Options, model_digest
from .paas import raise_latent
from .pictures import orange_blob, row, to_text
from .records import Record, measured, settings_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from ..guidance.paas import Denoise

PAPER_SIGMA, PAPER_SIZE = 6.5, 256
PICTURES, UPDATES, RATE, NOISES = 400, 20, 0.3, 4
FLAT = 1e-9  # the sharpness of pictures of one colour each
LEAST = 0.001  # what two distances differ by at least
OTHERS = 16  # new pictures, whose distance to the data says what near is
SHOWN = (0, 5, 10, 20)  # updates whose pictures the record has
WAYS = ("clean", "PAAS")


def scaled_sigma(size: int) -> float:
    """The noise level that hides as much in a picture of `size` pixels as 6.5 does in one of 256.

    Averaging blocks of k x k pixels divides the noise by k and leaves what the picture shows.
    """
    return PAPER_SIGMA * size / PAPER_SIZE


def distance(x: Tensor, data: Tensor) -> float:
    """Root mean square difference per value between x [1,C,H,W] and its nearest picture of data [M,C,H,W]."""
    return float((data.to(x) - x).square().mean((1, 2, 3)).min().sqrt())


def sharpness(pictures: Tensor) -> float:
    """Root mean square difference of neighbouring pixels of [B,C,H,W]: a blur lies near everything, this tells it."""
    across, down = pictures.diff(dim=-1).square().mean(), pictures.diff(dim=-2).square().mean()
    return float(((across + down) / 2).sqrt())


def follow(denoise: Denoise, start: Tensor, sigma: float, data: Tensor, seed: int) -> dict[str, Any]:
    """k updates x + RATE (D - x) from `start` [1,C,H,W], D asked at x itself or averaged over noised copies.

    Both are steps along a score times sigma^2; per way the distances to the data after 0 .. UPDATES and a picture.
    """
    import torch

    from ..guidance.paas import paas

    paths: dict[str, Any] = {"sigma": sigma}
    level = torch.full((1,), sigma, dtype=torch.float64)
    for way in WAYS:
        generator = torch.Generator().manual_seed(seed)
        x, distances, pictures = start.clone(), [distance(start, data)], [start]
        for update in range(1, UPDATES + 1):
            pull = (
                denoise(x, level) - x
                if way == "clean"
                else paas(denoise, x, level, NOISES, weight="1", generator=generator)
            )
            x = x + RATE * pull
            distances.append(distance(x, data))
            if update in SHOWN:
                pictures.append(x)
        paths[way] = {"distance": distances, "sharpness": sharpness(x) / max(sharpness(data), FLAT)}
        if seed == 0:
            paths[way]["picture"] = to_text(row(torch.cat(pictures)))
    return paths


def compute(options: Options, case: str, seed: int) -> dict[str, Any]:
    """One denoiser and seed; the seed draws the data and the noises, the blob is always the same."""
    from ..guidance.empirical import EmpiricalDenoiser
    from ..machine.devices import choose_device
    from ..models.loading import load_denoiser

    model = load_denoiser(options.model, choose_device(options.device))
    if model.autoencoder is not None:
        raise_latent(options.model)
    drawn = options.pictures.draw(PICTURES + OTHERS, model.size, seed)
    data, others = drawn[:PICTURES], drawn[PICTURES:]
    denoise = EmpiricalDenoiser(data) if case == "pictures" else model.conditioned([""])
    paths = follow(denoise, orange_blob(model.size), scaled_sigma(model.size), data, seed)
    paths["new_picture"] = mean(distance(other[None], data) for other in others)
    return paths


def cells(options: Options) -> list[Cell]:
    """One cell a denoiser and seed."""
    known = {"pictures": options.pictures.name, "count": PICTURES, "updates": UPDATES, "rate": RATE, "noises": NOISES}
    known["model"] = model_digest(options.model)  # also the empirical one has the model's size
    return [
        Cell(f"{case}-{seed}", {"case": case, **known, "seed": seed}, partial(compute, options, case, seed))
        for case in ("pictures", "model")
        for seed in range(options.seeds)
    ]


def final(record: Record, case: str, way: str) -> list[float]:
    """The distance to the data after the last update, one number a seed."""
    return [run[way]["distance"][-1] for run in measured(record, case=case)]


def gain(record: Record, case: str) -> int:
    """1: PAAS ends nearer the data, -1: the clean picture does, 0: the seeds cannot tell."""
    clean, averaged = final(record, case, "clean"), final(record, case, "PAAS")
    change = [a - b for a, b in zip(clean, averaged, strict=True)]
    middle = mean(change)
    return (middle > LEAST) - (middle < -LEAST) if page.apart(change) else 0


def misled(record: Record) -> bool | None:
    """Whether PAAS ends nearer the data; None: the seeds cannot tell, or it is nearer because it is a blur."""
    clean, averaged = (mean(run[way]["sharpness"] for run in measured(record, case="model")) for way in WAYS)
    held = {1: True, 0: None, -1: False}[gain(record, "model")]
    return None if held and averaged < 0.9 * clean else held


def arrives(record: Record) -> bool:
    """Whether PAAS with the network ends nearer the data than it began, by a tenth of the way at least."""
    began = mean(run["PAAS"]["distance"][0] for run in measured(record, case="model"))
    return mean(final(record, "model", "PAAS")) < 0.9 * began


def answer(record: Record) -> str:
    """For each denoiser: which of the two ways ends nearer the data, if the seeds can tell."""
    names = {"pictures": "the exact denoiser of the pictures", "model": "the trained network"}
    clauses = []
    for case in settings_of(record, "case"):
        clean, averaged = final(record, case, "clean"), final(record, case, "PAAS")
        alike = abs(mean(clean) - mean(averaged)) < LEAST
        results = {
            1: "PAAS ends nearer the data",
            -1: "asking at the clean picture ends nearer the data",
            0: "both ways end equally near the data" if alike else "the two ways cannot be told apart",
        }
        clauses.append(f"with {names[case]}, {results[gain(record, case)]}")
    sentence = "; ".join(clauses)
    return (
        f"{sentence[0].upper()}{sentence[1:]}; the claim that PAAS mends a misled denoiser {verdict(misled(record))}."
    )


def tables(record: Record) -> str:
    """The distance after some updates, one line a denoiser and way."""
    rows = [
        [
            case,
            way,
            *(page.shown([run[way]["distance"][k] for run in measured(record, case=case)]) for k in SHOWN),
            page.shown([run[way]["sharpness"] for run in measured(record, case=case)]),
        ]
        for case in settings_of(record, "case")
        for way in WAYS
    ]
    head = ["denoiser", "asked at", *(f"distance, k = {k}" for k in SHOWN), "sharpness / data's"]
    new, level = mean(run["new_picture"] for run in measured(record)), measured(record)[0]["sigma"]
    return (
        f"{page.table(head, rows)}\nThe noise level is σ = {level:.3g}. A new picture of the same kind lies at a "
        f"distance of {new:.3f} from the data.\n"
    )


def figure(record: Record) -> Figure:
    """Distance over updates for both denoisers, and the pictures of seed 0 below."""
    cases = settings_of(record, "case")
    made, axes = page.plots(3, 2, height=2.6, below=1.3)
    for panel, case in enumerate(cases):
        for style, way in enumerate(WAYS):
            runs = [run[way]["distance"] for run in measured(record, case=case)]
            page.curve(axes[panel], range(len(runs[0])), runs, style, f"{case}: {way}")
            coded = measured(record, case=case, seed=0)[0][way]["picture"]
            page.picture(axes[2 + 2 * style + panel], coded, f"{case}: {way}, k = {', '.join(map(str, SHOWN))}")
        axes[panel].margins(y=0.3)  # the legend's
        page.name_axes(axes[panel], "k, updates", "d, distance to the data (rms)")
        axes[panel].set_xticks(SHOWN)
    return made


EXPERIMENT = Experiment(
    "ood",
    "Does a denoiser mislead when it is asked at a clean picture, and does PAAS mend it (Fig. 2)?",
    f"An orange blob on grey is moved by x + {RATE:g} (D - x), {UPDATES} times, at the paper's σ = {PAPER_SIGMA:g} for "
    f"{PAPER_SIZE} pixels, scaled to the picture's size (averaging k x k pixels divides noise by k). D is asked at x "
    "itself "
    f'("clean") or averaged over {NOISES} noised copies (PAAS, Eq. 16). There are two denoisers: the exact one of '
    f"{PICTURES} pictures, and the model's network without a prompt. The distance is the root mean square difference "
    "per value, range [-1, 1], to the nearest of these pictures. A blur can be near without being a picture, so the "
    "sharpness (root mean square difference of neighbouring pixels) stands beside it.",
    cells,
    answer,
    tables,
    figure,
    claims=(
        Claim(
            "A trained denoiser misleads at a clean picture, where it was never trained, and PAAS mends that (Fig. 2)",
            misled,
            "Asked at the clean picture, the network makes something sharper that is farther from the data; with "
            "PAAS it makes a blur that is nearer. A blur is near everything, so its distance alone proves little. "
            "Likely, though not measured: without a prompt, the noise of σ leaves many objects possible, and PAAS is "
            "their mean.",
        ),
        Claim(
            "PAAS carries the blob to the data (Fig. 2)",
            arrives,
            f"Likely, though not measured: Fig. 2 shows {PAPER_SIZE} pixels and one kind of picture. Here no prompt "
            "says which of the world's objects the blob is to become, and the noise level, scaled to few pixels, "
            "hides too little of the blob.",
        ),
    ),
)
