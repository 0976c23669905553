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
from sjc.experiments.claims import Claim
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
from training.prompts import parse
from training.train import Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHTS = Path(__file__).with_name("classifier.safetensors")
HIGH, LOW, SINGLE = 20.0, 0.05, 1.5
RATE = 0.5
DATA, REFERENCE = 400, 480  # pictures of the empirical denoiser; pictures that samples are compared with
CASES = {"pictures": (64, 60), "text": (8, 16)}  # samples, updates
LAWS = ("single", "random", "annealed")
TRUE = "true pictures"
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
    """Fréchet distance of the normal distributions fitted to rows [n, d] and [m, d]: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1
    S2)^1/2).

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
    found = {
        "pixels": frechet(samples, reference),
        "features": frechet(model.features(samples), model.features(reference)),
        "nearest": float((torch.cdist(flat, other) / root).amin(1).mean()),
        "spread": float(between.sum() / (len(flat) * (len(flat) - 1))),
    }
    return found if things is None else {**found, "named": classifier.accuracy(model, samples, things)}


def of_prompts(count: int, seed: int) -> tuple[Tensor, Tensor, list[str]]:
    """True pictures of the tuning prompts by turns: [count, 3, 32, 32], objects [count], prompts with their view's
    words.
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
    found: dict[str, Any] = compare(samples, reference, things)
    return {**found, "picture": to_text(row(samples[:8]))} if seed == 0 else found


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
    """For each case the law nearest the true pictures in features, and how far from the floor."""
    parts = []
    for case in CASES:
        ranked, sure = nearest(record, case)
        far = {law: mean(values(record, case, law, "features")) for law in (*LAWS, TRUE)}
        verdict = f"{ranked[0]} is nearest" if sure else f"{ranked[0]} and {ranked[1]} cannot be told apart"
        told = ", ".join(f"{law} {far[law]:.3g}" for law in (*ranked, TRUE))
        named = ", ".join(f"{mean(values(record, case, law, 'named')):.0%}" for law in ranked) if case == "text" else ""
        parts.append(f"{case}: {verdict} (Fréchet distance in features: {told})" + (f", objects named right: {named}" if named else ""))  # fmt: skip
    return "; ".join(parts) + "."


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
    f"From mid-grey, x + {RATE:g} (D(x + σn) - x) with one new noise an update; σ = {SINGLE:g}, any tick from "
    f"{LOW:g} to {HIGH:g}, "
    f"or falling over the same range. pictures: the exact denoiser of {DATA} pictures of the world, "
    f"{CASES['pictures'][0]} samples, "
    f"{CASES['pictures'][1]} updates; text: the model on the {len(TUNING)} tuning prompts with view words, guidance 1, "
    f"{CASES['text'][0]} samples, {CASES['text'][1]} updates. Compared with {REFERENCE} true pictures of the "
    "same kind; the last row is "
    "what as many true pictures come to: few samples leave a Fréchet distance above 0. Features: the last "
    "layer of a small "
    "classifier of the world's objects (training.classifier). Distances between pictures are root mean squares per "
    "value, range [-1, 1].",
    cells,
    answer,
    tables,
    figure,
    claims=(
        Claim(
            "Varied pictures need falling noise levels (Fig. 4, bedrooms)",
            lambda record: annealed_wins(record, "pictures"),
            "The samples of the laws differ by less than the seeds.",
        ),
        Claim(
            "So does text",
            lambda record: annealed_wins(record, "text"),
            "A prompt with view words leaves nearly one picture: all laws lie where as many true pictures do, "
            "and there is "
            "little left to fall through. That is the paper's other case, simple aligned pictures (faces), for "
            "which one "
            "noise level is enough.",
        ),
    ),
)
