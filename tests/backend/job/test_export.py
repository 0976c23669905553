"""From field to files: the colour that was known comes out, encoded once and with the mean shade divided out once."""

from functools import partial

import numpy as np
import pytest
import torch

from sjc.appearance import views as field_views
from sjc.errors import SjcError
from sjc.field.cameras import look_at
from sjc.field.grid import VoxelField, voxel_centers
from sjc.job import export
from sjc.output.colour import linear_to_srgb, pixel_paint
from sjc.output.glb import read_glb
from sjc.output.measures import is_closed
from sjc.output.npz import read_npz
from sjc.output.vdb import write_live_vdb
from tests.backend.stubs import settings

ALBEDO = np.array([0.75, 0.2, 0.4])  # sRGB-encoded
SHADE = 0.8
PAINT = pixel_paint(SHADE)


def ball(albedo=ALBEDO, shade=SHADE, size=24, radius=0.6):
    """A field that shows `albedo * shade` as a model would paint it: an opaque ball of one colour."""
    field = VoxelField(size, 3, density_shift=-10.0, color_activation="tanh_sigmoid", learned_background=False)
    painted = torch.tensor(albedo * shade, dtype=torch.float32)
    with torch.no_grad():
        field.color.copy_(torch.logit(painted).view(3, 1, 1, 1).expand(field.color.shape))
        field.density.copy_((200.0 * (voxel_centers(size).norm(dim=-1) < radius).float())[None])
    return field


def test_colour_is_the_linear_albedo():
    """The linear values worked out by hand: ((c + 0.055) / 1.055) ** 2.4."""
    density, color = field_views.arrays(ball(), PAINT)
    assert density.dtype == color.dtype == np.float32
    assert density.shape == (24, 24, 24)
    expected = np.broadcast_to(((ALBEDO + 0.055) / 1.055) ** 2.4, color.shape)
    np.testing.assert_allclose(color, expected, atol=1e-5)
    np.testing.assert_allclose(expected[0, 0, 0], [0.522522, 0.033105, 0.132868], atol=1e-5)
    np.testing.assert_allclose(density[12, 12, 12], 190.0, rtol=1e-5)
    np.testing.assert_allclose(density[0, 0, 0], np.log1p(np.exp(-10)), rtol=1e-3)


def test_arrays_keep_the_order_of_axes():
    field = ball()
    with torch.no_grad():
        field.color[0, 2, 5, 9] = -10.0
        field.density[0, 2, 5, 9] = 50.0
    density, color = field_views.arrays(field, PAINT)
    assert color[2, 5, 9, 0] < 0.001 < color[9, 5, 2, 0]
    assert density[2, 5, 9] == pytest.approx(40.0)
    assert density.flags.c_contiguous
    assert color.flags.c_contiguous


def test_without_a_shade_nothing_is_divided():
    _, color = field_views.arrays(ball(shade=1.0), pixel_paint(1))
    np.testing.assert_allclose(linear_to_srgb(color[3, 3, 3]), ALBEDO, atol=1e-5)


@pytest.mark.parametrize("renderer", ["reference", "warp"])
def test_a_picture_shows_albedo_before_paper(renderer):
    cameras = look_at([0.0, 120.0], [20.0, -10.0], 3.0, 36.0)
    shown = list(field_views.views(ball(), cameras, 32, PAINT, renderer))
    assert len(shown) == 2
    for picture, depth, opacity in shown:
        assert picture.shape == (32, 32, 3)
        assert picture.dtype == np.uint8
        assert opacity[16, 16] == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose(picture[16, 16], 255 * ALBEDO, atol=1)
        assert opacity[0, 0] == pytest.approx(0, abs=1e-3)
        np.testing.assert_allclose(picture[0, 0], 255 * field_views.PAPER, atol=1)
        assert depth[16, 16] == pytest.approx(3 - 0.6, abs=0.1)


def test_the_mesh_carries_the_albedo(tmp_path):
    field = ball()
    mesh = export.write_mesh(tmp_path, *field_views.arrays(field, PAINT), settings())
    assert mesh.report.watertight
    read = read_glb(tmp_path / "mesh.glb")
    assert is_closed(read.faces)
    assert np.abs(linear_to_srgb(read.colors) - ALBEDO).max() < 2 / 255
    radius = np.linalg.norm(read.vertices, axis=1)
    assert radius.mean() == pytest.approx(0.6, abs=0.05)


def test_nothing_to_mesh_says_why(tmp_path):
    field = VoxelField(16, 3, density_shift=-12.0, color_activation="tanh_sigmoid", learned_background=False)
    with pytest.raises(SjcError, match="fog") as caught:
        export.write_mesh(tmp_path, *field_views.arrays(field, pixel_paint(1)), settings())
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_volumes_and_snapshots(tmp_path, monkeypatch):
    density, color = field_views.arrays(ball(), PAINT)
    export.write_volumes(tmp_path, density, color, {"step": 3})
    whole = read_npz(tmp_path / "field.npz")
    np.testing.assert_array_equal(whole.density, density)
    np.testing.assert_array_equal(whole.color, color)
    assert whole.meta["step"] == 3
    order = []

    def noted(path, *args, **kwargs):
        order.append((path.name, (path.with_suffix(".npz")).exists()))
        write_live_vdb(path, *args, **kwargs)

    monkeypatch.setattr(export, "write_live_vdb", noted)
    path = tmp_path / "snapshots" / "f_0012.npz"
    export.write_snapshot(path, density, color, {"step": 24, "color": "preview"})
    assert order == [("f_0012.vdb", False)], "the npz counts and comes last"
    assert {p.name for p in path.parent.iterdir()} == {"f_0012.npz", "f_0012.vdb"}
    snapshot = read_npz(path)
    np.testing.assert_allclose(snapshot.color, color, rtol=1e-3)
    assert snapshot.meta == {**snapshot.meta, "step": 24, "color": "preview"}


def test_the_preview_looks_around(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    drawn = {}

    def sheet(pictures, depths, path, azimuths, opacities):
        drawn.update(pictures=pictures, azimuths=azimuths, depths=depths, opacities=opacities)

    monkeypatch.setattr(export, "contact_sheet", sheet)
    field = ball()
    with torch.no_grad():  # the half at x > 0 is black
        field.color[:, 12:] = -10.0
    export.write_preview(tmp_path, partial(field_views.views, field, paint=PAINT), settings())
    assert drawn["azimuths"] == [0, 45, 90, 135, 180, 225, 270, 315]
    assert drawn["pictures"].shape == (8, 24, 24, 3)
    assert drawn["depths"].shape == drawn["opacities"].shape == (8, 24, 24)
    front, right, back, left = drawn["pictures"][::2].astype(int)
    assert right[12, 12].max() < 10, "azimuth 90 looks from +X at the black half"
    np.testing.assert_allclose(left[12, 12], 255 * ALBEDO, atol=1)
    assert front[12, 15].max() < 10 < front[12, 8].max(), "+X is on the right of the front view"
    assert back[12, 8].max() < 10 < back[12, 15].max()
