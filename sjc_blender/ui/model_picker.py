"""The choice of a model: the picker of those there are, what is known of the chosen one, the button that fetches it.

`draw` may come sixty times a second, so it reads what is remembered; a timer has the disk read in a thread
(models.Shelf).
"""

from __future__ import annotations

import re
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..backend.sjc.models import memory_plan
from ..models import catalogue, fetching, lookup
from . import labels, paragraph, ui_state
from .languages.messages import said

TICK_SECONDS = 0.1

ICONS = {"missing": "IMPORT", "bad": "ERROR"}

shelf = lookup.Shelf(lookup.look, lookup.stamp)
lists = lookup.Shelf(catalogue.listing, catalogue.stamp)  # by what was used before
offers: dict[str, fetching.Offer] = {}  # what the hub said of models that are not here
_wanted: set[tuple[lookup.Shelf[Any], str]] = set()


def draw(layout: Any, context: Any) -> None:
    """What is known of the scene's model."""
    model = context.scene.sjc.model
    found = shelf.known(model)
    for one, key in ((shelf, model), (lists, used(context))):
        if one.stale(key):
            _want(one, key)
    column = layout.column(align=True)
    if found is None:
        column.label(text="Looking for the model", icon="SORTTIME")
        return
    icon = ICONS.get(found.kind, "CHECKMARK")
    offer = offers.get(model.strip()) if found.kind == "missing" else None
    paragraph.paragraph(column, context, line(found, offer), icon=icon, most=6)
    if found.kind == "missing":
        _draw_missing(column, context, model)
    elif found.kind in ("folder", "cached"):
        fits, said_of_it = needs(found, context.scene.sjc.device, context.window_manager.sjc.backend_text)
        paragraph.paragraph(column, context, said_of_it, icon="MEMORY" if fits else "ERROR", most=4)


def needs(found: lookup.Found, device: str, backend: str) -> tuple[bool, str]:
    """(whether it fits, a sentence) of the memory that a model takes. backend: the doctor's line about its device."""
    on_cpu = device == "cpu" or backend.startswith("cpu")
    stated = re.search(r"(\d+) GB\)", backend)
    free = memory_plan.free_bytes("cpu") if on_cpu else int(stated[1]) * 2**30 if stated else None
    plan = lookup.memory(found, on_cpu, free)
    size = lookup.readable_size(plan.needed)
    if free is None:
        return True, iface_("Needs {} of memory").format(size)
    told = iface_("Needs {} of memory, there are {}").format(size, lookup.readable_size(free))
    if not plan.fits:
        return False, f"{told}: {iface_('too little, take a smaller model')}"
    if plan.network_in_pieces:
        return True, f"{told}: {iface_('the network comes layer by layer, which is slow')}"
    if plan.decoder_on_host:
        return True, f"{told}: {iface_('text encoders and autoencoder work on the CPU')}"
    if plan.texts_on_host:
        return True, f"{told}: {iface_('text encoders work on the CPU')}"
    return True, told


def _draw_missing(column: Any, context: Any, model: str) -> None:
    """Where a download would go, or what keeps Blender offline."""
    variable = lookup.hub_offline()
    if variable:
        kept = iface_("The variable {} keeps it offline: unset it and start Blender again").format(variable)
        paragraph.paragraph(column, context, kept, icon="INTERNET")
    elif not bpy.app.online_access:
        paragraph.paragraph(column, context, labels.OFFLINE, icon="INTERNET")
        column.operator("screen.userpref_show", text="Open Preferences", icon="PREFERENCES").section = "SYSTEM"
    else:
        offer = offers.get(model.strip())
        if offer and offer.problem:
            paragraph.paragraph(column, context, said(offer.problem), icon="ERROR", most=4)
        elif offer and offer.gated:
            paragraph.paragraph(column, context, labels.GATED, icon="LOCKED", most=6)
        if offer is None or offer.problem:
            column.operator("sjc.ask_size", icon="QUESTION").model = model
        column.operator("sjc.fetch_model", icon="IMPORT").model = model


def line(found: lookup.Found, offer: fetching.Offer | None = None) -> str:
    """An answer in the language of the interface. offer: what the hub said of a model that is not here."""
    if found.kind == "bad":
        return said(found.problem)
    size, licence = (offer.size, offer.licence) if offer else (found.size, found.licence)
    parts = [iface_(labels.MODEL_STATES[found.kind])]
    if size:
        parts.append(lookup.readable_size(size))
    if found.kind != "embedded":
        parts.append(str(found.folder))
    if licence:
        parts.append(iface_("licence {}").format(licence))
    return ", ".join(parts)


def used(context: Any) -> str:
    """The models of earlier jobs and of the scene, as `lists` asks by them."""
    past = sorted({entry.model for entry in context.window_manager.sjc.history})
    return catalogue.key_of([*past, context.scene.sjc.model])


def in_menu(name: str, found: lookup.Found) -> str:
    """A model's line in the picker: id, family, size, state."""
    shown = iface_("Embedded") if found.kind == "embedded" else name
    state = iface_(labels.PICKER_STATES[found.kind])
    if found.kind == "missing" and name in offers:
        found = lookup.Found("missing", found.folder, offers[name].size)
    size = lookup.readable_size(found.size) if found.size else ""
    return "  \N{MIDDLE DOT}  ".join(part for part in (shown, found.family, size, state) if part)


def draw_list(layout: Any, context: Any, hub_model: str) -> None:
    """The models there are, with what can be done with them; a hub id that is not here, with its size and download."""
    key = catalogue.key_of([*used(context).splitlines(), hub_model])
    if lists.stale(key):
        _want(lists, key)
    entries = lists.known(key)
    column = layout.column(align=True)
    if entries is None:
        column.label(text="Looking for models", icon="SORTTIME")
    for name, found in entries or ():
        row = column.row(align=True)
        row.label(text=in_menu(name, found), icon=ICONS.get(found.kind, "CHECKMARK"), translate=False)
        if found.kind == "cached":
            row.operator("sjc.remove_model", text="", icon="TRASH").model = name
        elif found.kind == "missing" and name == hub_model.strip():
            _draw_missing(layout.column(align=True), context, name)


class SJC_MT_models(bpy.types.Menu):
    """The picker."""

    bl_label, bl_description = "Models", "The models on this machine, and those that were used before"

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        entries = lists.known(used(context))
        if entries is None:
            self.layout.label(text="Looking for models", icon="SORTTIME")
        for name, found in entries or ():
            icon = ICONS.get(found.kind, "CHECKMARK")
            button = self.layout.operator("sjc.pick_model", text=in_menu(name, found), icon=icon, translate=False)
            button.model = name
        self.layout.separator()
        self.layout.operator("sjc.choose_model", text="Other Folder", icon="FILE_FOLDER")


CLASSES = (SJC_MT_models,)


def look_again() -> None:
    """The disk has changed by our doing."""
    shelf.forget()
    lists.forget()
    ui_state.redraw()


def tick() -> float | None:
    """One turn of the timer: has threads look, and draws what they found; None when all is known."""
    while _wanted:
        one, key = _wanted.pop()
        one.ask(key)
    if shelf.busy or lists.busy:
        return TICK_SECONDS
    ui_state.redraw()
    return None


def stop() -> None:
    """At switching off."""
    _wanted.clear()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def _want(one: lookup.Shelf[Any], key: str) -> None:
    _wanted.add((one, key))
    if not bpy.app.background and not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=0.0, persistent=True)
