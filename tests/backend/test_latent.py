"""A field of latents under an exact, curved codec: decoding views tells colours that no linear map can."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from sjc.errors import SjcError
from sjc.field.grid import VoxelField, voxel_centers
from sjc.guidance.autoencoder import Autoencoder
from sjc.latent import decoded_views, linear_map
from sjc.output.bake import bake_vertices
from sjc.output.mesh import extract_mesh

RGB = torch.tensor([[0.9, -0.3, 0.1], [-0.2, 0.3, -0.9]])  # of the halves x < 0 and x > 0, in [-1, 1]


class Codec(Autoencoder):
    """Latents are the 2 x 2 pixels of a block, each to the power `power`."""

    channels, factor = 12, 2

    def __init__(self, power):
        self.power = power

    def encode(self, rgb):
        return pixel_unshuffle(rgb.sign() * rgb.abs() ** self.power, 2)

    def decode(self, latents):
        rgb = pixel_shuffle(latents, 2)
        return (rgb.sign() * rgb.abs() ** (1 / self.power)).clamp(-1, 1)


def colours(power):
    """Of a two-coloured ball: vertices, and colours in [0, 1] true, by the linear map, and by decoded views."""
    codec, size = Codec(power), 24
    field = VoxelField(size, codec.channels, density_shift=-10.0, learned_background=False)
    latents = codec.encode(RGB[:, :, None, None].expand(-1, -1, 2, 2))[:, :, 0, 0]
    centers = voxel_centers(size)
    with torch.no_grad():
        field.color.copy_(latents[(centers[..., 0] > 0).long()].permute(3, 0, 1, 2))
        field.density.copy_((200.0 * (centers.norm(dim=-1) < 0.6).float())[None])
    density = field.activated_density().detach().numpy()
    mesh = extract_mesh(density, np.zeros((*density.shape, 3)), 20.0)
    baked, _ = bake_vertices(
        mesh.vertices, mesh.faces, decoded_views(field, codec, 24, 3.0, 36.0), field.voxel
    )
    side = (mesh.vertices[:, 0] > 0).astype(int)
    linear = (np.c_[latents.numpy(), np.ones(2)] @ linear_map(codec) + 1) / 2
    away = np.abs(mesh.vertices[:, 0]) > 0.15  # from the seam, where latents mix
    return ((RGB.numpy() + 1) / 2)[side][away], linear[side][away], baked[away]


def test_decoded_views_beat_the_linear_map():
    true, linear, baked = colours(3)
    assert np.abs(linear - true).mean() > 0.03
    assert np.abs(baked - true).mean() < 0.5 * np.abs(linear - true).mean()


def test_a_linear_codec_is_found_exactly():
    codec = Codec(1)
    fitted = linear_map(codec)
    flat = codec.encode(RGB[:, :, None, None].expand(-1, -1, 2, 2))[:, :, 0, 0]
    assert np.c_[flat.numpy(), np.ones(2)] @ fitted == pytest.approx(RGB.numpy(), abs=1e-5)


def test_a_field_of_other_channels_is_refused():
    with pytest.raises(SjcError, match="takes latents of 12 channels, the model's have 4"):
        decoded_views(VoxelField(4, 4), Codec(1), 8, 3.0, 36.0)
