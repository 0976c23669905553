"""The buttons of the list of LoRA files.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import places
from ...backend.sjc.errors import SjcError
from ...backend.sjc.models import lora
from .. import loras
from .common import Button


class SJC_OT_add_lora(Button, bpy.types.Operator):
    """Add a LoRA file to the model"""

    bl_idname, bl_label = "sjc.add_lora", "Add LoRA"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.safetensors", options={"HIDDEN"})

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Choose it."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: Any) -> None:
        """Check that it is one, then take it."""
        path = str(places.named_path(self.filepath))
        if not self.filepath:
            raise SjcError("No file is chosen.")
        if "," in path:
            raise SjcError(f"{path}: the path of a LoRA must not contain a comma; rename it.")
        lora.check(f"{path}:1")
        group = context.scene.sjc
        group.lora = ", ".join(part for part in (group.lora.strip(), path) if part)


class SJC_OT_remove_lora(Button, bpy.types.Operator):
    """Remove this LoRA from the model; its file stays on disk"""

    bl_idname, bl_label = "sjc.remove_lora", "Remove LoRA"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    index: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: Any) -> None:
        """Out of the list."""
        scene = context.scene
        if not 0 <= self.index < len(scene.sjc_loras):
            raise SjcError("There is no such LoRA.")
        scene.sjc_loras.remove(self.index)
        scene.sjc.lora = loras.text_of(scene)


CLASSES = (SJC_OT_add_lora, SJC_OT_remove_lora)
