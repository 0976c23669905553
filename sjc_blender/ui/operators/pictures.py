"""Buttons for the list of reference pictures.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ...backend.sjc.picture_text import MOST_PICTURES
from ..reference_pictures import CAMERA, VIEWS
from .common import Button


class SJC_OT_add_picture(Button, bpy.types.Operator):
    """Add a reference picture that the object shall look like"""

    bl_idname, bl_label = "sjc.add_picture", "Add Picture"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Not beyond what a job takes."""
        return len(context.scene.sjc_pictures) < MOST_PICTURES

    def act(self, context: Any) -> None:
        """One more, of the next side."""
        pictures = context.scene.sjc_pictures
        used = {one.view for one in pictures}
        pictures.add().view = next((name for name, *_ in VIEWS if name not in used), CAMERA)


class SJC_OT_remove_picture(Button, bpy.types.Operator):
    """Remove this reference picture; its image stays in the file"""

    bl_idname, bl_label = "sjc.remove_picture", "Remove Picture"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    index: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: Any) -> None:
        """Off the list."""
        context.scene.sjc_pictures.remove(self.index)


CLASSES = (SJC_OT_add_picture, SJC_OT_remove_picture)
