"""Emptiness loss and schedule, centre depth loss, carving."""

import math

import pytest
import torch

from sjc.errors import SjcError
from sjc.field.regularizers import carving, center_depth_loss, emptiness_loss, emptiness_weight
from sjc.field.render_reference import Rendered


def test_emptiness_is_the_mean_over_all_samples():
    """log(1 + 10 w): 0.693147 at w = 0.1 and 2.397895 at w = 1 (facts 8 item 1), padded to Ns samples a ray."""
    emptiness = torch.tensor([math.log(2), math.log(11)])
    rendered = Rendered(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2), emptiness, samples=5)
    assert emptiness_loss(rendered).item() == pytest.approx((0.693147 + 2.397895) / 10, rel=1e-6)


def test_emptiness_of_no_samples_is_zero():
    rendered = Rendered(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2), torch.zeros(2), samples=0)
    assert emptiness_loss(rendered).item() == 0


def test_emptiness_weight_jumps_at_the_switch():
    assert [emptiness_weight(i, 10000) for i in (0, 4999, 5000, 9999)] == [1e4, 1e4, 2e5, 2e5]
    assert emptiness_weight(3, 10, lambda1=7, multiplier=3, switch=0.3) == 21
    assert emptiness_weight(10, 10, switch=2.0) == 1e4


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 33), (15, 31), (5, 8)])
def test_center_depth_pulls_the_center_nearer(height, width):
    """Facts 8 item 8, for any image size: a step down the gradient makes the centre nearer and the border farther."""
    depth = torch.full((2, height, width), 5.0)
    depth[:, height // 3 : -(height // 3), width // 3 : -(width // 3)] = 1.5
    depth.requires_grad_()
    ratio = 0.5
    center_depth_loss(depth, ratio).backward()
    assert (depth.grad[:, height // 2, width // 2] > 0).all()
    assert (depth.grad[:, 0, :] < 0).all()
    assert (depth.grad[:, -1, :] < 0).all()
    assert (depth.grad[:, :, 0] < 0).all()
    assert (depth.grad[:, :, -1] < 0).all()
    torch.testing.assert_close(depth.grad, depth.grad.flip(1).flip(2))  # the centre is the middle


def test_center_depth_value():
    """64 x 64: the centre is 50 x 50 with a border of 7 pixels, as released."""
    depth = torch.full((1, 64, 64), 6.0)
    depth[:, 7:57, 7:57] = 2.0
    assert center_depth_loss(depth).item() == pytest.approx(-math.log(4), rel=1e-5)


def test_center_depth_is_finite_when_the_object_is_behind():
    depth = torch.ones(1, 64, 64)
    depth[:, 7:57, 7:57] = 9.0
    depth.requires_grad_()
    loss = center_depth_loss(depth, eps=1e-3)
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(1e-3), rel=1e-5)
    assert (depth.grad == 0).all()


@pytest.mark.parametrize("ratio", [1.0, 0.99, 0.0])
def test_center_depth_needs_a_border_and_a_center(ratio):
    with pytest.raises(SjcError, match="larger image"):
        center_depth_loss(torch.ones(1, 16, 16), ratio)


def rays_at_depths(depth, color, requires_grad=True):
    """What rays of these optical depths [R] see of one colour [C]."""
    tau = torch.tensor(depth, dtype=torch.float64, requires_grad=requires_grad)
    opacity = -torch.expm1(-tau)
    flat = torch.tensor(color, dtype=torch.float64) * opacity[:, None]
    return tau, Rendered(flat, opacity, opacity, opacity, samples=1)


def test_carving_pulls_optical_depth_with_the_slope_of_opacity_and_no_damping():
    """dL/dtau of the chain rule is dL/do exp(-tau); carving's is dL/do itself, however opaque the ray."""
    depths = [0.01, 0.5, 3.0, 12.0]
    tau, rendered = rays_at_depths(depths, [1.0, -0.5, 0.0])
    background, score = torch.tensor([-1.0, 0.25, 0.5]).double(), torch.tensor([-0.3, 0.1, 0.2]).double()
    slope = -(score * (torch.tensor([1.0, -0.5, 0.0]) - background)).sum().item()
    assert slope > 0, "the score asks for the background"
    carving(rendered, score.expand(4, 3), background.expand(4, 3)).backward()
    torch.testing.assert_close(tau.grad, torch.full((4,), slope).double(), rtol=1e-4, atol=0)

    tau, rendered = rays_at_depths(depths, [1.0, -0.5, 0.0])
    picture = rendered.color + (1 - rendered.opacity)[:, None] * background
    (-(picture * score).sum()).backward()
    torch.testing.assert_close(tau.grad, slope * torch.exp(-tau.detach()), rtol=1e-6, atol=0)


def test_carving_leaves_alone_what_the_score_wants_more_solid():
    tau, rendered = rays_at_depths([0.3, 2.0], [1.0, 1.0, 1.0])
    carving(rendered, torch.full((2, 3), 0.5), torch.zeros(2, 3)).backward()
    assert tau.grad.abs().max() == 0


def test_carving_of_clear_and_of_black_rays_is_finite():
    tau, rendered = rays_at_depths([0.0, 80.0], [1.0, 1.0, 1.0])
    loss = carving(rendered, torch.full((2, 3), -0.5), torch.zeros(2, 3))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(tau.grad).all()
