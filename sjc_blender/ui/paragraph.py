"""Words that do not fit on one line: Blender's labels have no wrapping."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import Any

from .languages.messages import translated

PIXELS_PER_COLUMN = 7.0  # of the interface font at scale 1, about
MARGIN = 40  # pixels that a panel's frame takes
FEWEST = 16  # columns


def columns(context: Any, dialog_width: int = 0) -> int:
    """How many Latin letters fit into a line of the region that is drawn, or of a dialog `dialog_width` pixels wide.

    While a dialog is drawn, the context's region is the one behind it.
    """
    region, scale = context.region, context.preferences.system.ui_scale or 1.0  # 0 without a window
    if not dialog_width and not region:
        return 40
    width = dialog_width or region.width / scale
    return max(FEWEST, int((width - MARGIN) / PIXELS_PER_COLUMN))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; an East Asian letter takes two, a long word is broken."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    width = max(FEWEST // 2, int(width * len(text) / (len(text) + wide))) if text else width
    return [line for part in text.splitlines() for line in textwrap.wrap(part, width) or [""]]


def paragraph(
    layout: Any, context: Any, text: str, icon: str = "NONE", max_lines: int = 8, dialog_width: int = 0
) -> None:
    """A text in several labels, translated as a whole, cut after `max_lines` lines.

    dialog_width: see `columns`.
    """
    lines = wrapped(translated(text), columns(context, dialog_width) - (3 if icon != "NONE" else 0))
    column = layout.column(align=True)
    for number, line in enumerate(lines[:max_lines]):
        shown = f"{line} ..." if number == max_lines - 1 and len(lines) > max_lines else line
        column.label(text=shown, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE", translate=False)
