"""The hotkey of the prompt: an entry of Blender's keymap, which a person may change in the preferences."""

from __future__ import annotations

from typing import Any

import bpy

OPERATOR = "sjc.add"

_items: list[tuple[Any, Any]] = []


def register() -> None:
    """Add it: Ctrl + Shift + T over the 3D viewport. In background Blender there are no keys."""
    keys = bpy.context.window_manager.keyconfigs.addon
    if keys is None:
        return
    keymap = keys.keymaps.new(name="Object Mode")
    _items.append((keymap, keymap.keymap_items.new(OPERATOR, "T", "PRESS", ctrl=True, shift=True)))


def unregister() -> None:
    """Take it out."""
    for keymap, item in _items:
        keymap.keymap_items.remove(item)
    _items.clear()


def draw(layout: Any, context: Any) -> None:
    """The entry as the person has it, to be changed; nothing where there are no keys."""
    keys = context.window_manager.keyconfigs.user
    keymap = keys.keymaps.get("Object Mode") if keys else None
    item = keymap.keymap_items.find_from_operator(OPERATOR) if keymap and _items else None
    if item:
        layout.prop(item, "type", text="Text to 3D (SJC)", full_event=True)
