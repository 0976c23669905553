"""A 3D row: variants of the settings, made of the same prompts and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.prompts import TUNING
from experiments import answers
from experiments.compare import (
    GOALS,
    MEASURES,
    arrival,
    arrivals,
    arrivals_text,
    average,
    beats,
    curves,
    front,
    typical,
    unformed,
    values,
    wins,
)
from experiments.three_d import compute
from sjc.experiments import page
from sjc.experiments.claims import Claim
from sjc.experiments.harness import THREE_D, Cell, Experiment, Options, model_digest
from sjc.experiments.records import Record, measured, settings_of
from sjc.job.folder import slug
from sjc.settings import Settings, resolve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROMPTS = TUNING[2:]  # not the sphere and the cylinder: the blob at the start is nearly one of them
SEEDS, QUICK_PROMPTS, QUICK_SEEDS = 3, 2, 1
QUICK_STEPS = 30


@dataclass(frozen=True)
class Variant:
    """Settings on top of the row's preset. sds: the noise levels of score distillation."""

    changes: Mapping[str, object] = field(default_factory=dict)
    sds: bool = False


@dataclass(frozen=True)
class Ablation:
    """One row. variants: the first is what the others are compared with. keys: of MEASURES, the first decides.

    quick: which variants a quick run makes, beside the first. tell: the answer of a whole record. across: what the
    right plot has the deciding number over. over: of "step" and "seconds", what the left plot has IoU over. gallery:
    the picture shows every object of the first variant, not every variant's first object.
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
    tell: Callable[[Record], str] | None = None
    across: str = "seconds"
    over: str = "step"
    gallery: bool = False
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
                    if settings.model != options.model:  # a variant of another model
                        all_of_it["own_weights"] = model_digest(settings.model)
                    work = partial(compute, settings, self.variants[name].sds)
                    made.append(Cell(f"{_plain(name)}-{slug(prompt)}-{seed}", all_of_it, work))
        return made

    def settings(self, name: str, prompt: str, seed: int, options: Options) -> Settings:
        """The settings of a cell. Raises SjcError for a variant that the schema refuses."""
        given: dict[str, object] = {"model": options.model, "device": options.device, "prompt": prompt, "seed": seed}
        given |= self.variants[name].changes
        if options.quick:
            given["steps"] = QUICK_STEPS
        return resolve(self.preset, given)

    def answer(self, record: Record) -> str:
        """The row's own sentence; of a record that lacks variants, as a quick one does, the general one."""
        whole = set(self.variants) == set(settings_of(record, "variant"))
        return self.tell(record) if self.tell and whole else answers.general(record, self.keys[0])

    def tables(self, record: Record) -> str:
        """One line a variant, three times: its numbers, what they are against the first's, and how soon it is there."""
        names = settings_of(record, "variant")
        head = ["variant"]
        for key in self.keys:
            head += [MEASURES[key].heading, *([f"{key}, geometric mean"] if MEASURES[key].ratio else [])]
        rows = [[name, *(cell for key in self.keys for cell in _numbers(record, name, key))] for name in names]
        parts = [page.table(head, rows)]
        judged = [key for key in self.keys if key != "seconds"]
        if len(names) > 1:
            head = [
                f"against {names[0]}",
                *(f"{MEASURES[key].heading}: verdict, starts in which it is better" for key in judged),
            ]
            rows = [[name, *(_judgement(record, name, names[0], key) for key in judged)] for name in names[1:]]
            parts.append(page.table(head, rows))
        head = ["variant", *(f"reaches IoU {goal:g}: starts, mean steps, mean seconds" for goal in GOALS)]
        head += [
            f"mean IoU {GOALS[0]:g}: steps, seconds",
            "at the end: mean IoU, steps, seconds",
            "starts that formed no object",
        ]
        return "\n".join([*parts, page.table(head, [[name, *_on_the_way(record, name)] for name in names])])

    def figure(self, record: Record) -> Figure:
        """IoU on the way, the deciding number over another with its Pareto front, and pictures of seed 0.

        More than six variants would hide each other: then the first and the five best others by the deciding number.
        """
        key, names = self.keys[0], settings_of(record, "variant")
        best = sorted(names[1:], key=lambda name: average(record, name, key), reverse=MEASURES[key].more)
        shown = [names[0], *best[:5]]
        pictures = self._pictures(record, shown)
        made, axes = page.plots(1 + -(-len(pictures) // 2), 2, height=3.4, below=1.7)
        for style, name in enumerate(shown):
            means = curves(record, name)
            page.curve(axes[0], means[self.over], [means["iou"]], style, name)
        symbol = "k, steps" if self.over == "step" else MEASURES["seconds"].axis
        page.name_axes(axes[0], symbol, "IoU, mean over objects", log="x" if self.over == "seconds" else "")
        self._scatter(axes[1], record, shown)
        for panel, (title, coded) in zip(axes[2:], pictures, strict=False):
            page.picture(panel, coded, f"{title}: front, side, back")
        for empty in axes[2 + len(pictures) :]:
            empty.set_axis_off()
        return made

    def _pictures(self, record: Record, shown: Sequence[str]) -> list[tuple[str, str]]:
        """(title, picture) of seed 0."""
        if self.gallery:
            cells = [c for c in record["cells"] if c["settings"]["variant"] == shown[0]]
            first = [c for c in cells if c["settings"]["seed"] == 0]
            return [(c["settings"]["prompt"], c["measured"]["picture"]) for c in first]
        return [(name, next(run["picture"] for run in measured(record, variant=name, seed=0))) for name in shown]

    def _scatter(self, axes: Axes, record: Record, shown: Sequence[str]) -> None:
        """Every variant's deciding number over `across`; against seconds with the line of those that none dominates."""
        worth, cost = MEASURES[self.keys[0]], MEASURES[self.across]
        names = settings_of(record, "variant")
        points = [(typical(record, n, self.across), typical(record, n, self.keys[0])) for n in names]
        for name, (x, y) in zip(names, points, strict=True):
            looks = page.STYLES[shown.index(name)] if name in shown else page.OTHER
            axes.plot([x], [y], linestyle="", color=looks["color"], marker=looks["marker"], label=name)
        if self.across == "seconds":
            line = [points[i] for i in front(points, worth.more)]
            axes.plot(*zip(*line, strict=True), color="#8a8a8a", linewidth=0.7, zorder=0)
        axes.margins(x=0.2, y=0.25)
        log = "x" if cost.ratio or self.over == "seconds" else ""
        page.name_axes(axes, cost.axis, worth.axis, log=log, legend=False)
        page.label_points(axes, points, names)


def _numbers(record: Record, name: str, key: str) -> list[str]:
    """The cells of one number: mean and deviation; of a ratio the geometric mean, too."""
    cells = [page.shown(values(record, name, key))]
    return [*cells, f"{typical(record, name, key):.2g}"] if MEASURES[key].ratio else cells


def _judgement(record: Record, name: str, first: str, key: str) -> str:
    """Whether a variant is better than the first by one number, and in how many starts."""
    words = {True: "better", False: "worse", None: "not told apart"}
    return f"{words[beats(record, name, first, key)]}, {wins(record, name, first, key)}"


def _on_the_way(record: Record, name: str) -> list[str]:
    """When a variant's objects and their mean are at the goals, what the mean ends at, and what never formed."""
    sooner = arrivals_text([arrival(record, name, GOALS[0])]).removeprefix("1 of 1, ").replace("0 of 1", "never")
    ends = {key: numbers[-1] for key, numbers in curves(record, name).items()}
    return [
        *(arrivals_text(arrivals(record, name, goal)) for goal in GOALS),
        sooner,
        f"{ends['iou']:.3g}, {ends['step']:g}, {ends['seconds']:.3g} s",
        f"{len(unformed(record, name))} of {len(values(record, name, 'solid'))}",
    ]


def _plain(name: str) -> str:
    """A variant's name for a file's: letters that every system has."""
    for symbol, word in (("σ", "sigma"), ("λ", "lambda"), ("β", "beta")):
        name = name.replace(symbol, word)
    return slug(name)
