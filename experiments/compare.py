"""Variants of a 3D row against each other: made from the same starts, told apart over the objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import mean
from typing import Any

from sjc.experiments import page
from sjc.experiments.records import Record, measured, settings_of

GOALS = (0.8, 0.9)  # IoU whose steps and seconds the tables have
TINY = 1e-9  # for the logarithm of nothing
FORMED = 0.2  # IoU below which a run never formed: the box is full of fog, or empty


@dataclass(frozen=True)
class Measure:
    """heading: of its column. axis: its symbol and what it is. more: is better. ratio: compared by quotients.

    Numbers that span factors of a thousand are compared by quotients, or the largest alone would decide.
    """

    heading: str
    axis: str
    more: bool
    ratio: bool = False


MEASURES = {
    "solid": Measure("IoU", "IoU", True),
    "silhouette": Measure("silhouette IoU", "silhouette IoU", True),
    "color": Measure("colour error, CIEDE2000", "ΔE₀₀, colour error", False),
    "floaters": Measure("floaters / truth's volume", "V_f / V, floaters", False),
    "fog": Measure("fog, 1 / length", "τ, fog (1 / length), geometric mean", False, ratio=True),
    "offset": Measure("offset of the centroid", "|c - c*|, offset of the centroid", False),
    "frontness": Measure("front-ness of back views", "f, front-ness of back views", False),
    "seconds": Measure("seconds", "t, seconds of the steps", False),
}


def values(record: Record, variant: str, key: str) -> list[float]:
    """One number of every prompt and seed of a variant."""
    return [run[key] for run in measured(record, variant=variant)]


def average(record: Record, variant: str, key: str) -> float:
    """The mean of `values`."""
    return mean(values(record, variant, key))


def typical(record: Record, variant: str, key: str) -> float:
    """The mean; of a ratio the geometric one, which a run that never formed does not decide."""
    numbers = values(record, variant, key)
    return exp(mean(log(max(v, TINY)) for v in numbers)) if MEASURES[key].ratio else mean(numbers)


def _pairs(record: Record, a: str, b: str, key: str) -> dict[tuple[str, int], float]:
    """a - b, or log(a / b) of a ratio, by prompt and seed."""
    by_variant = {}
    for name in (a, b):
        cells = [c for c in record["cells"] if c["settings"]["variant"] == name]
        numbers = {(c["settings"]["prompt"], c["settings"]["seed"]): c["measured"][key] for c in cells}
        by_variant[name] = {k: log(max(v, TINY)) if MEASURES[key].ratio else v for k, v in numbers.items()}
    return {pair: value - by_variant[b][pair] for pair, value in by_variant[a].items() if pair in by_variant[b]}


def differences(record: Record, a: str, b: str, key: str) -> list[float]:
    """a - b, prompt by prompt and seed by seed, both made from the same start; log(a / b) of a ratio."""
    return list(_pairs(record, a, b, key).values())


def by_object(record: Record, a: str, b: str, key: str) -> list[float]:
    """The mean of `differences` over the seeds, one number a prompt: an object's seeds are no objects of their own."""
    pairs = _pairs(record, a, b, key)
    prompts = dict.fromkeys(prompt for prompt, _ in pairs)
    return [mean(v for (one, _), v in pairs.items() if one == prompt) for prompt in prompts]


def sure(record: Record, a: str, b: str, key: str) -> bool:
    """Whether the objects' paired differences have a mean other than 0 (`page.apart`)."""
    return page.apart(by_object(record, a, b, key))


def beats(record: Record, a: str, b: str, key: str) -> bool | None:
    """Whether `a` is better than `b`, both made from the same starts; None where one cannot tell or one was not run."""
    if not {a, b} <= set(settings_of(record, "variant")) or not sure(record, a, b, key):
        return None
    return (mean(differences(record, a, b, key)) > 0) == MEASURES[key].more


def wins(record: Record, a: str, b: str, key: str) -> str:
    """Of how many starts `a` is better than `b`: "14 of 18"."""
    change = differences(record, a, b, key)
    return f"{sum((one > 0) == MEASURES[key].more and one != 0 for one in change)} of {len(change)}"


def unformed(record: Record, variant: str) -> list[tuple[str, int]]:
    """(prompt, seed) of the runs of a variant that never formed."""
    cells = [c for c in record["cells"] if c["settings"]["variant"] == variant]
    return [(c["settings"]["prompt"], c["settings"]["seed"]) for c in cells if c["measured"]["solid"] < FORMED]


def curves(record: Record, variant: str) -> dict[str, list[float]]:
    """{"step", "seconds", "iou"} of a variant's mean over prompts and seeds."""
    runs = [run["curve"] for run in measured(record, variant=variant)]
    return {key: [mean(v) for v in zip(*(run[key] for run in runs), strict=True)] for key in runs[0]}


def arrival(record: Record, variant: str, goal: float) -> tuple[float, float] | None:
    """(steps, seconds) at which the mean IoU is at the goal, straight between its marks; None where it never is.

    Objects that never get there count, which the mean over those that do leaves out.
    """
    means = curves(record, variant)
    steps, seconds, iou = ([0.0, *means[key]] for key in ("step", "seconds", "iou"))
    for i in range(1, len(iou)):
        if iou[i] >= goal:
            share = (goal - iou[i - 1]) / (iou[i] - iou[i - 1])
            return tuple(v[i - 1] + share * (v[i] - v[i - 1]) for v in (steps, seconds))  # type: ignore[return-value]
    return None


def arrivals(record: Record, variant: str, goal: float) -> list[tuple[float, float] | None]:
    """For every object the (steps, seconds) at which its IoU was first at the goal; None where it never was."""
    made: list[tuple[float, float] | None] = []
    for run in measured(record, variant=variant):
        curve: dict[str, Any] = run["curve"]
        there = [i for i, iou in enumerate(curve["iou"]) if iou >= goal]
        made.append((curve["step"][there[0]], curve["seconds"][there[0]]) if there else None)
    return made


def overtaking(record: Record, a: str, b: str) -> float | None:
    """The share of the steps of `b` after which the mean IoU of `a` is what `b` ends at; None where it never is."""
    one, other = curves(record, a), curves(record, b)
    steps = (step for step, iou in zip(one["step"], one["iou"], strict=True) if iou >= other["iou"][-1])
    reached = next(steps, None)
    return None if reached is None else reached / other["step"][-1]


def front(points: Sequence[tuple[float, float]], more: bool) -> list[int]:
    """Which of (cost, worth) are the Pareto front: no other is as cheap or cheaper and better. By cost."""
    sign, best, undominated = (1 if more else -1), float("-inf"), []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -sign * points[i][1])):
        if sign * points[i][1] > best:
            best = sign * points[i][1]
            undominated.append(i)
    return undominated


def arrivals_text(reached: list[tuple[float, float] | None]) -> str:
    """How many arrived, and their mean steps and seconds."""
    there = [one for one in reached if one]
    if not there:
        return f"0 of {len(reached)}"
    return f"{len(there)} of {len(reached)}, {mean(s for s, _ in there):.0f}, {mean(t for _, t in there):.3g} s"
