"""The materials: one for all volumes of a file, one of its own for every mesh. The artist's own.

That of volumes is found again by a custom property, so it may be renamed; nothing is ever written to one that exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy

from . import compat

_MARK = "sjc_material"
COLOR_ATTRIBUTE = "Color"  # of meshes
# Share of its own colour with which the volume shines: with it, it shows its colours in an unlit scene; the rest of its
# look comes from the light it scatters.
GLOW = 0.6


def _shared(kind: str, name: str, build: Any) -> Any:
    """The file's own material of that kind; `build(tree)` fills a new one."""
    for material in bpy.data.materials:
        if material.get(_MARK) == kind and material.library is None:
            return material
    material = bpy.data.materials.new(name)
    material[_MARK] = kind
    tree = compat.node_tree(material)
    tree.nodes.clear()
    build(tree)
    return material


def volume_material() -> Any:
    """Scatters and shines in the grid `color`, as dense as the grid `density`."""
    return _shared("volume", "SJC Volume", _build_volume)


def mesh_material(name: str, mean: Sequence[float]) -> Any:
    """Matt, in the colour attribute `Color`.  mean: scene-linear RGB, for views that show one colour a material."""
    material, tree = _own(name, mean)
    color = _node(tree, "ShaderNodeVertexColor", -250, 50)
    color.layer_name = COLOR_ATTRIBUTE
    _matt(tree, color)
    return material


def textured_material(name: str, picture: bytes, mean: Sequence[float]) -> Any:
    """Matt, in a picture (a PNG file's bytes) that is packed into the .blend.  mean: as for `mesh_material`."""
    image = bpy.data.images.new(name, 1, 1)
    image.source = "FILE"
    image.pack(data=picture, data_len=len(picture))
    image.colorspace_settings.name = "sRGB"
    material, tree = _own(name, mean)
    color = _node(tree, "ShaderNodeTexImage", -350, 50)
    color.image = image
    _matt(tree, color)
    return material


def _own(name: str, mean: Sequence[float]) -> tuple[Any, Any]:
    """A new material and its empty tree.  mean: what the viewport's Solid shading shows, which reads no attribute."""
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*mean, 1.0)
    tree = compat.node_tree(material)
    tree.nodes.clear()
    return material, tree


def _node(tree: Any, kind: str, x: float, y: float, label: str = "") -> Any:
    node = tree.nodes.new(kind)
    node.location, node.label = (x, y), label
    return node


def _build_volume(tree: Any) -> None:
    """Emission of a Principled Volume is not weighted by density, so it is multiplied here: strength = density * glow.

    Light then adds up to colour * glow where the volume is opaque, whatever the density, and thin parts stay thin.
    Density is per unit of the object's own space, so the look does not depend on the object's size.
    """
    color = _node(tree, "ShaderNodeAttribute", -600, 150, "Colour")
    color.attribute_name = "color"
    density = _node(tree, "ShaderNodeAttribute", -800, -100, "Density")
    density.attribute_name = "density"
    amount = _node(tree, "ShaderNodeValue", -800, -300, "Density Scale")
    amount.outputs[0].default_value = 1.0
    scaled = _node(tree, "ShaderNodeMath", -600, -100, "Density")
    glow = _node(tree, "ShaderNodeMath", -400, -200, "Glow")
    scaled.operation = glow.operation = "MULTIPLY"
    glow.inputs[1].default_value = GLOW
    shader = _node(tree, "ShaderNodeVolumePrincipled", -150, 100)
    shader.inputs["Density Attribute"].default_value = ""  # comes through the socket instead
    output = _node(tree, "ShaderNodeOutputMaterial", 200, 100)
    link = tree.links.new
    link(compat.factor(density), scaled.inputs[0])
    link(amount.outputs[0], scaled.inputs[1])
    link(scaled.outputs[0], glow.inputs[0])
    link(scaled.outputs[0], shader.inputs["Density"])
    link(glow.outputs[0], shader.inputs["Emission Strength"])
    link(color.outputs["Color"], shader.inputs["Color"])
    link(color.outputs["Color"], shader.inputs["Emission Color"])
    link(shader.outputs["Volume"], output.inputs["Volume"])


def _matt(tree: Any, color: Any) -> None:
    shader = _node(tree, "ShaderNodeBsdfPrincipled", 0, 100)
    shader.inputs["Roughness"].default_value = 0.8
    output = _node(tree, "ShaderNodeOutputMaterial", 300, 100)
    tree.links.new(color.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
