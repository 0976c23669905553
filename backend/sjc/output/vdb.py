"""OpenVDB volumes from NumPy: a writer for dense blocks, file format version 224, without the OpenVDB library.

No OpenVDB writer for Python can be had from the usual package registry, and Blender's own holds its main thread. The
layout follows OpenVDB's `io/Archive.cc`, `io/Compression.h`, `tree/*Node.h` and `math/Maps.h`, and is held to the real
library by tests/blender/test_vdb_in_blender.py:

    header    magic, version, library version, grid offsets: yes, UUID; file metadata; number of grids
    per grid  name, type, parent; 3 file positions; compression; grid metadata; transform; topology; leaf values
    tree      5_4_3: root -> node of 32^3 -> nodes of 16^3 -> leaves of 8^3. A block that starts at index 0 and is no
              wider than 4096 lies in a single node of 32^3.

Only voxels that hold something are stored (the active mask); the rest is the background, 0.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .files import write_bytes
from .npz import UNIT_BOX

_MAGIC = b" BDV\0\0\0\0"
_FILE_VERSION, _LIBRARY_VERSION = 224, (10, 0)
_ZIP, _ACTIVE_MASK = 0x1, 0x2
_LEAF, _LOWER, _UPPER = 8, 16, 32
# Metadata byte before a node's values: every inactive value is the background.
_INACTIVE_IS_BACKGROUND = b"\0"
# Density below this (per unit length; the box is 2 across) is invisible: at most 0.02 % opaque.
INVISIBLE = 1e-4
HALF_MAX = 65504  # float16
# Voxels along an edge that a live volume has at most, of density and of colour: Blender reads all of them on its main
# thread (bench bridge), and while an object grows its colours are as blurred as it is.
LIVE_DENSITY, LIVE_COLOR = 128, 64


@dataclass(frozen=True)
class _Grid:
    """One grid to write: values [X, Y, Z] or [X, Y, Z, 3], active [X, Y, Z], its voxel's edge in the field's voxels."""

    name: str
    values: NDArray[np.floating]
    active: NDArray[np.bool_]
    step: int


def write_vdb(
    path: str | os.PathLike[str],
    density: NDArray[np.floating],
    color: NDArray[np.floating],
    *,
    bounds: NDArray[np.floating] = UNIT_BOX,
    threshold: float = INVISIBLE,
    half: bool = False,
    compress: bool = True,
    coarser: tuple[int, int] = (1, 1),
) -> None:
    """Write `density` [N, N, N] as a float grid and `color` [N, N, N, 3] as a vec3 grid, whole.

    bounds [2, 3], the box's outer faces: voxel (i, j, k) has its centre at bounds[0] + (i + 0.5, ...) * voxel, the way
    OpenVDB sees it. (Blender before 5.0 draws half a voxel further: its side of the bridge takes that off.) Voxels of
    density <= `threshold` are left out of both grids. `half` stores float16. `compress` is zlib, level 1.
    coarser: how many voxels along an edge become one, in density (their mean) and in colour (their mean by density).
    """
    density, color = np.asarray(density), np.asarray(color)
    if density.ndim != 3 or color.shape != (*density.shape, 3) or max(density.shape) > _LEAF * _LOWER * _UPPER:
        raise ValueError(f"density [N,N,N] and color [N,N,N,3] are needed, not {density.shape} and {color.shape}")
    low, high = np.asarray(bounds, np.float64)
    voxel = (high - low) / density.shape
    if not np.allclose(voxel, voxel[0], rtol=1e-5):
        raise ValueError(f"voxels must be cubes, not {voxel}")
    grids = [
        _Grid("density", *_coarser(density, density, coarser[0], threshold), coarser[0]),
        _Grid("color", *_coarser(color, density, coarser[1], threshold), coarser[1]),
    ]
    stream = io.BytesIO()
    stream.write(_MAGIC + struct.pack("<III?", _FILE_VERSION, *_LIBRARY_VERSION, True))
    stream.write(str(uuid.uuid4()).encode())
    _write_metadata(stream, {"creator": "sjc_blender"})
    stream.write(struct.pack("<I", len(grids)))
    for grid in grids:
        edge = voxel * grid.step
        _write_grid(stream, grid, edge[0], low + edge / 2, half=half, compress=compress)
    write_bytes(path, stream.getvalue())


def write_live_vdb(
    path: str | os.PathLike[str],
    density: NDArray[np.floating],
    color: NDArray[np.floating],
    *,
    bounds: NDArray[np.floating] = UNIT_BOX,
) -> None:
    """`write_vdb` for a volume that Blender shows soon: half precision, and no more voxels than it reads in time."""
    n = max(np.shape(density))
    steps = (-(-n // LIVE_DENSITY), -(-n // LIVE_COLOR))
    write_vdb(path, density, color, bounds=bounds, half=True, compress=False, coarser=steps)


def _coarser(
    values: NDArray[np.floating], density: NDArray[np.floating], step: int, threshold: float
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Means of blocks of step^3 voxels, of a colour weighted by density, and which blocks hold something.

    Blocks may reach beyond the box.
    """
    if step == 1:
        return values, density > threshold
    mass = _block_sums(density, step)
    if values.ndim == 3:
        means = mass / step**3
    else:
        means = _block_sums(values * density[..., None], step) / np.maximum(mass, 1e-12)[..., None]
    return means, mass > threshold * step**3


def _block_sums(values: NDArray[np.floating], step: int) -> NDArray[np.floating]:
    """[X, Y, Z, ...] -> [ceil(X / step), ...]."""
    pad = [(0, -size % step) for size in values.shape[:3]] + [(0, 0)] * (values.ndim - 3)
    values = np.pad(values, pad)
    for axis in range(3):
        parts = [values[(slice(None),) * axis + (slice(i, None, step),)] for i in range(step)]
        values = functools.reduce(np.add, parts)
    return values


def _write_grid(
    stream: BinaryIO, grid: _Grid, voxel: float, origin: NDArray[np.float64], *, half: bool, compress: bool
) -> None:
    """Descriptor, metadata, transform, topology, leaf values; the three file positions are filled in at the end."""
    vector = grid.values.ndim == 4
    _write_string(stream, grid.name)
    _write_string(stream, f"Tree_{'vec3s' if vector else 'float'}_5_4_3" + ("_HalfFloat" if half else ""))
    _write_string(stream, "")
    positions = stream.tell()
    stream.write(bytes(24))

    start = stream.tell()
    stream.write(struct.pack("<I", _ACTIVE_MASK | (_ZIP if compress else 0)))
    metadata: dict[str, Any] = {"class": "unknown" if vector else "fog volume", "is_saved_as_half_float": half}
    if vector:
        metadata["vector_type"] = "invariant"
    _write_metadata(stream, metadata | {"name": grid.name})
    _write_transform(stream, voxel, origin)

    masks = _leaf_order(grid.active)
    occupied: NDArray[np.bool_] = np.any(masks, axis=-1)
    _write_topology(stream, masks, occupied, 3 if vector else 1, half=half, compress=compress)
    blocks = stream.tell()
    order = _tree_order(occupied)
    values = _leaf_order(grid.values)[order].astype("<f4")
    if half:
        values = values.clip(-HALF_MAX, HALF_MAX).astype("<f2")
    for mask, leaf in zip(masks[order], values, strict=True):
        stream.write(np.packbits(mask, bitorder="little").tobytes() + _INACTIVE_IS_BACKGROUND)
        _write_values(stream, leaf[mask].tobytes(), half=half, compress=compress)
    end = stream.tell()
    stream.seek(positions)
    stream.write(struct.pack("<qqq", start, blocks, end))
    stream.seek(end)


def _leaf_order(values: NDArray[Any]) -> NDArray[Any]:
    """[X, Y, Z, ...] -> [X/8, Y/8, Z/8, 512, ...], padded with 0 to whole leaves: x slowest within a leaf."""
    pad = [(0, -size % _LEAF) for size in values.shape[:3]] + [(0, 0)] * (values.ndim - 3)
    values = np.pad(values, pad)
    x, y, z = (size // _LEAF for size in values.shape[:3])
    rest = values.shape[3:]
    tail = tuple(range(6, 6 + len(rest)))
    values = values.reshape(x, _LEAF, y, _LEAF, z, _LEAF, *rest).transpose(0, 2, 4, 1, 3, 5, *tail)
    return values.reshape(x, y, z, _LEAF**3, *rest)


def _lower_nodes(occupied: NDArray[np.bool_]) -> list[tuple[int, tuple[int, int, int], NDArray[np.int64]]]:
    """(index in the upper node, first leaf, occupied leaves [K, 3] within it, in order) per node of 16^3 leaves."""
    nodes = []
    for corner in np.ndindex(*(-(-size // _LOWER) for size in occupied.shape)):
        first = tuple(c * _LOWER for c in corner)
        inside = np.argwhere(occupied[tuple(slice(f, f + _LOWER) for f in first)])
        if len(inside):
            index = (corner[0] * _UPPER + corner[1]) * _UPPER + corner[2]
            nodes.append((index, (first[0], first[1], first[2]), inside))
    return nodes


def _tree_order(occupied: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Index arrays of the occupied leaves, in the order that the tree's nodes list them."""
    leaves = [inside + np.array(first) for _, first, inside in _lower_nodes(occupied)]
    return tuple(np.concatenate([np.zeros((0, 3), np.int64), *leaves]).T)


def _write_topology(
    stream: BinaryIO, masks: NDArray[np.bool_], occupied: NDArray[np.bool_], width: int, *, half: bool, compress: bool
) -> None:
    """Root, inner nodes and the leaves' active masks. No node has tiles, so no inner node has values."""
    nodes = _lower_nodes(occupied)
    background = struct.pack(f"<{width}f", *[0.0] * width)
    # One buffer per tree; background; 0 tiles; the one child of the root, at index (0, 0, 0).
    stream.write(struct.pack("<i", 1) + background + struct.pack("<II", 0, 1 if nodes else 0))
    if not nodes:
        return
    stream.write(struct.pack("<iii", 0, 0, 0))
    _write_inner(stream, np.array([index for index, _, _ in nodes]), _UPPER, half=half, compress=compress)
    for _, first, inside in nodes:
        _write_inner(
            stream, (inside[:, 0] * _LOWER + inside[:, 1]) * _LOWER + inside[:, 2], _LOWER, half=half, compress=compress
        )
        at = inside + np.array(first)
        stream.write(np.packbits(masks[at[:, 0], at[:, 1], at[:, 2]], axis=-1, bitorder="little").tobytes())


def _write_inner(stream: BinaryIO, children: NDArray[np.integer], size: int, *, half: bool, compress: bool) -> None:
    """Child mask, (empty) value mask, (no) values."""
    mask = np.zeros(size**3, bool)
    mask[children] = True
    stream.write(np.packbits(mask, bitorder="little").tobytes() + bytes(size**3 // 8) + _INACTIVE_IS_BACKGROUND)
    _write_values(stream, b"", half=half, compress=compress)


def _write_values(stream: BinaryIO, data: bytes, *, half: bool, compress: bool) -> None:
    """A run of values: with zlib, its length comes first; a run that does not shrink is stored, length negated."""
    if not compress:
        stream.write(data)
    elif data:
        packed = zlib.compress(data, 1)
        small = len(packed) < len(data)
        stream.write(struct.pack("<q", len(packed) if small else -len(data)) + (packed if small else data))
    elif not half:  # OpenVDB's half-float path writes nothing at all for an empty run
        stream.write(struct.pack("<q", 0))


def _write_transform(stream: BinaryIO, voxel: float, origin: NDArray[np.float64]) -> None:
    """Index -> world = index * voxel + origin, with the derived numbers that OpenVDB stores beside it."""
    _write_string(stream, "UniformScaleTranslateMap")
    scale = [voxel, abs(voxel), 1 / voxel, 1 / voxel**2, 0.5 / voxel]
    stream.write(struct.pack("<3d", *origin))
    stream.writelines(struct.pack("<3d", number, number, number) for number in scale)


def _write_metadata(stream: BinaryIO, table: dict[str, Any]) -> None:
    stream.write(struct.pack("<I", len(table)))
    for key, value in table.items():
        _write_string(stream, key)
        if isinstance(value, bool):
            _write_string(stream, "bool")
            stream.write(struct.pack("<I?", 1, value))
        else:
            _write_string(stream, "string")
            _write_string(stream, value)


def _write_string(stream: BinaryIO, text: str) -> None:
    data = text.encode()
    stream.write(struct.pack("<I", len(data)) + data)
