"""Noise that sits on the object: a function of the place alone, standard normal, the same in every view."""

import pytest
import torch

from sjc.field.cameras import CameraPrior, look_at
from sjc.field.grid import VoxelField, voxel_centers
from sjc.field.render_reference import render
from sjc.field.surface_noise import SUB, _mixed, cell_edge, cell_keys, normals, surface_noise

PRIOR = CameraPrior(3.0, 34, 38, -30, 85)
SIZE = 16


def signed(bits):
    return bits - 2**64 if bits >= 2**63 else bits


def test_the_mixer_is_splitmix64s():
    """The first outputs of its generator with seed 0, as published."""
    states = torch.tensor([signed(k * 0x9E3779B97F4A7C15 % 2**64) for k in (1, 2, 3)])
    outputs = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    assert _mixed(states).tolist() == [signed(bits) for bits in outputs]


def test_cells_have_normal_numbers_of_their_own():
    axis = torch.arange(-20, 20)
    keys = cell_keys(torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1), 5)
    assert len(keys.unique()) == 40**3
    values = normals(keys, 20)
    assert torch.equal(values[:3], normals(keys, 3))
    assert values.mean((1, 2, 3)).abs().max() < 5 / 40**1.5
    assert (values.std((1, 2, 3)) - 1).abs().max() < 5 / (2 * 40**3) ** 0.5
    assert float((values.abs() < 0.6745).float().mean()) == pytest.approx(0.5, abs=0.003)
    neighbours = torch.corrcoef(torch.stack([values[0, :-1].flatten(), values[0, 1:].flatten()]))[0, 1]
    channels = torch.corrcoef(values.flatten(1)) - torch.eye(20)
    assert max(abs(float(neighbours)), float(channels.abs().max())) < 0.02
    assert not torch.equal(keys, cell_keys(torch.zeros(1, 3).long(), 6))


def ball(radius=0.75, size=32):
    field = VoxelField(size, 3, density_shift=-3.0)
    with torch.no_grad():
        inside = voxel_centers(size).square().sum(-1) < radius**2
        field.density.copy_(torch.where(inside, 300.0, -10.0)[None])
    return field


def noise_of(cameras, elsewhere, **given):
    known = {"edge": cell_edge(PRIOR, SIZE), "step": 0.06, "seed": 1} | given
    return surface_noise(render, ball(), cameras, elsewhere, **known)


def test_views_that_show_the_same_surface_show_the_same_noise():
    """Two cameras a little apart agree; from the other side, and with another seed, nothing is the same."""
    elsewhere = torch.full((3, 3, SIZE, SIZE), 100.0)
    cameras = look_at([0.0, 0.0, 180.0], 20.0, [3.0, 3.03, 3.0], 36.0)
    noise = noise_of(cameras, elsewhere)
    on_object = (noise[:, :1] != 100).all(0).expand(3, SIZE, SIZE)
    one, near, behind = (picture[on_object] for picture in noise)
    assert len(one) > 200
    assert float(torch.corrcoef(torch.stack([one, near]))[0, 1]) > 0.7
    assert abs(float(torch.corrcoef(torch.stack([one, behind]))[0, 1])) < 0.2
    other = noise_of(cameras, elsewhere, seed=2)[0][on_object]
    assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.2
    assert float(one.std()) == pytest.approx(1, abs=0.1)
    assert torch.equal(noise, noise_of(cameras, elsewhere))


def test_off_the_object_it_is_what_was_drawn():
    elsewhere = torch.randn(1, 3, SIZE, SIZE)
    noise = noise_of(look_at(30.0, 10.0, 3.0, 36.0), elsewhere)
    assert torch.equal(noise[..., 0, :], elsewhere[..., 0, :])
    assert not torch.equal(noise[..., SIZE // 2, :], elsewhere[..., SIZE // 2, :])


def test_a_pixel_that_touches_one_cell_has_its_number():
    """With cells as large as the ball there is nothing to add up: a few numbers are all that is seen."""
    noise = noise_of(look_at(0.0, 0.0, 3.0, 36.0), torch.zeros(1, 1, SIZE, SIZE), edge=1.0)
    cells = torch.tensor([[x, -1, z] for x in (-1, 0) for z in (-1, 0)])
    known = normals(cell_keys(cells, 1), 1)[0]
    middle = noise[0, 0, SIZE // 2 - 3 : SIZE // 2 + 3, SIZE // 2 - 3 : SIZE // 2 + 3].flatten()
    whole = [value for value in middle if (known - value).abs().min() < 1e-6]
    assert len(whole) >= 24
    assert SUB == 4
