"""The views that a multi-view model is asked about at once.  Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ViewRing:
    """Where the cameras of one call of a multi-view network stand around the object, in the order of its pictures.

    azimuths: degrees from the first camera.  turns: whether the ring may stand at any azimuth; else its first camera is
    in front.  elevation: the only one that the network knows, in degrees; None where it takes any.  worded: whether the
    sentences say where a view stands, as they do for a network of single views.

    The cameras of a ring have one elevation, one field of view and one noise level.
    """

    azimuths: tuple[float, ...]
    turns: bool = True
    elevation: float | None = None
    worded: bool = False

    def __len__(self) -> int:
        """How many views there are."""
        return len(self.azimuths)


FOUR = ViewRing((0.0, 90.0, 180.0, 270.0))
"""MVDream's (arXiv 2308.16512, Sec. 3.2)."""
WORDED_FOUR = ViewRing(FOUR.azimuths, worded=True)
"""Those of the embedded model's sister (models/four_views.py)."""
SIX = ViewRing((0.0, 45.0, 90.0, 180.0, 270.0, 315.0), turns=False, elevation=0.0)
"""MV-Adapter's (arXiv 2412.03632, and the released code): always the same six, orthographic."""
