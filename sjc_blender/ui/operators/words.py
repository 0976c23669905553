"""A button that shows what the embedded model knows, before it refuses a word.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ... import api
from .. import labels, paragraph
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


CLASSES = (SJC_OT_show_words,)
