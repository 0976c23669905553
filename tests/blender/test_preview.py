"""The newest picture as an icon; the live surface of a volume."""

import numpy as np
import pytest
from PIL import Image

from sjc.output.vdb import write_vdb


def test_pictures_are_loaded_once_and_few_at_a_time(each_blender, tmp_path):
    """In the background Blender gives icons no number; the collection tells which pictures it holds."""
    for n in range(1, 9):
        Image.new("RGB", (30 + n, 32), (30 * n, 0, 0)).save(tmp_path / f"f_{n:04d}.png")
    got = each_blender(
        """
from pathlib import Path
from sjc_blender.scene import preview

path = lambda n: Path(given["folder"], f"f_{n:04d}.png")
kept = lambda: sorted(Path(name).name for name in preview._icons or ())
result = {"before": [preview.icon(path(1)), preview.icon(None), kept()]}
result["nothing"] = [preview.update(None), preview.update(path(99)), kept()]
result["first"] = [preview.update(path(1)), kept(), list(preview._icons[str(path(1))].image_size)]
# The file changes, but its name does not: it is not read again.
path(1).write_bytes(path(5).read_bytes())
result["again"] = [preview.update(path(1)), list(preview._icons[str(path(1))].image_size)]
for n in range(2, 9):
    preview.update(path(n))
result["kept"] = kept()
result["old"] = preview.icon(path(1))
preview.close()
result["closed"] = [kept(), preview.icon(path(8))]
preview.close()
result["anew"] = [preview.update(path(8)), kept()]
preview.close()
""",
        folder=tmp_path,
    )
    assert got["before"] == [0, 0, []]
    assert got["nothing"] == [False, False, []]
    assert got["first"] == [True, ["f_0001.png"], [31, 32]]
    assert got["again"] == [False, [31, 32]]
    assert got["kept"] == ["f_0005.png", "f_0006.png", "f_0007.png", "f_0008.png"]
    assert got["old"] == 0
    assert got["closed"] == [[], 0]
    assert got["anew"] == [True, ["f_0008.png"]]


def test_curves_are_pictures_of_which_two_stay(each_blender):
    got = each_blender("""
from sjc_blender.scene import plot, preview
keys = [preview.plot(name, plot.picture([(1, 1.0), (2, n)])) for n in range(3) for name in ("loss", "noise level")]
result = {"kept": sorted(preview._plots), "keys": keys, "size": list(preview._plots[keys[-1]].image_size)}
stored = np.empty(plot.WIDTH * plot.HEIGHT * 4, "f4")
preview._plots[keys[-1]].image_pixels_float.foreach_get(stored)
result["off"] = float(np.abs(stored - plot.picture([(1, 1.0), (2, 2)]).reshape(-1)).max())
result["unknown"] = [preview.plotted("nothing"), preview.plotted("")]
preview.close()
result["closed"] = preview.plotted(keys[-1])
""")
    keys = got["keys"]
    assert len(set(keys)) == 6
    assert got["kept"] == sorted(keys[2:])
    assert got["size"] == [128, 128]
    assert got["off"] < 0.01
    assert (got["unknown"], got["closed"]) == ([0, 0], 0)


def test_a_live_surface_follows_threshold_and_volume(each_blender, tmp_path):
    """A ball whose density falls off evenly: the surface at a density is the sphere where it has that density."""
    n = 40
    c = (np.arange(n) + 0.5) * 2 / n - 1
    distance = np.linalg.norm(np.stack(np.meshgrid(c, c, c, indexing="ij"), -1), axis=-1)
    for number, middle in ((1, 100), (2, 200)):
        density = middle * np.clip(1 - distance, 0, None)
        write_vdb(tmp_path / f"f_{number:04d}.vdb", density, np.full((n, n, n, 3), 0.5))
    got = each_blender(
        """
from pathlib import Path
from sjc_blender.scene import meshes, volumes

def show(n):
    path = Path(given["folder"], f"f_{n:04d}.vdb")
    return volumes.show_snapshot("j", path, name="ball", location=(3, 0, 0), size=1.4)

def radius():
    mesh = surface.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(len(mesh.vertices) * 3, "f4")
    mesh.vertices.foreach_get("co", points)
    points = points.reshape(-1, 3)
    return float(np.ptp(points, 0).mean() / 2)

volume = show(1)
surface = meshes.volume_to_mesh(volume, 50)
result = [radius()]
meshes.set_threshold(surface, 25)
result.append(radius())
show(2)
result.append(radius())
volumes.hide("j")
result.append(radius())
meshes.set_threshold(volume, 3)
result += [surface.name, [c.name for c in surface.users_collection], list(surface.location)[:1]]
""",
        folder=tmp_path,
    )
    np.testing.assert_allclose(got[:4], [0.5, 0.75, 0.875, 0.875], atol=0.01)
    assert got[4:6] == ["ball surface", ["SJC"]]
    assert got[6] == pytest.approx([3], abs=0.03)
