"""What the steps of a job measured, kept small enough to be drawn at any time.  No bpy, no NumPy."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MAX_POINTS", "Curves"]

MAX_POINTS = 400  # points of a series: more than a panel has pixels
Point = tuple[int, float]


class Curves(dict[str, list[Point]]):
    """{what was measured: [(step, value)]}, by rising step.

    Of a long run points about evenly spaced, and always the newest.
    """

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """One more step; a job that was taken up at an earlier one draws over what came after it."""
        for name, value in metrics.items():
            points = self.setdefault(name, [])
            while points and points[-1][0] >= step:
                points.pop()
            if len(points) > 1 and points[-1][0] - points[-2][0] < _span(points) / MAX_POINTS:
                points.pop()
            points.append((step, value))
            if len(points) > MAX_POINTS:
                points[:] = _thinned(points, 2 * _span(points) / MAX_POINTS)


def _span(points: list[Point]) -> int:
    return points[-1][0] - points[0][0]


def _thinned(points: list[Point], gap: float) -> list[Point]:
    """First, last, and of those between only such as are `gap` steps apart."""
    thinned = points[:1]
    for point in points[1:-1]:
        if point[0] - thinned[-1][0] >= gap:
            thinned.append(point)
    return [*thinned, points[-1]]
