"""The add-on's preferences as a person sees them; what they mean stands in `user_preferences`.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from .. import session
from ..user_preferences import ADD_ON
from . import backend_task, keys, model_picker, paragraph
from .panels.backend import draw_backend


def _changed_python(_self: Any, _context: Any) -> None:
    if not backend_task.running():  # the answer that is awaited says more than the record
        backend_task.refresh()


def _changed_other(_self: Any, context: Any) -> None:
    runtime = context.window_manager.sjc
    runtime.other_text, runtime.other_ok = "", False
    session.renew()


class SJC_AP_preferences(bpy.types.AddonPreferences):
    """One for all files."""

    bl_idname = ADD_ON

    output_folder: bpy.props.StringProperty(
        name="Output Folder", subtype="DIR_PATH",
        description="Where to put job folders while the .blend file is unsaved. Empty: the folder sjc in your "
        "documents",
    )  # fmt: skip
    backend_python: bpy.props.StringProperty(
        name="Use Existing Python", subtype="FILE_PATH", update=_changed_python,
        description="Python program, or folder of a Python environment, with the backend's packages. Empty: the one "
        "that Install Backend made",
    )  # fmt: skip
    hub_model: bpy.props.StringProperty(
        name="Hub Model", description="Model on the Hugging Face hub to check or download, such as name/model",
    )  # fmt: skip
    device: bpy.props.StringProperty(
        name="Device",
        description="Where to compute when a scene's device is auto: auto, cpu, cuda, cuda:1 or mps",
        default="auto",
    )
    threads: bpy.props.IntProperty(
        name="CPU Threads",
        description="Number of CPU threads for the worker. 0: all but one, which is left for Blender",
        min=0,
        max=256,
    )
    cluster_address: bpy.props.StringProperty(
        name="Cluster Address",
        description="Where Batch on Cluster makes its jobs: local for all graphics cards of this computer, auto, or "
        "the address of a running Ray cluster such as 10.0.0.5:6379",
        default="local",
    )
    other_use: bpy.props.BoolProperty(
        name="Use Another Computer", update=_changed_other,
        description="Compute jobs on another computer, which ssh reaches; results come into the output folder as usual",
    )  # fmt: skip
    other_host: bpy.props.StringProperty(
        name="Host", update=_changed_other, description="User and name of the computer, such as anna@workstation, or a "
        "name of your ssh configuration",
    )  # fmt: skip
    other_python: bpy.props.StringProperty(
        name="Python There", update=_changed_other, description="Python program on that computer that has sjc, or the "
        "folder of its environment. ~ stands for the home folder there",
    )  # fmt: skip
    other_folder: bpy.props.StringProperty(
        name="Folder There", update=_changed_other, default="~/sjc-jobs",
        description="Where jobs are stored on that computer while they are computed",
    )  # fmt: skip
    history_count: bpy.props.IntProperty(
        name="Snapshots",
        description="Maximum number of snapshots that each job keeps for the timeline",
        default=100,
        min=2,
        max=10000,
    )
    history_mb: bpy.props.IntProperty(
        name="Snapshots on Disk",
        description="Maximum disk space for the snapshots that each job keeps for the timeline (megabytes)",
        default=1000,
        min=10,
        max=1000000,
    )
    notify: bpy.props.BoolProperty(
        name="Notify", description="Show a notification of the desktop when a job has ended", default=True
    )
    notify_sound: bpy.props.BoolProperty(
        name="Play Sound", description="Play a sound when a job has ended", default=False
    )
    start_seconds: bpy.props.IntProperty(
        name="Start Timeout",
        description="How long to wait for a starting worker's first message before ending it (seconds)",
        default=60, min=5, max=3600,
    )  # fmt: skip
    silence_seconds: bpy.props.IntProperty(
        name="Silence Timeout", description="How long a running worker may stay silent before it is ended (seconds)",
        default=30, min=5, max=3600,
    )  # fmt: skip

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout = self.layout
        draw_backend(layout, context)
        box = layout.box()
        box.label(text="Models")
        box.prop(self, "hub_model")
        model_picker.draw_list(box, context, self.hub_model)
        box.operator("sjc.sign_in", icon="LOCKED")
        model_picker.draw_curated(layout.box(), context)
        _draw_other(self, layout.box(), context)
        layout.use_property_split, layout.use_property_decorate = True, False
        for names in (
            ("output_folder", "backend_python"),
            ("device", "threads", "cluster_address"),
            ("history_count", "history_mb"),
            ("notify", "notify_sound"),
            ("start_seconds", "silence_seconds"),
        ):
            column = layout.column(align=True)
            for name in names:
                column.prop(self, name)
        keys.draw(layout, context)


def _draw_other(chosen: Any, box: Any, context: Any) -> None:
    """The computer that jobs are done on, and what its check came to."""
    runtime = context.window_manager.sjc
    box.prop(chosen, "other_use")
    column = box.column(align=True)
    column.use_property_split, column.use_property_decorate = True, False
    column.active = chosen.other_use
    for name in ("other_host", "other_python", "other_folder"):
        column.prop(chosen, name)
    box.operator("sjc.check_other", icon="VIEWZOOM")
    if runtime.other_text:
        icon = "CHECKMARK" if runtime.other_ok else "ERROR"
        paragraph.paragraph(box, context, runtime.other_text, icon=icon, max_lines=4)


CLASSES = (SJC_AP_preferences,)
