"""Objects of the scene as what a job starts from: read as they stand, modifiers applied, and written as .glb.

Nothing in the scene is changed: evaluated copies are read. The file holds the points in the world's frame, but turned
back about Z by the first object's rotation, so that its front is the object's own. Only what Blender alone can do is
done here, on its main thread: numbers are copied. A thread makes triangles of them and writes the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from . import parts
from .parts import GRAY, Part

MOST_FACES = 2_000_000  # as the engine has it
_SQUARE = 1e-4  # cosine of two axes between which there is a right angle


@dataclass(frozen=True)
class Scan:
    """What `api.generate` was given to start from, and its settings; the meshes are still to be written."""

    settings: dict[str, str] = field(default_factory=dict)
    start: tuple[Part, ...] = ()
    keep: tuple[Part, ...] = ()
    stands: Placement | None = None

    def write(self, folder: Path) -> None:
        """The meshes and their placement into a job folder; asks nothing of Blender. Raises SjcError."""
        for name, meshes in (("start", self.start), ("keep", self.keep)):
            if meshes:
                write_bytes(folder / INPUTS / f"{name}.glb", parts.glb(meshes))
        if self.stands:
            placement.write(folder, self.stands)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.start or self.keep)


def scan(start: str | Iterable[Any], keep: str | Any) -> Scan:
    """Read what a job starts from, objects or whole paths; writes nothing. Raises SjcError for what is no start."""
    settings: dict[str, str] = {}
    angle, begun, stands = 0.0, (), None
    if isinstance(start, str):
        settings["start"] = start
    else:
        objects = [item for item in start if item.type == "MESH"]
        if not objects:
            raise SjcError("The start has no mesh: select one or more mesh objects.")
        angle = heading(objects[0])
        begun = _parts(objects, Matrix.Rotation(-angle, 4, "Z"))
        lows, highs = zip(*(part.bounds() for part in begun), strict=True)
        low, high = np.min(lows, 0), np.max(highs, 0)
        stands = Placement.fitting(low.tolist(), high.tolist(), angle)
        settings["start"] = f"{INPUTS}/start.glb"
    if isinstance(keep, str):
        settings["keep"] = keep
        return Scan(settings, begun, (), stands)
    if keep.type != "MESH":
        raise SjcError(f"{keep.name} is no mesh object, so nothing can be inside it; choose a mesh.")
    if not settings["start"]:
        raise SjcError("There is nothing to keep without a start: select the mesh objects to start from, too.")
    settings["keep"] = f"{INPUTS}/keep.glb"
    return Scan(settings, begun, _parts([keep], Matrix.Rotation(-angle, 4, "Z")), stands)


def scan_part(keep: Any, result: Any, low: np.ndarray, high: np.ndarray) -> Scan:
    """Read what may change of a result, in the frame of its mesh.glb, wherever the result stands in the scene.

    keep, result: mesh objects. low, high [3]: the box around its mesh.glb.
    Raises SjcError.
    """
    if keep.type != "MESH":
        raise SjcError(f"{keep.name} is no mesh object, so nothing can be inside it; choose a mesh.")
    own_low, own_high = _part(result.data, np.eye(4)).bounds()
    scale = float((high - low).max()) / max(float((own_high - own_low).max()), 1e-12)
    own = Matrix.Translation(low.tolist()) @ Matrix.Scale(scale, 4) @ Matrix.Translation((-own_low).tolist())
    frame = own @ result.matrix_world.inverted_safe()
    return Scan({"keep": f"{INPUTS}/keep.glb"}, keep=_parts([keep], frame))


def heading(item: Any) -> float:
    """The rotation of an object about Z, where it stands upright and is neither sheared nor a mirror image; else 0."""
    turn = item.matrix_world.to_3x3().normalized()
    x, y, z = turn.col
    square = max(abs(x.dot(y)), abs(y.dot(z)), abs(z.dot(x))) < _SQUARE
    upright = square and z.z > 1 - _SQUARE and turn.determinant() > 0
    return float(turn.to_euler().z) if upright else 0.0


def _parts(objects: Sequence[Any], frame: Matrix) -> tuple[Part, ...]:
    """The evaluated meshes of objects, brought from the world into a frame.

    Raises SjcError for no faces, for too many, and for points at no place.
    """
    for item in objects:
        if (count := triangles_of(item.data)) >= MOST_FACES:  # before its modifiers make more of them
            raise SjcError(
                f"{item.name} has {count} triangles without its modifiers; apply a Decimate modifier that leaves fewer "
                f"than {MOST_FACES}."
            )
        if item.mode == "EDIT":
            item.update_from_editmode()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    made, total = [], 0
    for item in objects:
        evaluated = item.evaluated_get(depsgraph)
        mesh = evaluated.to_mesh()
        try:
            total += triangles_of(mesh)
            if total >= MOST_FACES:
                raise SjcError(
                    f"{item.name} brings the block-out to {total} triangles; decimate it to fewer than {MOST_FACES}."
                )
            if len(mesh.polygons):
                made.append(_part(mesh, np.array(frame @ item.matrix_world)))
        finally:
            evaluated.to_mesh_clear()
    if not made:
        raise SjcError("The selected meshes have no faces, so there is nothing to start from; select others.")
    if not all(np.isfinite(part.points).all() for part in made):
        raise SjcError("The selected meshes have points at no place (not a number); apply or repair their modifiers.")
    return tuple(made)


def triangles_of(mesh: Any) -> int:
    """How many a mesh has."""
    return len(mesh.loops) - 2 * len(mesh.polygons)


def _part(mesh: Any, matrix: np.ndarray) -> Part:
    """A copy of a mesh's numbers, its points in the world.

    They are read as attributes: through `vertices` and `loops` the same numbers take a hundred times as long.
    """
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.attributes["position"].data.foreach_get("vector", points)
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", corners)
    first = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_start", first)
    slots = np.zeros(len(mesh.polygons), np.int32)
    if "material_index" in mesh.attributes:
        mesh.attributes["material_index"].data.foreach_get("value", slots)
    palette = np.array([color_of(material) for material in mesh.materials] or [GRAY], np.float32)
    placed = points.reshape(-1, 3).astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    return Part(placed.astype(np.float32), corners, first, slots, palette)


def color_of(material: Any) -> tuple[float, float, float]:
    """A material's base colour: of its Principled BSDF, else of the viewport."""
    nodes = material.node_tree.nodes if material and material.node_tree else ()
    shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
    source = shader.inputs["Base Color"].default_value if shader else material.diffuse_color if material else GRAY
    red, green, blue = source[:3]
    return red, green, blue
