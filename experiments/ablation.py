"""A 3D row: variants of the settings, made of the same prompts and seeds, told apart by paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

from benchmarks.prompts import TUNING
from experiments.three_d import compute
from sjc import settings as schema
from sjc.experiments import page
from sjc.experiments.claims import Claim
from sjc.experiments.harness import (
    THREE_D,
    Cell,
    Experiment,
    Options,
    Record,
    measured,
    model_digest,
    settings_of,
)
from sjc.job import slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROMPTS = TUNING[2:]  # not the sphere and the cylinder: the blob at the start is nearly one of them
SEEDS, QUICK_PROMPTS, QUICK_SEEDS = 3, 2, 1
QUICK_STEPS = 30
MEASURES: dict[str, tuple[str, bool]] = {  # name -> (heading, more is better)
    "solid": ("IoU", True),
    "silhouette": ("silhouette IoU", True),
    "color": ("colour error, CIEDE2000", False),
    "floaters": ("floaters / truth's volume", False),
    "fog": ("fog, 1 / length", False),
    "offset": ("offset of the centroid", False),
    "frontness": ("front-ness of back views", False),
    "seconds": ("seconds", False),
}
GOALS = (0.8, 0.9)  # IoU whose steps and seconds are told


@dataclass(frozen=True)
class Variant:
    """Settings on top of the row's preset. sds: the noise levels of score distillation."""

    changes: Mapping[str, object] = field(default_factory=dict)
    sds: bool = False


@dataclass(frozen=True)
class Ablation:
    """One row. variants: the first is what the others are compared with. keys: of MEASURES, the first decides.

    quick: which variants a quick run makes, beside the first. race: the answer tells, too, after what share of its steps
    the first variant is where the best of the others ends.
    """

    name: str
    question: str
    method: str
    variants: Mapping[str, Variant]
    keys: Sequence[str]
    quick: Sequence[str] = ()
    prompts: Sequence[str] = PROMPTS
    preset: str = "ablation"
    seeds: int = SEEDS
    race: bool = False
    claims: tuple[Claim, ...] = ()

    def experiment(self) -> Experiment:
        """The row for the harness."""
        return Experiment(
            self.name,
            self.question,
            self.method,
            self.cells,
            self.answer,
            self.tables,
            self.figure,
            THREE_D,
            self.seeds,
            QUICK_SEEDS,
            self.claims,
        )

    def cells(self, options: Options) -> list[Cell]:
        """One cell a variant, prompt and seed, seeds outermost: a stopped run has compared all variants on some.

        A quick run makes few prompts and variants and stops after QUICK_STEPS steps: it shows that all runs.
        """
        names = [next(iter(self.variants)), *self.quick] if options.quick else list(self.variants)
        prompts = self.prompts[:QUICK_PROMPTS] if options.quick else self.prompts
        weights = model_digest(options.model)
        made = []
        for seed in range(options.seeds):
            for prompt in prompts:
                for name in names:
                    settings = self.settings(name, prompt, seed, options)
                    known = {"variant": name, "prompt": prompt, "seed": seed, "sds": self.variants[name].sds}
                    all_of_it = {**known, "weights": weights, "run": asdict(settings)}
                    work = partial(compute, settings, self.variants[name].sds)
                    made.append(Cell(f"{_plain(name)}-{slug(prompt)}-{seed}", all_of_it, work))
        return made

    def settings(self, name: str, prompt: str, seed: int, options: Options) -> schema.Settings:
        """The settings of a cell. Raises SjcError for a variant that the schema refuses."""
        given: dict[str, object] = {
            "model": options.model,
            "device": options.device,
            "prompt": prompt,
            "seed": seed,
        }
        given |= self.variants[name].changes
        if options.quick:
            given["steps"] = QUICK_STEPS
        return schema.resolve(self.preset, given)

    def answer(self, record: Record) -> str:
        """The best variant by the deciding number, and whether it is told apart from the first by the paired seeds."""
        key = self.keys[0]
        heading, more = MEASURES[key]
        names = settings_of(record, "variant")
        means = {name: mean(values(record, name, key)) for name in names}
        if len(names) == 1:
            return f"{heading} {page.shown(values(record, names[0], key))} over {len(values(record, names[0], key))} objects."
        ranked = sorted(names, key=means.__getitem__, reverse=more)
        best, first = ranked[0], names[0]
        told = "; ".join(f"{name} {means[name]:.3g}" for name in ranked)
        rivals = [name for name in ranked[1:] if not sure(record, best, name, key)]
        verdict = f"{best} is best" if not rivals else f"{best} cannot be told apart from {'; '.join(rivals)}"
        change = differences(record, best, first, key)
        against = "" if best == first else f"; against {first} it is {page.shown(change)} (paired)"
        race = f" {overtaking(record, first, max(names[1:], key=means.__getitem__))}" if self.race else ""
        return f"By {heading} {verdict}: {told}{against}.{race}"

    def tables(self, record: Record) -> str:
        """One line a variant; below, steps and seconds to the goals."""
        rows = [
            [name, *(page.shown(values(record, name, key)) for key in self.keys)]
            for name in settings_of(record, "variant")
        ]
        made = page.table(["variant", *(MEASURES[key][0] for key in self.keys)], rows)
        head = ["variant", *(f"IoU {goal:g}: reached, steps, seconds" for goal in GOALS)]
        reached = [
            [name, *(_told(arrivals(record, name, goal)) for goal in GOALS)]
            for name in settings_of(record, "variant")
        ]
        return f"{made}\n{page.table(head, reached)}"

    def figure(self, record: Record) -> Figure:
        """IoU over steps, the deciding number over seconds, and the first object of seed 0 of each.

        More than six variants would hide each other: then the first and the five best others by the deciding number.
        """
        key, names = self.keys[0], settings_of(record, "variant")
        heading, more = MEASURES[key]
        others = sorted(names[1:], key=lambda name: mean(values(record, name, key)), reverse=more)
        shown = [names[0], *others[:5]]
        made, axes = page.plots(1 + -(-len(shown) // 2), 2, height=3.4, below=1.7)
        bands = len(shown) <= 3  # more would hide each other
        for style, name in enumerate(shown):
            runs = measured(record, variant=name)
            page.curve(
                axes[0], runs[0]["curve"]["step"], [run["curve"]["iou"] for run in runs], style, name, bands
            )
            coded = next(run["picture"] for run in measured(record, variant=name, seed=0))
            page.picture(axes[2 + style], coded, f"{name}: front, side, back")
        for name in names:
            looks = page.STYLES[shown.index(name)] if name in shown else page.STYLES[-1]
            across, up = (mean(values(record, name, k)) for k in ("seconds", key))
            axes[1].plot([across], [up], linestyle="", color=looks["color"], marker=looks["marker"])
            axes[1].annotate(name, (across, up), (3, 3), textcoords="offset points", fontsize=6)
        for empty in axes[2 + len(shown) :]:
            empty.set_axis_off()
        page.name_axes(axes[0], "steps", "IoU, mean, lowest to highest object" if bands else "IoU, mean")
        axes[1].margins(x=0.2, y=0.15)
        page.name_axes(axes[1], "seconds of steps", heading, legend=False)
        return made


def _plain(name: str) -> str:
    """A variant's name for a file's: letters that every system has."""
    for symbol, word in (("σ", "sigma"), ("λ", "lambda"), ("β", "beta")):
        name = name.replace(symbol, word)
    return slug(name)


def values(record: Record, variant: str, key: str) -> list[float]:
    """One number of every prompt and seed of a variant."""
    return [run[key] for run in measured(record, variant=variant)]


def differences(record: Record, a: str, b: str, key: str) -> list[float]:
    """a - b, prompt by prompt and seed by seed: both made from the same start."""
    found = {}
    for name in (a, b):
        cells = [c for c in record["cells"] if c["settings"]["variant"] == name]
        found[name] = {(c["settings"]["prompt"], c["settings"]["seed"]): c["measured"][key] for c in cells}
    return [found[a][pair] - found[b][pair] for pair in found[a] if pair in found[b]]


def sure(record: Record, a: str, b: str, key: str) -> bool:
    """Whether the mean paired difference lies more than two standard errors from 0; never with fewer than 3 pairs."""
    change = differences(record, a, b, key)
    middle, deviation = page.spread(change)
    return len(change) > 2 and abs(middle) > 2 * deviation / len(change) ** 0.5


def beats(record: Record, a: str, b: str, key: str) -> bool | None:
    """Whether `a` is better than `b`, both made from the same starts; None where that cannot be told, or was not run."""
    if not {a, b} <= set(settings_of(record, "variant")) or not sure(record, a, b, key):
        return None
    return (mean(differences(record, a, b, key)) > 0) == MEASURES[key][1]


def arrivals(record: Record, variant: str, goal: float) -> list[tuple[float, float] | None]:
    """For every object the (steps, seconds) at which its IoU was first seen at the goal, None where it never was."""
    made: list[tuple[float, float] | None] = []
    for run in measured(record, variant=variant):
        curve: dict[str, Any] = run["curve"]
        there = [i for i, iou in enumerate(curve["iou"]) if iou >= goal]
        made.append((curve["step"][there[0]], curve["seconds"][there[0]]) if there else None)
    return made


def overtaking(record: Record, a: str, b: str) -> str:
    """After how many steps and seconds the mean IoU of `a` is what `b` ends at, as a sentence."""
    curves = {name: [run["curve"] for run in measured(record, variant=name)] for name in (a, b)}
    ends = mean(curve["iou"][-1] for curve in curves[b])
    steps, seconds = curves[b][0]["step"][-1], mean(curve["seconds"][-1] for curve in curves[b])
    told = f"{b} ends at {ends:.3g} after {steps:g} steps, {seconds:.0f} s"
    for i, step in enumerate(curves[a][0]["step"]):
        if mean(curve["iou"][i] for curve in curves[a]) >= ends:
            spent = mean(curve["seconds"][i] for curve in curves[a])
            return f"{told}; {a} is there after {step:g} ({step / steps:.1%}), {spent:.0f} s."
    return f"{told}; {a} does not get there."


def _told(found: list[tuple[float, float] | None]) -> str:
    there = [one for one in found if one]
    if not there:
        return f"0 of {len(found)}"
    return f"{len(there)} of {len(found)}, {mean(s for s, _ in there):.0f}, {mean(t for _, t in there):.3g} s"
