"""Meshes of solids whose shape is known in closed form: volume, surface, normals, colour, closedness, and what is
dropped.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.output import mesh as meshes
from sjc.output.measures import is_closed, mesh_volume, vertex_normals
from sjc.output.mesh import extract_mesh
from sjc.output.optical_depth import least_depth, refined
from sjc.output.threshold import FLAT, find_surface
from sjc.output.voxelize import inside_lattice, solid

TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
DENSE = 100.0


def lattice(n):
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    return np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)


# Signed distances, negative inside.
def sphere(p, radius=0.6, center=(0.03, 0.01, -0.02)):
    return np.linalg.norm(p - np.array(center), axis=-1) - radius


def torus(p, ring=0.55, tube=0.2):
    return np.hypot(np.hypot(p[..., 0] - 0.01, p[..., 1] + 0.02) - ring, p[..., 2] - 0.013) - tube


def box(p, half=(0.5, 0.4, 0.3)):
    q = np.abs(p @ TURN) - np.array(half)
    return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(-1), 0)


SOLIDS = {
    "sphere": (sphere, 4 / 3 * np.pi * 0.6**3),
    "torus": (torus, 2 * np.pi**2 * 0.55 * 0.2**2),
    "box": (box, 8 * 0.5 * 0.4 * 0.3),
}


def covered(distance, n, dense=DENSE):
    """Density of a solid seen through voxels: full inside, at the surface a ramp of `dense` a voxel in raw values.

    The renderer interpolates raw values and applies the softplus after.
    """
    raw = dense * np.clip(0.5 - distance * n / 2, -1, 1)
    return np.where(raw < -15, 0, np.logaddexp(raw, 0)).astype("f4")


def field(shape, n, dense=DENSE):
    density = covered(shape(lattice(n)), n, dense)
    return density, np.full((n, n, n, 3), 0.5, "f4")


def normal_error(shape, mesh):
    """Area-weighted mean angle, in degrees, between the faces and the solid's own surface."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    step = 1e-4 * np.eye(3)
    middle = (a + b + c) / 3
    true = np.stack([shape(middle + s) - shape(middle - s) for s in step], 1) / 2e-4
    cosine = (normal * true).sum(1) / np.maximum(area, 1e-12)
    return np.average(np.degrees(np.arccos(cosine.clip(-1, 1))), weights=area)


def sloped(shape, n):
    """Density DENSE / 2 at the surface of the solid and raw values that run straight through it, for two voxels."""
    raw = DENSE * np.clip(0.5 - shape(lattice(n)) * n / 2, -2, 2)
    return np.logaddexp(raw, 0).astype("f4"), np.full((n, n, n, 3), 0.5, "f4")


# ---------------------------------------------------------------------------------------------------------------- shape
@pytest.mark.parametrize("n", [32, 48, 64])
@pytest.mark.parametrize("name", SOLIDS)
def test_volume_surface_and_normals_of_known_solids(name, n):
    """At the half-way density the ramp crosses the true surface: volume, position and direction must be the solid's."""
    shape, volume = SOLIDS[name]
    mesh = extract_mesh(*sloped(shape, n), threshold=DENSE / 2)
    assert mesh.report.watertight
    assert is_closed(mesh.faces)
    # The box's edges are rounded, so only nine tenths of its vertices lie on it.
    assert np.quantile(np.abs(shape(mesh.vertices.astype(float))), 0.9) < 0.2 * 2 / n
    assert mesh_volume(mesh.vertices, mesh.faces) == pytest.approx(volume, rel={32: 0.045, 48: 0.02, 64: 0.01}[n])
    assert normal_error(shape, mesh) < {32: 12, 48: 10, 64: 8}[n], "outward, and smooth"


def test_finer_grids_come_closer():
    errors = []
    for n in (20, 40, 64):
        mesh = extract_mesh(*sloped(torus, n), threshold=DENSE / 2)
        errors.append(abs(mesh_volume(mesh.vertices, mesh.faces) / SOLIDS["torus"][1] - 1))
    assert errors[2] < errors[1] < errors[0]


def test_smoother_than_density_itself():
    """The level used has at most half of the normals' error of marching cubes on raw density, same field, same tau."""
    from skimage.measure import marching_cubes

    n, rng = 64, np.random.default_rng(0)
    density, color = field(sphere, n)
    density *= np.exp(0.5 * rng.standard_normal(density.shape)).astype("f4")
    tau = find_surface(density, refined(density)).tau
    vertices, faces, _, _ = marching_cubes(np.pad(density, 1), tau, gradient_direction="ascent")
    raw = meshes.Mesh((vertices - 0.5) * 2 / n - 1, faces, vertices)
    assert normal_error(sphere, extract_mesh(density, color, tau)) < 0.5 * normal_error(sphere, raw)


def test_normals_are_unit_and_outward():
    mesh = extract_mesh(*field(sphere, 32))
    normals = vertex_normals(mesh.vertices, mesh.faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-12)
    outward = mesh.vertices - np.array([0.03, 0.01, -0.02])
    assert (np.einsum("vi,vi->v", normals, outward / np.linalg.norm(outward, axis=1, keepdims=True)) > 0.9).all()


def test_axes_are_not_mixed_up():
    """A bump towards +x, a longer one towards +y, the longest towards +z."""
    p = lattice(48)
    distance = sphere(p, 0.25, (0, 0, 0))
    for axis, reach in enumerate((0.4, 0.6, 0.8)):
        tip = np.zeros(3)
        tip[axis] = reach - 0.15
        distance = np.minimum(distance, sphere(p, 0.15, tip))
        distance = np.minimum(distance, sphere(p, 0.15, tip / 2))
    mesh = extract_mesh(covered(distance, 48), np.zeros((48, 48, 48, 3)), threshold=DENSE / 2)
    np.testing.assert_allclose(mesh.vertices.max(0), (0.4, 0.6, 0.8), atol=0.02)
    np.testing.assert_allclose(mesh.vertices.min(0), (-0.25, -0.25, -0.25), atol=0.02)


def test_a_solid_at_the_edge_is_closed_and_reported():
    mesh = extract_mesh(*field(lambda p: sphere(p, 0.6, (0.9, 0, 0)), 32), threshold=DENSE / 2)
    assert mesh.report.watertight
    assert mesh.vertices[:, 0].max() == pytest.approx(1, abs=2 / 32)
    assert any("edge of the volume" in line for line in mesh.report.warnings)


def test_a_full_box_is_a_box():
    mesh = extract_mesh(np.full((8, 8, 8), 50.0), np.zeros((8, 8, 8, 3)))
    assert mesh.report.watertight
    assert mesh_volume(mesh.vertices, mesh.faces) == pytest.approx(8, rel=0.12)


def test_a_rod_and_a_sheet_of_one_voxel_survive():
    density = np.zeros((32, 32, 32), "f4")
    density[10:20, 10:20, 8:12] = DENSE  # a foot
    density[15, 15, 12:28] = DENSE  # a rod
    density[4:10, 15, 8:12] = DENSE  # a fin
    mesh = extract_mesh(density, np.zeros((32, 32, 32, 3)))
    assert mesh.report.watertight
    assert mesh.report.islands_removed == 0
    assert mesh.vertices[:, 2].max() > 27 * 2 / 32 - 1, "the rod's tip"
    assert mesh.vertices[:, 0].min() < 5 * 2 / 32 - 1, "the fin's end"


@given(st.integers(0, 10_000), st.floats(0, 2.5), st.sampled_from([4, 9, 14]))
def test_any_field_gives_a_closed_mesh(seed, roughness, n):
    """Noise has every ambiguous case of marching cubes."""
    density = np.exp(roughness * np.random.default_rng(seed).standard_normal((n, n, n)))
    mesh = extract_mesh(density, np.zeros((n, n, n, 3)), threshold=0.8)
    assert mesh.report.watertight
    assert mesh_volume(mesh.vertices, mesh.faces) > 0


def test_values_equal_to_the_threshold_make_no_degenerate_faces():
    density = np.zeros((12, 12, 12), "f4")
    density[3:9, 3:9, 3:9] = 7
    density[3:9, 3:9, 5] = 3.5
    mesh = extract_mesh(density, np.zeros((12, 12, 12, 3)), threshold=3.5)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert mesh.report.watertight
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 0


# -------------------------------------------------------------------------------------------- cavities, islands,
# clutter
def test_a_hollow_sphere_is_filled():
    density, color = field(lambda p: np.abs(sphere(p)) - 0.12, 64)
    mesh = extract_mesh(density, color, threshold=DENSE / 2)
    assert mesh.report.cavities_filled == 1
    assert mesh_volume(mesh.vertices, mesh.faces) == pytest.approx(4 / 3 * np.pi * 0.72**3, rel=0.01)
    assert solid(mesh, np.array([[0.03, 0.01, -0.02]]))[0]


def test_a_hole_that_opens_outward_stays():
    density, color = field(torus, 48)
    mesh = extract_mesh(density, color, threshold=DENSE / 2)
    assert mesh.report.cavities_filled == 0
    assert not solid(mesh, np.array([[0.01, -0.02, 0.013]]))[0]


def test_floaters_go_and_parts_stay():
    p = lattice(64)
    parts = np.minimum(sphere(p, 0.4, (0.2, 0, 0)), sphere(p, 0.15, (-0.6, 0, 0)))  # the small one: 5 % of the large
    specks = np.minimum(sphere(p, 0.06, (-0.6, 0.7, 0.7)), sphere(p, 0.08, (-0.7, -0.7, 0)))
    mesh = extract_mesh(covered(np.minimum(parts, specks), 64), np.zeros((64, 64, 64, 3)), threshold=DENSE / 2)
    assert mesh.report.islands_removed == 2
    np.testing.assert_array_equal(solid(mesh, np.array([[0.2, 0, 0], [-0.6, 0, 0]])), [True, True])
    np.testing.assert_array_equal(solid(mesh, np.array([[-0.6, 0.7, 0.7], [-0.7, -0.7, 0]])), [False, False])
    assert mesh.report.warnings == ()


def test_many_floaters_are_told():
    rng = np.random.default_rng(0)
    p = lattice(48)
    distance = sphere(p, 0.3, (0, 0, 0))
    for center in rng.uniform(-0.9, 0.9, (300, 3)):
        if np.linalg.norm(center) > 0.45:
            distance = np.minimum(distance, sphere(p, 0.06, center))
    mesh = extract_mesh(covered(distance, 48), np.zeros((48, 48, 48, 3)), threshold=DENSE / 2)
    assert any("dropped" in line for line in mesh.report.warnings)


# ------------------------------------------------------------------------------------------------------------ threshold
@pytest.mark.parametrize("dense", [20, 100, 1000])
@pytest.mark.parametrize("fog", [0, 0.05, 0.5])
def test_automatic_threshold_finds_the_solid_through_fog(dense, fog):
    rng = np.random.default_rng(0)
    n, p = 48, lattice(48)
    density, color = field(torus, n, dense)
    density = density * np.exp(0.3 * rng.standard_normal(density.shape)) + fog * rng.uniform(0.8, 1.2, density.shape)
    mesh = extract_mesh(density, color)
    assert mesh.report.automatic
    assert fog < mesh.report.threshold < dense
    inside = inside_lattice(mesh, n)
    truth = torus(p) < 0
    # The denser, the more of what lies between the solid and the next voxel is opaque: a voxel of fat, on a thin ring.
    assert (inside & truth).sum() / (inside | truth).sum() > {20: 0.9, 100: 0.78, 1000: 0.65}[dense]


@pytest.mark.parametrize("slope", [30, 120])
def test_the_surface_is_where_light_has_gone_through_the_level(slope):
    """Density rising by `slope` per unit of depth t: straight in, the optical depth is slope t^2 / 2."""
    inwards = np.maximum(-sphere(lattice(64)), 0)
    density = (slope * inwards).astype("f4")
    t = (2 * FLAT / slope) ** 0.5
    surface = find_surface(density, density)
    assert surface.tau == pytest.approx(slope * t, rel=0.1)
    assert surface.iou > 0.9
    mesh = extract_mesh(density, np.zeros((64, 64, 64, 3)))
    assert np.median(-sphere(mesh.vertices.astype(float))) == pytest.approx(t, abs=0.3 * 2 / 64)


def test_no_one_density_marks_the_surface():
    """A dense ball in a thin veil that is denser than another ball: light passes the veil and stops in both balls."""
    p, n, thin = lattice(64), 64, 1.5
    light, heavy = (sphere(p, 0.4, (x, 0, 0)) for x in (-0.5, 0.5))
    veil = sphere(p, 0.4 + 0.05, (0.5, 0, 0))
    density = (thin * covered(light, n) + 2.0 * covered(veil, n) + 200 * covered(heavy, n)) / DENSE
    mesh = extract_mesh(density, np.zeros((n, n, n, 3)))
    left = mesh.vertices[:, 0] < 0
    for side, x, inside in ((left, -0.5, FLAT / thin), (~left, 0.5, 0.0)):
        off = sphere(mesh.vertices[side].astype(float), 0.4, (x, 0, 0))
        assert np.median(off) == pytest.approx(-inside, abs=1.1 * 2 / n)
    assert mesh.report.watertight


def test_a_shell_that_light_cannot_pass_is_solid():
    density, color = field(lambda p: np.abs(sphere(p)) - 0.06, 64)
    mesh = extract_mesh(density, color)
    assert solid(mesh, np.array([[0.03, 0.01, -0.02]]))[0]


def test_thin_fields_are_meshed_with_a_warning():
    mesh = extract_mesh(*field(sphere, 32, dense=0.3))
    assert any("thin" in line for line in mesh.report.warnings)
    assert mesh_volume(mesh.vertices, mesh.faces) == pytest.approx(SOLIDS["sphere"][1], rel=0.3)


@pytest.mark.parametrize("fog", [0.0, 0.01, 0.9])
def test_fog_alone_is_one_clear_line(fog):
    noise = np.random.default_rng(0).uniform(0.99, 1.01, (24, 24, 24))
    with pytest.raises(SjcError, match=r"field is fog: it is at most .* % opaque from any side"):
        extract_mesh(fog * noise, np.zeros((24, 24, 24, 3)))


def test_light_takes_the_shortest_way_to_each_voxel():
    """A dense cube: the depth of a voxel is its distance to the nearest side, times the density, half at the edge."""
    density = np.zeros((12, 12, 12), "f4")
    density[3:9, 2:10, 4:8] = 5
    x, y, z = np.indices(density.shape)
    layers = np.minimum.reduce([x - 3, 8 - x, y - 2, 9 - y, z - 4, 7 - z]) + 0.5
    inside = density > 0
    np.testing.assert_allclose(least_depth(density, 0.1)[inside], (0.5 * layers)[inside], rtol=1e-5)
    assert not least_depth(density, 0.1)[~inside].any()


@pytest.mark.parametrize("way", [w for w in itertools.product((-1, 0, 1), repeat=3) if any(w)])
def test_light_comes_along_every_way(way):
    """A rock with one straight bore: its middle is reached through the bore, whichever of the 26 ways that runs."""
    density = np.full((9, 9, 9), 7, "f4")
    assert least_depth(density, 0.1)[4, 4, 4] == pytest.approx(0.1 * 7 * 4.5)
    for k in range(5):
        density[tuple(4 + k * np.array(way))] = 0
    assert least_depth(density, 0.1)[4, 4, 4] == 0


def test_nothing_above_a_given_threshold_is_one_clear_line():
    with pytest.raises(SjcError, match=r"Nothing in the field is denser than 1e\+03; its densest voxel has 100"):
        extract_mesh(*field(sphere, 16), threshold=1000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": np.zeros((4, 4))}, "density"),
        ({"density": np.zeros((4, 4, 5))}, "density"),
        ({"density": np.full((4, 4, 4), np.nan)}, "diverged"),
        ({"color_linear": np.zeros((4, 4, 4))}, "color"),
        ({"threshold": -1.0}, "threshold"),
        ({"threshold": np.nan}, "threshold"),
        ({"faces": -5}, "faces"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    good = {"density": np.ones((4, 4, 4)), "color_linear": np.zeros((4, 4, 4, 3))}
    with pytest.raises(SjcError, match=message) as caught:
        extract_mesh(**(good | change))
    assert "\n" not in str(caught.value)


# --------------------------------------------------------------------------------------------------------------- colour
def test_colour_at_the_surface_is_the_solids_own():
    """Empty voxels carry a screaming colour; a smooth paint on the solid must come through untouched."""
    n = 64
    p = lattice(n)
    density = covered(sphere(p), n)
    paint = 0.5 + 0.4 * p
    color = np.where((density > 1e-3)[..., None], paint, [9.0, -7.0, np.nan])
    mesh = extract_mesh(density, color)
    np.testing.assert_allclose(mesh.colors, 0.5 + 0.4 * mesh.vertices, atol=0.4 * 1.5 * 2 / n)
    assert mesh.colors.dtype == np.float32


def test_colour_of_decimated_vertices_comes_from_the_solid():
    n = 64
    density = covered(torus(lattice(n)), n)
    color = np.repeat(np.where((density > 1e-3)[..., None], 0.25, 1e3), 3, axis=-1)
    mesh = extract_mesh(density, color, threshold=DENSE / 2, faces=300)
    np.testing.assert_allclose(mesh.colors, 0.25, rtol=1e-3)


# ----------------------------------------------------------------------------------------------------------- decimation
@pytest.mark.parametrize("faces", [400, 2000])
def test_decimation_keeps_the_mesh_closed_and_the_shape(faces):
    mesh = extract_mesh(*field(torus, 64), threshold=DENSE / 2, faces=faces)
    assert mesh.report.watertight
    assert 0.5 * faces < len(mesh.faces) <= 1.2 * faces
    assert mesh_volume(mesh.vertices, mesh.faces) == pytest.approx(SOLIDS["torus"][1], rel=0.05)
    assert mesh.faces.max() == len(mesh.vertices) - 1, "no vertex without a face"


def test_a_mesh_that_the_library_tears_is_reduced_all_the_same(monkeypatch):
    import fast_simplification

    real = fast_simplification.simplify

    def tearing(*args, **options):
        points, faces = real(*args, **options)[:2]
        return points, faces[1:]

    monkeypatch.setattr(fast_simplification, "simplify", tearing)
    mesh = extract_mesh(*field(sphere, 24), faces=100)
    assert len(mesh.faces) <= 100
    assert mesh.report.watertight


def test_faces_that_cannot_go_are_named(monkeypatch):
    monkeypatch.setattr(meshes, "decimated", lambda vertices, triangles, _faces: (vertices, triangles))
    mesh = extract_mesh(*field(sphere, 24), faces=100)
    assert mesh.report.watertight
    assert any(f"reduced to {len(mesh.faces)} faces, not 100" in line for line in mesh.report.warnings)


def test_fewer_faces_than_asked_for_are_left_alone():
    whole, same = (extract_mesh(*field(sphere, 24), faces=faces) for faces in (0, 10**6))
    np.testing.assert_array_equal(whole.faces, same.faces)


# ------------------------------------------------------------------------------------------------------------- measures
TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def test_is_closed():
    assert is_closed(TETRAHEDRON)
    assert not is_closed(TETRAHEDRON[:3]), "open"
    assert not is_closed(np.vstack([TETRAHEDRON[:3], TETRAHEDRON[3:, ::-1]])), "one face turned"
    assert not is_closed(np.vstack([TETRAHEDRON, TETRAHEDRON])), "doubled"
    assert not is_closed(np.vstack([TETRAHEDRON, [[1, 1, 1]]])), "degenerate"
    assert not is_closed(np.zeros((0, 3), int)), "nothing"


def test_volume_of_a_tetrahedron():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]) + 5
    assert mesh_volume(corners, TETRAHEDRON) == pytest.approx(1 / 6)
    assert mesh_volume(corners, TETRAHEDRON[:, ::-1]) == pytest.approx(-1 / 6)


def prism(low, high):
    """A closed box with its eight corners, twelve faces."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))])
    vertices = np.array(low) + corners * (np.array(high) - np.array(low))
    return meshes.Mesh(vertices.astype("f4"), faces, np.zeros((8, 3), "f4"))


@given(st.integers(0, 6), st.integers(1, 7), st.integers(2, 9))
def test_parity_is_exact_where_columns_meet_edges_and_corners(start, size, n):
    """Boxes whose faces, edges and diagonals pass exactly through lattice columns: closed, so no column may leak."""
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    low, high = centers[start % n], centers[start % n] + size * 2 / n
    inside = inside_lattice(prism([low, low, low - 0.5 / n], [high, high, high - 0.5 / n]), n)
    along = (centers > low - 0.5 / n) & (centers < high - 0.5 / n)
    columns = inside.any(2)
    assert (inside == (columns[..., None] & along)).all()
    # Half-open: of two opposite walls through cell centres exactly one counts.
    assert columns.any(1).sum() == columns.any(0).sum()
    assert abs(columns.any(1).sum() - min(size, n - start % n)) <= 1


def test_lattice_and_points_agree_with_the_formula_and_each_other():
    n = 64
    mesh = extract_mesh(*field(torus, n), threshold=DENSE / 2)
    inside = inside_lattice(mesh, n)
    truth = torus(lattice(n))
    clear = np.abs(truth) > 0.3 * 2 / n
    assert (inside == (truth < 0))[clear].all()
    every = lattice(n).reshape(-1, 3)[::5]
    np.testing.assert_array_equal(solid(mesh, every), inside.reshape(-1)[::5])


def test_points_far_away_and_no_points():
    mesh = extract_mesh(*field(sphere, 16))
    np.testing.assert_array_equal(solid(mesh, np.array([[50.0, 0, 0], [0, 0, 50], [0, 0, -50]])), [False] * 3)
    assert solid(mesh, np.zeros((0, 3))).shape == (0,)


def test_points_agree_with_rotated_solid():
    mesh = extract_mesh(*field(box, 48), threshold=DENSE / 2)
    points = np.random.default_rng(0).uniform(-1, 1, (20_000, 3))
    distance = box(points)
    clear = np.abs(distance) > 1.2 * 2 / 48
    assert (solid(mesh, points) == (distance < 0))[clear].all()
