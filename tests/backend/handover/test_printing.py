"""The print report against solids whose walls and overhangs are known."""

import numpy as np
import pytest
import trimesh

from sjc.handover.printing import print_report
from sjc.output.mesh import Mesh


def mesh_of(solid):
    count = len(solid.vertices)
    return Mesh(np.array(solid.vertices, np.float32), np.array(solid.faces, np.int32), np.ones((count, 3), np.float32))


def standing(solid):
    solid.apply_translation([0, 0, -solid.bounds[0, 2]])
    return mesh_of(solid)


def tilted_box(degrees, extents=(20, 30, 40)):
    solid = trimesh.creation.box(extents)
    solid.apply_transform(trimesh.transformations.rotation_matrix(np.radians(degrees), [1, 0, 0]))
    return standing(solid)


def test_a_cube_is_as_thick_as_its_edge_and_hangs_nowhere_over():
    report = print_report(standing(trimesh.creation.box((20, 20, 20))))
    assert report.closed
    assert report.parts == 1
    assert report.volume == pytest.approx(8)
    assert report.smallest_wall == pytest.approx(20, rel=1e-3)
    assert report.thin_share == 0
    assert report.overhang_share == 0  # its base lies on the plate
    assert report.size == pytest.approx((20, 20, 20))


@pytest.mark.parametrize("thickness", [0.4, 3])
def test_a_slab_is_as_thick_as_it_is(thickness):
    report = print_report(standing(trimesh.creation.box((60, thickness, 50))))
    assert report.smallest_wall == pytest.approx(thickness, rel=5e-3)
    large, small = 2 * 60 * 50, 2 * (60 + 50) * thickness
    assert report.thin_share == pytest.approx(large / (large + small) if thickness < 0.8 else 0, abs=2e-3)


def test_a_hollow_box_has_the_wall_between_its_shells():
    inner = trimesh.creation.box((16, 16, 16))
    inner.invert()
    report = print_report(standing(trimesh.util.concatenate([trimesh.creation.box((20, 20, 20)), inner])))
    assert report.parts == 2
    assert report.smallest_wall == pytest.approx(2, rel=1e-2)
    assert report.volume == pytest.approx((20**3 - 16**3) / 1000)


def test_a_wedge_has_no_wall_at_its_edge():
    """A prism over an equilateral triangle: straight inwards from each side one meets another side at 60 degrees."""
    triangle = np.array([[0, 0], [30, 0], [15, 15 * 3**0.5]])
    vertices = np.concatenate([np.c_[triangle, np.zeros(3)], np.c_[triangle, np.full(3, 100)]])
    faces = [[0, 2, 1], [3, 4, 5], [0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4], [2, 0, 3], [2, 3, 5]]
    report = print_report(mesh_of(trimesh.Trimesh(vertices, faces, process=False)))
    assert report.smallest_wall == pytest.approx(100, rel=1e-3)  # from the base to the top


def test_a_sphere_is_thinnest_nowhere():
    report = print_report(standing(trimesh.creation.icosphere(5, 10)))
    assert report.smallest_wall == pytest.approx(20, rel=0.01)
    # The cap below: of 45 degrees from the pole, 2 pi r^2 (1 - cos 45); what lies on the plate is hardly any of it.
    assert report.overhang_share == pytest.approx((1 - np.cos(np.pi / 4)) / 2, abs=0.01)


@pytest.mark.parametrize("degrees", [30, 60])
def test_of_a_tilted_box_hangs_over_the_face_that_looks_down(degrees):
    """Turned about x, the base looks down by the angle, one side by its complement: whichever is above 45 degrees."""
    report = print_report(tilted_box(degrees))
    total = 2 * (20 * 30 + 20 * 40 + 30 * 40)
    assert report.overhang_share == pytest.approx({30: 20 * 30, 60: 20 * 40}[degrees] / total, abs=1e-6)


def test_an_open_box_has_no_volume_and_no_wall():
    solid = trimesh.creation.box((20, 20, 20))
    solid.update_faces(np.arange(len(solid.faces)) > 0)
    report = print_report(standing(solid))
    assert not report.closed
    assert report.volume is None
    assert report.smallest_wall is None
    assert "open" in report.text()


def test_seams_of_a_texture_are_no_holes():
    solid = trimesh.creation.box((20, 20, 20))
    loose = trimesh.Trimesh(solid.vertices[solid.faces].reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False)
    assert print_report(mesh_of(loose)).closed


def test_the_block_for_people():
    text = print_report(standing(trimesh.creation.box((60, 0.4, 50)))).text()
    assert "60.0 x 0.4 x 50.0 mm" in text
    assert "smallest wall  0.40 mm" in text
    assert "12 faces, 1 part, closed" in text
