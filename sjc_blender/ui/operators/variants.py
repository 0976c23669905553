"""Buttons of variants: make several, take one to full length, clear the others.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import api
from ...backend.sjc.variants.plan import MOST
from .. import model_picker, prompts, properties, ui_state
from .common import Button, can_generate, job_property


class SJC_OT_variants(Button, bpy.types.Operator):
    """Make several short variants of the prompt side by side, to choose one from"""

    bl_idname, bl_label = "sjc.variants", "Variants"
    count: bpy.props.IntProperty(name="Variants", description="Number of variants to make", default=4, min=1, max=MOST)

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Needs a prompt and a backend."""
        return can_generate(cls, context)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask how many."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Make Variants")

    def act(self, context: Any) -> None:
        """As `api.variants` with what the panel says."""
        given = {**properties.settings_from(context.scene), **model_picker.taken_over(context)}
        api.variants(**given, count=self.count, block=False)
        prompts.remember(context.scene.sjc.prompt)
        ui_state.refresh()


class SJC_OT_take_variant(Button, bpy.types.Operator):
    """Take this variant to full length; its mesh takes the place of the short one"""

    bl_idname, bl_label = "sjc.take_variant", "Full Length"
    job: job_property()

    def act(self, _context: Any) -> None:
        """As `api.take_variant`."""
        api.take_variant(ui_state.job_with(self.job))
        ui_state.refresh()


class SJC_OT_clear_variants(Button, bpy.types.Operator):
    """Remove the variants that were not taken to full length: meshes, entries of the queue and folders"""

    bl_idname, bl_label = "sjc.clear_variants", "Clear Others"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

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
        ui_state.refresh_history()


CLASSES = (SJC_OT_variants, SJC_OT_take_variant, SJC_OT_clear_variants)
