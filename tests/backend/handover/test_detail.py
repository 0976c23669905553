"""Baked normals and ambient occlusion against closed forms, and as they stand in the file."""

import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from sjc.cli import main
from sjc.errors import SjcError
from sjc.handover.closest import Closest
from sjc.handover.detail import Detail
from sjc.handover.export import export
from sjc.handover.options import Options
from sjc.output.decimate import decimated
from sjc.output.glb import write_glb
from sjc.output.mesh import Mesh
from sjc.output.tangents import smooth_normals, tangents
from sjc.output.texture import texels, textured


def mesh_of(vertices, faces):
    colors = np.full((len(vertices), 3), 0.5, np.float32)
    return Mesh(np.asarray(vertices, np.float32), np.asarray(faces, np.int32), colors)


def ball(level=5, radius=0.5):
    solid = trimesh.creation.icosphere(level, radius)
    return mesh_of(solid.vertices, solid.faces)


def shown(mesh, size):
    """Rows, columns, places and the basis [T,3,3] of the texels, as a viewer interpolates them."""
    rows, columns, face, weights = (
        np.concatenate(parts) for parts in zip(*texels(mesh.texture.uv, mesh.faces, size), strict=True)
    )
    corners = mesh.faces[face]
    normals = smooth_normals(mesh.vertices, mesh.faces)
    sides = tangents(mesh.vertices, mesh.faces, mesh.texture.uv, normals)
    normal, side, sign, place = (
        np.einsum("tc,tci->ti", weights, values[corners])
        for values in (normals, sides[:, :3], sides[:, 3:], mesh.vertices.astype(np.float64))
    )
    return rows, columns, place, np.stack([side, sign * np.cross(normal, side), normal], 2)


def test_normals_of_a_reduced_ball_are_the_balls():
    dense = ball()
    points, corners = decimated(dense.vertices.astype(np.float64), dense.faces.astype(np.int64), 60)
    few = textured(mesh_of(points, corners), 256, lambda points, _normals: np.full((len(points), 3), 0.5))
    made = Detail(dense, Closest(dense), occlusion=False).baked(few, normals=True, occlusion=False)
    rows, columns, places, basis = shown(made, 256)
    local = made.texture.normals[rows, columns] / 255 * 2 - 1
    world = np.einsum("tij,tj->ti", basis, local)
    world /= np.linalg.norm(world, axis=1, keepdims=True)
    truth = places / np.linalg.norm(places, axis=1, keepdims=True)
    off = np.degrees(np.arccos(np.einsum("ti,ti->t", world, truth).clip(-1, 1)))
    assert off.max() < 1.0
    plain = np.einsum("ti,ti->t", basis[:, :, 2], truth) / np.linalg.norm(basis[:, :, 2], axis=1)
    assert np.degrees(np.arccos(plain.clip(-1, 1))).max() > 3.0  # without the map
    assert made.texture.occlusion is None


def grid(n, along, across, corner):
    """A rectangle of n x n squares from a corner, facing along x across."""
    s = np.linspace(0, 1, n + 1)
    points = np.array(
        [np.asarray(corner, float) + a * np.asarray(along) + b * np.asarray(across) for a in s for b in s]
    )
    faces = []
    for i in range(n):
        for j in range(n):
            p, q = i * (n + 1) + j, (i + 1) * (n + 1) + j
            faces += [(p, q, p + 1), (p + 1, q, q + 1)]
    return points, np.array(faces)


def joined(*parts):
    count, points, faces = 0, [], []
    for some, corners in parts:
        points.append(some)
        faces.append(corners + count)
        count += len(some)
    return mesh_of(np.concatenate(points), np.concatenate(faces))


def openness(mesh):
    return Detail(mesh, Closest(mesh)).open


def test_nothing_hides_a_convex_body():
    assert openness(ball(3)).min() == 1
    cube = trimesh.creation.box((1, 2, 3)).subdivide().subdivide()
    assert openness(mesh_of(cube.vertices, cube.faces)).min() == 1


def test_a_floor_beside_a_long_wall():
    """A strip of height h at distance d, endless on both sides, takes (1 - d / hypot(d, h)) / 2 of the sky."""
    h, long = 1.0, 60.0
    floor = grid(4, (4, 0, 0), (0, long, 0), (0.02, -long / 2, 0))
    wall = grid(1, (0, long, 0), (0, 0, h), (0, -long / 2, 0))
    share = openness(joined(floor, wall))
    points = floor[0]
    middle = np.abs(points[:, 1]) < 1
    d = points[middle, 0]
    assert share[: len(points)][middle] == pytest.approx(0.5 * (1 + d / np.hypot(d, h)), abs=0.02)


def test_the_middle_of_a_round_pit():
    """A pit of radius r and depth h shows r^2 / (r^2 + h^2) of the sky from the middle of its bottom."""
    r, h, n = 1.0, 1.0, 96
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    ring = np.stack([r * np.cos(turn), r * np.sin(turn), np.zeros(n)], 1)
    nxt = (np.arange(n) + 1) % n
    points = np.concatenate([[(0, 0, 0)], ring, ring, ring + np.array([0, 0, h])])
    bottom = np.stack([np.zeros(n, int), 1 + np.arange(n), 1 + nxt], 1)
    low, top = 1 + n, 1 + 2 * n
    side = [
        *np.stack([low + np.arange(n), top + np.arange(n), low + nxt], 1),
        *np.stack([low + nxt, top + np.arange(n), top + nxt], 1),
    ]
    share = openness(mesh_of(points, np.concatenate([bottom, side])))
    assert share[0] == pytest.approx(r**2 / (r**2 + h**2), abs=0.02)


def document_of(path):
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    return document, data[28 + length :]


@pytest.fixture(scope="module")
def pit(tmp_path_factory):
    """The dense mesh of a ball with a dent, as a file."""
    solid = trimesh.creation.icosphere(4, 0.5)
    depth = np.exp(-(((solid.vertices - (0, 0, 0.5)) ** 2).sum(1)) / 0.02)
    path = tmp_path_factory.mktemp("pit") / "pit.glb"
    write_glb(path, mesh_of(solid.vertices * (1 - 0.5 * depth)[:, None], solid.faces))
    return path


def test_the_file_names_both_pictures(pit, tmp_path):
    words = ["--faces", "200", "--texture", "256", "--bake-normals", "--bake-ao"]
    assert main(["export", str(pit), *words, "--out", str(tmp_path)]) == 0
    document, binary = document_of(tmp_path / "pit.glb")
    (material,), (primitive,) = document["materials"], document["meshes"][0]["primitives"]
    assert "TANGENT" in primitive["attributes"]
    used = {
        "color": material["pbrMetallicRoughness"]["baseColorTexture"],
        "normal": material["normalTexture"],
        "occlusion": material["occlusionTexture"],
    }
    pictures = {}
    for name, use in used.items():
        view = document["bufferViews"][document["images"][document["textures"][use["index"]]["source"]]["bufferView"]]
        file = tmp_path / f"{name}.png"
        file.write_bytes(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])
        pictures[name] = np.asarray(Image.open(file))
    assert {picture.shape for picture in pictures.values()} == {(256, 256, 3)}
    assert np.ptp(pictures["color"]) <= 1
    assert pictures["normal"][..., 2].min() > 127  # none looks inwards
    assert pictures["occlusion"].min() < 200
    assert pictures["occlusion"].max() > 250
    loaded = trimesh.load(tmp_path / "pit.glb").geometry["pit"].visual.material  # another reader takes them
    assert (loaded.normalTexture.size, loaded.occlusionTexture.size) == ((256, 256), (256, 256))
    before = (tmp_path / "pit.glb").read_bytes()
    export(pit, Options(faces=200, texture=256, bake_normals=True, bake_ao=True, overwrite=True), tmp_path)
    assert (tmp_path / "pit.glb").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--bake-ao"], "needs a picture to go into"),
        (["--bake-normals", "--texture", "16384"], "texture: 16384 is out of range; use 256 to 4096"),
        (["--bake-normals", "--texture", "256", "--format", "stl"], "Only glTF carries baked normals"),
    ],
)
def test_no_room_for_a_bake_is_one_line(pit, tmp_path, capsys, words, line):
    assert main(["export", str(pit), *words, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_mesh_without_area_cannot_be_baked():
    flat = mesh_of([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [(0, 1, 2)])
    with pytest.raises(SjcError, match="no area that a picture could show"):
        textured(flat, 256, lambda points, _normals: points)


def test_a_full_disk_leaves_the_file_that_was_there(pit, tmp_path, monkeypatch):
    import errno
    from pathlib import Path

    export(pit, Options(faces=100), tmp_path)
    before = (tmp_path / "pit.glb").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SjcError, match="disk is full") as error:
        export(pit, Options(faces=100, texture=256, bake_ao=True, overwrite=True), tmp_path)
    assert "\n" not in str(error.value)
    assert (tmp_path / "pit.glb").read_bytes() == before
