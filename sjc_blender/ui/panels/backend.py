"""The backend's state line with the button that mends it, and its sub-panel."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import labels, paragraph
from ..languages.messages import translated
from ..links import draw_link
from .sidebar import Child

ICONS = {
    "missing": "IMPORT",
    "ready": "CHECKMARK",
    "broken": "ERROR",
    "installing": "SORTTIME",
    "checking": "SORTTIME",
    "fetching": "SORTTIME",
    "asking": "SORTTIME",
    "signing in": "SORTTIME",
    "removing": "SORTTIME",
    "measuring": "SORTTIME",
    "reaching": "SORTTIME",
}
AT_WORK = ("installing", "checking", "fetching", "asking", "signing in", "removing", "measuring", "reaching")
# Of which nobody here knows how much there is, at first.
NO_SHARE = ("fetching", "asking", "signing in", "removing", "reaching")


def draw_backend(layout: Any, context: Any) -> None:
    """The state, and what to do about it. The same in the panel, in the preferences, and where a start is refused."""
    runtime = context.window_manager.sjc
    state = runtime.backend_state
    column = layout.column(align=True)
    if state in AT_WORK:
        _draw_work(column, context, runtime)
        return
    column.label(
        text=labels.BACKEND_STATES.get(state, labels.BACKEND_STATES["missing"]), icon=ICONS.get(state, "IMPORT")
    )
    if state in ("ready", "broken") and runtime.backend_text:
        paragraph.paragraph(column, context, runtime.backend_text)
    if runtime.backend_problem:
        paragraph.paragraph(column, context, runtime.backend_problem, icon="ERROR")
    if state != "ready" or runtime.backend_problem or runtime.backend_code in labels.LINKS:
        draw_link(column, runtime.backend_code)
    if runtime.backend_stale:
        paragraph.paragraph(
            column, context, "It belongs to another version of the add-on; install it again", icon="INFO"
        )
    if state != "ready" or runtime.backend_stale:
        _draw_mend(column, context, state)


def _draw_work(column: Any, context: Any, runtime: Any) -> None:
    column.label(text=labels.BACKEND_STATES[runtime.backend_state], icon=ICONS[runtime.backend_state])
    if runtime.backend_state not in NO_SHARE or runtime.backend_factor:
        column.progress(factor=runtime.backend_factor, text=f"{runtime.backend_factor:.0%}")
    if runtime.backend_text:
        paragraph.paragraph(column, context, runtime.backend_text, max_lines=6)
    row = column.row(align=True)
    row.operator("sjc.cancel_install", icon="CANCEL")
    if runtime.backend_state == "installing":
        row.operator("sjc.open_log", icon="TEXT").folder = ""


def _draw_mend(column: Any, context: Any, state: str) -> None:
    column.operator("sjc.install_backend", icon="IMPORT")
    column.operator("sjc.use_python", icon="FILEBROWSER")
    if not bpy.app.online_access:
        paragraph.paragraph(
            column, context, "To install, allow Online Access in Preferences > System > Network", icon="INTERNET"
        )
        column.operator("screen.userpref_show", text="Open Preferences", icon="PREFERENCES").section = "SYSTEM"
    if state == "broken":
        row = column.row(align=True)
        row.operator("sjc.copy_error", icon="COPYDOWN").job = ""
        row.operator("sjc.open_log", icon="TEXT").folder = ""


def _draw_checks(column: Any, context: Any, lines: str) -> None:
    """The doctor's lines: "torch: 2.11"; more sentences to one stand below it, without a name."""
    for line in lines.splitlines():
        name, _, text = line.partition(": ")
        if name in labels.CHECKS:
            heading = iface_(labels.CHECKS[name])
            paragraph.paragraph(column, context, f"{heading}: {translated(text)}", max_lines=4)
        else:
            paragraph.paragraph(column, context, line, icon="BLANK1", max_lines=6)


class SJC_PT_backend(Child, bpy.types.Panel):
    """What computes."""

    bl_label = "Backend"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout, runtime = self.layout, context.window_manager.sjc
        draw_backend(layout, context)
        _draw_checks(layout.column(align=True), context, runtime.backend_lines)
        if runtime.backend_python:
            paragraph.paragraph(layout, context, runtime.backend_python, icon="SCRIPT", max_lines=4)
            layout.operator("sjc.check_backend", icon="FILE_REFRESH")
        if runtime.worker_alive:
            device = runtime.worker_device or iface_("starting")
            layout.label(text=iface_("Worker: {}").format(device), icon="MEMORY", translate=False)
        layout.operator("sjc.free_memory", icon="TRASH")
