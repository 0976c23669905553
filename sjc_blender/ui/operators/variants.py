"""Buttons of variants: make several, take one to full length, remove all.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import api
from ...backend.sjc.variants.plan import MOST
from .. import model_picker, prompts, properties, reference_pictures, ui_state
from .common import Button, can_generate, job_property, selected_meshes, start_from_selection


class SJC_OT_variants(Button, bpy.types.Operator):
    """Make several short variants of the prompt side by side, to choose one from"""

    bl_idname, bl_label = "sjc.variants", "Variants"
    count: bpy.props.IntProperty(name="Variants", description="Number of variants to make", default=4, min=1, max=MOST)
    from_selection: bpy.props.BoolProperty(
        name="Start from Selection", description="Start from the selected meshes, as Generate from Selection does"
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a prompt and a backend."""
        return can_generate(cls, context)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask how many."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Make Variants")

    def draw(self, context: Any) -> None:
        """How many, and whether they start from what is selected."""
        self.layout.use_property_split = True
        self.layout.prop(self, "count")
        if selected_meshes(context):
            self.layout.prop(self, "from_selection")

    def act(self, context: Any) -> None:
        """As `api.variants` with what the panel says."""
        given = {**properties.settings_from(context.scene), **model_picker.taken_over(context)}
        if self.from_selection:
            given |= start_from_selection(context)
        api.variants(**given, count=self.count, pictures=reference_pictures.chosen(context.scene), block=False)
        prompts.remember(context.scene.sjc.prompt)
        ui_state.refresh()


class SJC_OT_take_variant(Button, bpy.types.Operator):
    """Take this variant to full length and remove the others, with their folders. Hold Shift to keep the others"""

    bl_idname, bl_label = "sjc.take_variant", "Full Length"
    bl_options = {"UNDO"}  # noqa: RUF012 (no REGISTER: it cannot be done again with other values)
    job: job_property()
    keep_others: bpy.props.BoolProperty(
        name="Keep Others", description="Keep the other variants, to take another one, too", options={"SKIP_SAVE"}
    )

    def invoke(self, context: Any, event: Any) -> set[str]:
        """A click; with Shift the others stay."""
        self.keep_others = event.shift
        return self.execute(context)

    def act(self, _context: Any) -> None:
        """As `api.take_variant`."""
        api.take_variant(ui_state.job_with(self.job), keep_others=self.keep_others)
        ui_state.refresh()


class SJC_OT_clear_variants(Button, bpy.types.Operator):
    """Remove all of these variants: meshes, entries of the queue and folders"""

    bl_idname, bl_label = "sjc.clear_variants", "Remove Variants"
    bl_options = {"UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs some."""
        if context.window_manager.sjc.variants:
            return True
        cls.poll_message_set("There are no variants")
        return False

    def act(self, _context: Any) -> None:
        """As `api.clear_variants`."""
        api.clear_variants()
        ui_state.refresh()


CLASSES = (SJC_OT_variants, SJC_OT_take_variant, SJC_OT_clear_variants)
