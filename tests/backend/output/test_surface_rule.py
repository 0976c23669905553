"""The rule by which a soft field gets its surface, on forms whose edges and levels are known in closed form."""

import numpy as np
import pytest
from scipy import ndimage

from sjc.output import mesh as meshes
from sjc.output import threshold
from sjc.output.edges import edgeness
from sjc.output.level import moved_onto
from sjc.output.mesh import extract_mesh
from sjc.output.optical_depth import blocks, doubled, refined
from sjc.output.surface_color import surface_sampler, without_speckles
from sjc.output.voxelize import inside_lattice

N = 48


def lattice(n=N):
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    return np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)


def box(p, half):
    q = np.abs(p) - np.array(half)
    return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(-1), 0)


def soft(distance, softness=0.7, dense=30.0):
    """Density of a solid whose border is soft: a logistic ramp, `softness` voxels wide."""
    return (dense / (1 + np.exp(np.clip(distance * N / 2 / softness, -50, 50)))).astype("f4")


FORMS = {
    "plane": (lambda p: p[..., 2] - 0.1, (0, 0, 0.1), 0.0),
    "plate": (lambda p: np.abs(p[..., 2]) - 0.05, (0, 0, 0), 0.0),
    "edge": (lambda p: np.maximum(p[..., 0], p[..., 2]), (0, 0, 0), 0.5),
    "rod": (lambda p: np.hypot(p[..., 0], p[..., 1]) - 0.06, (0, 0, 0), 0.5),
    "corner": (lambda p: p.max(-1), (0, 0, 0), 0.5),
}


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_edgeness_counts_the_directions_that_a_surface_faces(name, turn):
    """0 where they lie on one line, 1/2 where they do not, however the form is turned."""
    shape, at, expected = FORMS[name]
    frame = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0] if turn else np.eye(3)
    edge = edgeness((-shape(lattice() @ frame) * N / 2).astype("f4"))
    i, j, k = ((frame @ np.array(at) + 1) * N / 2 - 0.5).round().astype(int)
    assert edge[i, j, k] == pytest.approx(expected, abs=0.12)
    assert edge.min() >= -1e-4
    assert edge.max() <= 0.7


def test_a_large_ball_is_nearly_flat():
    distance = np.linalg.norm(lattice(), axis=-1) - 0.7
    edge = edgeness((-distance * N / 2).astype("f4"))
    assert edge[np.abs(distance) < 2 / N].max() < 0.06


def test_refined_is_the_softplus_of_interpolated_raw_values():
    raw = (6 * lattice(12) @ np.array([1.0, 0.5, -0.8])).astype("f4")
    fine = refined(np.logaddexp(raw, 0))
    inner = (slice(1, -1),) * 3  # beyond the outermost centres values stay
    np.testing.assert_allclose(
        fine[inner], np.logaddexp(6 * lattice(24) @ np.array([1.0, 0.5, -0.8]), 0)[inner], rtol=1e-4
    )


@pytest.mark.parametrize("density", [0.0, 1e-6, 3.0, 500.0])
def test_refined_keeps_an_even_field_however_dense(density):
    fine = refined(np.full((4, 4, 4), density, "f4"))
    assert fine.shape == (8, 8, 8)
    np.testing.assert_allclose(fine, density, rtol=1e-3, atol=1e-15)


def test_a_large_field_is_not_refined(monkeypatch):
    monkeypatch.setattr("sjc.output.optical_depth.FINEST", 20)
    assert refined(np.ones((10, 10, 10), "f4")).shape == (20, 20, 20)
    assert refined(np.ones((11, 11, 11), "f4")).shape == (11, 11, 11)
    monkeypatch.setattr("sjc.output.optical_depth.FINEST", N)
    mesh = extract_mesh(soft(box(lattice(), (0.5, 0.4, 0.3))), np.zeros((N, N, N, 3)))
    assert mesh.report.watertight


def test_blocks_undo_doubling_on_straight_lines():
    straight = lattice(10)[..., 0].astype("f4")
    np.testing.assert_allclose(blocks(doubled(straight)).mean((1, 3, 5))[1:-1], straight[1:-1], atol=1e-6)


def width(mesh, n=128):
    """Mean area of the cross sections through z, in square units."""
    return inside_lattice(mesh, n)[:, :, n // 4 : -n // 4].sum((0, 1)).mean() * (2 / n) ** 2


def test_rods_and_flats_get_the_same_thickness(monkeypatch):
    """A plate and a square rod, equally soft and equally thick: without the rise the rod is cut out fatter."""
    half = 0.11
    rod = soft(box(lattice(), (half, half, 0.9)))
    plate = soft(box(lattice(), (half, 0.7, 0.9)))
    color = np.zeros((N, N, N, 3), "f4")

    def fatness():
        thick = width(extract_mesh(plate, color)) / 1.4  # the plate's ends count for little
        return width(extract_mesh(rod, color)) / thick**2

    risen = fatness()
    monkeypatch.setattr(threshold, "RISE", 0.0)
    monkeypatch.setattr(threshold, "FLAT", 0.2)
    level = fatness()
    assert risen < 0.93 * level


def test_thin_plates_and_rods_survive():
    """A table top and legs of one voxel, at every place of the lattice."""
    for shift in (0.0, 0.25, 0.5):
        p = lattice() + shift * 2 / N
        top = box(p - np.array([0, 0, 0.4]), (0.6, 0.6, 1 / N))
        legs = np.minimum.reduce(
            [box(p - np.array([x, y, -0.1]), (1.2 / N, 1.2 / N, 0.5)) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]
        )
        mesh = extract_mesh(soft(np.minimum(top, legs), 0.3, 60.0), np.zeros((N, N, N, 3)))
        assert mesh.report.watertight
        assert mesh.report.islands_removed == 0
        assert mesh.vertices[:, 2].min() < -0.5, "the legs' ends"
        inside = inside_lattice(mesh, N)
        assert inside.any(2)[12:36, 12:36].all(), "no hole in the top"


def test_flat_faces_are_flat_and_faces_as_many_as_voxels_need():
    mesh = extract_mesh(soft(box(lattice(), (0.53, 0.41, 0.31))), np.zeros((N, N, N, 3)))
    x, y, z = mesh.vertices.T
    for reach, ripple in ((0.25, 0.05), (0.35, 0.3)):  # voxels; towards an edge the level rises
        heights = z[(np.abs(x) < reach) & (np.abs(y) < reach - 0.12) & (z > 0)]
        assert np.ptp(heights) < ripple * 2 / N
    area = 8 * (0.53 * 0.41 + 0.53 * 0.31 + 0.41 * 0.31) * (N / 2) ** 2
    assert len(mesh.faces) < 2.8 * area


def test_vertices_are_moved_onto_the_level():
    level = (0.6 - np.linalg.norm(lattice(2 * N), axis=-1)).astype("f4") * N
    padded = np.pad(level, 1, constant_values=-1)
    points = np.random.default_rng(0).normal(size=(200, 3))
    points *= (0.6 + 0.01 * np.sign(points[:, :1])) / np.linalg.norm(points, axis=1, keepdims=True)
    moved = moved_onto(padded, points)
    assert np.abs(np.linalg.norm(moved, axis=1) - 0.6).max() < 0.001


# -------------------------------------------------------------------------------------------------------------- colour
def test_speckles_go_and_borders_stay():
    """A ball in two colours with one odd voxel in twelve: every speck goes, the border does not move."""
    rng = np.random.default_rng(0)
    p = lattice()
    density = soft(np.linalg.norm(p, axis=-1) - 0.6)
    pure = np.where(p[..., :1] > 0, [0.8, 0.2, 0.1], [0.1, 0.3, 0.7]).astype("f4")
    noisy = np.where(rng.random((N, N, N, 1)) < 1 / 12, rng.random((N, N, N, 3)), pure).astype("f4")
    mesh = extract_mesh(density, noisy)
    wanted = np.where(mesh.vertices[:, :1] > 0, [0.8, 0.2, 0.1], [0.1, 0.3, 0.7])
    clear = np.abs(mesh.vertices[:, 0]) > 1.5 * 2 / N
    assert np.abs(mesh.colors - wanted)[clear].max() < 0.1


def test_an_even_colour_and_far_voxels_stay_as_they_are():
    density = soft(np.linalg.norm(lattice(), axis=-1) - 0.6)
    color = np.random.default_rng(0).random((N, N, N, 3)).astype("f4")
    smooth = without_speckles(density, color, 5.0)
    deep = ndimage.binary_erosion(density > 5, iterations=10)
    np.testing.assert_array_equal(smooth[deep], color[deep])
    even = np.full((N, N, N, 3), 0.3, "f4")
    np.testing.assert_allclose(without_speckles(density, even, 5.0), even, atol=1e-5)


def test_texels_have_the_colours_of_vertices():
    p = lattice()
    density, color = soft(np.linalg.norm(p, axis=-1) - 0.6), (0.5 + 0.4 * p).astype("f4")
    mesh = extract_mesh(density, color)
    normals = meshes.vertex_normals(mesh.vertices, mesh.faces)
    sampled = surface_sampler(density, color, mesh.report.threshold)(mesh.vertices.astype(float), normals)
    np.testing.assert_allclose(sampled, mesh.colors, atol=1e-4)
