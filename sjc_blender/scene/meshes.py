"""The result in the scene: a coloured mesh that stands where it shall, and what may be done to it without a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..backend.sjc.job.placement import Placement
from . import collect, glb, materials
from .assets import asset_mark

__all__ = [
    "asset_mark", "begin", "complete", "decimate", "drop_incomplete", "drop_variant", "find", "import_mesh",
    "mark_variant", "place", "remove", "repaint", "set_threshold", "smooth", "volume_to_mesh",
]  # fmt: skip

_JOB, _INCOMPLETE, _VARIANT = "sjc_job", "sjc_incomplete", "sjc_variant"
DECIMATE, SMOOTH, SURFACE = "SJC Decimate", "SJC Smooth", "SJC Surface"


def import_mesh(
    path: Path,
    *,
    name: str,
    location: Sequence[float],
    size: float = 1.0,
    properties: Mapping[str, Any] | None = None,
    collection: Any | None = None,
    job_id: str = "",
) -> Any:
    """`place` of a job's mesh.glb. Raises SjcError for a file that is not there, cut short, damaged or not of ours."""
    return place(
        glb.read(path),
        name=name,
        location=location,
        size=size,
        properties=properties,
        collection=collection,
        job_id=job_id,
    )


def place(
    triangles: glb.Triangles,
    *,
    name: str,
    location: Sequence[float],
    size: float = 1.0,
    properties: Mapping[str, Any] | None = None,
    collection: Any | None = None,
    job_id: str = "",
    stands: Placement | None = None,
) -> Any:
    """Bring a mesh into the scene. -> its object; nothing is selected, moved or changed besides.

    The longest side is `size` metres, the origin the middle of the base, standing on `location`; smooth, in its colours
    (attribute "Color", scene-linear), with `properties` as custom properties; in `collection`, or the scene's own of
    ours. stands: where the engine's box stands, from which location and size then follow.
    """
    if stands:
        low, high = triangles.points.min(0), triangles.points.max(0)
        location = stands.world(*((low[:2] + high[:2]) / 2).tolist(), float(low[2]))
        size = stands.scale * float((high - low).max())
    home = collection or collect.collection(bpy.context.scene)
    line = collect.block_name(name)
    target = bpy.data.objects.new(line, _mesh(line, triangles, size))
    target.location = location
    if stands:
        target.rotation_euler.z = stands.rotation_z
    # For viewports that show one colour an object.
    target.color = (*_mean(triangles), 1.0)
    if job_id:
        target[_JOB] = job_id
    collect.write_properties(target, properties or {})
    home.objects.link(target)
    return target


def find(job_id: str) -> Any | None:
    """The mesh object of a job, the newest where it was imported twice; not one that is linked from another file."""
    meshes = [item for item in _of_job(job_id) if item.users_scene]
    return max(meshes, key=lambda item: item.session_uid, default=None)


def begin(target: Any) -> None:
    """Mark a mesh to which more is to be done; `complete` takes the mark off, `drop_incomplete` such meshes."""
    target[_INCOMPLETE] = True


def complete(target: Any) -> None:
    """All that was to be done to it is done."""
    del target[_INCOMPLETE]


def drop_incomplete(job_id: str) -> None:
    """Remove what an attempt that failed has left of the job's mesh."""
    for item in _of_job(job_id):
        if item.get(_INCOMPLETE):
            bpy.data.meshes.remove(item.data)  # the object goes with it


def mark_variant(target: Any) -> None:
    """Mark the mesh of a job that has stopped early; `drop_variant` removes it."""
    target[_VARIANT] = True


def drop_variant(job_id: str) -> None:
    """Remove the mesh that a variant has shown, as for the mesh at full length; what the person has made of it stays.

    That is, a copy of it, or one whose mark was taken off.
    """
    for item in _of_job(job_id):
        if item.get(_VARIANT):
            data = item.data
            bpy.data.objects.remove(item)
            if data.users == 0:
                bpy.data.meshes.remove(data)


def _of_job(job_id: str) -> list[Any]:
    return [
        item for item in bpy.data.objects if item.type == "MESH" and item.get(_JOB) == job_id and item.library is None
    ]


def _mesh(name: str, triangles: glb.Triangles, size: float) -> Any:
    """A mesh datablock; `foreach_set` alone, because Python loops would take seconds.

    It goes to the attributes: through `vertices` and `loops` the same numbers take a hundred times as long.
    """
    points, faces = _stand(triangles.points, size), triangles.faces
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(points))
    mesh.loops.add(faces.size)
    mesh.polygons.add(len(faces))
    mesh.attributes["position"].data.foreach_set("vector", points.reshape(-1))
    mesh.attributes[".corner_vert"].data.foreach_set("value", np.ascontiguousarray(faces).reshape(-1))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.shade_smooth()
    paint = mesh.color_attributes.new(materials.COLOR_ATTRIBUTE, "FLOAT_COLOR", "POINT")
    paint.data.foreach_set("color", triangles.colors.reshape(-1))
    mesh.color_attributes.active_color = paint
    mesh.color_attributes.render_color_index = mesh.color_attributes.active_color_index
    if triangles.uv is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", np.ascontiguousarray(triangles.uv).reshape(-1))
        mesh.materials.append(materials.textured_material(name, triangles.picture, _mean(triangles)))
    else:
        mesh.materials.append(materials.mesh_material(name, _mean(triangles)))
    return mesh


def repaint(mesh: Any, triangles: glb.Triangles) -> None:
    """Give a mesh that `place` made the colours and the picture of the same mesh, painted anew."""
    paint, colors = mesh.color_attributes.get(materials.COLOR_ATTRIBUTE), triangles.colors
    if paint and len(paint.data) == len(colors):
        paint.data.foreach_set("color", colors.reshape(-1))
    for material in mesh.materials:
        materials.repaint(material, triangles.picture)
    mesh.update()


def remove(target: Any) -> None:
    """Remove an object that `place` made, with all that only it uses."""
    mesh = target.data
    own = list(mesh.materials)
    bpy.data.objects.remove(target)
    if mesh.users:
        return
    bpy.data.meshes.remove(mesh)
    for material in own:
        if material and not material.users:
            materials.remove(material)


def _mean(triangles: glb.Triangles) -> list[float]:
    """The mean of the vertices' colours, scene-linear RGB."""
    mean: list[float] = triangles.colors[:, :3].mean(0).tolist()
    return mean


def _stand(points: np.ndarray, size: float) -> np.ndarray:
    """Points of longest side `size` with the origin in the middle of their base."""
    low, high = points.min(0), points.max(0)
    base = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return ((points - base) * (size / max(float((high - low).max()), 1e-9))).astype(np.float32)


# ------------------------------------------------------------------------------------------------------------ modifiers


def decimate(target: Any, ratio: float) -> Any | None:
    """Keep `ratio` (0..1] of the faces, as a modifier that can be changed or applied later; 1 takes it off."""
    modifier = _modifier(target, DECIMATE, "DECIMATE", wanted=ratio < 1)
    if modifier:
        modifier.ratio = ratio
    return modifier


def smooth(target: Any, repeats: int) -> Any | None:
    """Smooth the surface `repeats` times, keeping its volume, as a modifier; 0 takes it off."""
    modifier = _modifier(target, SMOOTH, "LAPLACIANSMOOTH", wanted=repeats > 0)
    if modifier:
        modifier.iterations, modifier.use_volume_preserve = repeats, True
    return modifier


def volume_to_mesh(volume_object: Any, threshold: float) -> Any:
    """A mesh object that follows a volume's surface live: `threshold`, in density, is its modifier's, for the artist.

    It stands with the volume, has no colours (the modifier meshes one grid), and needs the volume's files.
    """
    name = f"{volume_object.name[: collect.compat.name_bytes() - 8]} surface"
    target = bpy.data.objects.new(name, bpy.data.meshes.new(name))
    bpy.context.view_layer.update()  # a volume made or moved a moment ago does not know its matrix yet
    target.matrix_world = volume_object.matrix_world
    modifier = target.modifiers.new(SURFACE, "VOLUME_TO_MESH")
    modifier.object, modifier.grid_name, modifier.threshold = volume_object, "density", threshold
    modifier.resolution_mode, modifier.use_smooth_shade = "GRID", True
    collect.collection(bpy.context.scene).objects.link(target)
    return target


def set_threshold(surface_object: Any, threshold: float) -> None:
    """Move a live surface to another density; without effect on other objects."""
    if modifier := surface_object.modifiers.get(SURFACE):
        modifier.threshold = threshold


def _modifier(target: Any, name: str, kind: str, *, wanted: bool) -> Any | None:
    modifier = target.modifiers.get(name)
    if wanted:
        return modifier or target.modifiers.new(name, kind)
    if modifier:
        target.modifiers.remove(modifier)
    return None
