"""docs/images/quads.webp: a result as it came, its quads, its parts and its baked copy, rendered in the bpy wheel.

`python -m tests.window.portrait quads` makes the result and calls this by an interpreter that has bpy:
`python quads.py JSON`, {stage, mesh, name, picture}.
"""

import json
import math
import os
import sys
import tempfile
from pathlib import Path

FACES, BAKED_FACES, TEXTURE = 900, 300, 1024
APART, THICK = 1.12, 0.004  # metres between the objects; of the wires
WIDTH, HEIGHT, SAMPLES = 1200, 400, 64
WIRE = (0.02, 0.02, 0.02, 1)


def main(given) -> int:
    """Import, remesh, stand side by side, render. Returns the exit code."""
    sys.path.insert(0, given["stage"])
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    from sjc_blender import remeshing
    from sjc_blender.scene import meshes

    dense = meshes.import_mesh(Path(given["mesh"]), name=given["name"], location=(0, 0, 0))
    even = remeshing.remesh(dense, FACES, block=True)
    baked = remeshing.remesh(dense, BAKED_FACES, texture=TEXTURE, block=True)
    for work in (even, baked):
        if work.error:
            print(f"quads: {work.error}", file=sys.stderr)
            return 2
    parts = even.result.copy()
    parts.data = even.result.data.copy()
    bpy.context.scene.collection.objects.link(parts)
    paint_parts(bpy, parts)
    for number, item in enumerate((dense, even.result, parts, baked.result)):
        item.hide_render = False
        item.location = ((number - 1.5) * APART, 0, 0)
    for item in (dense, even.result, parts):
        wires(bpy, item)
    studio(bpy, given["picture"])
    bpy.ops.render.render(write_still=True)
    return 0


def paint_parts(bpy, item) -> None:
    """A plain colour for each vertex group."""
    item.data.materials.clear()
    plain = [(0.7, 0.1, 0.1, 1), (0.1, 0.3, 0.7, 1), (0.8, 0.6, 0.1, 1), (0.1, 0.5, 0.2, 1), (0.5, 0.2, 0.6, 1)]
    for color in plain[: len(item.vertex_groups)]:
        item.data.materials.append(material(bpy, color))
    for face in item.data.polygons:
        groups = [g.group for i in face.vertices for g in item.data.vertices[i].groups]
        face.material_index = max(set(groups), key=groups.count) if groups else 0


def wires(bpy, item) -> None:
    """The edges of an object as thin bars."""
    made = item.copy()
    made.data = item.data.copy()
    bpy.context.scene.collection.objects.link(made)
    made.data.materials.clear()
    made.data.materials.append(material(bpy, WIRE))
    modifier = made.modifiers.new("wires", "WIREFRAME")
    modifier.thickness, modifier.use_even_offset = THICK, False


def material(bpy, color):
    """Matt, of one colour."""
    made = bpy.data.materials.new("plain")
    if made.node_tree is None:
        made.use_nodes = True
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value, shader.inputs["Roughness"].default_value = color, 1.0
    return made


def studio(bpy, picture) -> None:
    """A camera in front, light from above, colours as they are."""
    scene = bpy.context.scene
    world = scene.world = bpy.data.worlds.new("studio")
    if world.node_tree is None:
        world.use_nodes = True
    next(n for n in world.node_tree.nodes if n.type == "BACKGROUND").inputs["Color"].default_value = (0.7, 0.7, 0.7, 1)
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 2.0, (math.radians(40), 0, math.radians(30))
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type, camera.data.ortho_scale = "ORTHO", 4 * APART
    camera.location, camera.rotation_euler = (0, -6, 2.1), (math.radians(75), 0, 0)
    for item in (sun, camera):
        scene.collection.objects.link(item)
    scene.camera = camera
    scene.render.engine, scene.cycles.samples, scene.cycles.device = "CYCLES", SAMPLES, "CPU"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.film_transparent = WIDTH, HEIGHT, False
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath, scene.render.use_stamp = picture, False


if __name__ == "__main__":
    code = 1
    try:
        os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp())
        code = main(json.loads(sys.argv[1]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # Blender as a module may hang at an interpreter's end
