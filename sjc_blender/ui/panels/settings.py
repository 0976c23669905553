"""Sub-panels Settings, with every other setting of the schema below it, and Output."""

from __future__ import annotations

from typing import Any

import bpy

from ... import live
from ...backend.sjc.settings import GROUPS, SPECS
from ...scene import viewports
from .. import labels, loras, model_picker, paragraph, reference_pictures
from ..operators import output as operators_output
from ..presets import SJC_PT_presets
from .sidebar import Child, Sidebar

# What of a modifier the panel offers: (property, what it is called).
LIVE = {
    "VOLUME_TO_MESH": ("threshold", "Level"),
    "LAPLACIANSMOOTH": ("iterations", "Smooth Surface"),
    "DECIMATE": ("ratio", "Decimate"),
}
# Blender's exporters, with the options that differ from theirs.
EXPORTS = {
    "export_scene.gltf": {"use_selection": True},
    "wm.obj_export": {"export_selected_objects": True, "export_colors": True},
}
SWITCHABLE = {"export_scene.gltf": "EXPORT_SCENE_OT_gltf"}  # add-ons of Blender's: operator -> its class
BASIC = ("steps", "grid", "guidance")
ELSEWHERE = (
    "start",
    "start_strength",
    "keep",
    "picture",
    "parent",
    "surface",
    "surface_strength",
    "sharpen_colors",
    "control",
    "prompt",
    "negative_prompt",
    "preset",
    "seed",
    "model",
    "lora",
    "device",
    "overwrite",
    *BASIC,
)


SOLID_VOLUME = "Solid shading shows volumes in gray; Material Preview shows their colors"


def _solid(context: Any) -> bool:
    """Whether the viewport that the panel belongs to is in Solid shading."""
    return getattr(context.space_data, "type", "") == "VIEW_3D" and context.space_data.shading.type == "SOLID"


class SJC_PT_settings(Child, bpy.types.Panel):
    """What most people change."""

    bl_label = "Settings"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw_header_preset(self, _context: Any) -> None:
        """Blender's own presets."""
        SJC_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout, group = self.layout, context.scene.sjc
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(group, "preset")
        row = layout.row(align=True)
        row.prop(group, "seed")
        row.operator("sjc.dice", text="", icon="FILE_REFRESH")
        column = layout.column(align=True)
        for name in BASIC:
            column.prop(group, name)
        row = layout.row(align=True)
        row.prop(group, "model")
        row.menu("SJC_MT_models", text="", icon="DOWNARROW_HLT")
        row.operator("sjc.choose_model", text="", icon="FILE_FOLDER")
        model_picker.draw(layout, context)
        loras.draw(layout, context)
        layout.prop(group, "device")


class SJC_PT_advanced(Sidebar, bpy.types.Panel):
    """Every other knob."""

    bl_label, bl_parent_id = "Advanced", "SJC_PT_settings"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout, group = self.layout, context.scene.sjc
        layout.use_property_split, layout.use_property_decorate = True, False
        hidden = (*ELSEWHERE, *model_picker.taken_over(context))
        for heading in GROUPS:
            names = [spec.name for spec in SPECS.values() if spec.group == heading and spec.name not in hidden]
            if not names:
                continue
            header, body = layout.panel(f"SJC_advanced_{heading}", default_closed=True)
            header.label(text=labels.GROUP_LABELS[heading])
            for name in names if body else ():
                body.prop(group, name)


class SJC_PT_start(Child, bpy.types.Panel):
    """What a job starts from."""

    bl_label = "Start From"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout, group = self.layout, context.scene.sjc
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.operator("sjc.generate_from_selection", icon="MESH_CUBE")
        layout.operator("sjc.texture", text="Texture Selection", icon="TEXTURE")
        layout.prop(group, "start_strength", slider=True)
        column = layout.column(align=True)
        column.use_property_split = False
        column.label(text="Change Only Inside")  # too long to stand beside its field
        column.prop(context.scene.sjc_start, "keep", text="")
        if group.start:  # taken over from another job, or by a script
            layout.prop(group, "start")
        if group.keep:
            layout.prop(group, "keep")
        layout.separator()
        reference_pictures.draw(layout, context)
        if group.picture:
            layout.prop(group, "picture")


class SJC_PT_output(Child, bpy.types.Panel):
    """How results come into the scene, and what can be done with them there."""

    bl_label = "Output"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in (
            "size", "smooth", "smooth_repeats", "decimate", "mark_as_asset", "volume_to_mesh", "copy_beside",
        ):  # fmt: skip
            layout.prop(context.scene.sjc_output, name)
        self._draw_active(layout, context)
        layout.operator("sjc.batch_on_cluster", icon="NETWORK_DRIVE")

    def _draw_active(self, layout: Any, context: Any) -> None:
        """What can be changed in the selected object: its material, the modifiers of ours; export."""
        target = context.active_object
        colors = target.get(live.COLORS) if target is not None else None
        if colors in labels.COLORS:
            layout.label(text=labels.COLORS[colors], icon="COLOR")
        if target is not None and target.type == "MESH":
            self._draw_mesh(layout, target)
            if target.data.color_attributes and _solid(context) and viewports.hides_colors(context.space_data):
                layout.operator("sjc.show_colors", icon="COLOR")
        if target is not None and target.type == "VOLUME":
            layout.operator("sjc.surface", icon="MOD_REMESH")
            if _solid(context):
                paragraph.paragraph(layout, context, SOLID_VOLUME, icon="INFO")
        row = layout.row(align=True)
        row.enabled = bool(context.selected_objects)
        for name, options in EXPORTS.items():
            if name in SWITCHABLE and not hasattr(bpy.types, SWITCHABLE[name]):
                continue  # the person has switched it off
            button = row.operator(name, text=labels.EXPORTERS[name], icon="EXPORT")
            for option, value in options.items():
                setattr(button, option, value)

    def _draw_mesh(self, layout: Any, target: Any) -> None:
        layout.prop(target, "active_material", text="Material")
        for modifier in target.modifiers:
            if modifier.type in LIVE:
                name, label = LIVE[modifier.type]
                layout.prop(modifier, name, text=label)
        if not operators_output.is_result(target):
            return
        there = {modifier.type for modifier in target.modifiers}
        row = layout.row(align=True)
        for kind, label, modifier in (
            ("SMOOTH", "Smooth Surface", "LAPLACIANSMOOTH"),
            ("DECIMATE", "Decimate", "DECIMATE"),
        ):
            if modifier not in there:
                row.operator("sjc.refine", text=label, icon="ADD").kind = kind
        layout.operator("sjc.reuse_settings", icon="SETTINGS")
        if target.asset_data is None:
            layout.operator("sjc.mark_asset", icon="ASSET_MANAGER")
