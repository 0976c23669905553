"""Reads the mesh.glb that this program writes, with NumPy alone: any other GLB is a matter for Blender's own importer.

Blender's importer takes 0.5 to 1 s for a mesh of 90,000 vertices on the main thread, splits vertices and rounds colours
to bytes. No bpy: it may run in a thread.
"""

from __future__ import annotations

import json
import os
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend.sjc import foreign
from ..backend.sjc.errors import SjcError

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_DTYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_TRIANGLES = 4


@dataclass(frozen=True)
class Triangles:
    """points [V, 3] f4, z up; faces [F, 3] i4, counter-clockwise from outside; colors [V, 4] f4, scene-linear RGBA.

    With a texture: its file's bytes (PNG) and uv [F, 3, 2] f4 of the faces' corners, (0, 0) the lower left as in
    Blender; vertices that its seams had doubled are one again.
    """

    points: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.float32]
    uv: NDArray[np.float32] | None = None
    picture: bytes = b""


def read(path: str | os.PathLike[str]) -> Triangles:
    """The one coloured mesh of `path`. Raises SjcError for a file that is missing, cut short, damaged or foreign."""
    try:
        container = foreign.read_bytes(path, foreign.MESH_BYTES)
    except OSError as error:
        raise SjcError(f"{path} cannot be read: {error.strerror}.") from error
    document, binary = _chunks(container, path)
    try:
        points, faces, colors = _arrays(document, binary)
        uv, picture = _texture(document, binary)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SjcError(f"{path} is not a mesh of this add-on; use File > Import > glTF 2.0 for other files.") from error
    fits = len(points) > 0 and len(faces) > 0 and faces.min() >= 0 and faces.max() < len(points)
    fits = fits and (uv is None or (len(uv) == len(points) and np.isfinite(uv).all()))
    if not fits or not np.isfinite(points).all() or not np.isfinite(colors).all():
        raise SjcError(f"{path} is damaged: its faces do not fit its points.")
    # glTF's frame has y up: (x, y, z) -> (x, -z, y).
    upright = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)
    faces = _outward(upright, _proper(faces))
    if uv is None:
        return Triangles(upright, faces, colors)
    _, first, inverse = np.unique(upright, axis=0, return_index=True, return_inverse=True)
    return Triangles(upright[first], inverse.reshape(-1)[faces].astype(np.int32), colors[first], uv[faces], picture)


def bounds(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner [3] of a mesh.glb, z up, from its head alone. Raises SjcError for one that has none."""
    try:
        with foreign.opened(path, foreign.MESH_BYTES) as stream:
            length = min(struct.unpack("<I", stream.read(20)[12:16])[0], foreign.RECORD_BYTES)
            document = json.loads(stream.read(length))
        accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
        (x, y, z), (right, top, front) = (map(float, accessor[name]) for name in ("min", "max"))
    except OSError as error:
        raise SjcError(f"{path} cannot be read: {error.strerror}.") from error
    except (KeyError, IndexError, TypeError, ValueError, struct.error) as error:
        raise SjcError(f"{path} is not a mesh of this add-on; use File > Import > glTF 2.0 for other files.") from error
    return np.array((x, -front, y)), np.array((right, -z, top))


class Reading:
    """`read` in a thread, because a mesh of 100 MB takes seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._triangles: Triangles | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="mesh", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def result(self) -> Triangles:
        """What was read; waits for it. Raises what `read` has raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._triangles is not None
        return self._triangles

    def _read(self) -> None:
        try:
            self._triangles = read(self._path)
        except Exception as error:  # noqa: BLE001 (whoever asks for the result gets it)
            self._error = error


def _chunks(data: bytes, path: str | os.PathLike[str]) -> tuple[dict[str, Any], memoryview]:
    """The JSON and the binary chunk of a GLB container."""
    if len(data) < 20 or struct.unpack_from("<II", data) != (_MAGIC, 2):
        raise SjcError(f"{path} is not a glTF 2.0 binary file.")
    view = memoryview(data)  # a copy would hold Blender up, thread or not
    chunks: dict[int, memoryview] = {}
    at = 12
    if len(data) < struct.unpack_from("<I", data, 8)[0]:
        raise SjcError(f"{path} is cut short.")
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, at)
        chunks.setdefault(kind, view[at + 8 : at + 8 + length])
        at += 8 + length
    try:
        return foreign.parsed(bytes(chunks[_JSON]).decode()), chunks.get(_BIN, memoryview(b""))
    except (KeyError, ValueError) as error:
        raise SjcError(f"{path} is damaged: its JSON part cannot be read.") from error


def _arrays(
    document: dict[str, Any], binary: memoryview
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Points, faces and colours of a document with one mesh of one primitive and no transforms. Else ValueError."""
    (mesh,) = document["meshes"]
    (primitive,) = mesh["primitives"]
    moved = any({"matrix", "translation", "rotation", "scale"} & set(node) for node in document["nodes"])
    if moved or primitive.get("mode", _TRIANGLES) != _TRIANGLES:
        raise ValueError
    points = _accessor(document, binary, primitive["attributes"]["POSITION"])
    paint = _accessor(document, binary, primitive["attributes"].get("_COLOR", primitive["attributes"].get("COLOR_0")))
    indices = _accessor(document, binary, primitive["indices"])
    if points.shape[1] != 3 or indices.shape[1] != 1 or len(paint) != len(points):
        raise ValueError
    colors = np.ones((len(paint), 4), np.float32)
    colors[:, : paint.shape[1]] = paint if paint.dtype.kind == "f" else paint / np.iinfo(paint.dtype).max
    return points.astype(np.float32), indices.astype(np.int32).reshape(-1, 3), colors


def _texture(document: dict[str, Any], binary: memoryview) -> tuple[NDArray[np.float32] | None, bytes]:
    """uv [V, 2] of the vertices, (0, 0) the lower left, and the picture's bytes; None and nothing without a texture."""
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    if "TEXCOORD_0" not in attributes or not document.get("images"):
        return None, b""
    uv = _accessor(document, binary, attributes["TEXCOORD_0"]).astype(np.float32) * (1, -1) + (0, 1)
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    start = view.get("byteOffset", 0)
    return uv.astype(np.float32), bytes(binary[start : start + view["byteLength"]])


def _accessor(document: dict[str, Any], binary: memoryview, index: int) -> NDArray[Any]:
    """The values [count, width] of an accessor whose items lie one after the other."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype, width = np.dtype(_DTYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    if view.get("byteStride", dtype.itemsize * width) != dtype.itemsize * width:
        raise ValueError
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.frombuffer(binary, dtype, accessor["count"] * width, start).reshape(-1, width)


def _proper(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Without faces that name a point twice, which Blender takes for damage."""
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def _outward(points: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """The faces, turned over when the volume that they enclose is negative."""
    a, b, c = (points[faces[:, i]].astype(np.float64) for i in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c))
    return faces if volume >= 0 else np.ascontiguousarray(faces[:, ::-1])
