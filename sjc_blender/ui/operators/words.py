"""Buttons for words: what the embedded model knows, style words, earlier prompts.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import api
from ...backend.sjc.errors import SjcError
from .. import labels, paragraph, prompts
from .common import Button

WIDTH = 360  # pixels at scale 1
_words: dict[str, list[str]] = {}  # by kind; read before `draw`, which must not read the disk
OTHER_WORDS = "For other words, choose a larger model in Settings"


class SJC_OT_show_words(Button, bpy.types.Operator):
    """Show the words that the embedded model knows"""

    bl_idname, bl_label = "sjc.show_words", "Known Words"

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """A popup that closes when the mouse leaves it."""
        done = self.execute(context)
        return context.window_manager.invoke_popup(self, width=WIDTH) if done == {"FINISHED"} else done

    def draw(self, context: Any) -> None:
        """The words, by kind."""
        for kind, words in _words.items():
            self.layout.label(text=labels.WORD_KINDS[kind])
            paragraph.paragraph(self.layout, context, ", ".join(words), max_lines=12, dialog_width=WIDTH)
        self.layout.label(text=OTHER_WORDS, icon="INFO")

    def act(self, _context: Any) -> None:
        """As `api.words`."""
        _words.clear()
        _words.update(api.words())


class SJC_OT_add_style(Button, bpy.types.Operator):
    """Add these style words to the end of the prompt"""

    bl_idname, bl_label = "sjc.add_style", "Add to Prompt"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def act(self, context: Any) -> None:
        """After a comma."""
        style, group = context.window_manager.sjc.style.strip(), context.scene.sjc
        if not style:
            raise SjcError("Type a word first.")
        group.prompt = f"{group.prompt.strip()}, {style}" if group.prompt.strip() else style


class SJC_OT_keep_style(Button, bpy.types.Operator):
    """Put these style words into the list"""

    bl_idname, bl_label = "sjc.keep_style", "Add to List"

    def act(self, context: Any) -> None:
        """As `WordList.add`."""
        prompts.styles().add(context.window_manager.sjc.style)


class SJC_OT_drop_style(Button, bpy.types.Operator):
    """Take these style words out of the list"""

    bl_idname, bl_label = "sjc.drop_style", "Remove from List"

    def act(self, context: Any) -> None:
        """As `WordList.remove`."""
        prompts.styles().remove(context.window_manager.sjc.style)


class SJC_OT_use_prompt(Button, bpy.types.Operator):
    """Use this earlier prompt again"""

    bl_idname, bl_label = "sjc.use_prompt", "Use Prompt"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    prompt: bpy.props.StringProperty(name="Prompt", description="What to make, as a sentence")

    def act(self, context: Any) -> None:
        """Into the panel."""
        context.scene.sjc.prompt = self.prompt


CLASSES = (SJC_OT_show_words, SJC_OT_add_style, SJC_OT_keep_style, SJC_OT_drop_style, SJC_OT_use_prompt)
