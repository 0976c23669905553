"""Fields and rays for tests of the renderers, and what it means that two pictures are equal."""

import pytest
import torch

from sjc.field import cameras, render_reference, render_warp
from sjc.field.grid import VoxelField, voxel_centers

EXACT = {"skip_alpha": 0.0, "stop_transmittance": 0.0}


def random_scene(seed, size=8, channels=3, activation="identity", shift=-1.0, spread=3.0):
    generator = torch.Generator().manual_seed(seed)
    field = VoxelField(size, channels, density_shift=shift, color_activation=activation, generator=generator)
    with torch.no_grad():
        field.density.copy_(torch.randn(1, size, size, size, generator=generator) * spread)
        field.log_scale.fill_(torch.randn((), generator=generator).item() * 0.3)
    return field


def view_rays(azimuth=30.0, elevation=25.0, radius=1.5, fov=60.0, pixels=8):
    views = cameras.look_at(azimuth, elevation, radius, fov)
    return tuple(x.reshape(-1, 3).contiguous() for x in cameras.rays(views, pixels, pixels))


def render_with_gradients(render, field, rays, seed=0, **options):
    """Outputs and (grid, log_scale) gradients of a random linear function of all four outputs."""
    field.zero_grad()
    out = render(field, *rays, **options)
    outputs = (out.color, out.opacity, out.depth, out.emptiness)
    generator = torch.Generator().manual_seed(seed)
    sum((x * torch.randn(x.shape, generator=generator).to(x)).sum() for x in outputs).backward()
    return out, outputs, (field.grid.grad.clone(), field.log_scale.grad.clone())


def assert_equal_rendering(field, rays, **options):
    """Warp in float32 against the reference in double."""
    out, outputs, gradients = render_with_gradients(render_warp.render, field, rays, **EXACT, **options)
    # One lattice for both: a ray whose span is a whole number of steps to float32 may have a sample more in double.
    double = VoxelField(
        field.size, field.channels, density_shift=field.density_shift, color_activation=field.color_activation
    )
    double.load_state_dict(field.state_dict())
    with pytest.MonkeyPatch.context() as patch:
        t_min, counts = render_reference.lattice(*rays, render_reference.check(field, *rays, options.get("step")))
        patch.setattr(render_reference, "lattice", lambda *_: (t_min.double(), counts))
        expected, references, wanted = render_with_gradients(
            render_reference.render, double.double(), tuple(x.double() for x in rays), **options
        )
    assert out.samples == expected.samples
    for value, reference in zip((*outputs, *gradients), (*references, *wanted), strict=True):
        size = max(1.0, reference.abs().max().item() if reference.numel() else 0)
        torch.testing.assert_close(value.double(), reference, atol=3e-5 * size, rtol=0)


def object_scene(size=40, channels=4):
    """A soft ball in empty space, with colours."""
    field = VoxelField(size, channels, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        field.density.copy_((15.0 - 30.0 * voxel_centers(size).norm(dim=-1))[None].clamp(min=-12))
    return field


def scattered_scene(size=50):
    """Specks of matter in empty space: rays pass many of them."""
    field = VoxelField(size, 4, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        field.density.fill_(-12.0)
        field.density[0, 3::10, 3::10, 3::10] = 4.0
    return field
