"""Object > SJC: what can be done with the selected mesh, where F3 finds it. F3 does not search right-click menus."""

from __future__ import annotations

from typing import Any

import bpy

from .handover import SJC_OT_export, SJC_OT_remesh
from .output import is_result
from .results import draw_go_on
from .texture import SJC_OT_texture


class SJC_MT_object(bpy.types.Menu):
    """What can be done with the selected mesh"""

    bl_idname, bl_label = "SJC_MT_object", "SJC"

    def draw(self, context: Any) -> None:
        """For any mesh, then what goes on from a result."""
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator(SJC_OT_texture.bl_idname, icon="TEXTURE")
        layout.operator(SJC_OT_remesh.bl_idname, icon="MESH_GRID")
        layout.operator(SJC_OT_export.bl_idname, icon="EXPORT")
        if is_result(context.active_object):
            layout.separator()
            draw_go_on(layout)


def draw_in_object_menu(self: Any, _context: Any) -> None:
    """At the end of Object."""
    self.layout.separator()
    self.layout.menu(SJC_MT_object.bl_idname)


MENUS = (("VIEW3D_MT_object", draw_in_object_menu),)
CLASSES = (SJC_MT_object,)
