"""The line below the choice of a model: what is known of it, and the button that fetches it.

`draw` may come sixty times a second, so it reads what is remembered; a timer has the disk read in a thread (models.Shelf).
"""

from __future__ import annotations

from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import fetching, models
from . import mirror, text, words
from .said import said

TICK_SECONDS = 0.1

shelf = models.Shelf()
offers: dict[str, fetching.Offer] = {}  # what the hub said of models that are not here
_wanted: set[str] = set()


def draw(layout: Any, context: Any) -> None:
    """What is known of the scene's model."""
    model = context.scene.sjc.model
    found = shelf.known(model)
    if shelf.stale(model):
        _want(model)
    column = layout.column(align=True)
    if found is None:
        column.label(text="Looking for the model", icon="SORTTIME")
        return
    icon = {"missing": "IMPORT", "bad": "ERROR"}.get(found.kind, "CHECKMARK")
    offer = offers.get(model.strip()) if found.kind == "missing" else None
    text.paragraph(column, context, line(found, offer), icon=icon, most=6)
    if found.kind == "missing":
        _draw_missing(column, context, model)


def _draw_missing(column: Any, context: Any, model: str) -> None:
    """Where a download would go, or what keeps Blender offline."""
    variable = models.hub_offline()
    if variable:
        kept = iface_("The variable {} keeps it offline: unset it and start Blender again").format(variable)
        text.paragraph(column, context, kept, icon="INTERNET")
    elif not bpy.app.online_access:
        text.paragraph(column, context, words.OFFLINE, icon="INTERNET")
        column.operator(
            "screen.userpref_show", text="Open Preferences", icon="PREFERENCES"
        ).section = "SYSTEM"
    else:
        offer = offers.get(model.strip())
        if offer and offer.problem:
            text.paragraph(column, context, said(offer.problem), icon="ERROR", most=4)
        elif offer and offer.gated:
            text.paragraph(column, context, words.GATED, icon="LOCKED", most=6)
        if offer is None or offer.problem:
            column.operator("sjc.ask_size", icon="QUESTION").model = model
        column.operator("sjc.fetch_model", icon="IMPORT").model = model


def line(found: models.Found, offer: fetching.Offer | None = None) -> str:
    """An answer in the language of the interface. offer: what the hub said of a model that is not here."""
    if found.kind == "bad":
        return said(found.problem)
    size, licence = (offer.size, offer.licence) if offer else (found.size, found.licence)
    parts = [iface_(words.MODEL_STATES[found.kind])]
    if size:
        parts.append(models.readable_size(size))
    if found.kind != "embedded":
        parts.append(str(found.folder))
    if licence:
        parts.append(iface_("licence {}").format(licence))
    return ", ".join(parts)


def look_again() -> None:
    """The disk has changed by our doing."""
    shelf.forget()
    mirror.redraw()


def tick() -> float | None:
    """One turn of the timer: has threads look, and draws what they found; None when all is known."""
    while _wanted:
        shelf.ask(_wanted.pop())
    if shelf.busy:
        return TICK_SECONDS
    mirror.redraw()
    return None


def stop() -> None:
    """At switching off."""
    _wanted.clear()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def _want(model: str) -> None:
    _wanted.add(model)
    if not bpy.app.background and not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=0.0, persistent=True)
