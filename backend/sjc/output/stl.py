"""Binary STL: triangles for slicers; the format has no unit, no colour and no common vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .files import write_bytes
from .mesh import Mesh

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(path: Path, mesh: Mesh) -> None:
    """Write `mesh`, z up."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    triangles = np.zeros(len(mesh.faces), _TRIANGLE)
    triangles["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    triangles["corners"] = corners
    header = b"sjc_blender, z up".ljust(80)  # never "solid": readers take that for a text file
    write_bytes(path, header + np.array(len(triangles), "<u4").tobytes() + triangles.tobytes())
