"""Buttons that hand a mesh over: quads for it, and its export, both by a background Blender.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

import math
from pathlib import Path
from typing import Any

import bpy

from ... import api, remeshing
from ...backend.sjc.settings import TEXTURE_EDGES
from ..languages.messages import translated
from .common import Button
from .output import is_result

ENDINGS = ".usd;.usda;.usdc;.usdz;.fbx"


class _ForAMesh(Button):
    """For any mesh object."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs one."""
        if context.active_object is not None and context.active_object.type == "MESH":
            return True
        cls.poll_message_set("Select a mesh")  # type: ignore[attr-defined]
        return False


class SJC_OT_remesh(Button, bpy.types.Operator):
    """Make a copy of the mesh with new, even faces, in a background Blender; the original is hidden"""

    bl_idname, bl_label = "sjc.remesh", "Make Quads"
    bl_options = {"REGISTER"}  # noqa: RUF012
    folder: bpy.props.StringProperty(
        name="Folder", description="A job folder; empty: the selected mesh", subtype="DIR_PATH",
        options={"HIDDEN", "SKIP_SAVE"},
    )  # fmt: skip
    faces: bpy.props.IntProperty(
        name="Faces", description="About how many faces to make", default=4000, min=remeshing.FEWEST, max=remeshing.MOST
    )
    quads: bpy.props.BoolProperty(
        name="Follow the Shape", default=True,
        description="Lay quads along the shape (QuadriFlow), not along a grid; this takes longer",
    )  # fmt: skip
    smooth_angle: bpy.props.FloatProperty(
        name="Smooth Angle", description="Edges between faces that meet at a larger angle are sharp",
        default=math.radians(40), min=0.0, max=math.pi, subtype="ANGLE",
    )  # fmt: skip
    parts: bpy.props.BoolProperty(name="Parts by Color", description="Make a vertex group of each color", default=True)
    separate: bpy.props.BoolProperty(
        name="Separate Objects", description="Make an object of each color instead, below an empty object",
    )  # fmt: skip
    texture: bpy.props.IntProperty(
        name="Baked Picture", default=0, min=0, max=TEXTURE_EDGES[1], step=256,
        description="Edge in texels of pictures of the original's colors, normals and ambient occlusion. 0: none, the "
        "colors stay at the vertices",
    )  # fmt: skip

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask first."""
        return context.window_manager.invoke_props_dialog(self, width=320, confirm_text=self.bl_label)

    def draw(self, _context: Any) -> None:
        """All of them."""
        self.layout.use_property_split = True
        for name in ("faces", "quads", "smooth_angle", "parts", "separate", "texture"):
            self.layout.prop(self, name)

    def act(self, context: Any) -> None:
        """As `api.remesh`; of a job folder, of its mesh in the scene, which is imported where there is none."""
        work = api.remesh(
            _mesh_of(self.folder, context) if self.folder else context.active_object,
            self.faces,
            quads=self.quads,
            smooth_angle=math.degrees(self.smooth_angle),
            parts=self.parts,
            separate=self.separate,
            texture=self.texture,
        )
        if work.error:  # in background Blender it has ended
            raise api.SjcError(work.error)


class SJC_OT_export(_ForAMesh, bpy.types.Operator):
    """Export the selected mesh as USD or FBX, in a background Blender"""

    bl_idname, bl_label = "sjc.export", "Export USD or FBX"
    filepath: bpy.props.StringProperty(name="File", description="Its ending says which format", subtype="FILE_PATH")
    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{ending}" for ending in ENDINGS.split(";")), options={"HIDDEN"}
    )

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask where."""
        if not self.filepath:
            self.filepath = str(Path(bpy.data.filepath).parent / f"{context.active_object.name}.usdc")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: Any) -> None:
        """As `api.export`."""
        work = api.export(context.active_object, self.filepath)
        if work.error:
            raise api.SjcError(work.error)


def _mesh_of(folder: str, context: Any) -> Any:
    """The visible mesh of a job folder. Raises SjcError where it cannot be imported, or not at once."""
    for item in context.view_layer.objects:
        if item.type == "MESH" and item.get("folder") == folder and item.visible_get():
            return item
    made = api.import_result(folder).mesh_object
    if made is None:
        raise api.SjcError("The mesh is still being read; press Make Quads again when it is there.")
    return made


def show_problem(text: str) -> None:
    """What went wrong after the button was pressed, at the mouse."""
    if not bpy.app.background:
        bpy.context.window_manager.popup_menu(
            lambda menu, _context: menu.layout.label(text=translated(text), translate=False), icon="ERROR"
        )


def draw_context_menu(self: Any, context: Any) -> None:
    """The right-click menu of a result's mesh."""
    if is_result(context.active_object):
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator(SJC_OT_remesh.bl_idname, icon="MESH_GRID")
        self.layout.operator(SJC_OT_export.bl_idname, icon="EXPORT")


MENUS = (("VIEW3D_MT_object_context_menu", draw_context_menu),)
CLASSES = (SJC_OT_remesh, SJC_OT_export)
