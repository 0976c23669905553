"""Buttons for results and for what went wrong: import, reuse, log, error text, folder.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from pathlib import Path
from typing import Any

import bpy
from bpy_extras.io_utils import ImportHelper

from ... import api, live
from ...backend.sjc import foreign
from ...backend.sjc.check.place import PICTURE
from ...backend.sjc.errors import SjcError
from ...backend.sjc.job.folder import stored_settings
from .. import backend_task, properties, ui_state
from .common import Button

LOG = "worker.log"


def _folder() -> Any:
    return bpy.props.StringProperty(
        name="Folder", description="A job folder", subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"}
    )


class SJC_OT_import_result(Button, bpy.types.Operator, ImportHelper):
    """Import a job made elsewhere from its .sjc file or folder: its mesh, or its newest volume if it is unfinished"""

    bl_idname, bl_label = "sjc.import_result", "Import SJC Result"
    filename_ext = ".sjc"
    filter_glob: bpy.props.StringProperty(default="*.sjc", options={"HIDDEN"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Dropped files come in at once; else the file browser opens."""
        if self.properties.is_property_set("files") or self.properties.is_property_set("filepath"):
            return self.execute(context)
        return super().invoke(context, event)

    def act(self, _context: Any) -> None:
        """As `api.import_result`, for every file."""
        names = [item.name for item in self.files if item.name]
        paths = [Path(self.directory, name) for name in names] if self.directory and names else [Path(self.filepath)]
        for number, path in enumerate(paths):  # several stand beside each other
            api.import_result(path, location=live.in_a_row(number))


class SJC_FH_result(bpy.types.FileHandler):
    """Drop a .sjc file into a 3D viewport."""

    bl_idname, bl_label = "SJC_FH_result", "SJC Result"
    bl_import_operator, bl_file_extensions = SJC_OT_import_result.bl_idname, SJC_OT_import_result.filename_ext

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        """Where objects can stand."""
        return context.area is not None and context.area.type == "VIEW_3D"


class SJC_OT_reuse_settings(Button, bpy.types.Operator):
    """Copy the prompt, seed and all settings of this result to the panel"""

    bl_idname, bl_label = "sjc.reuse_settings", "Use These Settings"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    folder: _folder()

    def act(self, context: Any) -> None:
        """From the folder's settings; without a folder from the selected result, which carries them."""
        stored = stored_settings(Path(self.folder)) if self.folder else _carried(context.active_object)
        folder = Path(self.folder or str(context.active_object.get("folder", "")))
        values, left_out = properties.usable(stored, folder)
        properties.apply(context.scene.sjc, values)
        if left_out:
            text = bpy.app.translations.pgettext_rpt("These settings no longer exist and are left out: {}")
            self.report({"WARNING"}, text.format(", ".join(map(foreign.shown, left_out))))


def _carried(target: Any) -> dict[str, Any]:
    """The settings that a result in the scene carries. Raises SjcError."""
    try:
        values = foreign.parsed(target["settings"])
    except (KeyError, TypeError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise SjcError("Select a mesh made by this add-on")
    return values


class SJC_OT_resume_folder(Button, bpy.types.Operator):
    """Continue this unfinished job from its last checkpoint"""

    bl_idname, bl_label = "sjc.resume_folder", "Resume"
    folder: _folder()

    def act(self, _context: Any) -> None:
        """As `api.resume_folder`."""
        api.resume_folder(self.folder)


class SJC_OT_refresh_history(Button, bpy.types.Operator):
    """Update the list of jobs in the output folder"""

    bl_idname, bl_label = "sjc.refresh_history", "Refresh"

    def act(self, _context: Any) -> None:
        """Read the folder."""
        ui_state.refresh_history()


class SJC_OT_copy_error(Button, bpy.types.Operator):
    """Copy the error message and its details to the clipboard"""

    bl_idname, bl_label = "sjc.copy_error", "Copy"
    job: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: Any) -> None:
        """To the clipboard."""
        context.window_manager.clipboard = error_text(context.window_manager.sjc, self.job)


def error_text(runtime: Any, job_id: str) -> str:
    """What there is to say of a job that failed, or of the backend (no id)."""
    entry = runtime.jobs.get(job_id)
    if entry is None:
        return "\n".join(
            line for line in (runtime.backend_problem or runtime.backend_text, runtime.backend_lines) if line
        )
    parts = (entry.prompt, entry.problem_text, entry.problem_hint, entry.problem_details, entry.folder)
    return "\n".join(part for part in parts if part)


class SJC_OT_open_log(Button, bpy.types.Operator):
    """Open the log of the worker or of the installation in the system's default program"""

    bl_idname, bl_label = "sjc.open_log", "Open Log"
    folder: _folder()

    def act(self, _context: Any) -> None:
        """The job's log; without a folder that of the installation."""
        path = Path(self.folder, LOG) if self.folder else backend_task.home() / "install.log"
        _open(path, "There is no log yet: {}")


class SJC_OT_open_curves(Button, bpy.types.Operator):
    """Open a plot of this job's measurements over its steps: noise level, score, opacity, emptiness, gradient"""

    bl_idname, bl_label = "sjc.open_curves", "Open Curves"
    folder: _folder()

    def act(self, _context: Any) -> None:
        """The job's curves.png, which it writes at its end."""
        _open(Path(self.folder, "curves.png"), "There are no curves yet: {}")


class SJC_OT_open_model_report(Button, bpy.types.Operator):
    """Open the picture of this check: errors by noise level, the model's own images, colors"""

    bl_idname, bl_label = "sjc.open_model_report", "Open Report"
    folder: _folder()

    def act(self, _context: Any) -> None:
        """The check's check.png."""
        _open(Path(self.folder, PICTURE), "There is no report: {}")


class SJC_OT_open_folder(Button, bpy.types.Operator):
    """Open the folder in the system's file browser"""

    bl_idname, bl_label = "sjc.open_folder", "Open Folder"
    folder: _folder()

    def act(self, context: Any) -> None:
        """The job's folder; without one the output folder."""
        _open(Path(self.folder or context.window_manager.sjc.output_folder), "The folder does not exist: {}")


def _open(path: Path, missing: str) -> None:
    if not path.exists():
        raise SjcError(bpy.app.translations.pgettext_rpt(missing).format(path))
    bpy.ops.wm.path_open(filepath=str(path))


def draw_import(self: Any, _context: Any) -> None:
    """File > Import."""
    self.layout.operator(SJC_OT_import_result.bl_idname, text="SJC Result (.sjc)")


def draw_add(self: Any, _context: Any) -> None:
    """Add > Mesh."""
    self.layout.separator()
    self.layout.operator_context = "INVOKE_DEFAULT"
    self.layout.operator("sjc.add", text="Text to 3D (SJC)", icon="OUTLINER_OB_VOLUME")


MENUS = (("TOPBAR_MT_file_import", draw_import), ("VIEW3D_MT_mesh_add", draw_add))

CLASSES = (
    SJC_OT_import_result, SJC_FH_result, SJC_OT_reuse_settings, SJC_OT_resume_folder, SJC_OT_refresh_history,
    SJC_OT_copy_error, SJC_OT_open_log, SJC_OT_open_curves, SJC_OT_open_model_report,
    SJC_OT_open_folder,
)  # fmt: skip
