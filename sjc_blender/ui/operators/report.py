"""The button that gathers what a report of a bug needs.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

import platform
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bpy

from ... import places
from ...problems import Problem
from ...queue.records import JobRecord
from ...report import LOG_LINES, report
from .. import backend_task, ui_state
from .common import Button, job_property
from .scene import LOG


class SJC_OT_copy_report(Button, bpy.types.Operator):
    """Copy versions, settings and the last lines of the log to the clipboard, to report a bug with"""

    bl_idname, bl_label = "sjc.copy_report", "Copy Report"
    job: job_property()
    prompt: bpy.props.BoolProperty(
        name="Include the Prompt", description="Leave the prompt and the negative prompt in the report"
    )
    paths: bpy.props.BoolProperty(
        name="Include Paths", description="Leave the names of folders on this computer in the report"
    )

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask what may be in it."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Copy Report")

    def draw(self, _context: Any) -> None:
        """Two boxes to tick."""
        self.layout.prop(self, "prompt")
        self.layout.prop(self, "paths")

    def act(self, context: Any) -> None:
        """To the clipboard."""
        record = ui_state.job_with(self.job).record
        context.window_manager.clipboard = of_job(record, prompt=self.prompt, paths=self.paths)


def of_job(record: JobRecord, *, prompt: bool = False, paths: bool = False) -> str:
    """The report of a job, by default without prompt and paths."""
    problem = record.problem or Problem("bug", "")
    folders = {
        str(record.folder): "(job folder)",
        str(places.output_folder()): "(output folder)",
        str(backend_task.home()): "(environment)",
        tempfile.gettempdir(): "(temporary)",
        bpy.app.binary_path and str(Path(bpy.app.binary_path).parent): "(Blender)",
        str(Path.home()): "(home)",
    }
    log = _last_lines(record.folder / LOG)
    return report(problem, asdict(record.settings), log, _versions(), prompt=prompt, paths=paths, folders=folders)


def _versions() -> dict[str, str]:
    known = places.backend()
    lines = {str(line.get("name")): str(line.get("text")) for line in known.lines}
    return {
        "Blender": bpy.app.version_string,
        "extension": _own_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **{name: lines[name] for name in ("python", "torch", "device", "renderer", "runtime") if name in lines},
    }


def _own_version() -> str:
    manifest = Path(__file__).parents[2] / "blender_manifest.toml"
    lines = manifest.read_text("utf-8").splitlines() if manifest.is_file() else []
    return next((line.partition("=")[2].strip(' "') for line in lines if line.startswith("version ")), "unknown")


def _last_lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []


CLASSES = (SJC_OT_copy_report,)
