"""The interface in other languages, through Blender's own translation system.

To add one: a table like `korean.KOREAN`, and a line in TABLES. Texts that are missing in a table stay English;
tests/blender/test_translations.py finds them.
"""

from __future__ import annotations

import bpy

from ...user_preferences import ADD_ON
from .korean import KOREAN

# A button's label is looked up as an operator's, everything else without a context.
CONTEXTS = ("*", "Operator")
TABLES = {"ko_KR": KOREAN}


def register() -> None:
    """Tell Blender of all tables."""
    bpy.app.translations.register(ADD_ON, table())


def unregister() -> None:
    """Take them back."""
    bpy.app.translations.unregister(ADD_ON)


def table() -> dict[str, dict[tuple[str, str], str]]:
    """{language: {(context, English): translated}}."""
    return {
        language: {(context, text): translation for text, translation in texts.items() for context in CONTEXTS}
        for language, texts in TABLES.items()
    }
