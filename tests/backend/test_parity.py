"""Parity with the released code: numbers of its own renderer, quoted in the project's facts sheet (section 8).

The released world is y-up, its arrays are stored z, y, x. Ours is z-up and indexed x, y, z: a released point (x, y, z)
is our (x, -z, y). Only this file knows.
"""

import math

import pytest
import torch

from sjc.field import cameras, render_warp
from sjc.field.grid import VoxelField, background_texture, voxel_centers
from sjc.field.regularizers import emptiness_loss
from sjc.field.render_reference import composite, full_depth
from sjc.field.render_reference import render as render_reference

RENDERERS = {"reference": (render_reference, {})}
if render_warp.available("cpu")[0]:
    RENDERERS["warp"] = (render_warp.render, {"skip_alpha": 0.0, "stop_transmittance": 0.0})


def from_released(points):
    x, y, z = points.unbind(-1)
    return torch.stack([x, -z, y], dim=-1)


def to_released(points):
    x, y, z = points.unbind(-1)
    return torch.stack([x, z, -y], dim=-1)


def camera_at(released_eye, fov_deg=60.0):
    eye = from_released(torch.tensor(released_eye, dtype=torch.float64))
    azimuth = math.degrees(math.atan2(eye[0], -eye[1]))
    elevation = math.degrees(math.asin(eye[2] / eye.norm()))
    return cameras.look_at(azimuth, elevation, float(eye.norm()), fov_deg)


def render_image(name, field, view, size, background):
    render, exact = RENDERERS[name]
    origins, directions = (x.reshape(-1, 3) for x in cameras.rays(view, size, size))
    rendered = render(field, origins, directions, **exact)
    return rendered, composite(rendered, background_texture(background, directions, released=True))


def test_oblique_camera_matrix():
    polar, azimuth = math.radians(60), math.radians(30)
    eye = [-1.5 * math.sin(polar) * math.cos(azimuth), 1.5 * math.cos(polar), 1.5 * math.sin(polar) * math.sin(azimuth)]
    view = camera_at(eye)
    assert to_released(view.eye[0]).tolist() == pytest.approx([-1.125, 0.75, 0.649519], abs=1e-6)
    columns = to_released(view.rotation[0].T)  # rows of this are the released columns right, up, backward
    expected = [[0.5, 0.433013, -0.75], [0, 0.866025, 0.5], [0.866025, -0.25, 0.433013]]
    torch.testing.assert_close(columns.T, torch.tensor(expected), atol=1e-6, rtol=0)


def test_identity_camera():
    view = camera_at([0, 0, 1.5])
    torch.testing.assert_close(to_released(view.rotation[0].T).T, torch.eye(3), atol=1e-6, rtol=0)
    assert (view.azimuth_deg.item(), view.elevation_deg.item()) == (0, 0)


INIT_VIEWS = {
    "front": (
        [0, 0, 1.5],
        229,
        {
            (0, 0): (0.397990, 6.568641, [-0.404795, -0.098608, 0.996442, 1.089868]),
            (31, 31): (0.467223, 5.979673, [-0.042624, -0.116209, 0.739879, 1.067194]),
        },
        0.0195726,
        (5.887442, 6.457294),
    ),
    "oblique": (
        [-1.125, 0.75, 0.649519],
        300,
        {
            (0, 0): (0.423821, 6.194006, [-0.365564, -0.105308, 0.997410, 1.130551]),
            (31, 31): (0.566734, 5.076699, [-0.150986, -0.141140, 0.997826, 1.345752]),
        },
        0.0163403,
        (5.482520, 5.846847),
    ),
}


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("view", INIT_VIEWS)
def test_init_render(name, view):
    """Item 4: the fog that a run starts from, 100^3, 64 x 64 pixels."""
    eye, samples, pixels, emptiness, (center, border) = INIT_VIEWS[view]
    field = VoxelField(100, 4)
    constant = torch.tensor([-1.0, 0.0, 1.0, 0.5])
    with torch.no_grad():
        field.color.copy_(torch.tensor([0.5, -0.25, 1.0, 2.0])[:, None, None, None])
        rendered, image = render_image(name, field, camera_at(eye), 64, constant[:, None, None].expand(4, 4, 4))
    depth = full_depth(rendered).reshape(64, 64)
    assert rendered.samples == samples
    for (row, column), (opacity, far, value) in pixels.items():
        index = row * 64 + column
        assert rendered.opacity[index].item() == pytest.approx(opacity, abs=1e-5)
        assert depth[row, column].item() == pytest.approx(far, abs=1e-4)
        assert image[index].tolist() == pytest.approx(value, abs=1e-5)
    assert emptiness_loss(rendered).item() == pytest.approx(emptiness, abs=1e-6)
    inner = depth[7:57, 7:57]
    assert inner.mean().item() == pytest.approx(center, abs=1e-4)
    assert ((depth.sum() - inner.sum()) / (64**2 - 50**2)).item() == pytest.approx(border, abs=1e-4)


@pytest.mark.parametrize("name", RENDERERS)
def test_tiny_render_and_gradients(name):
    """Item 5: an 8^3 field of linear functions, 4 x 4 pixels."""
    field = VoxelField(8, 4)
    x, y, z = to_released(voxel_centers(8)).unbind(-1)
    with torch.no_grad():
        field.density.copy_((x + 2 * y + 3 * z)[None])
        field.color.copy_(torch.stack([x, y, z, x * y * z]))
    background = (torch.arange(64.0) / 64).reshape(4, 4, 4).requires_grad_()
    rendered, image = render_image(name, field, camera_at([1.2, 0.6, 0.66332496]), 4, background)
    opacity = [
        [0.978952, 0.938326, 0.863002, 0.765431],
        [0.962283, 0.892832, 0.788929, 0.669161],
        [0.944789, 0.848205, 0.720536, 0.572057],
        [0.921554, 0.810523, 0.656785, 0.457834],
    ]
    depth = [
        [0.749310, 1.159810, 1.897193, 2.854727],
        [0.920150, 1.587201, 2.587231, 3.757888],
        [1.121254, 2.031343, 3.254983, 4.695742],
        [1.386653, 2.437560, 3.902683, 5.811704],
    ]
    assert rendered.samples == 23
    torch.testing.assert_close(rendered.opacity.reshape(4, 4), torch.tensor(opacity), atol=3e-6, rtol=0)
    torch.testing.assert_close(full_depth(rendered).reshape(4, 4), torch.tensor(depth), atol=1e-5, rtol=0)
    image_rows = image.reshape(4, 4, 4)
    assert image_rows[0, :, 0].tolist() == pytest.approx([0.555262, 0.531535, 0.514670, 0.495108], abs=3e-6)
    assert image_rows[3, :, 3].tolist() == pytest.approx([0.143051, 0.194938, 0.293803, 0.442849], abs=3e-6)
    assert emptiness_loss(rendered).item() == pytest.approx(0.236137, abs=2e-6)

    image.sum().backward()
    density, color = field.split(field.grid.grad)
    assert density.sum().item() == pytest.approx(0.350927, abs=2e-5)
    assert density.abs().sum().item() == pytest.approx(2.267091, abs=2e-5)
    assert color.sum().item() == pytest.approx(45.539330, abs=2e-4)
    assert background.grad.sum().item() == pytest.approx(10.948607, abs=1e-4)
    assert field.log_scale.grad.item() == pytest.approx(4.058943, abs=2e-5)


def test_first_step_of_the_fog():
    """Item 1: softplus(-1), and the alpha of one step of half a voxel."""
    sigma = VoxelField(100, 4).activated_density()
    assert sigma[3, 50, 99].item() == pytest.approx(0.3132617, abs=1e-7)
    assert -math.expm1(-sigma[0, 0, 0].item() * 0.01) == pytest.approx(0.00312772, abs=1e-8)
