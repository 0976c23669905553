"""What the steps measured: kept small, and drawn as a picture."""

import itertools
import time

import numpy as np
import pytest

from sjc_blender.queue import curves
from sjc_blender.scene import plot


def test_a_long_run_stays_small_and_whole():
    series = curves.Curves()
    for step in range(1, 20_001):
        series.add(step, {"sigma": 3 - step / 10_000, "score": 1.0})
    assert set(series) == {"sigma", "score"}
    steps = [step for step, _ in series["sigma"]]
    assert len(steps) <= curves.MAX_POINTS
    assert steps == sorted(set(steps))
    assert steps[0] == 1
    assert steps[-1] == 20_000
    assert max(np.diff(steps)) < 4 * 20_000 / curves.MAX_POINTS, "no part of the run is left out"
    assert len(steps) > curves.MAX_POINTS / 4
    assert all(value == 3 - step / 10_000 for step, value in series["sigma"])


def test_a_job_taken_up_at_an_earlier_step_draws_over():
    series = curves.Curves()
    for step, value in ((1, 5.0), (2, 4.0), (3, 3.0), (2, 7.0), (3, 8.0)):
        series.add(step, {"loss": value})
    assert series == {"loss": [(1, 5.0), (2, 7.0), (3, 8.0)]}


def line_of(sheet):
    """The middle of the ink in each column that has some, row 0 at the bottom: [(column, row)]."""
    ink = sheet[..., 3] - plot.PAPER[3]
    rows = np.arange(plot.HEIGHT)
    return [(x, (ink[:, x] * rows).sum() / ink[:, x].sum()) for x in range(plot.WIDTH) if ink[:, x].max() > 0.3]


def test_a_falling_line_falls_from_edge_to_edge():
    sheet = plot.picture([(step, 10 - step / 10) for step in range(31, 81)])
    assert sheet.shape == (plot.HEIGHT, plot.WIDTH, 4)
    assert sheet.dtype == np.float32
    assert (sheet >= 0).all()
    assert (sheet <= 1).all()
    line = line_of(sheet)
    assert line[0][0] == pytest.approx(plot.MARGIN, abs=1)
    assert line[-1][0] == pytest.approx(plot.WIDTH - 1 - plot.MARGIN, abs=1)
    rows = [row for _, row in line]
    assert rows[2] > plot.HEIGHT - plot.MARGIN - 8
    assert rows[-2] < plot.MARGIN + 8
    assert all(a >= b for a, b in itertools.pairwise(rows[2:-2]))


def test_a_peak_between_two_columns_shows():
    points = [(step, 5.0 if step == 501 else 1.0) for step in range(1, 1001)]
    ink = plot.picture(points)[..., 3]
    assert ink[plot.HEIGHT - plot.MARGIN - 3].max() > 0.9


def test_wide_values_are_drawn_by_their_logarithms():
    rows = [row for _, row in line_of(plot.picture([(n, 10.0**-n) for n in range(1, 8)]))]
    assert rows[len(rows) // 2] == pytest.approx(plot.HEIGHT / 2, abs=4)


@pytest.mark.parametrize(
    ("points", "inked"),
    [([], False), ([(1, float("nan"))], False), ([(3, 2.0)], True), ([(1, 0.0), (2, float("inf")), (3, 0.0)], True)],
)
def test_odd_series_are_a_picture_too(points, inked):
    sheet = plot.picture(points)
    assert np.isfinite(sheet).all()
    assert bool(sheet[..., 3].max() > 0.5) is inked


def test_it_is_quick():
    """Blender's main thread draws four of them once a second."""
    points = [(step, float(np.sin(step))) for step in range(curves.MAX_POINTS)]
    took = []
    for _ in range(20):
        began = time.thread_time()
        plot.picture(points)
        took.append(time.thread_time() - began)
    assert sorted(took)[len(took) // 2] < 0.005
