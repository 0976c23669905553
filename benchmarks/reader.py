"""Reads mesh.glb by the glTF 2.0 specification alone, apart from the code that wrote it.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html sections 3.5 (nodes), 3.6 (accessors), 3.7.2.1 (COLOR_0 is
linear and is multiplied by the base colour factor), 4.4 (the container). What a job folder never holds is refused.
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from sjc.output.mesh import Mesh

_COMPONENTS = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def read_mesh(path: Path) -> Mesh:
    """mesh.glb -> Mesh in the engine's frame: y-up (x, y, z) is turned back to z-up (x, -z, y); colours linear."""
    document, binary = _container(path)
    points, faces, colors = [], [], []
    for node in document["nodes"]:
        if {"matrix", "rotation", "scale", "translation", "children"} & set(node):
            raise ValueError(f"{path}: a node is moved; the job folder's meshes stand in the world's frame")
        for primitive in document["meshes"][node["mesh"]]["primitives"] if "mesh" in node else ():
            attributes = primitive["attributes"]
            position = _values(document, binary, attributes["POSITION"])
            color = np.ones(3)
            if "COLOR_0" in attributes:
                color = _values(document, binary, attributes["COLOR_0"])[:, :3]
            material = document["materials"][primitive["material"]]["pbrMetallicRoughness"]
            faces.append(_values(document, binary, primitive["indices"]).reshape(-1, 3) + sum(map(len, points)))
            points.append(np.stack([position[:, 0], -position[:, 2], position[:, 1]], 1))
            color = color * np.array(material.get("baseColorFactor", [1.0] * 4))[:3]
            if "baseColorTexture" in material:
                source = document["textures"][material["baseColorTexture"]["index"]]["source"]
                view = document["bufferViews"][document["images"][source]["bufferView"]]
                start = view.get("byteOffset", 0)
                picture = binary[start : start + view["byteLength"]]
                color = color * _sampled(picture, _values(document, binary, attributes["TEXCOORD_0"]))
            colors.append(np.broadcast_to(color, position.shape))
    return Mesh(
        np.concatenate(points).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(colors).astype(np.float32),
    )


def _sampled(data: bytes, uv: np.ndarray) -> np.ndarray:
    """Linear colours [count, 3] of an sRGB picture at uv, (0, 0) its upper left corner: bilinear in decoded values."""
    from PIL import Image

    encoded = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    tall, wide = linear.shape[:2]
    x, y = (uv * [wide, tall] - 0.5).T
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    color = np.zeros((len(uv), 3))
    for right in (0, 1):
        for below in (0, 1):
            weight = np.abs(1 - right - (x - left)) * np.abs(1 - below - (y - top))
            texel = linear[(top + below).clip(0, tall - 1), (left + right).clip(0, wide - 1)]
            color += weight[:, None] * texel
    return color


def _container(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    if (magic, version, length) != (b"glTF", 2, len(data)):
        raise ValueError(f"{path} is no whole glTF 2.0 binary file")
    size, kind = struct.unpack_from("<I4s", data, 12)
    start = 20 + size
    binary_size, binary_kind = struct.unpack_from("<I4s", data, start)
    if (kind, binary_kind) != (b"JSON", b"BIN\0"):
        raise ValueError(f"{path}: its chunks are not JSON and BIN")
    return json.loads(data[20:start]), data[start + 8 : start + 8 + binary_size]


def _values(document: dict[str, Any], binary: bytes, index: int) -> np.ndarray:
    """[count, width]: integers as int64, floats and normalised integers as float64."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype, width = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    if view.get("byteStride", dtype.itemsize * width) != dtype.itemsize * width:
        raise ValueError("interleaved attributes are not read here")
    offset = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(binary, dtype, accessor["count"] * width, offset).reshape(-1, width)
    if accessor.get("normalized"):
        return values / np.iinfo(dtype).max
    return values.astype(np.float64 if dtype.kind == "f" else np.int64)
