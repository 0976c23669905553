"""A field of latents under an exact, curved codec: decoding views tells colours that no linear map can."""

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from sjc.appearance import views as field_views
from sjc.appearance.latent import (
    BACKDROP,
    Backdrop,
    around,
    decoded,
    latent_paint,
    plain_latents,
    restored,
    true_colors,
    views,
)
from sjc.appearance.rgb_grid import fitted
from sjc.errors import SjcError
from sjc.field.cameras import look_at
from sjc.field.grid import VoxelField, voxel_centers
from sjc.models.autoencoder import KLAutoencoder
from sjc.output.bake import View
from sjc.output.colour import linear_to_srgb, srgb_to_linear
from sjc.output.mesh import extract_mesh
from sjc.output.surface_color import surface_sampler
from sjc.output.texture import lookup
from tests.backend.stubs import settings
from training.truth import ground_truth

RGB = torch.tensor([[0.95, 0.35, 0.55], [0.4, 0.65, 0.05]])


class Codec(KLAutoencoder):
    """Latents are the 2 x 2 pixels of a block, each to the power `power`."""

    channels, factor, fingerprint = 12, 2, ""

    def __init__(self, power):
        self.power = power

    def encode(self, rgb):
        return pixel_unshuffle(rgb.sign() * rgb.abs() ** self.power, 2)

    def decode(self, latents):
        rgb = pixel_shuffle(latents, 2)
        return (rgb.sign() * rgb.abs() ** (1 / self.power)).clamp(-1, 1)


class Fading(Codec):
    """Decoding takes a fifth of every colour away."""

    def decode(self, latents):
        return 0.8 * super().decode(latents)


def field_of(codec, prompt, size, mean_shade=1.0):
    """The prompt's exact solid, 200 dense, and the latents of its exact colours times mean_shade."""
    truth = ground_truth(prompt)
    centers = voxel_centers(size).reshape(-1, 3).double().numpy()
    rgb = torch.from_numpy(truth.color(centers)).float() * mean_shade * 2 - 1
    latents = codec.encode(rgb[:, :, None, None].expand(-1, -1, 2, 2))[:, :, 0, 0]
    field = VoxelField(size, codec.channels, density_shift=-10.0, learned_background=False)
    inside = torch.from_numpy(truth.inside(centers)).float()
    with torch.no_grad():
        field.color.copy_(latents.T.reshape(-1, size, size, size))
        field.density.copy_(200 * inside.view(1, size, size, size))
    return field


def differences(codec, prompt, size=40):
    """Mean CIEDE2000 on the mesh of an exact field: first three channels as rgb, affine map, decoded views."""
    field, truth = field_of(codec, prompt, size), ground_truth(prompt)
    chosen = settings(prompt=prompt, elevation_min=-30, elevation_max=85, radius=3, fov_min=34, fov_max=38)
    first = np.concatenate([np.eye(codec.channels)[:, :3], np.zeros((1, 3))]) / 2
    first[-1] = 0.5
    meshes = []
    for paint in (first, latent_paint(codec)):
        mesh = extract_mesh(*field_views.arrays(field, paint), 20.0)
        meshes.append(mesh)
    meshes.append(true_colors(meshes[-1], around(field, codec, 32, chosen), field.voxel))
    albedo = truth.color(meshes[-1].vertices.astype(float))
    return [float(deltaE_ciede2000(rgb2lab(albedo), rgb2lab(linear_to_srgb(mesh.colors))).mean()) for mesh in meshes]


@pytest.mark.parametrize("prompt", ["a brown boat with a pink sail", "a green chair with a red seat"])
def test_decoding_tells_colours_that_no_map_of_channels_can(prompt):
    """A field of the truth's own latents, a codec with a curve in it."""
    first, affine, decoded_ = differences(Codec(3), prompt)
    assert first > affine > 8
    assert decoded_ < 0.5 * affine
    assert decoded_ < 5


def test_what_the_round_trip_takes_away_is_put_back():
    """Of 0.8 a second trip leaves 0.64; half of the 0.16 comes back where colour is plain, next to nothing of a fine
    pattern.
    """
    codec = Fading(1)
    plain = (2 * RGB - 1)[..., None, None].expand(-1, -1, 12, 12)
    torch.testing.assert_close(restored(codec, codec.encode(plain)), 0.88 * plain)
    fine = 0.5 * (-1.0) ** (torch.arange(12)[:, None] + torch.arange(12)).expand(1, 3, 12, 12)
    inside = (..., slice(2, -2), slice(2, -2))  # where five pixels fit
    torch.testing.assert_close(restored(codec, codec.encode(fine))[inside], 0.8 * fine[inside], atol=0.01, rtol=0)
    white = torch.ones(1, 3, 12, 12)
    assert restored(Codec(1), white.repeat(1, 4, 1, 1)).max() <= 1


def test_views_for_colours_are_restored_and_leave_no_gap():
    """From no direction that the elevations cover is the nearest view farther than 27 degrees (24 here; 30 with six to
    a ring).
    """
    codec, field = Fading(1), field_of(Fading(1), "a red sphere", 24)
    chosen = settings(elevation_min=-30, elevation_max=85)
    decoded_views = around(field, codec, 16, chosen)
    plain = next(decoded(field, codec, look_at([0.0], [0.0], 3.0, 36.0), 16))
    red = 2 * ground_truth("a red sphere").color(np.zeros((1, 3)))[0] - 1
    np.testing.assert_allclose(2 * plain.picture[16, 16] - 1, 0.8 * red, atol=0.02)
    for view in decoded_views:
        np.testing.assert_allclose(2 * view.picture[16, 16] - 1, 0.88 * red, atol=0.02)
    eyes = np.stack([view.eye / np.linalg.norm(view.eye) for view in decoded_views])
    azimuth, elevation = (x.ravel().tolist() for x in np.meshgrid(np.arange(0, 360, 3), np.arange(-30, 76, 3)))
    wanted = look_at(azimuth, elevation, 1.0, 36.0).eye.numpy()
    gaps = np.degrees(np.arccos((wanted @ eyes.T).max(1).clip(-1, 1)))
    assert gaps.max() < 27
    assert max(np.degrees(np.arcsin(eyes[:, 2]))) < 75.1


@pytest.mark.parametrize(("pixels", "share"), [(32, 0.5), (128, 0.8)])
def test_views_and_volume_share_by_what_they_resolve(pixels, share):
    """Of views of 0.2 and a volume of 0.8: half where pixels are as wide as voxels, more of the views where they are
    finer.
    """
    camera = look_at([0.0], [0.0], 3.0, 36.0)
    flat = np.ones((pixels, pixels))
    view = View(
        0.2 * np.ones((pixels, pixels, 3)), 4 * flat, flat, camera.eye[0].numpy(), camera.rotation[0].numpy(), 36.0
    )
    voxel = 2 * 3 * np.tan(np.radians(18)) / 32
    field = field_of(Codec(1), "a red sphere", 24)
    mesh = extract_mesh(*field_views.arrays(field, latent_paint(Codec(1))), 20.0, faces=800)
    asked = []

    def volume(points, normals):
        asked.append(len(points))
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
        return srgb_to_linear(np.full((len(points), 3), 0.8))

    colored = true_colors(mesh, [view], voxel, 256, volume)
    value = share * 0.2 + (1 - share) * 0.8
    np.testing.assert_allclose(linear_to_srgb(colored.colors), value, atol=1e-3)
    np.testing.assert_allclose(colored.texture.picture / 255, value, atol=1 / 255)
    assert len(asked) == 2
    alone = true_colors(mesh, [view], voxel)
    np.testing.assert_allclose(linear_to_srgb(alone.colors), 0.2, atol=1e-3)


def test_the_mean_shade_is_divided_out_of_latent_colours():
    """Of the mesh, of the growing field and of the pictures alike."""
    prompt, codec = "a red sphere", Codec(1)
    field = field_of(codec, prompt, 24, mean_shade=0.8)
    red = ground_truth(prompt).color(np.zeros((1, 3)))[0]
    mesh = extract_mesh(*field_views.arrays(field, latent_paint(codec, 0.8)), 20.0)
    np.testing.assert_allclose(linear_to_srgb(mesh.colors).mean(0), red, atol=0.02)
    decoded = true_colors(mesh, around(field, codec, 16, settings(), 0.8), field.voxel)
    np.testing.assert_allclose(linear_to_srgb(decoded.colors).mean(0), red, atol=0.03)
    cameras = look_at([0.0], [0.0], 3.0, 36.0)
    picture, _, _ = next(iter(views(field, cameras, 40, autoencoder=codec, latent_size=16, mean_shade=0.8)))
    np.testing.assert_allclose(picture[20, 20], 255 * red, atol=3)


def test_an_affine_codec_is_found_exactly():
    codec = Codec(1)
    flat = plain_latents(codec, RGB)
    known = np.c_[flat.numpy(), np.ones(2)]
    np.testing.assert_allclose(known @ latent_paint(codec), RGB.numpy(), atol=1e-5)


def test_what_was_measured_of_a_codec_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path))
    codec = Codec(3)
    plain = latent_paint(codec), Backdrop(codec).table
    assert not list(tmp_path.rglob("*.safetensors"))  # of what has no name nothing is kept
    codec.fingerprint = "abc"
    latent_paint(codec), Backdrop(codec)
    cached = sorted(tmp_path.rglob("*.safetensors"))
    assert [path.name.split("-")[:2] for path in cached] == [["abc", "affine"], ["abc", "corners"]]
    with monkeypatch.context() as patch:
        patch.setattr(Codec, "encode", lambda *_: pytest.fail("measured again"))
        np.testing.assert_allclose(latent_paint(codec, 0.8) * 0.8, plain[0], rtol=1e-12)
        assert torch.equal(Backdrop(codec).table, plain[1])
    cached[0].write_bytes(b"damaged")
    np.testing.assert_array_equal(latent_paint(codec), plain[0])
    codec.fingerprint = "other"
    latent_paint(codec)
    assert len(list(tmp_path.rglob("other-*"))) == 1


def test_colours_behind_the_field_become_latents():
    """Exact at the corners of the colour cube, and everywhere for an affine codec."""
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    torch.testing.assert_close(Backdrop(Codec(3))(corners), plain_latents(Codec(3), corners))
    inside = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Backdrop(Codec(1))(inside), plain_latents(Codec(1), inside), atol=1e-5, rtol=0)


def test_pictures_of_latents_stand_on_paper():
    field = field_of(Codec(3), "a red sphere", 24)
    cameras = look_at([0.0, 90.0], [0.0, 20.0], 3.0, 36.0)
    shown = list(views(field, cameras, 40, autoencoder=Codec(3), latent_size=16))
    assert len(shown) == 2
    for picture, depth, opacity in shown:
        assert picture.shape == (40, 40, 3)
        np.testing.assert_allclose(picture[0, 0], 255 * field_views.PAPER, atol=1)
        red = 255 * ground_truth("a red sphere").color(np.zeros((1, 3)))[0]
        np.testing.assert_allclose(picture[20, 20], red, atol=3)
        assert opacity[20, 20] == pytest.approx(1, abs=1e-3)
        assert 2.2 < depth[20, 20] < 2.6


def test_a_field_of_other_channels_is_refused():
    cameras = look_at([0.0], [0.0], 3.0, 36.0)
    with pytest.raises(SjcError, match="takes latents of 12 channels, the model's have 4"):
        list(views(VoxelField(4, 4), cameras, 8, autoencoder=Codec(1), latent_size=8))


@pytest.mark.parametrize("shared", [False, True], ids=["views", "views-and-volume"])
def test_decoded_views_fill_a_texture(shared):
    """Inside the faces, not at vertices alone, the texture is as near to the truth as decoded vertex colours are."""
    prompt, codec = "a brown boat with a pink sail", Codec(3)
    truth, field = ground_truth(prompt), field_of(codec, prompt, 40)
    density, affine = field_views.arrays(field, latent_paint(codec))
    plain = extract_mesh(density, affine, 20.0, faces=800)
    decoded_views, volume = around(field, codec, 32, settings()), None
    if shared:
        color = srgb_to_linear(fitted(field, decoded_views, linear_to_srgb(affine), BACKDROP))
        volume = surface_sampler(density, color, 20.0)
    mesh = true_colors(plain, decoded_views, field.voxel, 256, volume)
    weights = np.random.default_rng(0).dirichlet([1, 1, 1], len(mesh.faces))
    points, colors, uv = (
        np.einsum("fc,fci->fi", weights, values[mesh.faces])
        for values in (mesh.vertices.astype(float), mesh.colors, mesh.texture.uv)
    )
    albedo = rgb2lab(truth.color(points))
    vertex, texture = (
        float(deltaE_ciede2000(albedo, rgb2lab(linear_to_srgb(linear))).mean())
        for linear in (colors, lookup(srgb_to_linear(mesh.texture.picture / 255), uv))
    )
    assert texture < 1.1 * vertex
    assert texture < 3  # the affine map: 8.3
