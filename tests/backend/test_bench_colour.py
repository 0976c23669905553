"""The table of a latent model's colours tells its four ways apart, on a finished folder whose every colour is known."""

import numpy as np
import pytest

from benchmarks import colour
from sjc import settings as schema
from sjc.errors import SjcError
from sjc.field.grid import voxel_centers
from sjc.output.colour import srgb_to_linear
from sjc.output.files import write_npz
from sjc.output.glb import write_glb
from sjc.output.mesh import extract_mesh
from training.truth import ground_truth

SIZE, PROMPT = 32, "a red sphere"


@pytest.fixture
def folder(tmp_path):
    """Latents are the exact colours in reversed channels and a constant; the volume is grey, the mesh exact."""
    truth = ground_truth(PROMPT)
    centers = voxel_centers(SIZE).reshape(-1, 3).double().numpy()
    rgb = truth.color(centers).reshape(SIZE, SIZE, SIZE, 3)
    density = 50 * truth.inside(centers).reshape((SIZE,) * 3).astype(np.float32)
    latent = np.concatenate([2 * rgb[..., ::-1] - 1, np.full((*density.shape, 1), 0.3)], -1)
    write_npz(tmp_path / "field.npz", density, srgb_to_linear(np.full_like(rgb, 0.5)), latent=latent)
    write_glb(tmp_path / "mesh.glb", extract_mesh(density, srgb_to_linear(rgb)), PROMPT)
    return tmp_path


def test_four_ways_are_told_apart(folder):
    affine = np.zeros((5, 3))
    affine[:3] = np.eye(3)[::-1] / 2
    affine[-1] = 0.5
    found = colour.row(schema.resolve("test", {"prompt": PROMPT}), folder, affine)
    assert found["affine"] == pytest.approx(found["decoded"], abs=0.5)
    assert found["decoded"] < 2
    assert found["first_three"] > 20, "red and blue have changed places"
    assert found["fitted"] > 20, "grey"
    assert found["solid"] > 0.85
    assert "a red sphere" in colour.text(
        {
            "rows": [found],
            "summary": {**{w: found[w] for w in (*colour.WAYS, "solid")}, "decoded_over_affine": 1},
        }
    )


def test_a_pixel_model_is_refused(tmp_path):
    with pytest.raises(SjcError, match="works in pixels"):
        colour.benchmark(schema.resolve("test", {}), ("a red sphere",), tmp_path)
