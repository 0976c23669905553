"""The button that textures what is selected.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import api
from ...backend.sjc.errors import SjcError
from .. import model_picker, prompts, properties, ui_state
from .common import Button, backend_is_there, selected_meshes

NOT_FOR_SURFACES = (
    "prompt", "surface", "surface_strength", "sharpen_colors", "start", "keep", "picture", "parent", "control",
)  # fmt: skip


class SJC_OT_texture(Button, bpy.types.Operator):
    """Paint the selected meshes as the prompt says; the objects are hidden and otherwise stay"""

    bl_idname, bl_label = "sjc.texture", "Texture with SJC"
    prompt: bpy.props.StringProperty(name="Prompt", description="What to paint, as a sentence")
    strength: bpy.props.FloatProperty(
        name="Strength",
        description="How much of the present colors to replace: 1 ignores them, less keeps more of them",
        default=1.0, min=0.0, max=1.0, subtype="FACTOR",
    )  # fmt: skip
    together: bpy.props.BoolProperty(
        name="As One Object", description="Paint all selected meshes as one object, whose textured copy is one mesh"
    )
    control: bpy.props.StringProperty(
        name="Depth ControlNet",
        description="A folder or hub id of a depth ControlNet for the chosen model, which shows it the mesh's shape; "
        "empty for none",
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a mesh and a backend."""
        if not selected_meshes(context):
            cls.poll_message_set("Select one or more mesh objects to texture")
            return False
        return backend_is_there(cls, context)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask for the words, beginning with the panel's."""
        self.prompt = context.scene.sjc.prompt
        return context.window_manager.invoke_props_dialog(self, width=400, confirm_text="Texture")

    def draw(self, context: Any) -> None:
        """Words, strength and ControlNet."""
        self.layout.use_property_split = True
        several = len([item for item in context.selected_objects if item.type == "MESH"]) > 1
        for name in ("prompt", "strength", *(("together",) if several else ()), "control"):
            self.layout.prop(self, name)

    def act(self, context: Any) -> None:
        """As `api.texture` with what the panel says."""
        prompt = self.prompt.strip() or context.scene.sjc.prompt.strip()
        if not prompt:
            raise SjcError("Type a prompt that says what to paint.")
        given = {**properties.settings_from(context.scene), **model_picker.taken_over(context)}
        others = {name: value for name, value in given.items() if name not in NOT_FOR_SURFACES}
        chosen = [item for item in context.selected_objects if item.type == "MESH"]
        how = {"strength": self.strength, "together": self.together, "control": self.control.strip()}
        api.texture(chosen, prompt, **how, **others)
        prompts.remember(prompt)
        ui_state.refresh()


def draw_context_menu(self: Any, context: Any) -> None:
    """The right-click menu of meshes."""
    if selected_meshes(context):
        self.layout.separator()
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator(SJC_OT_texture.bl_idname, icon="TEXTURE")


MENUS = (("VIEW3D_MT_object_context_menu", draw_context_menu),)
CLASSES = (SJC_OT_texture,)
