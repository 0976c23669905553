"""Buttons that open the page from which somebody gets what is missing."""

from __future__ import annotations

from typing import Any

from bpy.app.translations import pgettext_iface as iface_

from . import labels


def draw_link(layout: Any, code: str) -> None:
    """The button for a problem of that code, if there is one."""
    if code in labels.LINKS:
        text, page = labels.LINKS[code]
        layout.operator("wm.url_open", text=iface_(text), translate=False, icon="URL").url = page
