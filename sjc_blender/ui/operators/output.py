"""Buttons for what stands in the scene already: a live surface, smoothing, fewer faces, the Asset Browser.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import api, live
from .common import Button

FIRST_SMOOTH, FIRST_DECIMATE = 5, 0.5  # repeats; fraction of the faces


class SJC_OT_surface(Button, bpy.types.Operator):
    """Add a mesh that follows the selected volume's surface live; its level can be changed at any time"""

    bl_idname, bl_label = "sjc.surface", "Live Surface"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    threshold: bpy.props.FloatProperty(
        name="Level", description="Density at which to place the surface", default=5.0, min=1e-4, max=1e4
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a volume."""
        if context.active_object is not None and context.active_object.type == "VOLUME":
            return True
        cls.poll_message_set("Select a volume")
        return False

    def act(self, context: Any) -> None:
        """As `meshes.volume_to_mesh`."""
        from ...scene import meshes

        meshes.volume_to_mesh(context.active_object, self.threshold)


class _MeshButton(Button):
    """For a mesh that a job has made."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs one."""
        if is_result(context.active_object):
            return True
        cls.poll_message_set("Select a mesh made by this add-on")  # type: ignore[attr-defined]
        return False


def is_result(target: Any) -> bool:
    """Whether an object is the mesh of a job."""
    return target is not None and target.type == "MESH" and "prompt" in target and "sjc_job" in target


class SJC_OT_refine(_MeshButton, bpy.types.Operator):
    """Add a modifier of this type to the selected mesh; its strength can then be set in the panel"""

    bl_idname, bl_label = "sjc.refine", "Refine"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    kind: bpy.props.EnumProperty(
        name="Type", description="What the modifier does",
        items=[("SMOOTH", "Smooth Surface", "Smooth out bumps"), ("DECIMATE", "Decimate", "Lower the number of faces")],
    )  # fmt: skip

    def act(self, context: Any) -> None:
        """As `meshes.smooth` and `meshes.decimate`."""
        from ...scene import meshes

        if self.kind == "SMOOTH":
            meshes.smooth(context.active_object, FIRST_SMOOTH)
        else:
            meshes.decimate(context.active_object, FIRST_DECIMATE)


class SJC_OT_mark_asset(_MeshButton, bpy.types.Operator):
    """Add the selected mesh to the Asset Browser, with a preview, its prompt, and the prompt's words as tags"""

    bl_idname, bl_label = "sjc.mark_asset", "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context: Any) -> None:
        """As `meshes.asset_mark`."""
        from ...scene import meshes

        target = context.active_object
        meshes.asset_mark(target, target["prompt"], live.tags_of(target["prompt"]))


class SJC_OT_show_colors(Button, bpy.types.Operator):
    """Show the colors of meshes in the Solid shading of the 3D viewports"""

    bl_idname, bl_label = "sjc.show_colors", "Show Colors"

    def act(self, _context: Any) -> None:
        """As `api.show_colors`."""
        api.show_colors()


CLASSES = (SJC_OT_show_colors, SJC_OT_surface, SJC_OT_refine, SJC_OT_mark_asset)
