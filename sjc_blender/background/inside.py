"""What a background Blender does for the one with the window: remesh an object, or export it. A program of its own.

Started by `process.py` as `blender -b --factory-startup --python inside.py -- request.json`, or by a Python that has
Blender as a module. It reads an object from a .blend, writes another one or a file, and an answer; it imports nothing
of the extension.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from pathlib import Path
from typing import Any

# isort: off
import bpy  # first: where Blender is a module, it brings the two others
import bmesh
import numpy as np
from mathutils.bvhtree import BVHTree
# isort: on

COLOR = "Color"  # the attribute with the colours of a result's vertices
FINER = 2.0  # how much finer than the result the voxels are that QuadriFlow starts from
LIKE = 0.25  # colours nearer than this are one part
MAPS = {"DIFFUSE": "color", "NORMAL": "normal", "AO": "occlusion"}  # what Cycles calls them
AO_SAMPLES = 64
MARGIN = 4  # texels around the islands of a picture
LEAST, LEAST_MIXED = 0.01, 0.15  # shares of the vertices that make a part; of a mixture of two other parts' colours
NAMES = {
    "red": (0.8, 0.1, 0.1), "orange": (0.9, 0.5, 0.1), "yellow": (0.9, 0.85, 0.15), "green": (0.2, 0.6, 0.2),
    "cyan": (0.2, 0.75, 0.8), "blue": (0.15, 0.3, 0.8), "purple": (0.5, 0.2, 0.65), "pink": (0.95, 0.55, 0.7),
    "brown": (0.45, 0.27, 0.13), "white": (0.95, 0.95, 0.95), "gray": (0.5, 0.5, 0.5), "black": (0.07, 0.07, 0.07),
}  # fmt: skip


def remesh(request: dict[str, Any]) -> dict[str, Any]:
    """Quads or voxels in place of the object's faces, with its colours -> what came of it."""
    target = _read(request)
    dense = target.data.copy()
    way = _remeshed(target, request["faces"], request["quads"])
    mesh = target.data
    dense.shade_smooth()
    mesh.materials.clear()
    mesh.shade_smooth()
    mesh.set_sharp_from_angle(angle=request["angle"])
    colors = _take_colors(mesh, dense)
    wants_parts = (request["parts"] or request["separate"]) and colors is not None
    parts, part = _group_parts(target, colors) if wants_parts else ([], None)
    maps = _bake(target, dense, request["texture"], request["pictures"]) if request["texture"] else {}
    pieces = _separate(target, parts, part, colors) if request["separate"] and len(parts) > 1 else {}
    bpy.data.libraries.write(request["out"], set(pieces.values()) or {target})
    sides = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", sides)
    return {
        "way": way, "faces": len(sides), "quads": float((sides == 4).mean()), "parts": parts, "maps": maps,
        "objects": {name: piece.name for name, piece in pieces.items()},
    }  # fmt: skip


def export(request: dict[str, Any]) -> dict[str, Any]:
    """The object as a USD or FBX file, standing at the origin."""
    target = _read(request)
    target.location = 0, 0, 0
    bpy.context.scene.unit_settings.scale_length = request["unit"]  # of which the FBX exporter makes real sizes
    path = request["out"]
    if path.lower().endswith(".fbx"):
        import addon_utils

        addon_utils.enable("io_scene_fbx")
        if not hasattr(bpy.ops.export_scene, "fbx"):
            raise RuntimeError("this Blender cannot write FBX")
        bpy.ops.export_scene.fbx(filepath=path, use_selection=True, path_mode="COPY", embed_textures=True)
    else:
        if not bpy.app.build_options.usd:
            raise RuntimeError("this Blender was built without USD")
        target.scale = [request["unit"] * factor for factor in target.scale]  # the file says: in metres
        bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True)
    return {"bytes": os.path.getsize(path)}  # noqa: PTH202


def _read(request: dict[str, Any]) -> Any:
    """The object of the request, alone in an empty scene and selected; its modifiers are applied, its seams closed."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(request["blend"], link=False) as (_there, wanted):
        wanted.objects = [request["object"]]
    target = wanted.objects[0]
    target.parent = None
    target.hide_render = target.hide_viewport = False  # nothing is baked onto what is hidden
    scene = bpy.context.scene
    scene.collection.objects.link(target)
    bpy.context.view_layer.objects.active = target
    target.select_set(True)
    if target.modifiers:
        graph = bpy.context.evaluated_depsgraph_get()
        applied = bpy.data.meshes.new_from_object(target.evaluated_get(graph), depsgraph=graph)
        target.modifiers.clear()
        target.data = applied
    return target


def _remeshed(target: Any, faces: int, quads: bool) -> str:
    """New faces -> how they came: quadriflow, voxels and quadriflow, or voxels."""
    _weld(target.data)
    if quads and _quadriflow(target, faces):
        return "quadriflow"
    edge = math.sqrt(sum(face.area for face in target.data.polygons) / faces)
    _voxels(target, edge / FINER if quads else edge)
    if not quads:
        return "voxels"
    if _quadriflow(target, faces):
        return "voxels and quadriflow"
    _voxels(target, edge)
    return "voxels"


def _weld(mesh: Any) -> None:
    """Join vertices that lie in one place, as along the seams of a texture."""
    shape = bmesh.new()
    shape.from_mesh(mesh)
    bmesh.ops.remove_doubles(shape, verts=shape.verts, dist=1e-6)
    shape.to_mesh(mesh)
    shape.free()


def _quadriflow(target: Any, faces: int) -> bool:
    """Whether QuadriFlow has replaced the faces; it refuses open and non-manifold meshes."""
    before = len(target.data.polygons)
    try:
        done = bpy.ops.object.quadriflow_remesh(mode="FACES", target_faces=faces, seed=0)
    except RuntimeError:
        return False
    after = target.data.polygons
    return (
        "FINISHED" in done
        and 0 < len(after) != before
        and sum(len(face.vertices) == 4 for face in after) > len(after) / 2
    )


def _voxels(target: Any, edge: float) -> None:
    target.data.remesh_voxel_size = edge
    bpy.ops.object.voxel_remesh()
    if not len(target.data.polygons):
        raise RuntimeError("the mesh is thinner than a voxel; ask for more faces")


def _take_colors(mesh: Any, dense: Any) -> Any:
    """Give the new vertices the colours of the nearest places of the old mesh -> [V, 4] linear, None without any."""
    source = dense.attributes.get(COLOR)
    if source is None or source.domain != "POINT":
        return None
    old = np.empty(4 * len(dense.vertices), np.float32)
    source.data.foreach_get("color", old)
    old = old.reshape(-1, 4)
    dense.calc_loop_triangles()
    corners = np.array([triangle.vertices[:] for triangle in dense.loop_triangles])
    points = np.empty(3 * len(dense.vertices), np.float32)
    dense.vertices.foreach_get("co", points)
    points = points.reshape(-1, 3)
    tree = BVHTree.FromPolygons(points.tolist(), corners.tolist())
    nearest = [tree.find_nearest(vertex.co) for vertex in mesh.vertices]
    face = np.array([hit[2] for hit in nearest])
    place = np.array([hit[0] for hit in nearest])
    weights = _barycentric(place, points[corners[face]])
    colors = np.einsum("vc,vci->vi", weights, old[corners[face]]).astype(np.float32)
    if COLOR in mesh.attributes:
        mesh.attributes.remove(mesh.attributes[COLOR])
    paint = mesh.color_attributes.new(COLOR, "FLOAT_COLOR", "POINT")
    paint.data.foreach_set("color", colors.ravel())
    mesh.color_attributes.active_color = paint
    mesh.color_attributes.render_color_index = mesh.color_attributes.active_color_index
    return colors


def _bake(target: Any, dense: Any, size: int, folder: str) -> dict[str, str]:
    """Unwrap the object, and bake the dense mesh's colours, normals and ambient occlusion -> their files, by map."""
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(angle_limit=math.radians(66), island_margin=2 * MARGIN / size)
    bpy.ops.object.mode_set(mode="OBJECT")
    mesh, scene = target.data, bpy.context.scene
    if not mesh.uv_layers:
        raise RuntimeError("the mesh could not be unwrapped; bake no picture")
    mesh.uv_layers[0].name = "UVMap"
    source = bpy.data.objects.new("dense", dense)
    source.matrix_basis = target.matrix_basis
    scene.collection.objects.link(source)
    source.select_set(True)
    bpy.context.view_layer.objects.active = target
    away = _farthest(mesh, dense)
    scene.render.engine, scene.cycles.device = "CYCLES", "CPU"
    material = bpy.data.materials.new("bake")
    if material.node_tree is None:
        material.use_nodes = True
    mesh.materials.append(material)
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    material.node_tree.nodes.active = node
    files = {}
    for kind, name in MAPS.items():
        node.image = bpy.data.images.new(name, size, size, alpha=False)
        if name != "color":
            node.image.colorspace_settings.name = "Non-Color"
        scene.cycles.samples = AO_SAMPLES if kind == "AO" else 1
        bpy.ops.object.bake(
            type=kind, pass_filter={"COLOR"}, use_selected_to_active=True, cage_extrusion=away,
            max_ray_distance=2 * away, margin=MARGIN, normal_space="TANGENT",
        )  # fmt: skip
        files[name] = str(Path(folder, f"{name}.png"))
        node.image.filepath_raw, node.image.file_format = files[name], "PNG"
        node.image.save()
    bpy.data.objects.remove(source)
    mesh.materials.clear()
    return files


def _farthest(mesh: Any, dense: Any) -> float:
    """How far from the new surface a cage must lie to hold the dense mesh: its farthest vertex, and some."""
    points = [vertex.co for vertex in mesh.vertices]
    faces = [face.vertices[:] for face in mesh.polygons]
    tree = BVHTree.FromPolygons(points, faces)
    step = max(1, len(dense.vertices) // 20_000)
    distance = max(tree.find_nearest(dense.vertices[i].co)[3] for i in range(0, len(dense.vertices), step))
    size = max(max(point[axis] for point in points) - min(point[axis] for point in points) for axis in range(3))
    return float(max(1.5 * distance, 1e-3 * size))


def _barycentric(places: Any, corners: Any) -> Any:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    whole = np.cross(b - a, c - a)
    area = np.maximum((whole**2).sum(1), 1e-30)
    v = (np.cross(places - a, c - a) * whole).sum(1) / area
    w = (np.cross(b - a, places - a) * whole).sum(1) / area
    weights = np.clip(np.stack([1 - v - w, v, w], 1), 0, 1)
    return weights / weights.sum(1, keepdims=True)


def _group_parts(target: Any, colors: Any) -> tuple[list[str], Any]:
    """A vertex group for each colour that covers enough of the object.

    -> their names, the largest first, and the number of each vertex's part [V].
    """
    encoded = np.clip(colors[:, :3], 0, 1) ** (1 / 2.2)
    _, index, count = np.unique(np.rint(encoded * 8), axis=0, return_inverse=True, return_counts=True)
    index = index.reshape(-1)
    leaders: list[Any] = []
    for largest in np.argsort(-count, kind="stable"):
        mean = encoded[index == largest].mean(0)
        if all(np.linalg.norm(mean - leader) > LIKE for leader in leaders):
            leaders.append(mean)
    distance = np.linalg.norm(encoded[:, None] - np.array(leaders)[None], axis=2)
    part = distance.argmin(1)
    shares = np.bincount(part, minlength=len(leaders)) / len(part)
    large: list[Any] = []
    for i in np.argsort(-shares, kind="stable"):
        mixed = any(_between(leaders[i], leaders[a], leaders[b]) for a in large for b in large if a < b)
        if shares[i] >= (LEAST_MIXED if mixed else LEAST):
            large.append(i)
    part = distance[:, large].argmin(1)
    names = []
    for number, leader in enumerate(large):
        words = min(NAMES, key=lambda name: np.linalg.norm(leaders[leader] - NAMES[name]))
        group = target.vertex_groups.new(name=words)
        group.add(np.flatnonzero(part == number).tolist(), 1.0, "REPLACE")
        names.append(group.name)
    return names, part


def _separate(target: Any, names: list[str], part: Any, colors: Any) -> dict[str, Any]:
    """An object of each part: the faces that have most of their corners in it -> the objects by the parts' names.

    Their normals stay those of the whole, so that the border between two parts is shaded as if it were not there.
    """
    mesh = target.data
    sizes, corners = np.empty(len(mesh.polygons), np.int32), np.empty(len(mesh.loops), np.int32)
    normals = np.empty((len(mesh.loops), 3), np.float32)
    mesh.polygons.foreach_get("loop_total", sizes)
    mesh.loops.foreach_get("vertex_index", corners)
    mesh.corner_normals.foreach_get("vector", normals.reshape(-1))
    face = np.repeat(np.arange(len(sizes)), sizes)
    votes = np.zeros((len(sizes), len(names)), np.int32)
    np.add.at(votes, (face, part[corners]), 1)
    chosen = votes.argmax(1)
    made = {}
    for number, name in enumerate(names):
        stays = chosen == number
        if not stays.any():
            continue
        piece = target.copy()
        piece.data = mesh.copy()
        shape = bmesh.new()
        shape.from_mesh(piece.data)
        bmesh.ops.delete(shape, geom=[f for f, own in zip(shape.faces, stays, strict=True) if not own], context="FACES")
        shape.to_mesh(piece.data)
        shape.free()
        piece.data.normals_split_custom_set(normals[stays[face]].tolist())
        piece.vertex_groups.clear()
        piece.color = (*colors[part == number, :3].mean(0).tolist(), 1.0)
        piece.name = name
        made[name] = piece
    return made


def _between(color: Any, one: Any, other: Any) -> bool:
    """Whether a colour is a mixture of the light of two others, as at the border of their parts."""
    color, one, other = color**2.2, one**2.2, other**2.2
    along = other - one
    share = (color - one) @ along / (along @ along)
    return bool(0 < share < 1 and np.linalg.norm(one + share * along - color) < LIKE / 2)


def main() -> int:
    """Do what the request says; the answer is on disk before the process ends."""
    request = json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text("utf-8"))
    try:
        answer = {"remesh": remesh, "export": export}[request["action"]](request)
    except Exception as error:  # noqa: BLE001 (whatever Blender raises becomes one line for the person)
        traceback.print_exc()
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        answer = {"problem": lines[-1].removeprefix("Error: ") if lines else type(error).__name__}
    partial = Path(request["answer"] + ".partial")
    partial.write_text(json.dumps(answer), "utf-8")
    partial.replace(request["answer"])
    return 0


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # Blender as a module may hang at an interpreter's end
