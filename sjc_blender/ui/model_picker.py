"""The choice of a model: the picker of those there are, what is known of the chosen one, the button that fetches it.

`draw` may come sixty times a second, so it reads what is remembered; a timer has the disk read in a thread
(lookup.ModelCache).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import places
from ..backend.sjc.models import curated, families, memory_plan
from ..models import catalogue, checking, fetching, lookup
from . import labels, paragraph, ui_state
from .languages.messages import translated

TICK_SECONDS = 0.1

ICONS = {"missing": "IMPORT", "bad": "ERROR"}

model_cache = lookup.ModelCache(lookup.look, lookup.stamp)
list_cache = lookup.ModelCache(catalogue.listing, catalogue.stamp)  # by what was used before
downloads: dict[str, fetching.DownloadInfo] = {}  # what the hub said of models that are not here
reports: dict[str, checking.ModelReport] = {}  # what checks came to, since Blender started
_wanted: set[tuple[lookup.ModelCache[Any], str]] = set()


def draw(layout: Any, context: Any) -> None:
    """What is known of the scene's model."""
    model = places.whole_paths(context.scene.sjc.model)
    info = model_cache.known(model)
    for one, key in ((model_cache, model), (list_cache, used_models(context))):
        if one.stale(key):
            _want(one, key)
    column = layout.column(align=True)
    if info is None:
        column.label(text="Looking for the model", icon="SORTTIME")
        return
    icon = ICONS.get(info.kind, "CHECKMARK")
    download = downloads.get(model.strip()) if info.kind == "missing" else None
    paragraph.paragraph(column, context, description_of(info, download), icon=icon, max_lines=6)
    if info.kind == "missing":
        _draw_missing(column, context, model)
    elif info.kind in ("folder", "file", "cached"):
        fits, text = memory_note(info, context.scene.sjc.device, context.window_manager.sjc.backend_text)
        paragraph.paragraph(column, context, text, icon="MEMORY" if fits else "ERROR", max_lines=4)
    if info.views > 1:
        text = iface_("This model sees {} views at once").format(info.views)
        paragraph.paragraph(column, context, text, icon="CAMERA_DATA")
    if info.kind in ("embedded", "folder", "file", "cached"):
        _draw_check(column, context, model.strip())


def _draw_check(column: Any, context: Any, model: str) -> None:
    """What the last check of a model came to, and the button that begins one."""
    report = reports.get(model)
    if report:
        for check in report.checks:
            icon = "CHECKMARK" if check["ok"] else "ERROR"
            paragraph.paragraph(column, context, translated(check["text"]), icon=icon, max_lines=6)
        row = column.row(align=True)
        row.operator("sjc.open_model_report", icon="IMAGE_DATA").folder = str(report.folder)
        row.operator("sjc.open_folder", text="", icon="FILE_FOLDER").folder = str(report.folder)
    column.operator("sjc.check_model", icon="VIEWZOOM").model = model


def taken_over(context: Any) -> dict[str, Any]:
    """The settings that a model of several views decides itself, in place of the panel's; {} for every other model."""
    group = context.scene.sjc
    info = model_cache.known(places.whole_paths(group.model))
    at_once = families.ADAPTED_VIEWS if group.mv_adapter.strip() else info.views if info else 1
    if at_once == 1:
        return {}
    views = group.views_per_step if group.views_per_step % at_once == 0 else at_once
    words = {} if info and info.worded and info.views > 1 else {"view_words": "none"}
    return {"views_per_step": views, **words, "perp_neg": 0.0}


def memory_note(info: lookup.ModelInfo, device: str, backend: str) -> tuple[bool, str]:
    """(whether it fits, a sentence) of the memory that a model takes. backend: the doctor's line about its device."""
    on_cpu = device == "cpu" or backend.startswith("cpu")
    stated = re.search(r"(\d+) GB\)", backend)
    free = memory_plan.free_bytes("cpu") if on_cpu else int(stated[1]) * 2**30 if stated else None
    plan = lookup.memory(info, on_cpu, free)
    size = lookup.readable_size(plan.needed)
    if free is None:
        return True, iface_("Needs {} of memory").format(size)
    text = iface_("Needs {} of memory, {} available").format(size, lookup.readable_size(free))
    if not plan.fits:
        return False, f"{text}: {iface_('too little, choose a smaller model')}"
    if plan.network_in_pieces:
        return True, f"{text}: {iface_('the network is loaded layer by layer, which is slow')}"
    if plan.decoder_on_host:
        return True, f"{text}: {iface_('text encoders and autoencoder run on the CPU')}"
    if plan.texts_on_host:
        return True, f"{text}: {iface_('text encoders run on the CPU')}"
    return True, text


def _draw_offline(column: Any, context: Any) -> bool:
    """What keeps Blender offline; whether anything does."""
    variable = lookup.hub_offline()
    if variable:
        text = iface_("The environment variable {} blocks downloads: unset it and restart Blender").format(variable)
        paragraph.paragraph(column, context, text, icon="INTERNET")
    elif not bpy.app.online_access:
        paragraph.paragraph(column, context, labels.OFFLINE, icon="INTERNET")
        column.operator("screen.userpref_show", text="Open Preferences", icon="PREFERENCES").section = "SYSTEM"
    return bool(variable) or not bpy.app.online_access


def _draw_missing(column: Any, context: Any, model: str) -> None:
    """Where a download would go, or what keeps Blender offline."""
    if not _draw_offline(column, context):
        _draw_answer(column, context, model)
        if not _sized(model):
            column.operator("sjc.ask_size", icon="QUESTION").model = model
        column.operator("sjc.fetch_model", icon="IMPORT").model = model


def _sized(model: str) -> bool:
    """Whether the hub has said how large a model is."""
    download = downloads.get(model.strip())
    return download is not None and not download.problem


def _draw_answer(column: Any, context: Any, model: str) -> None:
    """The hub's refusal: an error, or that only some accounts may download it. Draws nothing otherwise."""
    download = downloads.get(model.strip())
    if download is None or not (download.problem or download.gated):
        return
    if download.problem:
        paragraph.paragraph(column, context, translated(download.problem), icon="ERROR", max_lines=4)
    else:
        paragraph.paragraph(column, context, labels.GATED, icon="LOCKED", max_lines=6)
    column.operator("sjc.sign_in", icon="LOCKED")


def note_size(model: str, size: int) -> None:
    """Remember what the hub said of a model's size when its download began."""
    downloads[model] = replace(downloads.get(model, fetching.DownloadInfo()), size=size, problem="")


def size_text(model: str) -> str:
    """How large a download is: by the hub's word, else about what the short list says; "" where nobody knows."""
    entry, download = curated.find(model), downloads.get(model.strip())
    if download and download.size:
        return lookup.readable_size(download.size)
    return iface_("about {}").format(lookup.readable_size(entry.size)) if entry else ""


def description_of(info: lookup.ModelInfo, download: fetching.DownloadInfo | None = None) -> str:
    """An answer in the language of the interface. download: what the hub said of a model that is not here."""
    if info.kind == "bad":
        return translated(info.problem)
    size, licence = (download.size, download.licence) if download else (info.size, info.licence)
    parts = [iface_(labels.MODEL_STATES[info.kind])]
    if size:
        parts.append(lookup.readable_size(size))
    if info.kind != "embedded":
        parts.append(str(info.folder))
    if licence:
        parts.append(iface_("license {}").format(licence))
    if info.views > 1:
        parts.append(iface_("multi-view"))
    return ", ".join(parts)


def used_models(context: Any) -> str:
    """The models of earlier jobs and of the scene, as `lists` asks by them."""
    earlier = sorted({entry.model for entry in context.window_manager.sjc.history})
    return catalogue.key_of([*earlier, places.whole_paths(context.scene.sjc.model)])


def menu_label(name: str, info: lookup.ModelInfo) -> str:
    """A model's line in the picker: id, family, whether it sees several views at once, size, state."""
    shown = iface_("Embedded") if name == "embedded" else name
    state = iface_(labels.PICKER_STATES[info.kind])
    if info.kind == "missing" and name in downloads:
        info = lookup.ModelInfo("missing", info.folder, downloads[name].size)
    size = lookup.readable_size(info.size) if info.size else ""
    several = iface_("multi-view") if info.views > 1 else ""
    return _joined(shown, info.family, several, size, state)


def draw_list(layout: Any, context: Any, hub_model: str) -> None:
    """The models there are, with what can be done with them; a hub id that is not here, with its size and download."""
    key = catalogue.key_of([*used_models(context).splitlines(), hub_model])
    if list_cache.stale(key):
        _want(list_cache, key)
    entries = list_cache.known(key)
    column = layout.column(align=True)
    if entries is None:
        column.label(text="Looking for models", icon="SORTTIME")
    for name, info in entries or ():
        row = column.row(align=True)
        row.label(text=menu_label(name, info), icon=ICONS.get(info.kind, "CHECKMARK"), translate=False)
        if info.kind == "cached":
            row.operator("sjc.remove_model", text="", icon="TRASH").model = name
        elif info.kind == "missing" and name == hub_model.strip():
            _draw_missing(layout.column(align=True), context, name)


def draw_curated(layout: Any, context: Any) -> None:
    """The short list: what each is good for, what it takes, whether it was tried, and a button that downloads it."""
    layout.label(text="Models to Begin With")
    _draw_offline(layout.column(align=True), context)
    for entry in curated.CURATED:
        if model_cache.stale(entry.model):
            _want(model_cache, entry.model)
        info = model_cache.known(entry.model)
        here = info is not None and info.kind == "cached"
        column = layout.column(align=True)
        row = column.row(align=True)
        size = lookup.readable_size(info.size) if info and here else size_text(entry.model)
        row.label(text=_joined(entry.name, size), icon="CHECKMARK" if here else "IMPORT", translate=False)
        if here:
            row.operator("sjc.pick_model", icon="FORWARD").model = entry.model
        else:
            if not _sized(entry.model):
                row.operator("sjc.ask_size", text="", icon="QUESTION").model = entry.model
            row.operator("sjc.fetch_model", icon="IMPORT").model = entry.model
            _draw_answer(column, context, entry.model)
        download = downloads.get(entry.model)
        licence = (download.licence if download else "") or entry.licence
        memory = iface_("Needs {} of memory").format(lookup.readable_size(entry.memory))
        column.label(text=_joined(memory, iface_("license {}").format(licence)), translate=False)
        paragraph.paragraph(column, context, f"{translated(entry.good_for)} {translated(entry.tried)}", max_lines=4)


def _joined(*parts: str) -> str:
    return "  \N{MIDDLE DOT}  ".join(filter(None, parts))


class SJC_MT_models(bpy.types.Menu):
    """The picker."""

    bl_label, bl_description = "Models", "Models on this computer, and models used before"

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        entries = list_cache.known(used_models(context))
        if entries is None:
            self.layout.label(text="Looking for models", icon="SORTTIME")
        for name, info in entries or ():
            icon = ICONS.get(info.kind, "CHECKMARK")
            button = self.layout.operator("sjc.pick_model", text=menu_label(name, info), icon=icon, translate=False)
            button.model = name
        self.layout.separator()
        self.layout.operator("sjc.choose_model", text="Other Folder or File", icon="FILE_FOLDER")


CLASSES = (SJC_MT_models,)


def look_again() -> None:
    """The disk has changed by our doing."""
    model_cache.forget()
    list_cache.forget()
    ui_state.redraw()


def tick() -> float | None:
    """One turn of the timer: has threads look, and draws what they found; None when all is known."""
    while _wanted:
        one, key = _wanted.pop()
        one.ask(key)
    if model_cache.busy or list_cache.busy:
        return TICK_SECONDS
    ui_state.redraw()
    return None


def stop() -> None:
    """At switching off."""
    _wanted.clear()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def _want(one: lookup.ModelCache[Any], key: str) -> None:
    _wanted.add((one, key))
    if not bpy.app.background and not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=0.0, persistent=True)
