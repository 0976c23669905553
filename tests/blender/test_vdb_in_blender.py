"""Our VDB files read back by the real OpenVDB that Blender carries: values, transform, names, counts, exactly."""

import numpy as np
import pytest

from sjc.output.vdb import write_vdb

READ = """
bpy.utils.expose_bundled_modules()
import openvdb

result = {}
for path in given["files"]:
    table = np.load(path + ".npz")
    density, color, active = table["density"], table["color"], table["active"]
    grids, metadata = openvdb.readAll(path)
    names = {grid.name: grid for grid in grids}
    # One voxel more on each side: nothing may stand outside the block.
    shape = [n + 2 for n in density.shape]
    back, paint = np.full(shape, -1, "f4"), np.full([*shape, 3], -1, "f4")
    names["density"].copyToArray(back, ijk=(-1, -1, -1))
    names["color"].copyToArray(paint, ijk=(-1, -1, -1))
    counted = openvdb.read(path, "density").activeVoxelCount(), names["color"].activeVoxelCount()
    transform = names["density"].transform
    result[path] = {
        "names": sorted(names),
        "density": bool((back == np.pad(np.where(active, density, 0), 1)).all()),
        "color": bool((paint == np.pad(np.where(active[..., None], color, 0), ((1, 1), (1, 1), (1, 1), (0, 0)))).all()),
        "counts": counted == (int(active.sum()), int(active.sum())),
        "half": [names["density"].saveFloatAsHalf, names["color"].saveFloatAsHalf],
        "class": str(names["density"].gridClass),
        "background": [float(names["density"].background), list(names["color"].background)],
        "first": list(transform.indexToWorld((0, 0, 0))),
        "step": list(np.subtract(transform.indexToWorld((3, 2, 1)), transform.indexToWorld((0, 0, 0)))),
        "same": transform.indexToWorld((5, 6, 7)) == names["color"].transform.indexToWorld((5, 6, 7)),
        "bounds": [list(corner) for corner in names["density"].evalActiveVoxelBoundingBox()] if active.any() else None,
        "topology": [names["density"].leafCount(), names["density"].treeDepth],
    }
"""


def ball(n, noise=0.5):
    """A rough ball off the centre, painted by position."""
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    p = np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)
    distance = np.linalg.norm(p - [0.3, -0.2, 0.1], axis=-1)
    rough = np.random.default_rng(0).uniform(1 - noise, 1 + noise, distance.shape)
    return (200 * np.clip(0.6 - distance, 0, None) * rough).astype("f4"), (p * 0.5 + 0.5).astype("f4")


@pytest.fixture
def written(tmp_path):
    """Write a field; keep beside it what must come back."""

    def write(name, density, color, *, half=False, threshold=1e-4, **options):
        path = tmp_path / name
        write_vdb(path, density, color, half=half, threshold=threshold, **options)
        rounding = np.float16 if half else np.float32
        np.savez(
            f"{path}.npz",
            density=(density.clip(None, 65504) if half else density).astype(rounding).astype("f4"),
            color=color.astype(rounding).astype("f4"),
            active=density > threshold,
        )
        return str(path)

    return write


def test_openvdb_reads_every_kind_exactly(in_blender, written):
    kinds = [(n, half, compress) for n in (16, 20, 100, 136) for half in (False, True) for compress in (False, True)]
    files = {
        written(f"{n}{half}{compress}.vdb", *ball(n), half=half, compress=compress): (n, half)
        for n, half, compress in kinds
    }
    back = in_blender(READ, files=list(files))
    assert len(back) == len(kinds)
    for path, (n, half) in files.items():
        got = back[path]
        assert got["names"] == ["color", "density"]
        assert got["density"], path
        assert got["color"], path
        assert got["counts"], path
        assert got["half"] == [half, half]
        assert got["class"] == "fog volume"
        assert got["background"] == [0, [0, 0, 0]]
        np.testing.assert_allclose(got["first"], [-1 + 1 / n] * 3, atol=1e-12)
        np.testing.assert_allclose(got["step"], np.array([3, 2, 1]) * 2 / n, atol=1e-12)
        assert got["same"]
        inside = np.argwhere(ball(n)[0] > 1e-4)
        assert got["bounds"] == [inside.min(0).tolist(), inside.max(0).tolist()]


def test_openvdb_reads_odd_cases(in_blender, written):
    rng = np.random.default_rng(1)
    full = rng.uniform(0.1, 5, (16, 16, 16)).astype("f4")
    lone = np.zeros((256, 256, 256), "f4")
    lone[255, 128, 0] = 7.5  # the second of the inner nodes along x, its very last leaf
    slab = np.zeros((9, 17, 33), "f4")  # no cube, no multiple of eight
    slab[3:, 5:, 11:] = rng.uniform(1, 2, (6, 12, 22))
    color = {name: rng.random((*grid.shape, 3), "f4") for name, grid in (("full", full), ("slab", slab))}
    huge = np.full((16, 16, 16), 1e6, "f4")
    files = {
        "full": written("full.vdb", full, color["full"]),
        "empty": written("empty.vdb", np.zeros((16, 16, 16), "f4"), color["full"]),
        "empty half": written("empty_half.vdb", np.zeros((16, 16, 16), "f4"), color["full"], half=True),
        "lone": written("lone.vdb", lone, np.broadcast_to(np.float32(0.25), (*lone.shape, 3))),
        "slab": written("slab.vdb", slab, color["slab"], bounds=[[2, 0, -3], [2.9, 1.7, 0.3]]),
        "strided": written("strided.vdb", full.T[:, ::-1], color["full"].transpose(2, 0, 1, 3)),
        "masked": written("masked.vdb", full, color["full"], threshold=2.5),
        "beyond half": written("huge.vdb", huge, color["full"], half=True),
        "double": written("double.vdb", full.astype("f8"), color["full"].astype("f8")),
    }
    back = in_blender(READ, files=list(files.values()))
    for name, path in files.items():
        assert back[path]["density"], name
        assert back[path]["color"], name
        assert back[path]["counts"], name
    np.testing.assert_allclose(back[files["slab"]]["first"], [2.05, 0.05, -2.95], atol=1e-7)
    np.testing.assert_allclose(back[files["slab"]]["step"], [0.3, 0.2, 0.1], atol=1e-7)
    assert back[files["lone"]]["bounds"] == [[255, 128, 0], [255, 128, 0]]
    assert back[files["lone"]]["topology"] == [1, 4]


def test_blender_loads_both_grids_where_they_belong(in_blender, written):
    """The Volume datablock finds the grids by name, with the voxel size and place of the engine's frame."""
    got = in_blender(
        """
        volume = bpy.data.volumes.new("sjc")
        volume.filepath = given["path"]
        loaded = volume.grids.load()
        result = {
            "loaded": loaded,
            "error": volume.grids.error_message,
            "grids": {grid.name: [grid.data_type, grid.channels] for grid in volume.grids},
            "matrix": [list(row) for row in volume.grids["density"].matrix_object],
        }
        """,
        path=written("a.vdb", *ball(40)),
    )
    assert got["loaded"] is True
    assert got["error"] == ""
    assert got["grids"] == {"density": ["FLOAT", 1], "color": ["VECTOR_FLOAT", 3]}
    expected = np.diag([0.05, 0.05, 0.05, 1])
    expected[:3, 3] = -0.975
    np.testing.assert_allclose(got["matrix"], expected, atol=1e-6)


def test_volume_to_mesh_stands_where_our_mesh_stands(in_blender, written):
    """Blender's own mesher on the file and ours on the array agree about the object's place and size."""
    from sjc.output.mesh import extract_mesh

    density, color = ball(40, noise=0)
    ours = extract_mesh(density, color, threshold=40)
    got = in_blender(
        """
        volume = bpy.data.volumes.new("sjc")
        volume.filepath = given["path"]
        source = bpy.data.objects.new("volume", volume)
        bpy.context.collection.objects.link(source)
        target = bpy.data.objects.new("mesh", bpy.data.meshes.new("mesh"))
        bpy.context.collection.objects.link(target)
        modifier = target.modifiers.new("mesh", "VOLUME_TO_MESH")
        modifier.object, modifier.grid_name, modifier.threshold = source, "density", 40
        modifier.resolution_mode = "GRID"
        graph = bpy.context.evaluated_depsgraph_get()
        mesh = bpy.data.meshes.new_from_object(target.evaluated_get(graph), depsgraph=graph)
        points = np.empty(len(mesh.vertices) * 3, "f4")
        mesh.vertices.foreach_get("co", points)
        points = points.reshape(-1, 3)
        result = [points.min(0).tolist(), points.max(0).tolist()]
        """,
        path=written("a.vdb", density, color),
    )
    np.testing.assert_allclose(got, [ours.vertices.min(0), ours.vertices.max(0)], atol=0.2 * 2 / 40)
