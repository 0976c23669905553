"""The newest picture of a running job as an icon, for the panel."""

from __future__ import annotations

from pathlib import Path

import bpy.utils.previews

_KEPT = 4  # icons that may still stand on a screen about to be redrawn
_icons: bpy.utils.previews.ImagePreviewCollection | None = None


def update(picture: Path | None) -> bool:
    """Load `picture` (.png); -> whether it is new. One that was loaded before, is None or not there changes nothing.

    Every snapshot has a picture of its own name, so a known path is an unchanged file. Not from `draw`: it reads a file.
    """
    global _icons  # noqa: PLW0603
    if picture is None or (_icons is not None and str(picture) in _icons) or not picture.is_file():
        return False
    if _icons is None:
        _icons = bpy.utils.previews.new()
    for old in list(_icons)[: 1 - _KEPT]:
        del _icons[old]
    _icons.load(str(picture), str(picture), "IMAGE")
    return True


def icon(picture: Path | None) -> int:
    """The icon's number of a picture that `update` has loaded, for `template_icon`; 0 for any other. Touches no disk."""
    if picture is None or _icons is None or str(picture) not in _icons:
        return 0
    number: int = _icons[str(picture)].icon_id
    return number


def close() -> None:
    """Let all icons go, at switching off."""
    global _icons  # noqa: PLW0603
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
