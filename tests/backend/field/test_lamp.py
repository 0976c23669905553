import math
from types import SimpleNamespace

import pytest
import torch

from sjc.errors import SjcError
from sjc.field import lamp
from sjc.field.cameras import look_at, rays
from sjc.field.grid import VoxelField, voxel_centers
from sjc.field.render_reference import Rendered, render
from sjc.optimize import Optimization
from tests.backend.stubs import StubDenoiser, bent, settings
from training import lamp as taught
from training.model import card_json

CARD = card_json(lamps=True)
ALBEDO = 0.6


def ball(size=32, radius=0.6):
    """An opaque ball of one colour, which shows ALBEDO under the world's mean light."""
    field = VoxelField(size, 3, color_activation="tanh_sigmoid", learned_background=False, color_std=0.0)
    shown = 2 * ALBEDO * CARD["mean_shade"] - 1
    with torch.no_grad():
        field.density.copy_((100 * (radius - voxel_centers(size).norm(dim=-1)))[None])
        field.color.fill_(2 * math.atanh(shown))
    return field


def view(azimuth=30.0, elevation=20.0, size=16):
    cameras = look_at([azimuth], [elevation], 3.0, 36.0)
    return cameras, *(r.reshape(-1, 3) for r in rays(cameras, size, size))


def test_normals_of_a_ball_point_away_from_its_centre():
    points = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    normals = lamp.surface_normals(ball(), 0.6 * points)
    assert (normals * points).sum(-1).min() > math.cos(math.radians(3))
    assert lamp.surface_normals(VoxelField(8, 3, learned_background=False), points).abs().max() == 0  # even fog


@pytest.mark.parametrize("plain", [False, True])
def test_a_lit_ball_looks_like_the_pictures_that_the_world_lights(plain):
    field, (cameras, origins, directions) = ball(), view()
    rendered = render(field, origins, directions)
    number = torch.tensor([1 + taught.LAMPS.index(("above", plain))])
    towards = taught.world_directions(number, cameras.azimuth_deg, cameras.elevation_deg)
    lit = torch.cat([towards, torch.tensor([[1.0, float(plain)]])], dim=1)
    color = lamp.shaded(rendered, origins, directions, field, lamp.lamps_of(CARD, "it"), lit)
    whole = rendered.opacity > 0.999
    assert whole.sum() > 40
    points = origins[whole] + rendered.depth[whole, None] * directions[whole]
    cosine = (points / points.norm(dim=-1, keepdim=True) @ towards[0]).clamp(min=0)
    albedo = taught.CLAY[0] if plain else ALBEDO
    expected = albedo * (taught.AMBIENT + taught.DIFFUSE * cosine)
    assert ((color[whole].mean(-1) + 1) / 2 - expected).abs().max() < 0.03


def test_views_without_a_lamp_and_rays_that_nothing_stops_stay_as_they_are():
    field, (_, origins, directions) = ball(), view()
    rendered, known = render(field, origins, directions), lamp.lamps_of(CARD, "it")
    off = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]])
    assert torch.equal(lamp.shaded(rendered, origins, directions, field, known, off), rendered.color)
    on = torch.tensor([[0.0, 0.0, 1.0, 1.0, 1.0]])
    color = lamp.shaded(rendered, origins, directions, field, known, on)
    passing = rendered.opacity <= lamp.STOPPED
    assert torch.equal(color[passing], rendered.color[passing])
    assert not torch.allclose(color[~passing], rendered.color[~passing], atol=0.05)


def test_the_words_and_directions_are_those_that_were_taught():
    known, generator = lamp.lamps_of(CARD, "it"), torch.Generator().manual_seed(1)
    cameras = look_at([0.0, 77.0, 200.0] * 20, [10.0, -20.0, 60.0] * 20, 3.0, 36.0)
    words, lit = known.draw(0.5, cameras, generator)
    assert 15 < sum(map(bool, words)) < 45
    assert any(w.endswith(" uncolored") for w in words)
    for index, phrase in enumerate(words):
        assert bool(phrase) == bool(lit[index, 3])
        if phrase:
            number = next(n for n in range(1, 1 + len(taught.LAMPS)) if taught.lit("a mug", n) == "a mug" + phrase)
            assert bool(lit[index, 4]) == taught.LAMPS[number - 1][1]
            angles = cameras.azimuth_deg[index : index + 1], cameras.elevation_deg[index : index + 1]
            expected = taught.world_directions(torch.tensor([number]), *angles)
            assert torch.allclose(lit[index, :3], expected[0], atol=1e-5)


def test_the_gradient_of_the_shading():
    field = ball(6).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        field.grid.add_(0.3 * torch.randn(field.grid.shape, generator=generator))
    origins = torch.tensor([[0.1, -2.0, 0.2], [-0.2, -2.0, -0.1]], dtype=torch.float64)
    directions = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64).expand(2, 3)
    color = torch.tensor([[0.1, 0.2, 0.3], [-0.2, 0.1, 0.0]], dtype=torch.float64)
    depth = torch.tensor([1.4, 1.5], dtype=torch.float64)
    lit = torch.tensor([[0.6, -0.8, 0.0, 1.0, 0.0], [0.6, -0.8, 0.0, 1.0, 1.0]], dtype=torch.float64)
    known = lamp.lamps_of(CARD, "it")

    opacity = torch.tensor([0.9, 0.8], dtype=torch.float64)

    def shade(grid, color, opacity):
        only = SimpleNamespace(density=grid[..., 0][None], voxel=field.voxel)
        return lamp.shaded(Rendered(color, opacity, depth, depth, 1), origins, directions, only, known, lit)

    inputs = [x.clone().requires_grad_() for x in (field.grid.detach(), color)]
    assert torch.autograd.gradcheck(lambda *given: shade(*given, opacity), inputs)
    shade(*inputs, opacity).sum().backward()
    assert inputs[0].grad[..., 0].abs().max() > 0


def test_every_view_of_a_lit_run_names_its_lamp():
    denoiser = StubDenoiser(bent, card=CARD)
    run = Optimization(
        settings(lamp=1.0, views_per_step=2, guidance=1.0, background="random"), denoiser, torch.device("cpu")
    )
    run.advance()
    assert all(" lit from " in text for text in denoiser.asked[0])


def test_a_model_that_knows_no_lamp_is_named():
    with pytest.raises(SjcError, match="lamp: stub has learned no words for lamps"):
        Optimization(settings(lamp=0.3), StubDenoiser(bent), torch.device("cpu"))
    with pytest.raises(SjcError, match="set lamp to 0"):
        lamp.lamps_of({"mean_shade": 0.8, "lamps": {"ambient": "much", "diffuse": 1, "directions": {}}}, "it")
