"""Pictures of the live volume and of the mesh: red, green and blue where they are; materials stay the artist's."""

import numpy as np
import pytest
from PIL import Image

from sjc.output.colour import srgb_to_linear
from sjc.output.glb import write_glb
from sjc.output.mesh import extract_mesh
from sjc.output.vdb import write_live_vdb

# (x, y, z), radius: red, green, blue; none hides another from the front, and no mirror image or turn is the same.
BALLS = (((-0.5, -0.2, -0.3), 0.35), ((0.4, 0.3, -0.2), 0.3), ((0.0, 0.1, 0.5), 0.25))
WIDTH, PIXELS = 4.4, 176  # of the picture: units, pixels
VOLUME_X, MESH_X, LIFT = -1.1, 1.1, 0.7

SCENE = """
from pathlib import Path
from sjc_blender.scene import compat, materials, meshes, volumes

folder = Path(given["folder"])
volume = volumes.show_snapshot("job", folder / "f_0001.vdb", name="balls", location=(-1.1, 0, 0), size=1.4)
mesh = meshes.import_mesh(folder / "mesh.glb", name="balls", location=(1.1, 0, 0), size=1.4)
"""

RENDER = """
scene = bpy.context.scene
world = bpy.data.worlds.new("even")
compat.node_tree(world).nodes["Background"].inputs["Color"].default_value = (given["light"],) * 3 + (1,)
scene.world = world
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
camera.data.type, camera.data.ortho_scale = "ORTHO", given["width"]
camera.location, camera.rotation_euler = (0, -5, 0.7), (np.pi / 2, 0, 0)
scene.collection.objects.link(camera)
scene.camera = camera
scene.render.engine = {"cycles": "CYCLES", "eevee": compat.EEVEE, "workbench": "BLENDER_WORKBENCH"}[given["engine"]]
scene.cycles.samples, scene.eevee.taa_render_samples = 4, 4
scene.display.shading.color_type, scene.display.shading.light = "VERTEX", "FLAT"
scene.render.resolution_x, scene.render.resolution_y = given["pixels"], given["pixels"] // 2
scene.view_settings.view_transform = "Standard"
scene.render.filepath = str(folder / f"{given['engine']}.png")
bpy.ops.render.render(write_still=True)
"""


@pytest.fixture(scope="module")
def balls():
    """density [N, N, N], colour and mesh of the three balls."""
    n = 72  # the live volume's colours are then twice as coarse as its density
    c = (np.arange(n) + 0.5) * 2 / n - 1
    p = np.stack(np.meshgrid(c, c, c, indexing="ij"), -1)
    density, color = np.zeros((n, n, n), "f4"), np.zeros((n, n, n, 3), "f4")
    for axis, (middle, radius) in enumerate(BALLS):
        distance = np.linalg.norm(p - middle, axis=-1)
        density = np.maximum(density, 100 * np.clip((radius - distance) * n / 2 + 0.5, 0, 1))
        color[distance < radius + 0.1] = np.eye(3)[axis] * 0.6 + 0.05
    return density, color, extract_mesh(density, color, threshold=50)


@pytest.fixture
def folder(balls, tmp_path):
    """The files of one job."""
    density, color, mesh = balls
    write_live_vdb(tmp_path / "f_0001.vdb", density, color)
    write_glb(tmp_path / "mesh.glb", mesh, "balls")
    return tmp_path


def looked_at(folder, engine, mesh, light):
    """Linear RGB of the ball's middles, {"volume" | "mesh": [3 balls, 3]}, and of the empty ground."""
    picture = srgb_to_linear(np.asarray(Image.open(folder / f"{engine}.png").convert("RGB")) / 255)

    def at(x, z):
        column = round((x / WIDTH + 0.5) * PIXELS)
        row = round(PIXELS // 2 / 2 - (z - LIFT) / WIDTH * PIXELS)
        return picture[row - 2 : row + 3, column - 2 : column + 3].mean((0, 1))

    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    scale = 1.4 / (high - low).max()
    base = [(low[0] + high[0]) / 2, 0, low[2]]
    measured = {
        "volume": [at(VOLUME_X + x, LIFT + z) for (x, _, z), _ in BALLS],
        "mesh": [at(MESH_X + (x - base[0]) * scale, (z - base[2]) * scale) for (x, _, z), _ in BALLS],
    }
    for x in (VOLUME_X, MESH_X):
        np.testing.assert_allclose(at(x - 0.9, LIFT + 0.5), light, atol=0.03)
    return measured


def in_their_colours(measured, least):
    """Each ball shines in its own channel alone, at least so bright."""
    for axis, color in enumerate(measured):
        others = np.delete(color, axis)
        assert color[axis] > least, (axis, color)
        assert color[axis] > 3 * others.max(), (axis, color)


def test_volume_and_mesh_show_their_colours_in_cycles(each_blender, balls, folder):
    each_blender(SCENE + RENDER, folder=folder, engine="cycles", light=0.5, width=WIDTH, pixels=PIXELS, timeout=280)
    measured = looked_at(folder, "cycles", balls[2], 0.5)
    in_their_colours(measured["volume"], 0.25)
    in_their_colours(measured["mesh"], 0.25)


def test_a_volume_in_the_dark_glows_in_its_colours(in_blender, balls, folder):
    """No black fog before lamps are set; the mesh, as any mesh, needs light."""
    in_blender(SCENE + RENDER, folder=folder, engine="cycles", light=0.0, width=WIDTH, pixels=PIXELS, timeout=280)
    measured = looked_at(folder, "cycles", balls[2], 0.0)
    in_their_colours(measured["volume"], 0.25)
    assert np.max(measured["mesh"]) < 0.2


def test_thin_parts_of_a_volume_stay_thin(in_blender, balls, tmp_path):
    """A haze of a thousandth of the density does not shine like the solid: emission is weighted by density."""
    density, color, mesh = balls
    write_live_vdb(tmp_path / "f_0001.vdb", density / 4000, color)
    write_glb(tmp_path / "mesh.glb", mesh, "balls")
    in_blender(SCENE + RENDER, folder=tmp_path, engine="cycles", light=0.0, width=WIDTH, pixels=PIXELS, timeout=280)
    assert 0 < np.max(looked_at(tmp_path, "cycles", mesh, 0.0)["volume"]) < 0.05


def test_mesh_shows_its_colours_in_workbench(each_blender, balls, folder):
    each_blender(SCENE + RENDER, folder=folder, engine="workbench", light=0.5, width=WIDTH, pixels=PIXELS, timeout=280)
    measured = looked_at(folder, "workbench", balls[2], workbench_ground(folder))
    in_their_colours(measured["mesh"], 0.25)


def workbench_ground(folder):
    """Workbench has a ground of its own: the colour of the corner."""
    corner = np.asarray(Image.open(folder / "workbench.png").convert("RGB"))[0, 0] / 255
    return srgb_to_linear(corner)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_volume_and_mesh_show_their_colours_in_eevee(in_blender, balls, folder):
    in_blender(SCENE + RENDER, folder=folder, engine="eevee", light=0.5, width=WIDTH, pixels=PIXELS, timeout=800)
    measured = looked_at(folder, "eevee", balls[2], 0.5)
    in_their_colours(measured["volume"], 0.2)
    in_their_colours(measured["mesh"], 0.2)


def test_volumes_share_a_material_meshes_have_their_own_and_the_artists_edits_stay(each_blender, folder):
    got = each_blender(
        SCENE
        + """
volume_material, mesh_material = volume.data.materials[0], mesh.data.materials[0]
shader = next(node for node in mesh_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
shader.inputs["Roughness"].default_value = 0.125
volume_material.node_tree.nodes.clear()
volume_material.name, mesh_material.name = "smoke", "clay"
second = volumes.show_snapshot("other", folder / "f_0001.vdb", name="balls", location=(0, 0, 0))
twin = meshes.import_mesh(folder / "mesh.glb", name="balls", location=(0, 0, 0))
result = {
    "shared": [second.data.materials[0] == volume_material, twin.data.materials[0] == mesh_material],
    "names": sorted(m.name for m in bpy.data.materials), "roughness": shader.inputs["Roughness"].default_value,
    "nodes": len(volume_material.node_tree.nodes), "objects": sorted(o.name for o in bpy.data.objects),
}
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "a.blend"))
bpy.ops.wm.open_mainfile(filepath=str(folder / "a.blend"))
third = meshes.import_mesh(folder / "mesh.glb", name="balls", location=(0, 0, 0))
result["after load"] = [third.data.materials[0].name, len(bpy.data.materials)]
""",
        folder=folder,
    )
    assert got["shared"] == [True, False]
    assert got["names"] == ["balls", "clay", "smoke"]
    assert (got["roughness"], got["nodes"]) == (0.125, 0)
    assert got["objects"] == ["balls", "balls.001", "balls.002", "balls.003"]
    assert got["after load"] == ["balls.001", 4]
