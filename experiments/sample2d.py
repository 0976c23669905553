"""Row "sample2d": pictures sampled with PAAS at one noise level, at random ones, and annealed (paper, Fig. 4)."""

from __future__ import annotations

import random
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.prompts import TUNING
from benchmarks.quality import digest
from experiments import world_pictures
from sjc.experiments import page
from sjc.experiments.claims import Claim, verdict
from sjc.experiments.harness import Cell, Experiment, Options, model_digest
from sjc.experiments.pictures import row, to_text
from sjc.experiments.records import Record, measured
from sjc.guidance.empirical import EmpiricalDenoiser
from sjc.guidance.paas import Denoise, paas
from sjc.guidance.prompts import view_prompt
from sjc.guidance.schedules import SigmaLaw, VESchedule, annealed, uniform
from sjc.machine.devices import choose_device
from sjc.models.loading import load_denoiser
from training import classifier, world
from training.data import Data
from training.prompts import parse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHTS = Path(__file__).with_name("classifier.safetensors")
HIGH, LOW, SINGLE = 20.0, 0.05, 1.5
RATE = 0.5
DATA, REFERENCE = 400, 480  # pictures of the empirical denoiser; pictures that samples are compared with
CASES = {"pictures": (64, 60), "text": (8, 16)}  # samples, updates
LAWS = ("single", "random", "annealed")
TRUE = "true pictures"
NAMES = {"single": "a single noise level", "random": "random noise levels", "annealed": "falling noise levels"}
MEASURES = {
    "pixels": "Fréchet distance, pixels",
    "features": "Fréchet distance, features",
    "nearest": "distance to the nearest picture",
    "spread": "distance between samples",
    "named": "object named right",
}


def law_of(name: str, schedule: VESchedule) -> SigmaLaw:
    """The noise levels of a run: SINGLE always, any tick between LOW and HIGH, or falling from HIGH to LOW."""
    if name == "single":
        return lambda _progress, n, _generator=None: schedule.snap(torch.full((n,), SINGLE)).float()
    return uniform(schedule, HIGH, LOW) if name == "random" else annealed(schedule, HIGH, LOW)


def sample(denoise: Denoise, law: SigmaLaw, count: int, updates: int, seed: int, size: int) -> Tensor:
    """count pictures [count, 3, size, size]: from mid-grey, `updates` times x + RATE * PAAS of one noise, weight 1."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.zeros(count, 3, size, size)
    for update in range(updates):
        sigma = law(update / (updates - 1), 1, generator).expand(count)
        x = x + RATE * paas(denoise, x, sigma, weight="1", generator=generator)
    return x


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of the normal distributions fitted to rows [n, d] and [m, d].

    That is |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2).
    With centred data A, B over the root of their counts, tr (S1 S2)^1/2 is the nuclear norm of A B^T, which needs no
    root of a d x d matrix and holds for fewer rows than columns, too.
    """
    a, b = a.double().flatten(1), b.double().flatten(1)
    centred = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    shared = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    total = (a.mean(0) - b.mean(0)).square().sum() + sum(x.square().sum() for x in centred) - 2 * shared
    return max(float(total), 0.0)  # a rounding below


@cache
def _classifier() -> classifier.Classifier:
    return classifier.load(WEIGHTS)


@torch.no_grad()
def compare(samples: Tensor, reference: Tensor, things: Tensor | None) -> dict[str, float]:
    """The numbers of MEASURES; "named" only where it is known which objects [B] the samples shall show."""
    model = _classifier()
    flat, other = samples.flatten(1), reference.flatten(1)
    root = flat.shape[1] ** 0.5
    between = torch.cdist(flat, flat) / root
    numbers = {
        "pixels": frechet(samples, reference),
        "features": frechet(model.features(samples), model.features(reference)),
        "nearest": float((torch.cdist(flat, other) / root).amin(1).mean()),
        "spread": float(between.sum() / (len(flat) * (len(flat) - 1))),
    }
    return numbers if things is None else {**numbers, "named": classifier.accuracy(model, samples, things)}


def of_prompts(count: int, seed: int) -> tuple[Tensor, Tensor, list[str]]:
    """True pictures of the tuning prompts by turns.

    Returns pictures [count, 3, 32, 32], objects [count], and the prompts with the words of their views.
    """
    bank, names, rng = world_pictures.bank(), list(world.THINGS), random.Random(seed)
    views, described, texts = [], [], []
    for i in range(count):
        prompt = TUNING[i % len(TUNING)]
        one = parse(prompt)
        view = rng.choice([int(k) for k in (bank.thing == names.index(one.name)).nonzero()[0]])
        views.append(view)
        described.append(one)
        texts.append(view_prompt("fine", float(bank.azimuth[view]), float(bank.elevation[view]), prompt))
    drawn = Data(bank, seed).draw(views, described)
    return drawn, torch.tensor([names.index(one.name) for one in described]), texts


def compute(case: str, law: str, seed: int, options: Options) -> dict[str, Any]:
    """One case, law and seed; law TRUE compares as many true pictures instead: the floor of every number."""
    count, updates = CASES[case]
    model = load_denoiser(options.model, choose_device(options.device))
    things: Tensor | None = None
    if case == "text":
        reference, _, _ = of_prompts(REFERENCE, seed + 1000)
        samples, things, texts = of_prompts(count, seed)
        denoise = model.conditioned(texts)
    else:
        reference, _ = world_pictures.labelled(REFERENCE, seed + 1000)
        samples, _ = world_pictures.labelled(count, seed + 2000)
        denoise = EmpiricalDenoiser(world_pictures.labelled(DATA, seed)[0])
    if law != TRUE:
        samples = sample(denoise, law_of(law, model.schedule), count, updates, seed, samples.shape[-1])
    numbers: dict[str, Any] = compare(samples, reference, things)
    return {**numbers, "picture": to_text(row(samples[:8]))} if seed == 0 else numbers


def cells(options: Options) -> list[Cell]:
    """One cell a case, law and seed."""
    known = {"model": model_digest(options.model), "classifier": digest([WEIGHTS], WEIGHTS.parent)[:16]}
    return [
        Cell(
            f"{case}-{law.replace(' ', '-')}-{seed}",
            {"case": case, "law": law, "samples": count, "updates": updates, "rate": RATE, **known, "seed": seed},
            partial(compute, case, law, seed, options),
        )
        for case, (count, updates) in CASES.items()
        for law in (*LAWS, TRUE)
        for seed in range(options.seeds)
    ]


def values(record: Record, case: str, law: str, key: str) -> list[float]:
    """One number of every seed."""
    return [run[key] for run in measured(record, case=case, law=law)]


def nearest(record: Record, case: str) -> tuple[list[str], bool]:
    """The laws, nearest the true pictures first, by features; and whether the first two can be told apart."""
    ranked = sorted(LAWS, key=lambda law: mean(values(record, case, law, "features")))
    one, two = (values(record, case, law, "features") for law in ranked[:2])
    return ranked, page.apart([b - a for a, b in zip(one, two, strict=True)])


def annealed_wins(record: Record, case: str) -> bool | None:
    """Whether falling noise levels are nearest; None: the first two cannot be told apart."""
    ranked, sure = nearest(record, case)
    return ranked[0] == "annealed" if sure else None


def answer(record: Record) -> str:
    """For each case the law nearest the true pictures in features, where the seeds can tell."""
    subjects = {"pictures": "for varied pictures,", "text": "for text prompts,"}
    clauses = []
    for case in CASES:
        ranked, sure = nearest(record, case)
        names = [NAMES[law] for law in ranked]
        verb = "comes" if ranked[0] == "single" else "come"
        nearer, apart = f"{names[0]} {verb} nearest to true pictures", f"{names[0]} and {names[1]} cannot be told apart"
        result = nearer if sure else apart
        clauses.append(f"{subjects[case]} {result}")
    sentence = "; ".join(clauses)
    claim = f"the paper's claim about varied pictures {verdict(annealed_wins(record, 'pictures'))}"
    return f"{sentence[0].upper()}{sentence[1:]}; {claim}."


def tables(record: Record) -> str:
    """One table a case."""
    made: list[str] = []
    for case in CASES:
        keys = [key for key in MEASURES if key in measured(record, case=case)[0]]
        rows = [[law, *(page.shown(values(record, case, law, key)) for key in keys)] for law in (*LAWS, TRUE)]
        made.append(f"## {case}\n\n{page.table(['noise levels', *(MEASURES[key] for key in keys)], rows)}")
    return "\n".join(made)


def figure(record: Record) -> Figure:
    """Eight samples of seed 0 by case and law."""
    made, axes = page.plots(len(LAWS) + 1, len(CASES), width=6, height=1.1)
    for column, case in enumerate(CASES):
        for line, law in enumerate((*LAWS, TRUE)):
            coded = measured(record, case=case, law=law, seed=0)[0]["picture"]
            page.picture(axes[line * len(CASES) + column], coded, f"{case}: {law}")
    return made


EXPERIMENT = Experiment(
    "sample2d",
    "Which noise levels make PAAS a sampler of pictures: one, random ones, or falling ones (Fig. 4)?",
    f"Sampling starts from mid-grey and repeats x + {RATE:g} (D(x + σn) - x) with one new noise per update. σ is "
    f"either {SINGLE:g} always, or any tick from {LOW:g} to {HIGH:g}, or falls over the same range. In the case "
    f"pictures, D is the exact denoiser of {DATA} pictures of the world ({CASES['pictures'][0]} samples, "
    f"{CASES['pictures'][1]} updates); in the case text, it is the model on the {len(TUNING)} tuning prompts with "
    f"view words and guidance 1 ({CASES['text'][0]} samples, {CASES['text'][1]} updates). Samples are compared with "
    f"{REFERENCE} true pictures of the same kind. The last row shows what as many true pictures come to: with few "
    "samples, a Fréchet distance stays above 0. Features are the last layer of a small classifier of the world's "
    "objects (training.classifier). Distances between pictures are root mean squares per value, range [-1, 1].",
    cells,
    answer,
    tables,
    figure,
    claims=(
        Claim(
            "Varied pictures need falling noise levels (Fig. 4, bedrooms)",
            lambda record: annealed_wins(record, "pictures"),
            "The three kinds of samples differ by less than the seeds do.",
        ),
        Claim(
            "Text prompts need falling noise levels, too",
            lambda record: annealed_wins(record, "text"),
            "A prompt with view words leaves nearly one possible picture. With any of the noise levels, samples are "
            "as near to the reference as true pictures are, so there is little left to gain. This is like the "
            "paper's other case, simple aligned pictures (faces), for which one noise level is enough.",
        ),
    ),
)
