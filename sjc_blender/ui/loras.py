"""The LoRA files laid over the model, a row each: the setting `lora`, which is one line of text, as a list.

The text is what counts: jobs, presets and the command line know it. The list follows it and writes it.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from pathlib import Path
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import places
from ..backend.sjc import lora_text
from ..backend.sjc.errors import SjcError
from ..backend.sjc.models import lora
from . import paragraph

_busy = False  # the list is being made from the text, so the text needs nothing from it


def _write(entry: Any, _context: Any) -> None:
    if not _busy:
        scene = entry.id_data
        scene.sjc.lora = text_of(scene)


class SJC_PG_lora(bpy.types.PropertyGroup):
    """One row."""

    path: bpy.props.StringProperty(name="LoRA", subtype="FILE_PATH", options=set())
    weight: bpy.props.FloatProperty(
        name="Weight", description="Strength of this LoRA: 1 is as trained, 0 has no effect", default=1.0,
        min=-lora_text.LARGEST_WEIGHT, max=lora_text.LARGEST_WEIGHT, soft_min=0.0, soft_max=2.0, update=_write,
        options=set(),
    )  # fmt: skip
    words: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # that it was trained to answer to


def text_of(scene: Any) -> str:
    """The rows as the setting has them."""
    rows = [(entry.path, float(f"{entry.weight:.4g}")) for entry in scene.sjc_loras]
    return ", ".join(path if weight == 1 else f"{path}:{weight:g}" for path, weight in rows)


def follow(group: Any, _context: Any) -> None:
    """The text has changed: so do the rows. What cannot be understood has none, and the job will say why."""
    global _busy  # noqa: PLW0603
    scene = group.id_data
    try:
        entries = lora_text.parse(places.whole_paths(group.lora))
    except SjcError:
        entries = ()
    _busy = True
    try:
        scene.sjc_loras.clear()
        for entry in entries:
            row = scene.sjc_loras.add()
            row.path, row.weight, row.words = str(entry.path), entry.weight, _words(entry.path)
    finally:
        _busy = False


def _words(path: Path) -> str:
    """Read here and not while drawing."""
    try:
        return ", ".join(lora.trigger_words(path))
    except (SjcError, OSError):  # the job will say what is wrong with it
        return ""


def draw(layout: Any, context: Any) -> None:
    """The rows, below a heading that tells how many there are."""
    entries = context.scene.sjc_loras
    header, body = layout.panel("SJC_loras", default_closed=True)
    header.label(text=f"{iface_('LoRA')} ({len(entries)})" if entries else "LoRA", translate=not entries)
    if not body:
        return
    column = body.column(align=True)
    for index, entry in enumerate(entries):
        row = column.row(align=True)
        row.prop(entry, "weight", text=Path(entry.path).stem, translate=False)
        row.operator("sjc.remove_lora", text="", icon="X").index = index
        if entry.words:
            paragraph.paragraph(column, context, iface_("Words: {}").format(entry.words), max_lines=2)
    column.operator("sjc.add_lora", icon="ADD")


CLASSES = (SJC_PG_lora,)
