"""What a job asks of its model's looks, for a latent model under a codec whose colours are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from sjc.appearance import views as field_views
from sjc.appearance.appearance import Appearance
from sjc.appearance.latent import true_colors
from sjc.output.colour import linear_to_srgb
from sjc.output.mesh import extract_mesh
from tests.backend.appearance.test_latent import Codec, field_of
from tests.backend.stubs import settings
from training.truth import ground_truth

PROMPT, SIZE = "a green chair with a red seat", 32


@pytest.fixture(scope="module")
def colors():
    """sRGB-encoded colours of the vertices [V,3]: exact, and by what has a say in them."""
    codec = Codec(3)
    field = field_of(codec, PROMPT, SIZE)
    by_source = {}
    for name, rgb_grid in (("views", False), ("both", True)):
        chosen = settings(elevation_min=-30, elevation_max=85, radius=3, fov_min=34, fov_max=38, rgb_grid=rgb_grid)
        look = Appearance(SimpleNamespace(autoencoder=codec, size=SIZE // 2, card={}, channels=12), chosen)
        density, affine = field_views.arrays(field, look.paint)
        decoded = look.around(field)
        color, kind = look.volume(field, affine, decoded)
        assert kind == ("final" if rgb_grid else "preview")
        mesh = extract_mesh(density, color, 20.0)
        by_source["affine" if name == "views" else "volume"] = linear_to_srgb(mesh.colors)
        by_source[name] = linear_to_srgb(look.recolor(decoded, density, color)(mesh).colors)
    by_source["bake"] = linear_to_srgb(true_colors(mesh, decoded, field.voxel).colors)
    return ground_truth(PROMPT).color(mesh.vertices.astype(float)), by_source


def test_the_mesh_takes_half_of_the_views_and_half_of_the_fitted_volume(colors):
    """Pixels are 2 * 3 * tan(18 deg) / 32 wide here, voxels 2 / 32."""
    _, by_source = colors
    pixel, voxel = 6 * np.tan(np.radians(18)) / SIZE, 2 / SIZE
    share = voxel / (voxel + pixel)
    assert np.abs(by_source["views"] - by_source["volume"]).max() > 0.05
    np.testing.assert_allclose(
        by_source["both"], share * by_source["views"] + (1 - share) * by_source["volume"], atol=2e-3
    )


def test_decoded_colours_are_nearer_to_the_truth_than_the_preview(colors):
    exact, by_source = colors
    errors = {name: float(deltaE_ciede2000(rgb2lab(exact), rgb2lab(color)).mean()) for name, color in by_source.items()}
    assert errors["affine"] > 7
    assert errors["views"] < 0.65 * errors["affine"]
    assert errors["both"] < 0.65 * errors["affine"]


def test_without_a_fitted_volume_the_views_speak_alone(colors):
    """The preview has no say."""
    _, by_source = colors
    np.testing.assert_allclose(by_source["views"], by_source["bake"], atol=1e-6)


def test_a_pixel_model_s_mesh_stays_as_it_is():
    look = Appearance(SimpleNamespace(autoencoder=None, size=32, card={}, channels=3), settings())
    field = field_of(Codec(1), "a red sphere", 16)
    density, color = field_views.arrays(field, np.full((13, 3), 0.01))
    mesh = extract_mesh(density, color, 20.0)
    assert look.around(field) == []
    assert look.recolor([], density, color)(mesh) is mesh
