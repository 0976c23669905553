"""The engine alone: with a denoiser that cannot be wrong, the default settings make the true solid and its colours."""

import numpy as np
import pytest
import torch

from sjc import settings
from sjc.appearance import views as field_views
from sjc.optimize import Optimization
from sjc.output.colour import linear_to_srgb, pixel_paint
from sjc.output.mesh import extract_mesh
from sjc.output.voxelize import inside_lattice
from tests.e2e.oracle import Oracle
from training.pictures import MEAN_SHADE
from training.truth import ground_truth

PROMPT = "a red mushroom with a white stem"
CELLS, STEPS = 128, 200


@pytest.fixture(scope="module")
def mesh():
    """What 200 steps of the default preset make of the prompt."""
    chosen = settings.resolve(None, {"prompt": PROMPT, "steps": STEPS})
    run = Optimization(chosen, Oracle(), torch.device("cpu"))
    while not run.done:
        run.advance()
    return extract_mesh(*field_views.arrays(run.field, pixel_paint(MEAN_SHADE)))


@pytest.mark.timeout(600)
def test_the_solid_is_the_truth(mesh):
    axis = (np.arange(CELLS) + 0.5) * (2 / CELLS) - 1
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    truth = ground_truth(PROMPT).inside(points).reshape((CELLS,) * 3)
    made = inside_lattice(mesh, CELLS)
    iou = (truth & made).sum() / (truth | made).sum()
    assert iou > 0.8, f"solid IoU {iou:.3f}"


@pytest.mark.timeout(600)
def test_the_cap_is_red_and_the_stem_is_white(mesh):
    color, z = linear_to_srgb(mesh.colors), mesh.vertices[:, 2]
    cap, stem = color[z > 0.2].mean(0), color[z < -0.2].mean(0)
    assert np.abs(cap - [0.85, 0.10, 0.10]).max() < 0.15, f"cap {cap}"
    assert np.abs(stem - 0.95).max() < 0.15, f"stem {stem}"
