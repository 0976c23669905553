"""Textures: what is unwrapped stays the same body, and every place of it reads the colour that it was given."""

import numpy as np
import pytest

from benchmarks.reader import read_mesh
from sjc.job.export import write_mesh
from sjc.output.colour import linear_to_srgb, srgb_to_linear
from sjc.output.glb import read_glb, write_glb
from sjc.output.measures import is_closed, mesh_volume, vertex_normals
from sjc.output.mesh import extract_mesh
from sjc.output.texture import lookup, texels, textured, weld
from sjc.settings import Settings
from tests.backend.output.test_glb import parts, validate  # noqa: F401  (a fixture)

N, SIZE = 24, 512


def paint(points, _normals=None):
    """Linear colour by place, in [0.1, 0.9]."""
    return 0.5 + 0.4 * np.sin(4 * points)


@pytest.fixture(scope="module")
def body():
    """A plain-coloured blob's mesh, its density and colour."""
    centers = (np.arange(N) + 0.5) * 2 / N - 1
    p = np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)
    distance = np.minimum(
        np.linalg.norm(p - [0.1, -0.3, 0.2], axis=-1) - 0.4, np.linalg.norm(p - [0.6, -0.3, 0.4], axis=-1) - 0.2
    )
    density = 100 * np.clip(0.5 - distance * N / 2, 0, 1)
    color = paint(p)
    return extract_mesh(density, color, threshold=50), density, color


@pytest.fixture(scope="module")
def unwrapped(body):
    return textured(body[0], SIZE, paint)


def test_seams_double_vertices_and_nothing_else(body, unwrapped):
    plain = body[0]
    first, position = weld(unwrapped.vertices)
    assert len(unwrapped.vertices) > len(first) == len(plain.vertices)
    assert is_closed(position[unwrapped.faces])
    assert not is_closed(unwrapped.faces)
    assert mesh_volume(unwrapped.vertices, unwrapped.faces) == pytest.approx(
        mesh_volume(plain.vertices, plain.faces), rel=1e-5
    )


def test_every_place_of_the_surface_reads_its_own_colour(unwrapped):
    """At random places inside the triangles, not only at vertices, also next to seams."""
    generator = np.random.default_rng(0)
    weights = generator.dirichlet([1, 1, 1], len(unwrapped.faces))
    points = np.einsum("fc,fci->fi", weights, unwrapped.vertices[unwrapped.faces])
    uv = np.einsum("fc,fci->fi", weights, unwrapped.texture.uv[unwrapped.faces])
    read = lookup(srgb_to_linear(unwrapped.texture.picture / 255), uv)
    error = np.abs(linear_to_srgb(read) - linear_to_srgb(paint(points)))
    assert error.mean() < 0.004
    assert np.percentile(error, 99) < 0.02


def test_no_two_triangles_share_a_texel(unwrapped):
    rows, columns, *_ = (
        np.concatenate(x) for x in zip(*texels(unwrapped.texture.uv, unwrapped.faces, SIZE), strict=True)
    )
    shared = len(rows) - len(np.unique(rows * SIZE + columns))
    assert shared < 0.005 * len(rows)  # only centres on an edge belong to two
    assert len(rows) > 0.3 * SIZE**2


def test_texels_of_one_triangle_are_counted_by_hand():
    uv = np.array([[0, 0], [0.5, 0], [0, 0.5]], np.float32)
    rows, columns, triangle, weights = next(texels(uv, np.array([[0, 1, 2]]), 8))
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [
        (r, c) for r in range(4) for c in range(4) if r + c <= 3
    ]
    assert (triangle == 0).all()
    np.testing.assert_allclose(weights @ uv, np.stack([columns + 0.5, rows + 0.5], 1) / 8, atol=1e-6)


def test_the_validator_takes_a_textured_file(unwrapped, validate, tmp_path):  # noqa: F811
    write_glb(tmp_path / "mesh.glb", unwrapped, "ein Pilz")
    report = validate(tmp_path / "mesh.glb")
    assert report["issues"]["messages"] == []
    assert report["info"]["hasTextures"]


def test_both_readers_find_the_textures_colour(unwrapped, tmp_path):
    """By the texture alone: the vertex colours, which viewers would multiply with it, are not COLOR_0."""
    write_glb(tmp_path / "mesh.glb", unwrapped)
    document, _ = parts(tmp_path / "mesh.glb")
    assert "COLOR_0" not in document["meshes"][0]["primitives"][0]["attributes"]
    truth = linear_to_srgb(paint(unwrapped.vertices))
    for mesh in (read_glb(tmp_path / "mesh.glb"), read_mesh(tmp_path / "mesh.glb")):
        assert np.abs(linear_to_srgb(mesh.colors) - truth).mean() < 0.006
        np.testing.assert_array_equal(mesh.faces, unwrapped.faces)


def test_shading_has_no_seams(unwrapped, tmp_path):
    write_glb(tmp_path / "mesh.glb", unwrapped)
    document, binary = parts(tmp_path / "mesh.glb")
    view = document["bufferViews"][1]
    normals = np.frombuffer(binary, "<f4", view["byteLength"] // 4, view["byteOffset"]).reshape(-1, 3)
    first, position = weld(unwrapped.vertices)
    np.testing.assert_array_equal(normals, normals[first][position])
    assert not np.allclose(vertex_normals(unwrapped.vertices, unwrapped.faces)[first][position], normals)


def test_a_job_of_pixels_gets_its_texture_from_the_field(body, tmp_path):
    _, density, color = body
    settings = Settings(prompt="blob", texture_size=256, mesh_threshold=50, mesh_faces=300)
    mesh = write_mesh(tmp_path, density, color, settings)
    assert mesh.texture.picture.shape == (256, 256, 3)
    read = read_glb(tmp_path / "mesh.glb")
    assert np.abs(linear_to_srgb(read.colors) - linear_to_srgb(paint(read.vertices))).mean() < 0.03
