"""OBJ, STL and 3MF, read by others: shape, colours, units and frame."""

import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest
import trimesh

from sjc.output.measures import mesh_volume
from sjc.output.mesh import Mesh
from sjc.output.obj import obj_files, write_obj
from sjc.output.stl import write_stl
from sjc.output.texture import Texture
from sjc.output.three_mf import CORE, MATERIALS, MODEL, write_3mf


@pytest.fixture
def tetrahedron():
    """With a corner at the origin and edges of 10, 20 and 30 along x, y and z; red at the origin, else mid-grey."""
    vertices = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0], [0, 0, 30]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    colors = np.array([[1, 0, 0], *[[0.2140411] * 3] * 3], np.float32)  # sRGB-encoded: 127.5 of 255
    return Mesh(vertices, faces, colors)


def test_stl(tetrahedron, tmp_path):
    write_stl(tmp_path / "a.stl", tetrahedron)
    other = trimesh.load_mesh(tmp_path / "a.stl")
    assert other.volume == pytest.approx(1000)
    assert other.is_watertight
    np.testing.assert_allclose(other.bounds, [[0, 0, 0], [10, 20, 30]])
    assert (tmp_path / "a.stl").stat().st_size == 84 + 50 * 4


def test_obj_stands_upright_and_has_the_colours(tetrahedron, tmp_path):
    write_obj(tmp_path / "a.obj", tetrahedron, "a red mushroom")
    other = trimesh.load_mesh(tmp_path / "a.obj", process=False)
    assert other.volume == pytest.approx(1000)
    np.testing.assert_allclose(other.bounds, [[0, 0, -20], [10, 30, 0]])  # y up: our z; our y is away from the viewer
    assert "o a_red_mushroom" in (tmp_path / "a.obj").read_text("utf-8")
    first = next(line for line in (tmp_path / "a.obj").read_text("utf-8").splitlines() if line.startswith("v "))
    assert first.split()[4:] == ["1.0000", "0.0000", "0.0000"]
    last = (tmp_path / "a.obj").read_text("utf-8").splitlines()[4]
    assert [float(word) for word in last.split()[4:]] == pytest.approx([0.5] * 3, abs=1e-4)


def test_obj_with_a_texture(tetrahedron, tmp_path):
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[0] = 255, 0, 0  # the upper row, v = 0 in glTF, v = 1 in OBJ
    uv = np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]], np.float32)
    textured = Mesh(tetrahedron.vertices, tetrahedron.faces, tetrahedron.colors, texture=Texture(picture, uv))
    write_obj(tmp_path / "a.obj", textured)
    assert [path.name for path in obj_files(tmp_path / "a.obj", textured)] == ["a.mtl", "a.png", "a.obj"]
    other = trimesh.load_mesh(tmp_path / "a.obj", process=False)
    at = {
        tuple(np.rint(point)): color
        for point, color in zip(other.vertices, other.visual.to_color().vertex_colors, strict=True)
    }
    assert at[0, 0, 0][0] > 200  # the origin's uv lies in the upper row
    assert at[0, 0, -20][0] < 50


def test_3mf(tetrahedron, tmp_path):
    write_3mf(tmp_path / "a.3mf", tetrahedron, 'a "red" <mushroom>')
    with zipfile.ZipFile(tmp_path / "a.3mf") as archive:
        assert {"[Content_Types].xml", "_rels/.rels", MODEL} == set(archive.namelist())
        relation = ET.fromstring(archive.read("_rels/.rels"))[0]  # noqa: S314 (our own file)
        assert relation.get("Target") == f"/{MODEL}"
        model = ET.fromstring(archive.read(MODEL))  # noqa: S314 (our own file)
    assert model.get("unit") == "millimeter"
    space = {"c": CORE, "m": MATERIALS}
    vertices = np.array([[float(v.get(axis)) for axis in "xyz"] for v in model.iterfind(".//c:vertex", space)])
    triangles = list(model.iterfind(".//c:triangle", space))
    faces = np.array([[int(t.get(f"v{corner}")) for corner in (1, 2, 3)] for t in triangles])
    assert mesh_volume(vertices, faces) == pytest.approx(1000)
    colors = [c.get("color") for c in model.iterfind(".//m:color", space)]
    shown = {int(t.get(f"v{corner}")): colors[int(t.get(f"p{corner}"))] for t in triangles for corner in (1, 2, 3)}
    assert shown[0] == "#FF0000FF"
    assert shown[3] in {"#7F7F7FFF", "#808080FF"}
    assert model.find("c:build/c:item", space).get("objectid") == model.find(".//c:object", space).get("id")
    assert model.find(".//c:object", space).get("name") == 'a "red" <mushroom>'


def test_the_same_mesh_gives_the_same_3mf(tetrahedron, tmp_path):
    for name in ("a.3mf", "b.3mf"):
        write_3mf(tmp_path / name, tetrahedron)
    assert (tmp_path / "a.3mf").read_bytes() == (tmp_path / "b.3mf").read_bytes()
