"""The newest picture of a running job and its curves as icons, for the panel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import bpy.utils.previews
import numpy as np
from numpy.typing import NDArray

_MAX_ICONS = 4  # icons that may still stand on a screen about to be redrawn
_icons: bpy.utils.previews.ImagePreviewCollection | None = None
_plots: bpy.utils.previews.ImagePreviewCollection | None = None
_gallery: bpy.utils.previews.ImagePreviewCollection | None = None
_number = 0


def update(picture: Path | None) -> bool:
    """Load `picture` (.png); -> whether it is new. One that was loaded before, is None or not there changes nothing.

    Every snapshot has a picture of its own name, so a known path is an unchanged file. Not from `draw`: it reads a
    file.
    """
    global _icons  # noqa: PLW0603
    if picture is None or (_icons is not None and str(picture) in _icons) or not picture.is_file():
        return False
    if _icons is None:
        _icons = bpy.utils.previews.new()
    for old in list(_icons)[: 1 - _MAX_ICONS]:
        del _icons[old]
    _icons.load(str(picture), str(picture), "IMAGE")
    return True


def icon(picture: Path | None) -> int:
    """The icon's number, for `template_icon`, of a picture that `update` has loaded; 0 for others. Reads no disk."""
    if picture is None or _icons is None or str(picture) not in _icons:
        return 0
    number: int = _icons[str(picture)].icon_id
    return number


def gallery(pictures: Iterable[Path]) -> None:
    """Load these pictures (.png), and let those that are no longer among them go. Not from `draw`: it reads files."""
    global _gallery  # noqa: PLW0603
    wanted = {str(picture): picture for picture in pictures}
    if _gallery is None and not wanted:
        return
    if _gallery is None:
        _gallery = bpy.utils.previews.new()
    for old in set(_gallery) - set(wanted):
        del _gallery[old]
    for name, picture in wanted.items():
        if name not in _gallery and picture.is_file():
            _gallery.load(name, name, "IMAGE")


def in_gallery(picture: str) -> int:
    """The icon's number of a picture that `gallery` has loaded; 0 for others. Reads no disk."""
    return int(_gallery[picture].icon_id) if _gallery is not None and picture in _gallery else 0


def plot(name: str, pixels: NDArray[np.float32]) -> str:
    """Take `pixels` [H, W, 4], bottom row first, as the newest picture called `name`; -> the name that `plotted` knows.

    Every one has a name of its own: what stands on the screen must not change while it is drawn.
    """
    global _plots, _number  # noqa: PLW0603
    if _plots is None:
        _plots = bpy.utils.previews.new()
    for old in [key for key in _plots if key.rpartition(" ")[0] == name][:-1]:
        del _plots[old]
    _number += 1
    made = _plots.new(f"{name} {_number}")
    made.image_size = pixels.shape[1], pixels.shape[0]
    made.image_pixels_float.foreach_set(np.ascontiguousarray(pixels).reshape(-1))
    return f"{name} {_number}"


def plotted(key: str) -> int:
    """The icon's number of a picture that `plot` has taken; 0 for any other."""
    return int(_plots[key].icon_id) if _plots is not None and key in _plots else 0


def close() -> None:
    """Let all icons go, at switching off."""
    global _icons, _plots, _gallery  # noqa: PLW0603
    for icons in (_icons, _plots, _gallery):
        if icons is not None:
            bpy.utils.previews.remove(icons)
    _icons = _plots = _gallery = None
