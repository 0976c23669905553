"""Our GLB through Blender's own importer: place, axes, colour, material, names."""

import numpy as np
import pytest

from sjc.output.colour import srgb_to_linear
from sjc.output.glb import write_glb
from sjc.output.mesh import Mesh, extract_mesh
from tests.blender import shading

READ = """
bpy.ops.import_scene.gltf(filepath=given["path"])
objects = [item for item in bpy.data.objects if item.type == "MESH"]
item = objects[0]
mesh = item.data
points = np.empty(len(mesh.vertices) * 3, "f4")
mesh.vertices.foreach_get("co", points)
world = np.array(item.matrix_world)
points = points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
paint = mesh.color_attributes[0]
colors = np.empty(len(paint.data) * 4, "f4")
paint.data.foreach_get("color", colors)  # scene-linear, whatever the storage
encoded = np.empty(len(paint.data) * 4, "f4")
paint.data.foreach_get("color_srgb", encoded)
corners = np.empty(len(mesh.loops), "i4")
mesh.loops.foreach_get("vertex_index", corners)
normals = np.empty(len(mesh.polygons) * 3, "f4")
mesh.polygons.foreach_get("normal", normals)
centers = np.empty(len(mesh.polygons) * 3, "f4")
mesh.polygons.foreach_get("center", centers)
shader = next(node for node in mesh.materials[0].node_tree.nodes if node.type == "BSDF_PRINCIPLED")
result = {
    "objects": [entry.name for entry in objects],
    "points": points.tolist(),
    "faces": len(mesh.polygons),
    "domain": paint.domain,
    "colors": colors.reshape(-1, 4).tolist(),
    "encoded": encoded.reshape(-1, 4).tolist(),
    "corners": corners.tolist(),
    "outward": float((normals.reshape(-1, 3) * (centers.reshape(-1, 3) - given["middle"])).sum(1).min()),
    "metallic": shader.inputs["Metallic"].default_value,
    "roughness": shader.inputs["Roughness"].default_value,
    "extras": {key: value for key, value in item.items() if isinstance(value, (str, int, float))},
}
"""


@pytest.fixture(scope="module")
def mesh():
    """Three balls of different size, one along each axis, coloured apart: no axis can be mixed up unseen."""
    n = 32
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    p = np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)
    density = np.zeros((n, n, n), "f4")
    color = np.zeros((n, n, n, 3), "f4")
    for axis, (reach, radius) in enumerate([(0.5, 0.3), (0.6, 0.25), (0.7, 0.2)]):
        middle = np.eye(3)[axis] * reach
        near = np.linalg.norm(p - middle, axis=-1) < radius + 0.08
        density = np.maximum(density, 100 * np.clip((radius - np.linalg.norm(p - middle, axis=-1)) * n / 2 + 0.5, 0, 1))
        color[near] = srgb_to_linear(np.eye(3)[axis] * 0.65 + 0.2)  # 0.85 in its own channel, 0.2 in the others
    return extract_mesh(density, color, threshold=50)


def test_position_axes_and_colour(mesh, in_blender, tmp_path):
    write_glb(tmp_path / "mesh.glb", mesh, "a red mushroom", {"prompt": "a red mushroom", "seed": 7})
    got = in_blender(READ, path=tmp_path / "mesh.glb", middle=[0, 0, 0])
    points = np.array(got["points"])
    assert got["objects"] == ["a red mushroom"]
    assert got["faces"] == len(mesh.faces)
    np.testing.assert_allclose(points.min(0), mesh.vertices.min(0), atol=1e-5)
    np.testing.assert_allclose(points.max(0), mesh.vertices.max(0), atol=1e-5)
    np.testing.assert_allclose(points.max(0), [0.8, 0.85, 0.9], atol=0.03)
    at = points[got["corners"]] if got["domain"] == "CORNER" else points
    encoded = np.array(got["encoded"])
    for axis in range(3):
        own = at[:, axis] > 0.36
        expected = np.eye(3)[axis] * 0.65 + 0.2
        assert own.sum() > 100
        np.testing.assert_allclose(encoded[own, :3], np.broadcast_to(expected, (own.sum(), 3)), atol=2 / 255)
    linear = srgb_to_linear(encoded[:, :3])
    np.testing.assert_allclose(np.array(got["colors"])[:, :3], linear, atol=5e-3)
    np.testing.assert_allclose(encoded[:, 3], 1)
    assert (got["metallic"], got["roughness"]) == (0, 1)
    assert got["extras"] == {"prompt": "a red mushroom", "seed": 7}


def test_faces_look_outward_and_render_in_their_colour(in_blender, tmp_path):
    """A ball of sRGB 0.85 grey, lit evenly from all around, without a view transform, comes out as 0.85."""
    n = 32
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    p = np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)
    density = 100 * np.clip((0.6 - np.linalg.norm(p, axis=-1)) * n / 2 + 0.5, 0, 1)
    ball = extract_mesh(density, np.full((n, n, n, 3), srgb_to_linear(0.85)), threshold=50)
    write_glb(tmp_path / "ball.glb", ball, "ball")
    got = in_blender(
        READ
        + """
scene = bpy.context.scene
world = bpy.data.worlds.new("even")
world.use_nodes = True
world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
scene.world = world
shader.inputs["Specular IOR Level"].default_value = 0
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
camera.location, camera.rotation_euler = (0, -3, 0), (np.pi / 2, 0, 0)
bpy.context.collection.objects.link(camera)
scene.camera = camera
scene.render.engine = "CYCLES"
scene.cycles.samples = 16
scene.render.resolution_x = scene.render.resolution_y = 32
scene.view_settings.view_transform = "Standard"
scene.render.filepath = given["picture"]
bpy.ops.render.render(write_still=True)
""",
        path=tmp_path / "ball.glb",
        picture=tmp_path / "ball.png",
        middle=[0, 0, 0],
    )
    assert got["outward"] > 0
    from PIL import Image

    picture = np.asarray(Image.open(tmp_path / "ball.png").convert("RGB"))[12:20, 12:20] / 255
    assert picture.mean() == pytest.approx(0.85, abs=0.01)


def test_colours_span_the_whole_range(in_blender, tmp_path):
    """Every eighth sRGB value, one a triangle, comes back within 2/255 of itself."""
    values = np.arange(0, 256, 8) / 255
    steps = np.arange(len(values))
    corner = np.stack([steps * 0.05 - 0.8, steps * 0, steps * 0], 1)
    vertices = np.concatenate([corner, corner + np.array([0.04, 0, 0]), corner + np.array([0, 0.04, 0.01])]).astype(
        "f4"
    )
    faces = np.stack([steps, steps + len(values), steps + 2 * len(values)], 1).astype("i4")
    colors = np.tile(srgb_to_linear(values)[:, None], (3, 3)).astype("f4")
    write_glb(tmp_path / "ramp.glb", Mesh(vertices, faces, colors), "ramp")
    got = in_blender(READ, path=tmp_path / "ramp.glb", middle=[0, 0, 0])
    at = np.array(got["points"])[got["corners"]] if got["domain"] == "CORNER" else np.array(got["points"])
    nearest = np.argmin(np.abs(at[:, None] - vertices[None]).sum(-1), axis=1) % len(values)
    np.testing.assert_allclose(np.array(got["encoded"])[:, 0], values[nearest], atol=2 / 255)


def test_baked_normals_in_blender_are_those_of_the_dense_mesh(in_blender, tmp_path):
    """`sjc export --bake-normals` through Blender's importer: it shades few faces with the ball's normals."""
    import trimesh

    from sjc.handover.export import export
    from sjc.handover.options import Options

    ball = trimesh.creation.icosphere(5, 0.5)
    colors = np.full((len(ball.vertices), 3), 0.5, np.float32)
    write_glb(tmp_path / "ball.glb", Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32), colors))
    options = Options(faces=60, texture=256, bake_normals=True, bake_ao=True, size=0, origin="keep")
    export(tmp_path / "ball.glb", options, tmp_path / "few")
    got = in_blender(
        shading.OFF_A_BALL
        + """
bpy.ops.import_scene.gltf(filepath=given["path"])
made = next(item for item in bpy.data.objects if item.type == "MESH")
off = off_a_ball(made, (0, 0, 0), 256)
result = {
    "nodes": sorted(node.type for node in made.data.materials[0].node_tree.nodes),
    "texels": len(off), "median": float(np.median(off)), "most": float(np.quantile(off, 0.99)),
}
""",
        path=str(tmp_path / "few" / "ball.glb"),
    )
    assert "NORMAL_MAP" in got["nodes"]
    assert got["texels"] > 10_000
    assert got["median"] < 1
    assert got["most"] < 2
