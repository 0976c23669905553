"""The reference renderer: closed forms, edges, gradients in double precision."""

import math
from types import SimpleNamespace

import pytest
import torch

from sjc.errors import SjcError
from sjc.field import cameras
from sjc.field.grid import VoxelField
from sjc.field.render_reference import composite, full_depth, lattice, render, trilinear


def one_ray(origin, direction, dtype=torch.float64):
    return torch.tensor([origin], dtype=dtype), torch.nn.functional.normalize(
        torch.tensor([direction], dtype=dtype), dim=-1
    )


def constant_field(raw, size=16, dtype=torch.float64):
    """Raw density `raw` and one colour everywhere, no density shift."""
    field = VoxelField(size, 3, density_shift=0.0).to(dtype)
    with torch.no_grad():
        field.density.fill_(raw)
        field.color.copy_(torch.tensor([0.2, -0.5, 1.0], dtype=dtype)[:, None, None, None])
    return field


def test_constant_density_closed_form():
    """Density 0 raw is the one constant that zero padding keeps: sigma = log 2 on a path of 2 (201 samples of 0.01)."""
    field = constant_field(0.0)
    out = render(field, *one_ray((0.05, -3.0, 0.02), (0, 1, 0)), step=0.01, weight_threshold=0.0)
    sigma, span = math.log(2), 0.01 * 201
    assert out.samples == 201
    assert out.opacity.item() == pytest.approx(1 - math.exp(-sigma * span), rel=1e-12)
    # t at the samples: sum of alpha (1 - alpha)^k (2 + 0.01 k)
    alpha = -math.expm1(-sigma * 0.01)
    weights = [alpha * (1 - alpha) ** k for k in range(201)]
    assert out.depth.item() == pytest.approx(sum(w * (2 + 0.01 * k) for k, w in enumerate(weights)), rel=1e-10)
    assert out.emptiness.item() == pytest.approx(sum(math.log1p(10 * w) for w in weights), rel=1e-10)
    assert full_depth(out).item() == pytest.approx(out.depth.item() + 10 * (1 - out.opacity.item()), rel=1e-12)


def test_color_is_weighted_and_composited():
    field = constant_field(0.0, size=8)
    out = render(field, *one_ray((0, -3.0, 0), (0, 1, 0)), step=0.5, weight_threshold=0.0)
    alpha = 1 - 2**-0.5
    weights = [alpha * (1 - alpha) ** k for k in range(5)]
    fade = [0.5, 1, 1, 1, 0.5]  # entry and exit lie on the faces, half way to the padding
    blue = sum(w * f for w, f in zip(weights, fade, strict=True))
    assert out.color[0, 2].item() == pytest.approx(blue, rel=1e-12)
    over = composite(out, torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64))
    assert over[0, 2].item() == pytest.approx(blue + 2 * (1 - sum(weights)), rel=1e-12)


def test_rays_that_miss_and_rays_from_inside():
    origins = torch.tensor([[0.0, -3, 0], [0, -3, 0], [0.0, 0.0, 0.5], [5.0, 5.0, 5.0]], dtype=torch.float64)
    directions = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1.0], [0, 1.0, 0]], dtype=torch.float64)
    out = render(constant_field(0.0), origins, directions, step=0.1)
    assert out.opacity[[0, 1, 3]].tolist() == [0, 0, 0]
    assert out.depth[[0, 1, 3]].tolist() == [0, 0, 0]
    assert out.samples == 6  # 0.5 / 0.1 + 1 from inside, starting at the eye
    assert out.opacity[2].item() == pytest.approx(1 - math.exp(-math.log(2) * 0.6), rel=1e-9)
    nothing = render(constant_field(0.0), origins[:2], directions[:2], step=0.1)
    assert nothing.samples == 0
    assert nothing.color.shape == (2, 3)
    assert not nothing.emptiness.any()


def test_rays_in_the_plane_of_a_face():
    """Directions with exact zeros, eye exactly in the plane of a face: no NaN."""
    t_min, counts = lattice(*one_ray((1.0, -3.0, 0.0), (0, 1, 0)), step=0.1)
    assert t_min.isfinite().all()
    assert counts.item() in (0, 21)
    out = render(constant_field(0.0), *one_ray((-1.0, -3.0, 1.0), (0, 1, 0)), step=0.1)
    assert out.color.isfinite().all()
    assert out.depth.isfinite().all()


def test_trilinear_is_indexed_xyz_and_fades():
    grid = torch.zeros(4, 4, 4, 1, dtype=torch.float64)
    grid[3, 1, 2] = 1.0
    centre = torch.tensor([[0.75, -0.25, 0.25]], dtype=torch.float64)
    assert trilinear(grid, centre).item() == 1
    offsets = torch.tensor([[0.25, 0, 0], [-0.125, 0, 0], [0, 0.25, 0.25], [0.3, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(
        trilinear(grid, centre + offsets)[:, 0], torch.tensor([0.5, 0.75, 0.25, 0.4], dtype=torch.float64)
    )


def test_color_below_the_weight_threshold_is_not_fetched():
    field = constant_field(0.0, size=8)
    rays = one_ray((0, -3.0, 0), (0, 1, 0))
    out = render(field, *rays, step=0.5, weight_threshold=0.2)  # weights .293 .207 .146 .104 .073: two pass
    alpha = 1 - 2**-0.5
    assert out.color[0, 2].item() == pytest.approx(0.5 * alpha + alpha * (1 - alpha), rel=1e-12)
    assert out.opacity.item() == pytest.approx(1 - (1 - alpha) ** 5, rel=1e-12)
    out.color.sum().backward()
    assert field.grid.grad[:, 7, :, 1:].abs().sum() == 0  # behind the threshold no colour gradient


@pytest.mark.parametrize("activation", ["identity", "tanh_sigmoid", "sigmoid"])
def test_gradients_in_double_precision(activation):
    generator = torch.Generator().manual_seed(0)
    field = VoxelField(3, 2, generator=generator).double()
    view = cameras.look_at(25.0, 35.0, 1.5, 60.0)
    rays = tuple(x.reshape(-1, 3).double() for x in cameras.rays(view, 2, 2))

    def outputs(grid, log_scale):
        parts = SimpleNamespace(
            grid=grid,
            log_scale=log_scale,
            density_shift=-0.5,
            color_activation=activation,
            channels=2,
            voxel=field.voxel,
        )
        out = render(parts, *rays, weight_threshold=0.0)
        return out.color, out.opacity, out.depth, out.emptiness

    grid = torch.randn(3, 3, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    log_scale = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(outputs, (grid, log_scale))


def test_bad_rays_and_steps():
    field = VoxelField(4, 3)
    rays = one_ray((0, -3, 0), (0, 1, 0), torch.float32)
    with pytest.raises(SjcError, match="ray step"):
        render(field, *rays, step=0.0)
    with pytest.raises(SjcError, match="make them equal"):
        render(field, *one_ray((0, -3, 0), (0, 1, 0)))
    with pytest.raises(SjcError, match="two \\[R,3\\] tensors"):
        render(field, rays[0], rays[1].expand(2, 3))
