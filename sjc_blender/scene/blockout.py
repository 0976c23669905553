"""Objects of the scene as what a job starts from: read as they stand, modifiers applied, and written as .glb.

Nothing in the scene is changed: evaluated copies are read. The file holds the points in the world's frame, but turned
back about Z by the first object's rotation, so that its front is the object's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job import placement
from ..backend.sjc.job.inputs import INPUTS
from ..backend.sjc.job.placement import Placement
from ..backend.sjc.output.files import write_bytes
from ..backend.sjc.output.glb_container import container, to_gltf

MOST_FACES = 2_000_000  # as the engine has it
_GRAY = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Surface:
    """points [V, 3] f4, z up; faces [F, 3] u4; colors [V, 3] f4, scene-linear."""

    points: np.ndarray
    faces: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class Scan:
    """What `api.generate` was given to start from, and its settings; surfaces are still to be written."""

    settings: dict[str, str] = field(default_factory=dict)
    start: Surface | None = None
    keep: Surface | None = None
    stands: Placement | None = None

    def write(self, folder: Path) -> None:
        """The surfaces and their placement into a job folder. Raises SjcError."""
        for name, surface in (("start", self.start), ("keep", self.keep)):
            if surface:
                write_bytes(folder / INPUTS / f"{name}.glb", _glb(surface))
        if self.stands:
            placement.write(folder, self.stands)


def scan(start: str | Iterable[Any], keep: str | Any) -> Scan:
    """Read what a job starts from, objects or whole paths; writes nothing. Raises SjcError for what is no start."""
    settings: dict[str, str] = {}
    angle, begun, stands = 0.0, None, None
    if isinstance(start, str):
        settings["start"] = start
    else:
        objects = [item for item in start if item.type == "MESH"]
        if not objects:
            raise SjcError("The start has no mesh: select one or more mesh objects.")
        angle = _heading(objects[0])
        begun = _surface(objects, angle)
        low, high = begun.points.min(0).tolist(), begun.points.max(0).tolist()
        stands = Placement.fitting(low, high, angle)
        settings["start"] = f"{INPUTS}/start.glb"
    if isinstance(keep, str):
        settings["keep"] = keep
        return Scan(settings, begun, None, stands)
    if keep.type != "MESH":
        raise SjcError(f"{keep.name} is no mesh object, so nothing can be inside it; choose a mesh.")
    if not settings["start"]:
        raise SjcError("There is nothing to keep without a start: select the mesh objects to start from, too.")
    settings["keep"] = f"{INPUTS}/keep.glb"
    return Scan(settings, begun, _surface([keep], angle), stands)


def _heading(item: Any) -> float:
    """The rotation of an object about Z, where it stands upright and is no mirror image; else 0."""
    turn = item.matrix_world.to_3x3().normalized()
    upright = turn.col[2].z > 1 - 1e-4 and turn.determinant() > 0
    return float(turn.to_euler().z) if upright else 0.0


def _surface(objects: Iterable[Any], angle: float) -> Surface:
    """The evaluated triangles of mesh objects as one surface. Raises SjcError for none, and for too many."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    points, faces, colors, count, total = [], [], [], 0, 0
    for item in objects:
        if item.mode == "EDIT":
            item.update_from_editmode()
        evaluated = item.evaluated_get(depsgraph)
        mesh = evaluated.to_mesh()
        try:
            total += len(mesh.loops) - 2 * len(mesh.polygons)
            if total >= MOST_FACES:
                raise SjcError(f"The start has {total} triangles; decimate it to fewer than {MOST_FACES}.")
            matrix = Matrix.Rotation(-angle, 4, "Z") @ item.matrix_world
            own, corners, paint = _arrays(mesh, np.array(matrix))
        finally:
            evaluated.to_mesh_clear()
        points.append(own)
        faces.append(corners + count)
        colors.append(paint)
        count += len(own)
    if not sum(map(len, faces)):
        raise SjcError("The selected meshes have no faces, so there is nothing to start from; select others.")
    surface = Surface(np.concatenate(points), np.concatenate(faces), np.concatenate(colors))
    if not np.isfinite(surface.points).all():
        raise SjcError("The selected meshes have points at no place (not a number); apply or repair their modifiers.")
    return surface


def _arrays(mesh: Any, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points in the world, triangles, and colours of the points: that of a material of a face around each."""
    mesh.calc_loop_triangles()
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    faces = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    slots = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("material_index", slots)
    palette = np.array([_color(material) for material in mesh.materials] or [_GRAY], np.float32)
    colors = np.tile(np.float32(_GRAY), (len(points) // 3, 1))
    corners = faces.reshape(-1, 3)
    colors[corners] = palette[slots.clip(0, len(palette) - 1)][:, None]
    placed = points.reshape(-1, 3).astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return placed.astype(np.float32), corners.astype(np.uint32), colors


def _color(material: Any) -> tuple[float, float, float]:
    """A material's base colour: of its Principled BSDF, else of the viewport."""
    nodes = material.node_tree.nodes if material and material.node_tree else ()
    shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
    source = shader.inputs["Base Color"].default_value if shader else material.diffuse_color if material else _GRAY
    red, green, blue = source[:3]
    return red, green, blue


def _glb(surface: Surface) -> bytes:
    """A .glb of one mesh with linear vertex colours (glTF 2.0: y up)."""
    blocks = {
        "POSITION": to_gltf(surface.points).astype("<f4"),
        "COLOR_0": surface.colors.astype("<f4"),
        "indices": surface.faces.astype("<u4").reshape(-1),
    }
    views, accessors, offset = [], [], 0
    for index, (name, block) in enumerate(blocks.items()):
        kind = (5125, "SCALAR") if name == "indices" else (5126, "VEC3")
        bounds = {"min": block.min(0).tolist(), "max": block.max(0).tolist()} if name == "POSITION" else {}
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": block.nbytes})
        shape = {"componentType": kind[0], "type": kind[1], "count": len(block)}
        accessors.append({"bufferView": index, **shape, **bounds})
        offset += block.nbytes
    primitive = {"attributes": {"POSITION": 0, "COLOR_0": 1}, "indices": 2}
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
