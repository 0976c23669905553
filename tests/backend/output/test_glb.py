"""GLB files by the specification: the Khronos validator, what a reader of the rules alone finds, and broken files."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sjc.errors import SjcError
from sjc.output import files
from sjc.output.glb import from_gltf, read_glb, to_gltf, write_glb
from sjc.output.measures import vertex_normals
from sjc.output.mesh import Mesh, extract_mesh
from tools import system

ROOT = Path(__file__).resolve().parents[3]
VALIDATE = """
const validator = require("gltf-validator"), fs = require("fs");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), {maxIssues: 100})
  .then(report => console.log(JSON.stringify(report)), error => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="session")
def validate():
    """The Khronos validator, installed under build/node when missing -> report of a file."""
    node = shutil.which("node")
    assert node, "Node.js is needed for the glTF validator: `python3 build.py test` installs it or says how"
    home = system.ensure_validator(ROOT).parents[1]

    def run(path):
        done = subprocess.run([node, "-e", VALIDATE, path], cwd=home, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def mesh():
    """A lopsided blob, coloured by position."""
    n = 24
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    p = np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)
    distance = np.minimum(
        np.linalg.norm(p - [0.1, -0.3, 0.2], axis=-1) - 0.4, np.linalg.norm(p - [0.6, -0.3, 0.4], axis=-1) - 0.2
    )
    return extract_mesh(100 * np.clip(0.5 - distance * n / 2, 0, 1), p * 0.5 + 0.5, threshold=50)


def parts(path):
    """(JSON, binary) by the container's layout alone."""
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[20 + length + 8 :]


def packed(document, binary):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(body)) + body


def test_the_validator_has_nothing_to_say(mesh, validate, tmp_path):
    write_glb(tmp_path / "mesh.glb", mesh, "ein roter Pilz", {"prompt": "ein roter Pilz – 蘑菇", "steps": 10_000})
    report = validate(tmp_path / "mesh.glb")
    assert report["issues"]["messages"] == []
    assert report["issues"]["numErrors"] == report["issues"]["numWarnings"] == 0
    assert report["mimeType"] == "model/gltf-binary"
    assert report["info"]["totalTriangleCount"] == len(mesh.faces)
    assert report["info"]["totalVertexCount"] == len(mesh.vertices)
    assert report["info"]["hasDefaultScene"]
    assert report["info"]["materialCount"] == 1
    assert report["info"]["generator"].startswith("sjc_blender")


def test_the_validator_notices(mesh, validate, tmp_path):
    """The same file with normals that are not unit: the check above can fail."""
    write_glb(tmp_path / "good.glb", mesh)
    document, binary = parts(tmp_path / "good.glb")
    start = document["bufferViews"][1]["byteOffset"]
    broken = binary[:start] + struct.pack("<3f", 5, 5, 5) + binary[start + 12 :]
    (tmp_path / "bad.glb").write_bytes(packed(document, broken))
    assert validate(tmp_path / "bad.glb")["issues"]["numErrors"] == 1


def test_round_trip(mesh, tmp_path):
    write_glb(tmp_path / "mesh.glb", mesh)
    back = read_glb(tmp_path / "mesh.glb")
    np.testing.assert_array_equal(back.vertices, mesh.vertices)
    np.testing.assert_array_equal(back.faces, mesh.faces)
    np.testing.assert_allclose(back.colors, mesh.colors.clip(0, 1), atol=1 / 65535)


def test_what_the_file_says(mesh, tmp_path):
    write_glb(tmp_path / "mesh.glb", mesh, "blob", {"seed": 3})
    document, _ = parts(tmp_path / "mesh.glb")
    assert document["nodes"] == [{"mesh": 0, "name": "blob", "extras": {"seed": 3}}]
    surface = document["materials"][0]["pbrMetallicRoughness"]
    assert (surface["metallicFactor"], surface["roughnessFactor"]) == (0, 1)
    position, normal, color, indices = document["accessors"]
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    assert position["min"] == pytest.approx([low[0], low[2], -high[1]])
    assert position["max"] == pytest.approx([high[0], high[2], -low[1]])
    assert (color["componentType"], color["type"], color["normalized"]) == (5123, "VEC4", True)
    assert (normal["count"], indices["count"]) == (len(mesh.vertices), 3 * len(mesh.faces))


def test_up_is_y_and_the_frame_keeps_its_hand():
    axes = np.eye(3)
    np.testing.assert_array_equal(to_gltf(axes), [[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    np.testing.assert_array_equal(from_gltf(to_gltf(axes)), axes)
    assert np.linalg.det(to_gltf(axes)) == pytest.approx(1)


def test_colour_is_linear_and_finer_than_eight_bits(tmp_path):
    """Dark linear values that eight bits would merge stay apart."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "f4")
    colors = np.array([[0.0010, 0.0012, 0.0014], [0.5, 1.5, -1], [1, 1, 1]], "f4")
    write_glb(tmp_path / "a.glb", Mesh(vertices, np.array([[0, 1, 2]], "i4"), colors))
    np.testing.assert_allclose(read_glb(tmp_path / "a.glb").colors, colors.clip(0, 1), atol=1e-5)


def test_nothing_to_write_is_one_clear_line_and_no_file(tmp_path):
    empty = Mesh(np.zeros((0, 3), "f4"), np.zeros((0, 3), "i4"), np.zeros((0, 3), "f4"))
    with pytest.raises(SjcError, match="without faces"):
        write_glb(tmp_path / "a.glb", empty)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_mesh(mesh, tmp_path, monkeypatch):
    write_glb(tmp_path / "a.glb", mesh)
    before = (tmp_path / "a.glb").read_bytes()

    def failing(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", failing)
    with pytest.raises(SjcError, match="disk is full"):
        write_glb(tmp_path / "a.glb", mesh, "another")
    assert [path.name for path in tmp_path.iterdir()] == ["a.glb"]
    assert (tmp_path / "a.glb").read_bytes() == before


# --------------------------------------------------------------------------------------------- the reader alone
def test_reader_follows_the_rules_of_foreign_files(tmp_path):
    """Interleaved bytes, byte colours, short indices, a turned and mirrored parent, a colour factor, a second mesh."""
    interleaved = b"".join(
        struct.pack("<3f4B", *point, *color)
        for point, color in [
            ((1, 0, 0), (255, 0, 0, 255)),
            ((0, 1, 0), (0, 255, 0, 255)),
            ((0, 0, 1), (51, 51, 51, 255)),
        ]
    )
    indices = struct.pack("<3H", 0, 1, 2) + b"\0\0"
    half = 0.5**0.5
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}, {"nodes": [2]}],
        "nodes": [
            # A quarter turn about y, (x, y, z) -> (z, y, -x), then a shift.
            {"children": [1], "rotation": [0, half, 0, half], "translation": [10, 0, 0]},
            {"mesh": 0, "scale": [2, 1, -1]},
            {"mesh": 0, "translation": [99, 99, 99]},
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}, "indices": 2, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1, 0.25, 1]}}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 3},
            {"bufferView": 0, "byteOffset": 12, "componentType": 5121, "type": "VEC4", "count": 3, "normalized": True},
            {"bufferView": 1, "componentType": 5123, "type": "SCALAR", "count": 3},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 48, "byteStride": 16},
            {"buffer": 0, "byteOffset": 48, "byteLength": 6},
        ],
        "buffers": [{"byteLength": 56}],
    }
    (tmp_path / "a.glb").write_bytes(packed(document, interleaved + indices))
    mesh = read_glb(tmp_path / "a.glb")
    # glTF world points: (2,0,0) -> (0,0,-2); (0,1,0) stays; (0,0,-1) -> (-1,0,0); each + (10,0,0). Then z up.
    np.testing.assert_allclose(mesh.vertices, [[10, 2, 0], [10, 0, 1], [9, 0, 0]], atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, [[2, 1, 0]])
    np.testing.assert_allclose(mesh.colors, [[0.5, 0, 0], [0, 1, 0], [0.1, 0.2, 0.05]], atol=1e-6)


def test_reader_takes_trimesh_files(tmp_path):
    import trimesh

    box = trimesh.creation.box((1, 2, 3))
    box.export(tmp_path / "a.glb")
    mesh = read_glb(tmp_path / "a.glb")
    np.testing.assert_allclose(np.sort(np.ptp(mesh.vertices, 0)), [1, 2, 3])
    outward = vertex_normals(mesh.vertices, mesh.faces) * mesh.vertices
    assert (outward.sum(1) > 0).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "not a glTF 2.0 binary"),
        (b"solid ascii stl file, not a glb", "not a glTF 2.0 binary"),
        ("cut", "cut short"),
        (packed({"asset": {"version": "2.0"}}, b""), "no triangles"),
    ],
)
def test_broken_files_are_one_clear_line(mesh, tmp_path, content, message):
    path = tmp_path / "a.glb"
    if content == "cut":
        write_glb(path, mesh)
        path.write_bytes(path.read_bytes()[:-100])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(SjcError, match=message):
        read_glb(path)
