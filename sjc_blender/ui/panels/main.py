"""The sidebar tab "SJC": prompt, the job at work, what went wrong, the queue, the history.

Drawing reads, and changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ... import user_preferences
from ...scene import preview
from .. import labels, paragraph, prompts, properties
from ..languages.messages import translated
from ..links import draw_link
from ..operators.results import draw_go_on
from .backend import draw_backend
from .sidebar import Child, Sidebar

PICTURE_SCALE, CURVE_SCALE, VARIANT_SCALE = 8.0, 4.0, 6.0
DEEPEST = 6  # indentations in the history
# code of a problem -> the buttons that mend it (operator, icon); what is locked or a bug can only be tried again
FIXES = {
    "input": (("sjc.edit_settings", "SETTINGS"),),
    "memory": (("sjc.free_memory", "TRASH"), ("sjc.edit_settings", "SETTINGS")),
    "disk": (("sjc.open_folder", "FILE_FOLDER"),),
    "folder": (("sjc.open_folder", "FILE_FOLDER"),),
    "backend": (("sjc.install_backend", "IMPORT"),),
    "worker": (("sjc.check_backend", "VIEWZOOM"),),
    "driver": (("sjc.install_backend", "IMPORT"),),
    "card": (("sjc.install_backend", "IMPORT"), ("sjc.edit_settings", "SETTINGS")),
    "processor": (("sjc.use_python", "FILEBROWSER"),),
    "venv": (("sjc.install_backend", "IMPORT"),),
    "bug": (("sjc.copy_report", "COPYDOWN"),),
    "host": (("sjc.check_other", "VIEWZOOM"),),
}


class SJC_PT_main(Sidebar, bpy.types.Panel):
    """Prompt and Generate, then what happens."""

    bl_label = "Text to 3D"

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout, runtime, group = self.layout, context.window_manager.sjc, context.scene.sjc
        if runtime.backend_state not in ("", "ready", "checking", "reaching") and not user_preferences.other_is_used():
            draw_backend(layout, context)
        column = layout.column()
        row = column.row(align=True)
        row.prop(group, "prompt", text="", placeholder=properties.PLACEHOLDER)
        row.popover(panel="SJC_PT_words", text="", icon="WORDWRAP_ON")
        if group.model in prompts.OWN_MODELS:
            column.operator("sjc.show_words", icon="QUESTION")
        column.label(text="Negative Prompt")
        column.prop(group, "negative_prompt", text="", placeholder=iface_("What to avoid"))
        row = layout.row()
        row.scale_y = 1.4
        row.operator("sjc.generate", text="Queue" if runtime.current else "Generate", icon="OUTLINER_OB_VOLUME")
        row.operator("sjc.variants", text="", icon="IMGDISPLAY")
        if runtime.variants:
            draw_variants(layout, runtime)
        current = runtime.jobs.get(runtime.current)
        if current:
            draw_running(layout, context, current)
            draw_curves(layout, runtime)
        failed = runtime.jobs.get(runtime.failed)
        if failed:
            draw_error(layout, context, failed)
        if runtime.queue_problem:
            paragraph.paragraph(
                layout, context, f"{translated(runtime.queue_problem)} {translated(runtime.queue_hint)}", icon="INFO"
            )


def draw_variants(layout: Any, runtime: Any) -> None:
    """The gallery of variants to choose from, while there are any."""
    column = layout.box().column()
    row = column.row()
    row.label(text="Variants")
    entries = [entry for name in runtime.variants.split() if (entry := runtime.jobs.get(name)) is not None]
    made_now = next((entry.name for entry in entries if entry.state in ("starting", "running")), "")
    if made_now:  # one process makes all of them, and ends with any
        row.operator("sjc.cancel", icon="CANCEL").job = made_now
    else:
        row.operator("sjc.clear_variants", text="", icon="X", emboss=False)
    grid = column.grid_flow(row_major=True, columns=2, even_columns=True)
    for entry in entries:
        cell = grid.column(align=True)
        icon = preview.in_gallery(entry.picture)
        if icon:
            cell.template_icon(icon_value=icon, scale=VARIANT_SCALE)
        if entry.state == "stopped":
            cell.operator("sjc.take_variant", icon="PLAY").job = entry.name
        elif entry.state == "failed":
            cell.label(text="Failed", icon="ERROR")
        else:
            share = f"{entry.progress:.0%}" if entry.stage == "optimise" else iface_(stage_of(entry))
            cell.progress(factor=entry.progress, text=share)


def draw_running(layout: Any, context: Any, entry: Any) -> None:
    """The job at work: stage, bar, step, time left, newest picture, and what can be done."""
    column = layout.box().column(align=True)
    paragraph.paragraph(column, context, entry.prompt, icon="VOLUME_DATA", max_lines=2)
    column.progress(factor=entry.progress, text=iface_(stage_of(entry)))
    if entry.total:
        row = column.row()
        row.label(text=iface_("Step {} of {}").format(entry.step, entry.total), translate=False)
        if entry.eta >= 0:
            left = row.row()
            left.alignment = "RIGHT"
            left.label(text=iface_("{} left").format(labels.duration(entry.eta)), translate=False)
    icon = preview.icon(Path(entry.picture)) if entry.picture else 0
    if icon:
        column.template_icon(icon_value=icon, scale=PICTURE_SCALE)
    if entry.colors in labels.COLORS:
        column.label(text=labels.COLORS[entry.colors], icon="COLOR")
    row = column.row(align=True)
    if entry.state == "paused":
        row.operator("sjc.resume", icon="PLAY").job = entry.name
    else:
        row.operator("sjc.pause", icon="PAUSE").job = entry.name
    row.operator("sjc.cancel", icon="CANCEL").job = entry.name
    if context.window_manager.sjc.freeing:
        column.label(text="The memory is freed when this job ends", icon="TRASH")
    else:
        column.operator("sjc.free_memory", icon="TRASH")
    draw_warnings(column, context, entry, most_recent=2)


def draw_warnings(layout: Any, context: Any, entry: Any, most_recent: int) -> None:
    """What a job has warned of, such as a film that is missing from the result: so many of its last warnings."""
    for warning in entry.warnings.splitlines()[-most_recent:]:
        paragraph.paragraph(layout, context, warning, icon="INFO", max_lines=3)


def draw_curves(layout: Any, runtime: Any) -> None:
    """What the steps measured so far, two a row."""
    if not runtime.curves or runtime.curves_of != runtime.current:
        return
    header, body = layout.panel("SJC_curves", default_closed=False)
    header.label(text="Curves")
    curves = list(runtime.curves) if body else []
    for pair in zip(curves[::2], [*curves[1::2], None], strict=False):
        row = body.row()
        for entry in filter(None, pair):
            cell = row.column(align=True)
            cell.label(text=f"{iface_(labels.metric_label(entry.name))}: {entry.value:.3g}", translate=False)
            icon = preview.plotted(entry.picture)
            if icon:
                cell.template_icon(icon_value=icon, scale=CURVE_SCALE)


def stage_of(entry: Any) -> str:
    """What a job is doing, in two words."""
    if entry.state == "running":
        return labels.STAGES.get(entry.stage, labels.STATES["running"][0])
    return labels.STATES.get(entry.state, labels.STATES["waiting"])[0]


def draw_error(layout: Any, context: Any, entry: Any) -> None:
    """What went wrong and what to do; it stays until the job is tried again or taken off the list."""
    column = layout.box().column(align=True)
    row = column.row()
    row.alert = True
    row.label(text=entry.prompt, icon="ERROR", translate=False)
    row.operator("sjc.remove", text="", icon="X", emboss=False).job = entry.name
    paragraph.paragraph(column, context, entry.problem_text)
    if entry.problem_hint:
        paragraph.paragraph(column, context, entry.problem_hint, icon="INFO")
    checked = context.window_manager.sjc.other_text
    if entry.problem_code == "host" and checked:
        paragraph.paragraph(column, context, checked, icon="VIEWZOOM", max_lines=4)
    row = column.row(align=True)
    row.operator("sjc.retry", icon="FILE_REFRESH").job = entry.name
    fixes = FIXES.get(entry.problem_code, ())
    row = column.row(align=True) if len(fixes) > 1 else row
    for operator, icon in fixes:
        button = row.operator(operator, icon=icon)
        if operator == "sjc.open_folder":
            button.folder = entry.folder
        if operator in ("sjc.edit_settings", "sjc.copy_report"):
            button.job = entry.name
    draw_link(column, entry.problem_code)
    row = column.row(align=True)
    row.operator("sjc.copy_error", icon="COPYDOWN").job = entry.name
    row.operator("sjc.open_log", icon="TEXT").folder = entry.folder


class PromptList:
    """A list whose search field looks at the prompts; an empty one costs nothing, however long the list is."""

    def filter_items(self, _context: Any, data: Any, name: str) -> tuple[list[int], list[int]]:
        """Called by Blender."""
        if not self.filter_name:  # type: ignore[attr-defined]
            return [], []
        flag, items = self.bitflag_filter_item, getattr(data, name)  # type: ignore[attr-defined]
        return bpy.types.UI_UL_list.filter_items_by_name(self.filter_name, flag, items, "prompt"), []  # type: ignore[attr-defined]


class SJC_UL_jobs(PromptList, bpy.types.UIList):
    """The queue, in the order of work."""

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_name, _index=0, _flag=0) -> None:
        """Called by Blender."""
        name, icon = labels.STATES.get(item.state, labels.STATES["waiting"])
        row = layout.row(align=True)
        row.label(text=item.prompt, icon=icon, translate=False)
        side = row.row()
        side.alignment = "RIGHT"
        side.label(text=f"{item.progress:.0%}" if item.state == "running" else iface_(name), translate=False)


class SJC_UL_history(PromptList, bpy.types.UIList):
    """Job folders, the newest first; what went on from a result stands below it."""

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_name, _index=0, _flag=0) -> None:
        """Called by Blender."""
        row = layout.row(align=True)
        for _ in range(min(item.depth, DEEPEST)):  # below the result that it went on from
            row.label(text="", icon="BLANK1")
        row.label(text=item.prompt, icon="MESH_DATA" if item.finished else "VOLUME_DATA", translate=False)
        side = row.row()
        side.alignment = "RIGHT"
        side.label(text=item.when, translate=False)


class SJC_PT_queue(Child, bpy.types.Panel):
    """What waits, runs and has ended."""

    bl_label = "Queue"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout, runtime = self.layout, context.window_manager.sjc
        if not runtime.jobs:
            layout.label(text="The queue is empty")
        else:
            row = layout.row()
            row.template_list("SJC_UL_jobs", "", runtime, "jobs", runtime, "active_job", rows=4)
            active = runtime.jobs[min(max(runtime.active_job, 0), len(runtime.jobs) - 1)]
            self._draw_buttons(row.column(align=True), active)
            if active.state == "stopped":
                at = iface_("Stopped at step {} of {}; Retry continues from there").format(active.step, active.total)
                paragraph.paragraph(layout, context, at)
            if active.state in ("finished", "stopped", "failed"):  # of the job at work they stand above
                draw_warnings(layout, context, active, most_recent=4)
        layout.operator("sjc.queue_from_text", icon="TEXT")

    def _draw_buttons(self, column: Any, active: Any) -> None:
        column.operator("sjc.remove", text="", icon="REMOVE").job = active.name
        side = column.column(align=True)
        side.enabled = active.state in ("stopped", "failed")
        side.operator("sjc.retry", text="", icon="FILE_REFRESH").job = active.name
        side = column.column(align=True)
        side.enabled = active.state == "waiting"
        for delta, icon in ((-1, "TRIA_UP"), (1, "TRIA_DOWN")):
            button = side.operator("sjc.move", text="", icon=icon)
            button.job, button.delta = active.name, delta
        column.operator("sjc.clear_finished", text="", icon="TRASH")


class SJC_PT_history(Child, bpy.types.Panel):
    """What was made earlier."""

    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout, runtime = self.layout, context.window_manager.sjc
        if not runtime.history:
            layout.label(text="No jobs in the output folder yet")
        else:
            layout.template_list("SJC_UL_history", "", runtime, "history", runtime, "active_history", rows=4)
            entry = runtime.history[min(max(runtime.active_history, 0), len(runtime.history) - 1)]
            row = layout.row(align=True)
            row.operator("sjc.import_result", text="Import", icon="IMPORT").filepath = entry.folder
            if entry.finished:
                row.operator("sjc.remesh", text="", icon="MESH_GRID").folder = entry.folder
            else:
                row.operator("sjc.resume_folder", icon="PLAY").folder = entry.folder
            row.operator("sjc.open_curves", text="", icon="GRAPH").folder = entry.folder
            row.operator("sjc.open_folder", text="", icon="FILE_FOLDER").folder = entry.folder
            layout.operator("sjc.reuse_settings", icon="SETTINGS").folder = entry.folder
            if entry.finished:
                draw_go_on(layout.column(align=True), entry.folder)
        row = layout.row(align=True)
        row.operator("sjc.refresh_history", icon="FILE_REFRESH")
        row.operator("sjc.import_result", text="Import Other", icon="FILEBROWSER")


CLASSES = (SJC_UL_jobs, SJC_UL_history, SJC_PT_main)  # the order of the sub-panels stands in panels/__init__
