"""The volume's colours, fitted to decoded views: nearer to the truth than any map of latents, where views see them."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from sjc.appearance import views as field_views
from sjc.appearance.latent import BACKDROP, around, latent_paint
from sjc.appearance.rgb_grid import fitted
from sjc.field.grid import voxel_centers
from sjc.output.colour import linear_to_srgb
from tests.backend.appearance.test_latent import Codec, field_of
from tests.backend.stubs import settings
from training.truth import ground_truth

SIZE = 32
CHOSEN = settings(elevation_min=-30, elevation_max=85, radius=3, fov_min=34, fov_max=38)


@pytest.fixture(scope="module")
def volume():
    """Preview and fitted colours, the exact ones, and which voxels form the surface."""
    prompt, codec = "a green chair with a red seat", Codec(3)
    field, truth = field_of(codec, prompt, SIZE), ground_truth(prompt)
    _, linear = field_views.arrays(field, latent_paint(codec))
    start = linear_to_srgb(linear)
    colors = fitted(field, around(field, codec, SIZE, CHOSEN), start, BACKDROP)
    centers = voxel_centers(SIZE).reshape(-1, 3).double().numpy()
    inside = truth.inside(centers).reshape((SIZE,) * 3)
    buried = np.ones_like(inside)
    for axis in range(3):
        for shift in (-1, 1):
            buried &= np.roll(inside, shift, axis)
    exact = truth.color(centers).reshape(*inside.shape, 3)
    return start, colors, exact, inside & ~buried, buried


def test_fitted_colours_are_nearer_to_the_truth(volume):
    start, colors, exact, surface, _ = volume
    preview, final = (
        float(deltaE_ciede2000(rgb2lab(exact[surface]), rgb2lab(rgb[surface])).mean()) for rgb in (start, colors)
    )
    assert preview > 7
    assert final < 0.65 * preview


def test_what_no_view_sees_stays(volume):
    """Deep inside and far outside."""
    start, colors, _, _, buried = volume
    deep = buried.copy()
    for axis in range(3):
        for shift in (-1, 1):
            deep &= np.roll(buried, shift, axis)
    if deep.any():
        np.testing.assert_allclose(colors[deep], start[deep], atol=0.1)
    np.testing.assert_allclose(colors[0, 0, 0], start[0, 0, 0], atol=1e-6)


def test_colours_lie_in_range(volume):
    _, colors, _, _, _ = volume
    assert colors.dtype == np.float32
    assert colors.min() >= 0
    assert colors.max() <= 1
