"""The add-on's preferences, and what they mean for a new job.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from .. import __package__ as package
from .. import places
from ..worker import process


def _changed_python(_self: Any, _context: Any) -> None:
    from . import backend_task

    if not backend_task.running():  # the answer that is awaited says more than the record
        backend_task.refresh()


class SJC_AP_preferences(bpy.types.AddonPreferences):
    """One for all files."""

    bl_idname = package

    output_folder: bpy.props.StringProperty(
        name="Output Folder", description="Where job folders go while the .blend is not saved; empty: sjc in your documents",
        subtype="DIR_PATH",
    )  # fmt: skip
    backend_python: bpy.props.StringProperty(
        name="Use Existing Python", description="Python program or environment folder that has the backend's packages; "
        "empty: the environment that Install Backend made", subtype="FILE_PATH", update=_changed_python,
    )  # fmt: skip
    hub_model: bpy.props.StringProperty(
        name="Hub Model", description="A model on the Hugging Face hub, such as name/model, to look at or download",
    )  # fmt: skip
    device: bpy.props.StringProperty(
        name="Device",
        description="Where to compute when a scene says auto: auto, cpu, cuda, cuda:1 or mps",
        default="auto",
    )
    threads: bpy.props.IntProperty(
        name="CPU Threads",
        description="Threads of the worker. 0: all but one, which is left to Blender",
        min=0,
        max=256,
    )
    history_count: bpy.props.IntProperty(
        name="Snapshots", description="Most snapshots that a job keeps for the timeline", default=100, min=2, max=10000
    )
    history_mb: bpy.props.IntProperty(
        name="Snapshots on Disk",
        description="Most megabytes of volumes that a job keeps for the timeline",
        default=1000,
        min=10,
        max=1000000,
    )
    start_seconds: bpy.props.IntProperty(
        name="Start Timeout", description="Seconds until a worker that says nothing at its start counts as broken",
        default=60, min=5, max=3600,
    )  # fmt: skip
    silence_seconds: bpy.props.IntProperty(
        name="Silence Timeout", description="Seconds until a worker that says nothing counts as hanging",
        default=30, min=5, max=3600,
    )  # fmt: skip

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        from . import model_picker
        from .panels import backend as panels_backend

        layout = self.layout
        panels_backend.draw_backend(layout, context)
        box = layout.box()
        box.label(text="Models")
        box.prop(self, "hub_model")
        model_picker.draw_list(box, context, self.hub_model)
        layout.use_property_split, layout.use_property_decorate = True, False
        for names in (
            ("output_folder", "backend_python"),
            ("device", "threads"),
            ("history_count", "history_mb"),
            ("start_seconds", "silence_seconds"),
        ):
            column = layout.column(align=True)
            for name in names:
                column.prop(self, name)


def defaults() -> dict[str, Any]:
    """Settings of a new job that come from the preferences, where the scene does not say otherwise."""
    device = getattr(places.preferences(), "device", "auto").strip()
    return {} if device in ("", "auto") else {"device": device}


def worker_environment() -> dict[str, str]:
    """Further variables of the worker's process."""
    threads = getattr(places.preferences(), "threads", 0)
    return {"OMP_NUM_THREADS": str(threads)} if threads else {}


def worker_times() -> process.Times:
    """How long to wait for the worker."""
    chosen, usual = places.preferences(), process.Times()
    hello = float(getattr(chosen, "start_seconds", usual.hello))
    return process.Times(hello=hello, silence=float(getattr(chosen, "silence_seconds", usual.silence)))


def history_limits() -> tuple[int, int]:
    """(snapshots, bytes) that a job keeps for the timeline, as `scene.history.thin` takes them."""
    chosen = places.preferences()
    return getattr(chosen, "history_count", 100), getattr(chosen, "history_mb", 1000) * 1_000_000


CLASSES = (SJC_AP_preferences,)
