"""The way from latents to colours alone, on exact solids with latents fitted to what the autoencoder makes of them.

A trained object's colours are wrong for two reasons, its shape and its colouring. Here the shape is exact, so what is
left is the colouring: the latents that a perfect model would have made, seen through the project's own renderer.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import prompts
from benchmarks.scoring import color_error
from sjc.appearance import views as field_views
from sjc.appearance.appearance import Appearance
from sjc.appearance.latent import BACKDROP, latent_paint, plain_latents
from sjc.appearance.views import Paint
from sjc.field.cameras import CameraPrior, rays, sample_cameras
from sjc.field.grid import VoxelField, voxel_centers
from sjc.field.render import renderer
from sjc.field.render_reference import composite
from sjc.guidance.denoiser import Autoencoder, Denoiser
from sjc.models.loading import load_denoiser
from sjc.output.mesh import Mesh, extract_mesh
from sjc.settings import Settings
from training.truth import ground_truth

WAYS = ("first_three", "affine", "fitted", "decoded")
DENSITY = 200.0  # of what is solid, per unit length: a voxel of 1/32 lets 0.2 % through
LEVEL = 20.0  # where the mesh is cut


@dataclass(frozen=True)
class Effort:
    """grid: voxels along an edge; steps, views, learning rate of the fit, which falls to nothing."""

    grid: int = 64
    steps: int = 100
    views: int = 4
    learning_rate: float = 0.05


def first_three(channels: int) -> Paint:
    """[C+1,3]: the first three channels taken for rgb in [-1, 1], as an exporter does that knows nothing of latents."""
    paint = np.zeros((channels + 1, 3))
    paint[:3] = np.eye(3) / 2
    paint[-1] = 0.5
    return paint


def solid(prompt: str, grid: int, channels: int) -> tuple[VoxelField, NDArray[np.float32]]:
    """A field of the prompt's exact solid with colours 0, and its voxels' exact colours [N^3,3], sRGB-encoded."""
    truth, centers = ground_truth(prompt), voxel_centers(grid).reshape(-1, 3).double().numpy()
    inside = torch.from_numpy(truth.inside(centers)).float()
    field = VoxelField(grid, channels, density_shift=-10.0, color_activation="identity", learned_background=False)
    with torch.no_grad():
        field.density.copy_(DENSITY * inside.view(1, grid, grid, grid))
        field.color.zero_()
    return field, truth.color(centers)


def colored(field: VoxelField, values: Tensor) -> VoxelField:
    """The field with voxel values [N^3,C]."""
    with torch.no_grad():
        field.color.copy_(values.T.reshape(-1, *(field.size,) * 3))
    return field


def fit(settings: Settings, autoencoder: Autoencoder, size: int, effort: Effort, shade: float) -> VoxelField:
    """The exact solid with latents whose renders come nearest to the encoded pictures of it.

    size: latents along a view's edge. Pictures show the exact colours times `shade` on grey, from the training's
    cameras; they are rendered at the autoencoder's resolution and encoded, and the mean square of what the latent
    renders lack is brought down by Adam. Every voxel starts from the latents of a plain picture of its colour.
    """
    exact, colors = solid(settings.prompt, effort.grid, 3)
    shown = torch.from_numpy(colors).float() * shade
    colored(exact, shown * 2 - 1)
    palette, which = shown.unique(dim=0, return_inverse=True)
    field, _ = solid(settings.prompt, effort.grid, autoencoder.channels)
    colored(field, plain_latents(autoencoder, palette)[which])
    grey = plain_latents(autoencoder, torch.full((1, 3), BACKDROP))
    render = renderer(settings.renderer, torch.device("cpu"))
    prior = CameraPrior(
        settings.radius, settings.fov_min, settings.fov_max, settings.elevation_min, settings.elevation_max
    )
    generator, edge = torch.Generator().manual_seed(0), size * autoencoder.factor
    optimizer = torch.optim.Adam([field.grid], lr=effort.learning_rate)
    mask = torch.ones_like(field.grid)
    VoxelField.split(mask)[0].zero_()  # the shape stays
    for step in range(effort.steps):
        optimizer.param_groups[0]["lr"] = effort.learning_rate * (1 - step / effort.steps)
        cameras = sample_cameras(prior, effort.views, generator)
        with torch.no_grad():
            view = render(exact, *(r.reshape(-1, 3) for r in rays(cameras, edge, edge)))
            rgb = composite(view, view.color.new_full((1, 3), 2 * BACKDROP - 1).expand(len(view.color), 3))
            goal = autoencoder.encode(rgb.view(effort.views, edge, edge, 3).permute(0, 3, 1, 2))
        made = render(field, *(r.reshape(-1, 3) for r in rays(cameras, size, size)))
        made_latents = composite(made, grey.expand(len(made.color), -1))
        wanted = goal.permute(0, 2, 3, 1).reshape(made_latents.shape)
        optimizer.zero_grad(set_to_none=True)
        (made_latents - wanted).square().sum().backward()
        assert field.grid.grad is not None
        field.grid.grad *= mask
        optimizer.step()
    return field


def rows(wanted: list[Settings], effort: Effort, at_once: int = 1) -> list[dict[str, Any]]:
    """`row` of each, at_once processes side by side."""
    made = []
    with ProcessPoolExecutor(at_once, get_context("spawn")) as pool:
        for one, result in zip(wanted, pool.map(_loaded_row, wanted, repeat(effort)), strict=True):
            made.append(result)
            print(f"[{len(made)}/{len(wanted)}] {one.prompt}, exact shape: {result}", file=sys.stderr)
    return made


@cache
def _denoiser(model: str) -> Denoiser:
    return load_denoiser(model)


def _loaded_row(settings: Settings, effort: Effort) -> dict[str, Any]:
    return row(settings, _denoiser(settings.model), effort)


def row(settings: Settings, denoiser: Denoiser, effort: Effort) -> dict[str, Any]:
    """Mean CIEDE2000 on the mesh of the prompt's exact solid, by the four ways of `colour.row`."""
    prompt = settings.prompt
    look = Appearance(denoiser, settings)
    assert look.autoencoder is not None
    field = fit(settings, look.autoencoder, denoiser.size, effort, look.mean_shade)
    density, affine = field_views.arrays(field, latent_paint(look.autoencoder, look.mean_shade))
    _, first = field_views.arrays(field, first_three(field.channels))
    views = look.around(field)
    fitted, _ = look.volume(field, affine, views)
    meshes: dict[str, Mesh] = {
        name: extract_mesh(density, values, LEVEL)
        for name, values in (("first_three", first), ("affine", affine), ("fitted", fitted))
    }
    meshes["decoded"] = look.recolor(views, density, fitted)(meshes["fitted"])
    return {
        "prompt": prompt,
        "held_out": prompts.held_out(prompt),
        **{name: color_error(mesh, prompt) for name, mesh in meshes.items()},
    }
