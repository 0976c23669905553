"""The pop-over beside the prompt: earlier prompts and style words."""

from __future__ import annotations

from typing import Any

import bpy

from .. import paragraph, prompts

MOST_SHOWN = 20  # earlier prompts in the menu
WIDTH = 200  # pixels at scale 1


class SJC_MT_prompts(bpy.types.Menu):
    """The prompts of earlier jobs, the newest first."""

    bl_label = "Earlier Prompts"

    def draw(self, _context: Any) -> None:
        """Called by Blender when the menu opens."""
        entries = prompts.history().entries()[:MOST_SHOWN]
        for prompt in entries:
            self.layout.operator("sjc.use_prompt", text=prompt, translate=False).prompt = prompt
        if not entries:
            self.layout.label(text="No prompts yet")


class SJC_PT_words(bpy.types.Panel):
    """The pop-over beside the prompt."""

    bl_label = "Words"
    bl_space_type, bl_region_type = "VIEW_3D", "HEADER"
    bl_options = {"INSTANCED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        """Called by Blender when it opens."""
        layout, runtime = self.layout, context.window_manager.sjc
        layout.menu("SJC_MT_prompts")
        layout.label(text="Style Words")
        row = layout.row(align=True)
        row.prop(runtime, "style", text="")
        row.operator("sjc.keep_style", text="", icon="ADD")
        row.operator("sjc.drop_style", text="", icon="REMOVE")
        layout.operator("sjc.add_style")
        for problem in prompts.problems():
            paragraph.paragraph(layout, context, problem, icon="INFO", max_lines=4, dialog_width=WIDTH)


CLASSES = (SJC_MT_prompts, SJC_PT_words)
