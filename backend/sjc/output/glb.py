"""glTF 2.0 binary (.glb): our own small writer and reader of coloured triangle meshes.

The common writers either leave out the material (glTF's default is fully metallic) or store sRGB bytes where the format
says linear. Here COLOR_0 is linear, 16 bits a channel, and the material is matt white, as the specification reads them:
https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html sections 3.7.2.1 (attributes), 3.9 (materials), 4.4 (GLB).
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__, foreign
from ..errors import SjcError
from .colour import srgb_to_linear
from .files import write_bytes
from .glb_container import BIN, JSON, MAGIC, container, from_gltf, to_gltf
from .glb_material import material
from .measures import vertex_normals
from .mesh import Mesh
from .pictures import read_picture
from .tangents import smooth_normals, tangents
from .texture import Texture, lookup, weld

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_TRIANGLES = 4


# ---------------------------------------------------------------------------------------------------------------- write
def write_glb(
    path: str | os.PathLike[str], mesh: Mesh, name: str = "sjc", extras: dict[str, Any] | None = None
) -> None:
    """Write `mesh` whole. `extras` (JSON values) lie at the node, where Blender makes custom properties of them."""
    if not len(mesh.faces):
        raise SjcError(f"{path}: a mesh without faces cannot be written.")
    color = np.ones((len(mesh.vertices), 4))
    color[:, :3] = np.clip(mesh.colors, 0, 1)
    normals = _normals(mesh)
    blocks = {
        "POSITION": to_gltf(mesh.vertices).astype("<f4"),
        "NORMAL": to_gltf(normals).astype("<f4"),
        # Viewers multiply COLOR_0 with the texture; a name of our own they pass over.
        "_COLOR" if mesh.texture else "COLOR_0": np.rint(color * 65535).astype("<u2"),
    }
    if mesh.texture:
        blocks["TEXCOORD_0"] = mesh.texture.uv.astype("<f4")
    if mesh.texture and mesh.texture.normals is not None:
        sides = tangents(mesh.vertices, mesh.faces, mesh.texture.uv, normals)
        blocks["TANGENT"] = np.concatenate([to_gltf(sides[:, :3]), sides[:, 3:]], 1).astype("<f4")
    attributes = {key: index for index, key in enumerate(blocks)}
    blocks["indices"] = mesh.faces.astype("<u4").reshape(-1)
    views, accessors, offset = [], [], 0
    for index, (key, block) in enumerate(blocks.items()):
        target = _ELEMENT_ARRAY_BUFFER if key == "indices" else _ARRAY_BUFFER
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": block.nbytes, "target": target})
        accessors.append({"bufferView": index, "count": len(block), **_kind(key, block)})
        offset += block.nbytes  # multiples of four: 12, 12, 8, 8, 16 and 4 bytes an item
    document, images = material(name, mesh.texture)
    for index, image in enumerate(images):
        document["images"][index]["bufferView"] = len(views)
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(image)})
        offset += len(image) + -len(image) % 4
    node: dict[str, Any] = {"mesh": 0, "name": name}
    if extras:
        node["extras"] = extras
    document |= {
        "asset": {"version": "2.0", "generator": f"sjc_blender {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [
            {
                "name": name,
                "primitives": [
                    {"attributes": attributes, "indices": len(attributes), "material": 0, "mode": _TRIANGLES}
                ],
            }
        ],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    binary = b"".join(block.tobytes() for block in blocks.values())
    binary += b"".join(image + b"\0" * (-len(image) % 4) for image in images)
    write_bytes(path, container(document, binary))


def _normals(mesh: Mesh) -> NDArray[np.float64]:
    """Unit normals [V, 3]; those that a normal map is stored about, where there is one."""
    if mesh.texture and mesh.texture.normals is not None:
        return smooth_normals(mesh.vertices, mesh.faces)
    first, position = weld(mesh.vertices)  # seams of a texture shall not show in the shading
    return vertex_normals(mesh.vertices[first], position[mesh.faces])[position]


def _kind(key: str, block: NDArray[Any]) -> dict[str, Any]:
    """The part of an accessor that depends on what it holds."""
    component = next(code for code, dtype in _DTYPES.items() if block.dtype == dtype)
    width = 1 if block.ndim == 1 else block.shape[1]
    kind: dict[str, Any] = {"componentType": component, "type": "SCALAR" if width == 1 else f"VEC{width}"}
    if key in {"COLOR_0", "_COLOR"}:
        kind["normalized"] = True
    if key == "POSITION":
        kind["min"], kind["max"] = block.min(0).tolist(), block.max(0).tolist()
    return kind


# ----------------------------------------------------------------------------------------------------------------- read
def read_glb(path: str | os.PathLike[str], *, keep_uv: bool = False) -> Mesh:
    """Read any .glb's triangles by the specification alone -> Mesh in the engine's frame, without a report.

    All meshes of the default scene, with their nodes' transforms, are joined; colour is COLOR_0 times the material's
    base colour factor and its PNG texture (bilinear at the vertices), linear; white where there is none. Raises
    SjcError for what is no GLB.

    keep_uv: with the file's texture and its first UVs, where every triangle has these. Where not all triangles show one
    and the same picture, the texture is one white texel.
    """
    document, binary = _chunks(path)
    points, faces, colors, uvs, pictures, count = [], [], [], [], [], 0
    for mesh, matrix in _placed_meshes(document):
        for primitive in mesh["primitives"]:
            if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
                continue
            attributes = primitive["attributes"]
            position = _accessor(document, binary, attributes["POSITION"]).astype(np.float64)
            position = position @ matrix[:3, :3].T + matrix[:3, 3]
            if "indices" in primitive:
                triangles = _accessor(document, binary, primitive["indices"]).astype(np.int64).reshape(-1, 3)
            else:
                triangles = np.arange(len(position)).reshape(-1, 3)
            if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored node turns its faces over
                triangles = triangles[:, ::-1]
            color = np.ones((len(position), 3))
            if "COLOR_0" in attributes:
                color = _accessor(document, binary, attributes["COLOR_0"])[:, :3].astype(np.float64)
            points.append(from_gltf(position))
            faces.append(triangles + count)
            colors.append(color * _base_color(document, primitive) * _texture_color(document, binary, primitive))
            pictures.append(_texture_source(document, primitive))
            if "TEXCOORD_0" in attributes:
                uvs.append(_accessor(document, binary, attributes["TEXCOORD_0"]).astype(np.float32))
            count += len(position)
    if not points:
        raise SjcError(f"{path} holds no triangles.")
    return Mesh(
        np.concatenate(points).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(colors).astype(np.float32),
        texture=Texture(_common_picture(document, binary, pictures), np.concatenate(uvs))
        if keep_uv and len(uvs) == len(points)
        else None,
    )


def _chunks(path: str | os.PathLike[str]) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk of a GLB container."""
    try:
        container = foreign.read_bytes(path, foreign.MESH_BYTES)
    except OSError as error:
        raise SjcError(f"{path} cannot be read: {error.strerror}.") from error
    if len(container) < 20 or struct.unpack_from("<II", container) != (MAGIC, 2):
        raise SjcError(f"{path} is not a glTF 2.0 binary file.")
    chunks: dict[int, bytes] = {}
    at = 12
    while at + 8 <= len(container):
        length, kind = struct.unpack_from("<II", container, at)
        if at + 8 + length > len(container):
            raise SjcError(f"{path} is cut short.")
        chunks.setdefault(kind, container[at + 8 : at + 8 + length])
        at += 8 + length
    if JSON not in chunks:
        raise SjcError(f"{path} is a glTF file without its JSON chunk.")
    return json.loads(chunks[JSON]), chunks.get(BIN, b"")


def _placed_meshes(document: dict[str, Any]) -> list[tuple[dict[str, Any], NDArray[np.float64]]]:
    """(mesh, matrix [4, 4] to the scene) for every node of the default scene that has a mesh."""
    nodes = document.get("nodes", [])
    scenes = document.get("scenes", [])
    roots = scenes[document.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
    placed, stack = [], [(index, np.eye(4)) for index in roots]
    while stack:
        index, parent = stack.pop()
        matrix = parent @ _local_matrix(nodes[index])
        if "mesh" in nodes[index]:
            placed.append((document["meshes"][nodes[index]["mesh"]], matrix))
        stack += [(child, matrix) for child in nodes[index].get("children", [])]
    return placed


def _local_matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """A node's own transform: its matrix (column-major), or translation * rotation (x, y, z, w) * scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1.0, 1.0, 1.0)))
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _base_color(document: dict[str, Any], primitive: dict[str, Any]) -> NDArray[np.float64]:
    if "material" not in primitive:
        return np.ones(3)
    surface = document["materials"][primitive["material"]].get("pbrMetallicRoughness", {})
    return np.array(surface.get("baseColorFactor", (1.0, 1.0, 1.0, 1.0))[:3], np.float64)


def _texture_source(document: dict[str, Any], primitive: dict[str, Any]) -> tuple[int, int] | None:
    """The base colour texture of a primitive: the image's index and which UVs it uses; None where there is none."""
    material = document["materials"][primitive["material"]] if "material" in primitive else {}
    used = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
    return None if used is None else (document["textures"][used["index"]]["source"], used.get("texCoord", 0))


def _picture(document: dict[str, Any], binary: bytes, index: int) -> NDArray[np.uint8]:
    image = document["images"][index]
    if "bufferView" not in image:
        raise SjcError("This glTF file keeps its texture outside the file, which is not read here.")
    view = document["bufferViews"][image["bufferView"]]
    start = view.get("byteOffset", 0)
    return read_picture(binary[start : start + view["byteLength"]])


def _common_picture(
    document: dict[str, Any], binary: bytes, sources: list[tuple[int, int] | None]
) -> NDArray[np.uint8]:
    """The picture that all primitives show at their first UVs, or one white texel."""
    source = sources[0]
    if source is None or source[1] != 0 or set(sources) != {source}:
        return np.full((1, 1, 3), 255, np.uint8)
    return _picture(document, binary, source[0])


def _texture_color(document: dict[str, Any], binary: bytes, primitive: dict[str, Any]) -> NDArray[np.floating]:
    """Linear colour [V, 3] of the base colour texture at the vertices, 1 where there is none."""
    source = _texture_source(document, primitive)
    if source is None:
        return np.ones(3)
    uv = _accessor(document, binary, primitive["attributes"][f"TEXCOORD_{source[1]}"])
    return lookup(srgb_to_linear(_picture(document, binary, source[0]) / 255), uv)  # decoded first, as specified


def _accessor(document: dict[str, Any], binary: bytes, index: int) -> NDArray[Any]:
    """An accessor's values [count] or [count, width]; normalised integers come as float64."""
    accessor = document["accessors"][index]
    dtype: np.dtype[Any] = np.dtype(_DTYPES[accessor["componentType"]])
    width, count = _WIDTHS[accessor["type"]], accessor["count"]
    if "bufferView" not in accessor or "sparse" in accessor:
        raise SjcError("This glTF file uses sparse accessors, which are not read here.")
    view = document["bufferViews"][accessor["bufferView"]]
    if "uri" in document["buffers"][view["buffer"]]:
        raise SjcError("This glTF file keeps its data outside the file, which is not read here.")
    item = dtype.itemsize * width
    values = np.ndarray(
        (count, width),
        dtype.newbyteorder("<"),
        binary,
        offset=view.get("byteOffset", 0) + accessor.get("byteOffset", 0),
        strides=(view.get("byteStride", item), dtype.itemsize),
    )
    if accessor.get("normalized"):
        values = np.maximum(values / np.iinfo(dtype).max, -1)
    return values[:, 0] if width == 1 else values
