"""Mesh objects of the scene as what is to be textured: read as they stand, modifiers applied, and written as .glb.

Nothing in the scene is changed: evaluated copies are read. The file holds the points in the world's frame, but about
the object's origin and turned back about Z by its rotation, so that its front is the object's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job import placement
from ..backend.sjc.job.inputs import INPUTS
from ..backend.sjc.job.placement import Placement
from ..backend.sjc.output.files import write_bytes
from . import blockout, glb, meshes, parts
from .parts import Part

SURFACE = f"{INPUTS}/surface.glb"
ABOVE = 0.003  # how far above the object its painted copy is shown, as a share of its size
_JOB = "sjc_textured_by"  # property of an object: the id of the job that textures it
_SHOWN = "sjc_painted_by"  # property of the mesh that shows how far a job is


@dataclass(frozen=True)
class Scan:
    """Meshes to texture as one, still to be written, and where their textured copy will stand.

    uv: of their points, (0, 0) the upper left as in glTF; None for a mesh without, and for several.
    """

    parts: tuple[Part, ...]
    uv: np.ndarray | None
    stands: Placement

    def write(self, folder: Path) -> None:
        """The mesh and its place into a job folder; asks nothing of Blender. Raises SjcError."""
        write_bytes(folder / SURFACE, parts.glb(self.parts, self.uv))
        placement.write(folder, self.stands)


def scan(items: Sequence[Any]) -> Scan:
    """Read mesh objects that become one; writes nothing. Raises SjcError, one line, for what cannot be textured.

    The first one's origin and rotation about Z are those of all.
    """
    angle, origin = blockout.heading(items[0]), items[0].matrix_world.translation.copy()
    read = [_read(item, angle, origin) for item in items]
    count = sum(len(part.first) for part, _ in read)
    if count > blockout.MOST_FACES:
        raise SjcError(f"The objects have {count} triangles; decimate them to at most {blockout.MOST_FACES} together.")
    uv = read[0][1] if len(read) == 1 else None  # of several, islands would lie upon each other
    x, y, z = origin
    return Scan(tuple(part for part, _ in read), uv, Placement((x, y, z), 1.0, angle))


def _read(item: Any, angle: float, origin: Vector) -> tuple[Part, np.ndarray | None]:
    """An object's triangles and UVs, its modifiers applied, about an origin and turned back by an angle about Z."""
    if item.type != "MESH":
        raise SjcError(f"{item.name} is no mesh object, so it has no surface to texture; choose a mesh.")
    if (count := blockout.triangles_of(item.data)) > blockout.MOST_FACES:  # before its modifiers make more of them
        raise SjcError(f"{item.name} has {count} triangles; decimate it to at most {blockout.MOST_FACES}.")
    if item.mode == "EDIT":
        item.update_from_editmode()
    matrix = Matrix.Rotation(-angle, 4, "Z") @ Matrix.Translation(-origin) @ item.matrix_world
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        if not len(mesh.polygons):
            raise SjcError(f"{item.name} has no faces, so there is nothing to texture; choose another.")
        if (count := blockout.triangles_of(mesh)) > blockout.MOST_FACES:
            raise SjcError(f"{item.name} has {count} triangles; decimate it to at most {blockout.MOST_FACES}.")
        part, uv = _triangles(mesh, np.array(matrix))
    finally:
        evaluated.to_mesh_clear()
    low, high = part.bounds()
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise SjcError(f"{item.name} has points at no place (not a number); apply or repair its modifiers.")
    if not (high - low).max() > 0:
        raise SjcError(f"{item.name} has no size: all of its points lie in one place; scale it up.")
    return part, uv


def _triangles(mesh: Any, matrix: np.ndarray) -> tuple[Part, np.ndarray | None]:
    """A copy of a mesh's triangles as Blender draws them, and their UVs, for which each corner has its own point."""
    mesh.calc_loop_triangles()
    triangles, count = mesh.loop_triangles, len(mesh.loop_triangles)
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.attributes["position"].data.foreach_get("vector", points)
    placed = (points.reshape(-1, 3).astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    corners, loops, slots = np.empty(count * 3, np.int32), np.empty(count * 3, np.int32), np.empty(count, np.int32)
    triangles.foreach_get("vertices", corners)
    triangles.foreach_get("loops", loops)
    triangles.foreach_get("material_index", slots)
    if np.linalg.det(matrix[:3, :3]) < 0:  # mirrored: what was outside is inside
        corners, loops = (x.reshape(-1, 3)[:, ::-1].reshape(-1) for x in (corners, loops))
    uv = None
    if layer := mesh.uv_layers.active:
        uv = np.empty(len(mesh.loops) * 2, np.float32)
        layer.uv.foreach_get("vector", uv)
        uv = uv.reshape(-1, 2)[loops] * np.float32((1, -1)) + np.float32((0, 1))
        placed, corners = placed[corners], np.arange(len(corners), dtype=np.int32)
    palette = np.array([blockout.color_of(material) for material in mesh.materials] or [parts.GRAY], np.float32)
    return Part(placed, corners, np.arange(0, count * 3, 3, dtype=np.int32), slots, palette), uv


def show(
    job_id: str,
    triangles: glb.Triangles,
    name: str,
    location: Sequence[float],
    size: float,
    stands: Placement | None,
    *,
    make_again: bool,
) -> Any | None:
    """The mesh as far as it is painted, in the scene but not in renders; None where the person has removed it.

    It stands where the object stands, a little larger all around, so that it alone is seen. make_again: whether it may
    come into the scene where it is not there.
    """
    shown = next((item for item in bpy.data.objects if item.get(_SHOWN) == job_id and item.users_scene), None)
    if shown is None and not make_again:
        return None
    if shown is None:
        made = meshes.place(triangles, name=f"{name} preview", location=location, size=size, stands=stands)
        made[_SHOWN] = job_id
        made.hide_render = made.hide_select = True
        around = made.modifiers.new("Around", "DISPLACE")
        around.mid_level, around.strength = 0.0, ABOVE * max(made.dimensions)
        return made
    meshes.repaint(shown.data, triangles)
    return shown


def drop(job_id: str) -> None:
    """Remove what `show` has brought into the scene."""
    for item in list(bpy.data.objects):
        if item.get(_SHOWN) == job_id and item.library is None:
            meshes.remove(item)


def wait_for(item: Any, job_id: str) -> None:
    """Remember that a job textures this object, if it may be written to: one of another file may not."""
    if item.library is None and item.override_library is None:
        item[_JOB] = job_id


def step_aside(job_id: str, textured: Any) -> None:
    """Hide the object that a job has textured; its textured copy takes over how it is shaded."""
    for item in bpy.data.objects:
        if item.get(_JOB) != job_id or item.library is not None:
            continue
        del item[_JOB]
        item.hide_render = True
        if item.name in bpy.context.view_layer.objects:
            item.hide_set(True)
        if item.data.polygons and not item.data.polygons[0].use_smooth:
            textured.data.shade_flat()
