"""check.png: the curve of errors, what the model drew, what D makes of it under noise, and the way through colours."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from torch.nn.functional import interpolate

from .noise import BELIEFS, Curve
from .verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGE = 128  # pixels of a picture in the figure, at most
WIDTH = 52  # letters in a line of a verdict
GOOD, BAD, PLAIN, FAINT = "#1b7837", "#b2182b", "#333333", "#8c8c8c"


def draw(
    curve: Curve,
    beliefs: Sequence[float],
    rows: Sequence[tuple[str, Mapping[str, Tensor]]],
    verdicts: Sequence[Verdict],
    title: str,
) -> bytes:
    """A PNG.  rows: a heading and pictures [3,H,W] in [-1,1] by caption, one row each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4 + 1.75 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    top, *below = figure.subfigures(1 + len(rows), 1, height_ratios=[3.4] + [1.75] * len(rows), squeeze=False)[:, 0]
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", fontweight="bold")
    errors, schedule, words = top.subplots(1, 3, width_ratios=(4, 2.6, 4))
    _draw_errors(errors, curve)
    _draw_beliefs(schedule, beliefs)
    _write_verdicts(words, verdicts)
    for part, (heading, pictures) in zip(below, rows, strict=True):
        _draw_row(part, heading, pictures)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def _draw_errors(axes: Axes, curve: Curve) -> None:
    finite = [(s, e) for s, e in zip(curve.sigma, curve.error, strict=True) if np.isfinite(e) and e > 0]
    if finite:
        axes.plot(*zip(*finite, strict=True), color=GOOD, marker="o", markersize=3.5, label="D")
    axes.plot(curve.sigma, curve.guess, color=PLAIN, linestyle="--", linewidth=1.2, label="best linear guess")
    axes.plot(curve.sigma, [s * s for s in curve.sigma], color=FAINT, linestyle=":", label="no denoising")
    axes.set_xscale("log")
    axes.set_yscale("log")
    if curve.variance > 0 and np.isfinite(curve.variance):
        axes.set_ylim(top=max(4 * curve.variance, 2 * max(e for _, e in finite) if finite else 0))
    axes.set_xlabel("noise level σ", fontsize=8)
    axes.set_title("Error of D on the model's own pictures", fontsize=9, loc="left")
    axes.legend(fontsize=7, frameon=False)
    _tidy(axes)


def _draw_beliefs(axes: Axes, beliefs: Sequence[float]) -> None:
    axes.axvline(1, color=FAINT, linewidth=1)
    if len(beliefs) == len(BELIEFS) and np.isfinite(beliefs).all():
        axes.plot(BELIEFS, beliefs, color=GOOD, marker="o", markersize=3.5)
        axes.set_yscale("log")
    axes.set_xscale("log", base=2)
    axes.set_xticks(BELIEFS[::2], [f"{belief:g}" for belief in BELIEFS[::2]])
    axes.set_xlabel("noise that D is told of / true noise", fontsize=8)
    axes.set_title("Error: lowest at 1", fontsize=9, loc="left")
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    from matplotlib.ticker import NullFormatter

    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)


def _write_verdicts(axes: Axes, verdicts: Sequence[Verdict]) -> None:
    axes.set_axis_off()
    line = 1.05
    for verdict in verdicts:
        wrapped = textwrap.wrap(verdict.text, WIDTH)
        axes.text(0, line, verdict.name, fontsize=7, color=GOOD if verdict.ok else BAD, fontweight="bold", va="top")
        axes.text(0.2, line, "\n".join(wrapped), fontsize=6.5, color=PLAIN, va="top")
        line -= 0.052 * len(wrapped) + 0.025


def _draw_row(part: Any, heading: str, pictures: Mapping[str, Tensor]) -> None:
    part.suptitle(heading, fontsize=9, x=0.01, ha="left")
    for axes, (caption, picture) in zip(part.subplots(1, max(len(pictures), 6)), pictures.items(), strict=False):
        axes.imshow(shown(picture), interpolation="nearest")
        axes.set_title(caption, fontsize=7, loc="left")
    for axes in part.axes:
        axes.set_axis_off()


def shown(picture: Tensor) -> np.ndarray[Any, Any]:
    """[H,W,3] in [0,1] of a picture [3,H,W] in [-1,1], at most EDGE pixels high and wide."""
    edge = min(EDGE, picture.shape[-1])
    small = interpolate(picture[None].float(), (edge, edge), mode="bilinear", antialias=True)[0]
    return ((small.permute(1, 2, 0) + 1) / 2).nan_to_num().clamp(0, 1).numpy()
