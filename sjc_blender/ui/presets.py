"""Settings saved under a name, by Blender's own preset system."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from ..backend.sjc.settings import SPECS

SUBDIR = "sjc_blender"
LEFT_OUT = ("prompt", "negative_prompt", "seed", "overwrite")  # what belongs to one object, not to a way of making


class SJC_PT_presets(PresetPanel, bpy.types.Panel):
    """The pop-over behind the button in the header of Settings."""

    bl_label = "Settings Presets"
    preset_subdir = SUBDIR
    preset_operator = "script.execute_preset"
    preset_add_operator = "sjc.preset_add"


class SJC_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Save the settings as a preset, or remove a saved preset"""

    bl_idname, bl_label = "sjc.preset_add", "Add Settings Preset"
    preset_menu, preset_subdir = "SJC_PT_presets", SUBDIR
    preset_defines: ClassVar[list[str]] = ["settings = bpy.context.scene.sjc"]
    # The built-in preset goes first: setting it changes the others.
    preset_values: ClassVar[list[str]] = [
        f"settings.{name}" for name in sorted(SPECS, key=lambda name: name != "preset") if name not in LEFT_OUT
    ]


CLASSES = (SJC_PT_presets, SJC_OT_preset_add)
