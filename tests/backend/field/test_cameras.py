"""Cameras: frame, prior, paths and rays."""

import functools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.field import cameras
from sjc.field.cameras import CameraPrior

VIEWS = cameras.look_at([0, 40, 200], [0, 30, -20], 1.5, 60)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "eye", "right"),
    [
        (0, 0, (0, -1.5, 0), (1, 0, 0)),
        (90, 0, (1.5, 0, 0), (0, 1, 0)),
        (180, 0, (0, 1.5, 0), (-1, 0, 0)),
        (270, 0, (-1.5, 0, 0), (0, -1, 0)),
        (0, 90, (0, 0, 1.5), (1, 0, 0)),
        (0, -90, (0, 0, -1.5), (1, 0, 0)),
    ],
)
def test_named_views(azimuth, elevation, eye, right):
    view = cameras.look_at(azimuth, elevation, 1.5, 60)
    torch.testing.assert_close(view.eye[0], torch.tensor(eye, dtype=torch.float32), atol=1e-6, rtol=0)
    torch.testing.assert_close(view.rotation[0, :, 0], torch.tensor(right, dtype=torch.float32), atol=1e-6, rtol=0)


@given(st.floats(-720, 720), st.floats(-90, 90), st.floats(0.1, 10))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_rotation_is_proper_and_looks_at_the_origin(azimuth, elevation, radius):
    view = cameras.look_at(azimuth, elevation, radius, 60)
    r = view.rotation[0].double()
    torch.testing.assert_close(r.T @ r, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
    assert torch.linalg.det(r).item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(r[:, 2] * radius, view.eye[0].double(), atol=1e-5, rtol=1e-5)
    assert r[2, 1] >= -1e-6  # up never points down
    assert 0 <= view.azimuth_deg.item() <= 360


def test_sampled_cameras_follow_the_prior():
    """Facts 8 item 9 and 1.3: limits of the elevation, uniform on the sphere (mean 28.9, median 26.1 degrees)."""
    views = cameras.sample_cameras(CameraPrior(), 20000, torch.Generator().manual_seed(0))
    assert len(views) == 20000
    assert -6.381 <= views.elevation_deg.min() < -6
    assert 82 < views.elevation_deg.max() <= 83.531
    assert views.elevation_deg.mean().item() == pytest.approx(28.9, abs=0.5)
    assert views.elevation_deg.median().item() == pytest.approx(26.1, abs=0.6)
    assert 40 <= views.fov_deg.min() < 40.1
    assert 69.9 < views.fov_deg.max() <= 70
    assert (views.azimuth_deg < 90).float().mean().item() == pytest.approx(0.25, abs=0.015)
    torch.testing.assert_close(views.eye.norm(dim=-1), torch.full((20000,), 1.5))


def test_sampling_repeats_with_the_seed():
    draws = [cameras.sample_cameras(CameraPrior(), 3, torch.Generator().manual_seed(7)).eye for _ in range(2)]
    assert torch.equal(*draws)


@pytest.mark.parametrize(
    "prior",
    [
        {"radius": 0},
        {"fov_min": 80},
        {"fov_max": 180},
        {"elevation_min": 89},
        {"elevation_max": 91},
        {"radius": math.nan},
    ],
)
def test_impossible_priors_are_refused(prior):
    with pytest.raises(SjcError, match="give"):
        CameraPrior(**prior)


def test_orbit_is_even_and_starts_in_front():
    views = cameras.orbit(8, elevation_deg=10, radius=2, fov_deg=50)
    assert views.azimuth_deg.tolist() == [0, 45, 90, 135, 180, 225, 270, 315]
    torch.testing.assert_close(views[0].eye, cameras.look_at(0, 10, 2, 50).eye)


def test_released_spiral():
    views = cameras.released_spiral(121)
    assert views.elevation_deg[0].item() == pytest.approx(math.degrees(math.atan(3)), abs=1e-3)  # 71.6
    assert views.elevation_deg[-1].item() == pytest.approx(0, abs=1e-3)
    torch.testing.assert_close(views.eye[:, 2], torch.linspace(1.5, 0, 121), atol=1e-5, rtol=0)
    assert views.eye[-1, :2].norm().item() == pytest.approx(1.5, abs=1e-5)
    assert ((views.azimuth_deg[1:] < views.azimuth_deg[:-1]).sum()) == 3  # three full turns


def test_indexing_keeps_cameras():
    views = cameras.orbit(5)
    assert [len(views[i]) for i in (0, -1)] == [1, 1]
    assert len(views[1:4]) == 3
    assert len(list(views)) == 5
    assert torch.equal(views[-1].eye[0], views.eye[4])
    with pytest.raises(IndexError):
        views[5]


def test_rays_of_a_known_camera():
    """f(64 px): 55.426 at 60 degrees; pixel (0, 0) is up and to the left; the pixels' mean direction is forward."""
    view = cameras.look_at(0, 0, 1.5, 60)
    origins, directions = cameras.rays(view, 64, 64)
    assert origins.shape == directions.shape == (1, 64, 64, 3)
    expected = torch.tensor([-31.5 / 55.4256, 1.0, 31.5 / 55.4256])
    torch.testing.assert_close(directions[0, 0, 0], expected / expected.norm(), atol=1e-5, rtol=0)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(1, 64, 64))
    torch.testing.assert_close(directions.mean((1, 2))[0, [0, 2]], torch.zeros(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("fov", "focal"), [(40, 87.919), (60, 55.426), (70, 45.701)])
def test_focal_length(fov, focal):
    _, directions = cameras.rays(cameras.look_at(0, 0, 1.5, fov), 65, 64)
    row = directions[0, 32]  # the middle row: z = 0
    assert (row[32, 0] / row[32, 1]).item() == pytest.approx(0.5 / focal, rel=1e-4)


def test_field_of_view_is_horizontal():
    _, directions = cameras.rays(cameras.look_at(0, 0, 1.5, 60), 16, 32)
    assert (directions[0, :, :, 0] / directions[0, :, :, 1]).max().item() == pytest.approx(
        15.5 / 16 * math.tan(math.pi / 6)
    )
    with pytest.raises(SjcError, match="no rays"):
        cameras.rays(cameras.look_at(0, 0, 1.5, 60), 0, 32)


@functools.cache
def places(size, count, fov=60):
    """Where the rays of a picture go through it, [H,W,n,2] pixels (right, down) from its upper left pixel's centre."""
    view = cameras.look_at(0, 0, 1.5, fov)
    _, directions = cameras.pixel_rays(view, size, size, count)
    focal = size / 2 / math.tan(math.radians(fov) / 2)
    x, y, z = directions[0].double().unbind(-1)  # the camera stands at -y and looks along y
    return torch.stack([x, -z], -1) / y[..., None] * focal + (size - 1) / 2


def test_one_ray_goes_through_the_middle():
    for one, alone in zip(cameras.pixel_rays(VIEWS, 6, 8, 1), cameras.rays(VIEWS, 6, 8), strict=True):
        assert torch.equal(one[..., 0, :], alone)


@given(st.integers(1, 16))
def test_rays_of_a_pixel_share_no_row_and_no_column(count):
    right, down = torch.tensor(cameras.pixel_samples(count)).double().unbind(-1)
    for places in (right, down):
        assert abs(float(places.mean())) < 1e-6
        assert len(set(places.tolist())) == count
    assert (right.sort().values - (torch.arange(count) + 0.5) / count + 0.5).abs().max() < 1e-6
    assert right.abs().max() < 0.5


@pytest.mark.parametrize("count", [1, 2, 4, 16])
def test_rays_lie_in_their_pixels(count):
    size = 6
    points = places(size, count)
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    inside = points - torch.stack([column, row], -1)[:, :, None]
    assert inside.abs().max() < 0.5
    torch.testing.assert_close(inside.mean(2), torch.zeros(size, size, 2).double(), atol=1e-5, rtol=0)


@given(st.integers(1, 16), st.floats(-0.5, 0.5))
def test_a_pixel_at_a_border_shows_the_share_of_its_area(count, border):
    """An upright or level border anywhere in a pixel: n rays give its area to within half a ray."""
    for axis in (0, 1):
        offsets = [sample[axis] for sample in cameras.pixel_samples(count)]
        share = sum(offset < border for offset in offsets) / count
        # Powers of 2 fill both axes evenly; of other numbers, the way down does so less well.
        tolerance = 0.5 / count if axis == 0 or count & (count - 1) == 0 else 1.5 / count
        assert abs(share - (border + 0.5)) <= tolerance + 1e-9


def half_plane(size, count, angle, shift):
    """The picture [S,S] of a half-plane whose border passes the middle at `shift` pixels: 1 within, 0 outside."""
    right, down = (places(size, count) - (size - 1) / 2).unbind(-1)
    return (right * math.cos(angle) + down * math.sin(angle) < shift).double().mean(-1)


def test_the_picture_of_a_half_plane():
    """More rays come nearer to the area that it covers, along borders of any slant, rising or falling alike."""

    def error(count, angle, shift):
        return (half_plane(8, count, angle, shift) - half_plane(8, 256, angle, shift)).abs().mean().item()

    angles, shifts = [i * math.pi / 12 + 0.1 for i in range(12)], (-1.3, 0.2, 0.9)
    means = {n: sum(error(n, a, s) for a in angles for s in shifts) / 36 for n in (1, 2, 4, 16)}
    assert means[16] < 0.5 * means[4] < 0.4 * means[2] < 0.3 * means[1]
    for angle in angles:  # the mirrored border is the mirrored picture
        torch.testing.assert_close(half_plane(8, 2, math.pi - angle, 0.4), half_plane(8, 2, angle, 0.4).flip(1))
