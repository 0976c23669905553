"""The voxel field: storage, activations, resampling, background."""

import math

import pytest
import torch
from safetensors.torch import load, save

from sjc.errors import SjcError
from sjc.field.grid import VoxelField, activate_color, background_texture, voxel_centers


def test_views_share_the_packed_parameter():
    field = VoxelField(5, 3)
    assert field.density.shape == (1, 5, 5, 5)
    assert field.color.shape == (3, 5, 5, 5)
    assert (field.size, field.channels, field.voxel) == (5, 3, 0.4)
    with torch.no_grad():
        field.density.fill_(2.0)
        field.color[1, 0, 4, 2] = 7.0
    assert (field.grid[..., 0] == 2).all()
    assert field.grid[0, 4, 2, 2] == 7
    (field.density.sum() + 3 * field.color[2].sum()).backward()
    density, color = field.split(field.grid.grad)
    assert (density == 1).all()
    assert (color[2] == 3).all()
    assert (color[:2] == 0).all()


def test_parameters_are_few_and_plain():
    field = VoxelField(4, 4)
    assert {name: tuple(p.shape) for name, p in field.named_parameters()} == {
        "grid": (4, 4, 4, 5),
        "log_scale": (),
        "background": (4, 4, 4),
    }
    assert VoxelField(4, 4, learned_background=False).background is None


def test_init_is_fog_or_blob_and_seeded():
    fog = VoxelField(9, 3, generator=torch.Generator().manual_seed(3))
    assert (fog.density == 0).all()
    assert fog.log_scale == 0
    assert fog.color.std().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(fog.grid, VoxelField(9, 3, generator=torch.Generator().manual_seed(3)).grid)
    blob = VoxelField(9, 3, init="blob", blob_density=4.0, blob_radius=0.3)
    assert blob.density[0, 4, 4, 4] == 4
    expected = 4 * math.exp(-((4 * 2 / 9) ** 2) / (2 * 0.3**2))
    assert blob.density[0, 4, 4, 0].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bad", [{"size": 1}, {"channels": 0}, {"init": "cube"}, {"color_activation": "relu"}])
def test_bad_arguments(bad):
    with pytest.raises(SjcError):
        VoxelField(**{"size": 4, "channels": 3, **bad})


def test_activations():
    field = VoxelField(4, 3, density_shift=-2.0, color_activation="tanh_sigmoid")
    with torch.no_grad():
        field.density.fill_(1.0)
        field.log_scale.fill_(math.log(3.0))
    assert field.activated_density()[0, 0, 0].item() == pytest.approx(math.log1p(math.exp(3.0 - 2.0)), rel=1e-6)
    raw = torch.linspace(-4, 4, 9)
    torch.testing.assert_close(activate_color(raw, "tanh_sigmoid"), 2 * torch.sigmoid(raw) - 1)
    torch.testing.assert_close(activate_color(raw, "sigmoid"), torch.sigmoid(raw))
    assert torch.equal(activate_color(raw, "identity"), raw)
    torch.testing.assert_close(field.activated_color(), 2 * torch.sigmoid(field.color) - 1)


@pytest.mark.parametrize(("old", "new"), [(8, 16), (8, 13), (12, 8)])
def test_resample_keeps_constants_and_linear_functions(old, new):
    field = VoxelField(old, 3)
    x, y, z = voxel_centers(old).unbind(-1)
    with torch.no_grad():
        field.density.fill_(0.7)
        field.color.copy_(torch.stack([x, 2 * y - z, x + y + z]))
    assert field.resample(new) is field
    assert field.size == new
    assert field.grid.requires_grad
    x, y, z = voxel_centers(new).unbind(-1)
    torch.testing.assert_close(field.density, torch.full((1, new, new, new), 0.7))
    inside = voxel_centers(new).abs().amax(-1) <= 1 - 1 / old  # beyond the outermost old centres values are held
    expected = torch.stack([x, 2 * y - z, x + y + z])
    torch.testing.assert_close(field.color[:, inside], expected[:, inside], atol=1e-5, rtol=0)
    assert field.grid.is_contiguous()
    with pytest.raises(SjcError):
        field.resample(1)


def test_state_survives_a_file():
    field = VoxelField(6, 4, density_shift=-3.0, color_activation="identity")
    state = load(save({k: v.contiguous() for k, v in field.state_dict().items()}))
    again = VoxelField.from_state(state, density_shift=-3.0, color_activation="identity")
    assert again.size == 6
    assert torch.equal(again.grid, field.grid)
    assert torch.equal(again.background, field.background)
    plain = VoxelField(6, 4, learned_background=False)
    assert VoxelField.from_state(plain.state_dict(), density_shift=-1, color_activation="identity").background is None


@pytest.mark.parametrize(
    "state", [{}, {"grid": torch.zeros(3, 3, 4, 5)}, {"grid": torch.zeros(3, 3, 3, 5), "log_scale": torch.zeros(2)}]
)
def test_foreign_states_are_refused(state):
    with pytest.raises(SjcError, match="saved field"):
        VoxelField.from_state(state, density_shift=-1, color_activation="identity")


def test_background_has_no_seam():
    texture = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1))
    angles = torch.tensor([math.pi - 1e-5, -math.pi + 1e-5])
    seam = torch.stack([angles.cos(), angles.sin(), torch.full_like(angles, 0.2)], dim=-1)
    left, right = background_texture(texture, torch.nn.functional.normalize(seam, dim=-1))
    torch.testing.assert_close(left, right, atol=1e-3, rtol=0)
    constant = background_texture(torch.ones(3, 4, 4), torch.nn.functional.normalize(torch.randn(50, 3), dim=-1))
    torch.testing.assert_close(constant, torch.ones(50, 3))


def test_background_hits_its_texels():
    """Columns are the polar angle from +z, rows the longitude from -pi; texel centres give the texel."""
    texture = torch.arange(16.0).reshape(1, 4, 4)
    polar, longitude = math.pi * (1 + 0.5) / 4, 2 * math.pi * (2 + 0.5) / 4 - math.pi
    direction = [math.sin(polar) * math.cos(longitude), math.sin(polar) * math.sin(longitude), math.cos(polar)]
    assert background_texture(texture, torch.tensor([direction])).item() == pytest.approx(
        texture[0, 2, 1].item(), abs=1e-5
    )


def test_released_background_has_its_pole_sideways_and_fades():
    """The authors' pole is z of their y-up world: our -y. At the pole only half a texel is inside the texture."""
    pole = background_texture(torch.ones(1, 4, 4), torch.tensor([[0.0, -1.0, 0.0]]), released=True)
    equator = background_texture(torch.ones(1, 4, 4), torch.tensor([[1.0, 0.0, 0.0]]), released=True)
    assert pole.item() == pytest.approx(0.5, abs=1e-6)
    assert equator.item() == pytest.approx(1, abs=1e-6)


def test_background_color_needs_a_background():
    with pytest.raises(SjcError, match="no learned background"):
        VoxelField(4, 3, learned_background=False).background_color(torch.eye(3))
    assert VoxelField(4, 3).background_color(torch.eye(3)).shape == (3, 3)
