"""Reference pictures as text: FILE@VIEW, with commas between several.  Standard library only.

A view is a name (front, right, back, left, top, bottom; side is right), or the camera's azimuth and elevation in
degrees ("30,20"), or these with its distance from the middle of the object's box, which is 2 wide, and its field of
view ("30,20,3,36").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import SjcError
from .paths import tidy

VIEWS = {
    "front": (0.0, 0.0), "right": (90.0, 0.0), "side": (90.0, 0.0), "back": (180.0, 0.0), "left": (270.0, 0.0),
    "top": (0.0, 90.0), "bottom": (0.0, -90.0),
}  # fmt: skip
LIMITS = (("azimuth", -360, 360), ("elevation", -90, 90), ("distance", 0.1, 20), ("field of view", 1, 150))
MOST_PICTURES = 16
_NUMBER = r"[+-]?[0-9]{1,6}(?:\.[0-9]{0,9})?"
_PICTURE = re.compile(rf"\s*(?P<file>[^@].*?)@(?P<view>[A-Za-z]+|{_NUMBER}(?:\s*,\s*{_NUMBER})*)\s*(?:,(?=\s*\S)|$)")


@dataclass(frozen=True)
class View:
    """Where a picture was taken from: degrees, as in `field.cameras`; distance and fov 0 for the job's own."""

    azimuth: float
    elevation: float
    distance: float = 0.0
    fov: float = 0.0


def split(text: str) -> list[tuple[str, str]]:
    """[(file, "@view")] of a list. Raises SjcError, one line, for what is none."""
    parts, position = [], 0
    while position < len(text):
        match = _PICTURE.match(text, position)
        if match is None:
            raise SjcError(
                f'picture: "{text[position:].strip()[:60]}" is no picture with a view; write FILE@front, or FILE@30,20 '
                "for azimuth and elevation in degrees."
            )
        parts.append((tidy(match["file"]), f"@{match['view']}"))
        position = match.end()
    if len(parts) > MOST_PICTURES:
        raise SjcError(f"picture: {len(parts)} pictures are too many; give at most {MOST_PICTURES}.")
    for file, view in parts:
        view_of(file, view)
    return parts


def view_of(file: str, view: str) -> View:
    """The view of "@front" or "@30,20". Raises SjcError, one line."""
    name = view.removeprefix("@").strip()
    if name.lower() in VIEWS:
        return View(*VIEWS[name.lower()])
    if name.isalpha():
        raise SjcError(f'picture: {file} has the view "{name}"; use one of {", ".join(VIEWS)}, or two angles.')
    numbers = [float(number) for number in name.split(",")]
    if len(numbers) not in (2, 4):
        raise SjcError(
            f"picture: {file} has a view of {len(numbers)} numbers; give azimuth and elevation, or these with distance "
            "and field of view."
        )
    for number, (what, low, high) in zip(numbers, LIMITS, strict=False):
        if not (math.isfinite(number) and low <= number <= high):
            raise SjcError(f"picture: {file} has the {what} {number:g}; use {low} to {high}.")
    return View(*numbers)


def joined(pictures: Iterable[str]) -> str:
    """Several texts as one."""
    return ", ".join(text.strip() for text in pictures)
