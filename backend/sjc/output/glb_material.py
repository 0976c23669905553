"""The material of a .glb that is written here: matt, in its vertices' colours or in pictures."""

from __future__ import annotations

from typing import Any

from .pictures import png_bytes
from .texture import Texture


def material(name: str, texture: Texture | None) -> tuple[dict[str, Any], list[bytes]]:
    """The parts of the document that say how the surface looks, without buffer views, and the PNG files that they name.

    Nothing in a result says how rough its surface is: its colours are the same from all sides, so it is fully matt.
    """
    surface: dict[str, Any] = {"baseColorFactor": [1.0, 1.0, 1.0, 1.0], "metallicFactor": 0.0, "roughnessFactor": 1.0}
    whole: dict[str, Any] = {"name": name, "pbrMetallicRoughness": surface}
    if texture is None:
        return {"materials": [whole]}, []
    pictures = [(surface, "baseColorTexture", name, texture.picture)]
    if texture.normals is not None:
        pictures.append((whole, "normalTexture", f"{name} normal", texture.normals))
    if texture.occlusion is not None:
        pictures.append((whole, "occlusionTexture", f"{name} occlusion", texture.occlusion))
    for index, (part, key, _, _) in enumerate(pictures):
        part[key] = {"index": index}
    document = {
        "materials": [whole],
        "images": [{"mimeType": "image/png", "name": title} for _, _, title, _ in pictures],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
        "textures": [{"source": index, "sampler": 0} for index in range(len(pictures))],
    }
    return document, [png_bytes(picture) for _, _, _, picture in pictures]
