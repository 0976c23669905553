"""Every difference between Blender 4.3 and 5.2 that the add-on meets; no other module asks for the version."""

from __future__ import annotations

from typing import Any

import bpy

VERSION: tuple[int, int, int] = bpy.app.version

# EEVEE was called "next" while the old one still stood beside it in files.
EEVEE = "BLENDER_EEVEE" if VERSION >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"

# Before 5.0 Blender takes OpenVDB's index for a voxel's corner: it draws and meshes a volume half a voxel too far along
# each of its axes. OpenVDB itself, our files and Blender from 5.0 on take it for the voxel's centre.
VOLUME_OFFSET = 0.0 if VERSION >= (5, 0, 0) else 0.5  # voxels


def node_tree(block: Any) -> Any:
    """The node tree of a material or world, switched on. From 5.0 on it always is, and switching warns."""
    if VERSION < (5, 0, 0):
        block.use_nodes = True
    return block.node_tree


def factor(attribute_node: Any) -> Any:
    """The scalar output of an Attribute node: "Fac", from 5.0 on "Factor"."""
    return attribute_node.outputs.get("Factor") or attribute_node.outputs["Fac"]


def name_bytes() -> int:
    """How many UTF-8 bytes the name of a datablock may have, with room for Blender's ".001"."""
    return (255 if VERSION >= (5, 0, 0) else 63) - 4
