"""Meshes of the scene as arrays, and as one .glb.  No bpy: a thread may do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..backend.sjc.output.glb_container import container, to_gltf

GRAY = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Part:
    """A mesh as Blender keeps it.

    points [V, 3] f4, z up; corners [L] i4: the point at each corner of a face; first [P] i4: the first corner of each
    face; slots [P] i4: its material; palette [M, 3] f4: the materials' colours, scene-linear.
    """

    points: np.ndarray
    corners: np.ndarray
    first: np.ndarray
    slots: np.ndarray
    palette: np.ndarray

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner [3] of the box around all faces."""
        axes = np.ascontiguousarray(self.points[self._used()].T)  # along rows NumPy looks four times as fast
        return axes.min(1), axes.max(1)

    def triangles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points [W, 3] f4 that faces use, triangles [T, 3] u4 of them, and their colours [W, 3] f4.

        Each face becomes a fan about its first corner, also a hollow one: what lies inside of the mesh is decided by
        the parity of crossings, to which it makes no difference.
        """
        counts = np.diff(np.append(self.first, len(self.corners))) - 2
        face = np.repeat(np.arange(len(counts)), counts)
        rank = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
        start = self.first[face]
        used = self._used()
        renumbered = np.cumsum(used) - 1
        corners = renumbered[self.corners[np.stack([start, start + rank + 1, start + rank + 2], 1)]]
        colors = np.tile(np.float32(GRAY), (int(used.sum()), 1))
        colors[corners] = self.palette[self.slots[face].clip(0, len(self.palette) - 1)][:, None]
        return self.points[used], corners.astype(np.uint32), colors

    def _used(self) -> np.ndarray:
        used = np.zeros(len(self.points), bool)
        used[self.corners] = True
        return used


def glb(parts: Sequence[Part], uv: np.ndarray | None = None) -> bytes:
    """A .glb of all parts as one mesh with linear vertex colours (glTF 2.0: y up).

    uv: of all points, [W, 2], (0, 0) the upper left.
    """
    points, faces, colors = zip(*(part.triangles() for part in parts), strict=True)
    begins = np.cumsum([0, *map(len, points[:-1])])
    blocks = {
        "POSITION": to_gltf(np.concatenate(points)).astype("<f4"),
        "COLOR_0": np.concatenate(colors).astype("<f4"),
        **({} if uv is None else {"TEXCOORD_0": uv.astype("<f4")}),
        "indices": np.concatenate([own + begin for own, begin in zip(faces, begins, strict=True)])
        .astype("<u4")
        .reshape(-1),
    }
    views, accessors, offset = [], [], 0
    for index, (name, block) in enumerate(blocks.items()):
        kind = (5125, "SCALAR") if name == "indices" else (5126, f"VEC{block.shape[1]}")
        bounds = {"min": block.min(0).tolist(), "max": block.max(0).tolist()} if name == "POSITION" else {}
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": block.nbytes})
        shape = {"componentType": kind[0], "type": kind[1], "count": len(block)}
        accessors.append({"bufferView": index, **shape, **bounds})
        offset += block.nbytes
    attributes = [name for name in blocks if name != "indices"]
    primitive = {"attributes": {name: index for index, name in enumerate(attributes)}, "indices": len(attributes)}
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    return container(document, b"".join(block.tobytes() for block in blocks.values()))
