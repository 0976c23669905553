"""What every datablock of ours shares: its name, the collection it lies in, the custom properties it carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import bpy

from . import compat

COLLECTION = "SJC"
_MARK = "sjc_collection"
_INT_MAX = 2**31 - 1  # custom properties hold C ints


def block_name(prompt: str) -> str:
    """A prompt as the name of a datablock: one line, cut to what this Blender can hold between two characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in prompt).split())
    limit = min(compat.name_bytes(), 100)  # longer names only push the outliner's icons away
    return line.encode()[:limit].decode(errors="ignore").strip() or "SJC"


def collection(scene: Any) -> Any:
    """The scene's collection for our objects, made at the first call. It may be renamed and moved by the user.

    One that is linked from another file, or overrides a linked one, takes no objects and does not count.
    """
    for child in scene.collection.children_recursive:
        if child.get(_MARK) and child.library is None and child.override_library is None:
            return child
    made = bpy.data.collections.new(COLLECTION)
    made[_MARK] = True
    scene.collection.children.link(made)
    return made


def write_properties(block: Any, properties: Mapping[str, Any]) -> None:
    """Set custom properties; what is neither text, number nor truth value, or too large an integer, becomes JSON."""
    for key, value in properties.items():
        plain = isinstance(value, str | float | bool) or (isinstance(value, int) and abs(value) <= _INT_MAX)
        block[key] = value if plain else json.dumps(value, ensure_ascii=False, default=str)
