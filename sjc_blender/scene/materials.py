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
ROUGHNESS = 1.0  # as in the files: colours are the same from all sides, so nothing says how glossy a surface is
GLTF_OUTPUT = "glTF Material Output"


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


def textured_material(
    name: str, picture: bytes, mean: Sequence[float], normals: bytes = b"", occlusion: bytes = b""
) -> Any:
    """Matt, in pictures (PNG files' bytes) that are packed into the .blend.  mean: as for `mesh_material`.

    normals: a normal map in tangent space. occlusion: what lies in its red channel goes where Blender's glTF exporter
    looks for it; Blender's own renderers compute ambient occlusion themselves.
    """
    material, tree = _own(name, mean)
    color = _node(tree, "ShaderNodeTexImage", -350, 50)
    color.image = _packed(name, picture, "sRGB")
    shader = _matt(tree, color)
    if normals:
        map_image = _node(tree, "ShaderNodeTexImage", -650, -250)
        map_image.image = _packed(f"{name} normal", normals, "Non-Color")
        bent = _node(tree, "ShaderNodeNormalMap", -350, -250)
        tree.links.new(map_image.outputs["Color"], bent.inputs["Color"])
        tree.links.new(bent.outputs["Normal"], shader.inputs["Normal"])
    if occlusion:
        sky = _node(tree, "ShaderNodeTexImage", -350, -550)
        sky.image = _packed(f"{name} occlusion", occlusion, "Non-Color")
        group = _node(tree, "ShaderNodeGroup", 300, -150)
        group.node_tree = _gltf_output()
        tree.links.new(sky.outputs["Color"], group.inputs["Occlusion"])
    return material


def _packed(name: str, picture: bytes, space: str) -> Any:
    image = bpy.data.images.new(name, 1, 1)
    image.source = "FILE"
    image.pack(data=picture, data_len=len(picture))
    image.colorspace_settings.name = space
    return image


def _gltf_output() -> Any:
    """The node group that Blender's glTF exporter knows by its name: what is linked to it is no part of the shading."""
    known = bpy.data.node_groups.get(GLTF_OUTPUT)
    if known is not None and known.library is None:
        return known
    group = bpy.data.node_groups.new(GLTF_OUTPUT, "ShaderNodeTree")
    group.interface.new_socket("Occlusion", in_out="INPUT", socket_type="NodeSocketFloat")
    group.nodes.new("NodeGroupInput")
    return group


def repaint(material: Any, picture: bytes) -> None:
    """Another picture for a `textured_material`."""
    for image in _images(material):
        image.pack(data=picture, data_len=len(picture))
        image.reload()


def remove(material: Any) -> None:
    """Remove a material that nothing uses, with its pictures."""
    images = _images(material)
    bpy.data.materials.remove(material)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def _images(material: Any) -> list[Any]:
    nodes = material.node_tree.nodes if material and material.node_tree else ()
    return [node.image for node in nodes if node.type == "TEX_IMAGE" and node.image]


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


def _matt(tree: Any, color: Any) -> Any:
    """-> the shader."""
    shader = _node(tree, "ShaderNodeBsdfPrincipled", 0, 100)
    shader.inputs["Roughness"].default_value = ROUGHNESS
    output = _node(tree, "ShaderNodeOutputMaterial", 300, 100)
    tree.links.new(color.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    return shader
