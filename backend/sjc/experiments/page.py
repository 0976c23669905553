"""An experiment's record as a Markdown page, JSON and a figure, all made of the record alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from ..output.files import write_bytes, write_json
from . import claims
from .records import Record, weights_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .harness import Experiment

# Different in grey, too: by shade, dash and marker.
STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#111111", "linestyle": "-", "marker": "o"},
    {"color": "#b3541e", "linestyle": "--", "marker": "s"},
    {"color": "#5b8fd6", "linestyle": "-.", "marker": "^"},
    {"color": "#8a8a8a", "linestyle": ":", "marker": "D"},
    {"color": "#b9a14a", "linestyle": (0, (5, 1)), "marker": "v"},
    {"color": "#c4c4c4", "linestyle": "-", "marker": "x"},
)

ONE_SIDED = 6  # so many differences of one sign are no accident
OTHER = {"color": "#6b6b6b", "marker": "+"}  # a point that no curve belongs to

# Beside a point, above and below it, further off: in fives of points to the right and up.
LABEL_PLACES = tuple((right, up) for up in (0, 1, -1, 2.5, -2.5, 4, -4) for right in (1, -1, 0) if right or up)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation over the seeds (n - 1 in the divisor; 0 for a single one)."""
    return mean(values), stdev(values) if len(values) > 1 else 0.0


def apart(change: Sequence[float]) -> bool:
    """Whether paired differences have a mean other than 0: Student's t, 95 %, or six or more that all have one sign.

    Never with fewer than three. The signs (odds of 1 to 32 for six) speak where one object that failed makes the
    deviation as large as the mean.
    """
    from scipy.special import stdtrit

    if len(change) < 3:
        return False
    if len(change) >= ONE_SIDED and (min(change) > 0 or max(change) < 0):
        return True
    middle, deviation = spread(change)
    return abs(middle) > float(stdtrit(len(change) - 1, 0.975)) * deviation / len(change) ** 0.5


def shown(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation, to so many significant digits."""
    middle, deviation = spread(values)
    return f"{middle:.{digits}g} ± {deviation:.2g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every row is as long as the head."""
    assert all(len(cells) == len(head) for cells in rows)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def text(experiment: Experiment, record: Record) -> str:
    """The page of a record."""
    cells = record["cells"]
    devices = sorted({cell["device"] for cell in cells})
    versions = sorted({", ".join(f"{k} {v}" for k, v in cell["versions"].items()) for cell in cells})
    codes = sorted({cell["code"] for cell in cells})
    weights = "".join(f" ({one})" for one in weights_of(record))
    seconds = sum(cell["seconds"] for cell in cells)
    seeds = "Seed 0" if record["seeds"] == 1 else f"Seeds 0 to {record['seeds'] - 1}"
    how = (
        f"{'Quick run: smaller than the real one. ' if record['quick'] else ''}{seeds}, mean ± "
        f"standard deviation; bands in plots reach from the lowest seed to the highest; pictures show seed 0. Model: "
        f"{record['model']}{weights}; pictures: {record['pictures']}. {len(cells)} cells, {seconds:.0f} s, on "
        f"{'; '.join(devices)}; {'; '.join(versions)}; code {', '.join(codes)}. "
        f"Every number: [{experiment.name}.json]({experiment.name}.json)."
    )
    lines = [
        f"# {experiment.name}",
        f"**Question.** {experiment.question}",
        f"**Answer.** {experiment.answer(record)}",
        f"![{experiment.name}]({experiment.name}.png)",
        experiment.tables(record).rstrip("\n"),
        *filter(None, [claims.text(experiment.claims, record)]),
        f"**How.** {experiment.method}",
        how,
    ]
    return "\n\n".join(lines) + "\n"


def write(experiment: Experiment, record: Record, out: Path) -> None:
    """NAME.json, NAME.png and NAME.md, each whole. Raises SjcError where `out` cannot be written."""
    write_json(out / f"{experiment.name}.json", record, indent=0)  # indents would be a quarter of it
    buffer = io.BytesIO()
    experiment.figure(record).savefig(buffer, format="png", dpi=110)
    write_bytes(out / f"{experiment.name}.png", buffer.getvalue())
    write_bytes(out / f"{experiment.name}.md", text(experiment, record).encode())


def plots(
    rows: int, columns: int, width: float = 4.4, height: float = 3.2, below: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of tidy axes, row by row, without global state.

    below: the height of all rows but the first, 0 for the same.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [height] + [below or height] * (rows - 1)
    figure = Figure(figsize=(width * columns, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False, height_ratios=heights).flat)
    for one in axes:
        one.grid(alpha=0.25)
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=8)
    return figure, axes


def curve(
    axes: Axes, x: Sequence[float], runs: Sequence[Sequence[float]], style: int, label: str, band: bool = True
) -> None:
    """The mean of runs [seeds][x] over x, and a band from the lowest to the highest seed."""
    import numpy as np

    values = np.asarray(runs, np.float64)
    looks = STYLES[style % len(STYLES)]
    axes.plot(x, values.mean(0), label=label, linewidth=1.4, markersize=3.5, **looks)
    if band:
        axes.fill_between(x, values.min(0), values.max(0), color=looks["color"], alpha=0.15, linewidth=0)


def name_axes(axes: Axes, x: str, y: str, *, log: str = "", legend: bool = True) -> None:
    """Symbols on the axes; log: which of "x" and "y" are logarithmic."""
    if "x" in log:
        axes.set_xscale("log")
        _few_decades(axes.xaxis, axes.get_xlim())
    if "y" in log:
        axes.set_yscale("log")
        _few_decades(axes.yaxis, axes.get_ylim())
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    if legend:
        axes.legend(fontsize=7.5, frameon=False)


def _few_decades(axis: Any, limits: tuple[float, float]) -> None:
    """Plain numbers at 1, 2 and 5 on a logarithmic axis: a decade has few ticks of its own."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if limits[1] < 300 * limits[0]:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def label_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """A name at each point, where it covers no other name or point and stays in the frame, if it can.

    Call it when the figure is otherwise done: it lays the figure out to know how wide the names are.
    """
    figure: Any = axes.figure
    figure.draw_without_rendering()
    frame = axes.get_window_extent()
    spots = [axes.transData.transform(point) for point in points]
    taken: list[Any] = []
    for i in sorted(range(len(points)), key=lambda i: -spots[i][1]):
        tried = []
        for right, up in LABEL_PLACES:
            label = axes.annotate(
                names[i], points[i], (5 * right, 5 * up), textcoords="offset points", fontsize=6,
                ha=("right", "center", "left")[right + 1],
                va="center" if abs(up) < 1 else "bottom" if up > 0 else "top",
            )  # fmt: skip
            box = label.get_window_extent()
            bad = sum(box.overlaps(other) for other in taken)
            bad += sum(box.contains(*spot) for j, spot in enumerate(spots) if j != i)
            bad += not (frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)
            tried.append((bad, label, box))
            if not bad:
                break
        best = min(tried, key=lambda one: one[0])
        for _, label, _ in tried:
            if label is not best[1]:
                label.remove()
        taken.append(best[2])


def picture(axes: Axes, coded: str, title: str) -> None:
    """A picture of a cell, without ticks."""
    from .pictures import from_text

    axes.imshow(from_text(coded), interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, fontsize=8, loc="left")
