"""A mesh gets a texture: an ordinary job folder, resumable, and one clear line for what cannot be textured."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import max_pool2d

from sjc import cli
from sjc.errors import SjcError
from sjc.field.cameras import look_at
from sjc.job import sharpen, texture_run
from sjc.job.folder import prepare_folder, read_settings
from sjc.job.kinds import job_run
from sjc.job.run import Stopped, reopen
from sjc.models.loading import load_denoiser
from sjc.output.glb import read_glb, write_glb
from sjc.output.mesh import Mesh
from sjc.output.texture import Texture
from sjc.settings import resolve
from sjc.texturing import consensus, correction, painted_mesh, shared_views
from sjc.texturing.shared_views import SharedViews
from sjc.texturing.surface import RADIUS, Points, Surface, in_view

LATENT = Path(__file__).parents[2] / "data" / "latent_model"
CUBE = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3, indexing="ij"), -1).reshape(-1, 3).astype(np.float32)
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
FACES = np.array([f for a, b, c, d in QUADS for f in ((a, b, c), (a, c, d))], np.int32)


def cube(scale: float = 0.4, offset: float = 0.0) -> Mesh:
    return Mesh(CUBE * scale + np.float32(offset), FACES, np.ones((8, 3), np.float32))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished job."""
    folder = tmp_path_factory.mktemp("texture")
    write_glb(folder / "cube.glb", cube())
    words = ["texture", str(folder / "cube.glb"), "a purple cube", "--out", str(folder / "job")]
    assert cli.main([*words, "--texture-size", "256", "--no-turntable", "--preset", "test"]) == 0
    return folder / "job"


def test_a_texture_job_leaves_an_ordinary_folder_with_its_input(made: Path) -> None:
    record = json.loads((made / "run.json").read_text())
    assert record["settings"]["surface"] == "inputs/surface.glb"
    assert all((made / name).is_file() for name in ("mesh.glb", "preview.png", "inputs/surface.glb"))


def test_a_purple_cube_becomes_purple(made: Path) -> None:
    red, green, blue = read_glb(made / "mesh.glb").colors.mean(0)
    assert red > 1.5 * green
    assert blue > 1.5 * green


def test_a_stopped_job_goes_on_to_the_same_texture(made: Path, tmp_path: Path) -> None:
    settings = resolve(
        None,
        {
            "prompt": "a purple cube",
            "surface": str(made / "inputs/surface.glb"),
            "preset": "test",
            "texture_size": 256,
            "turntable": False,
        },
    )
    asked = iter([False] * 5 + [True] * 99)
    prepare_folder(tmp_path / "job", settings)
    events: list[dict[str, object]] = []
    first = job_run(tmp_path / "job", settings, events.append, stop=lambda: next(asked))
    first.preview = True  # as for Blender
    with pytest.raises(Stopped):
        first.run()
    assert [event["step"] for event in events if event["type"] == "painted"] == [1, 2, 3, 4, 5]
    shown = read_glb(tmp_path / "job/painted.glb", keep_uv=True)
    assert shown.texture is not None
    assert shown.texture.picture.shape[0] == painted_mesh.DRAFT
    assert np.ptp(shown.texture.picture.astype(int), axis=(0, 1)).max() > 20  # half-made, not empty
    job_run(tmp_path / "job", reopen(tmp_path / "job")).run()
    assert not (tmp_path / "job/painted.glb").exists()
    assert (tmp_path / "job/mesh.glb").read_bytes() == (made / "mesh.glb").read_bytes()


def test_places_take_the_colour_that_the_views_show_there() -> None:
    surface = Surface(cube(), torch.device("cpu"))
    shadow = consensus.cast(surface, look_at([0.0, 45, 90, 180, 270], [20.0, 40, 20, 20, 20], 3.0, 36.0), 64)
    shown = shadow.places.position  # pictures whose colours are the places themselves
    places = surface.spread(500, torch.Generator().manual_seed(0))
    mixed, weight = consensus.find(shadow, places).merged(shown, 1.0)
    visible = weight > 1e-6
    assert visible[places.normal[:, 2] > -0.5].float().mean() > 0.97
    assert not visible[places.normal[:, 2] < -0.5].any()  # the bottom, which no camera sees
    assert (mixed - places.position)[visible].norm(dim=1).quantile(0.95) < 0.03


def test_what_a_model_draws_on_an_outline_does_not_reach_the_surface() -> None:
    surface = Surface(cube(), torch.device("cpu"))
    shadow = consensus.cast(surface, look_at([0.0, 45, 90, 180, 270], [20.0, 40, 20, 20, 20], 3.0, 36.0), 64)
    inside = (-max_pool2d(-shadow.solid[:, None].float(), 3, 1, 1))[:, 0].bool().view(-1, 1)
    drawn = torch.where(inside, torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]))  # green around the red cube
    places = surface.spread(500, torch.Generator().manual_seed(0))
    mixed = consensus.Around(shadow, places)(drawn, *consensus.find(shadow, places).merged(drawn, 1.0))
    green = mixed[places.normal[:, 2] > -0.5, 1]  # no camera sees the bottom
    assert green.mean() < 0.05


def test_guidance_ends_where_it_only_exaggerates(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_run(made, read_settings(made))
    asked: list[float] = []

    def asking(_views: SharedViews, scale: float) -> Callable[..., torch.Tensor]:
        return lambda x, _sigma: (asked.append(scale), x)[1]  # a model that keeps what it sees

    monkeypatch.setattr(SharedViews, "_conditioned", asking)
    job.load()
    views = job._begun()
    while not views.done:
        views.advance()
    guided = [scale > 1 for scale in asked]
    assert guided == [float(sigma) >= shared_views.UNGUIDED for sigma in views.sigmas]
    assert 0 < sum(guided) < len(guided)


def test_a_latent_start_decodes_to_the_present_colours() -> None:
    surface = Surface(cube(), torch.device("cpu"))
    denoiser = load_denoiser(str(LATENT))
    assert denoiser.autoencoder is not None
    cameras = look_at([30.0, 210], [20.0, 20], 3.0, 36.0)
    shadow, fine = (consensus.cast(surface, cameras, denoiser.size * k) for k in (1, denoiser.autoencoder.factor))
    red = torch.tensor([0.85, 0.1, 0.1]).expand(fine.cover.numel(), -1)
    settings = resolve(None, {"prompt": "a red cube", "preset": "test"})
    views = SharedViews(settings, denoiser, shadow, shared_views.Present(fine, red), 0.5)
    with torch.no_grad():
        shown = denoiser.autoencoder.decode(views.pictures).permute(0, 2, 3, 1)
    shade = float(denoiser.card.get("mean_shade", 1.0))
    inside = fine.trust == consensus.TRUST[-1]
    assert ((shown[inside] + 1) / 2 / shade - red[0]).abs().mean() < 0.05


def test_a_result_is_sharpened_with_its_own_words(made: Path, tmp_path: Path) -> None:
    chosen = sharpen.settings_of(made, {"texture_size": 256})
    assert (chosen.prompt, chosen.texture_size, chosen.preset) == ("a purple cube", 256, "test")
    assert (chosen.surface, chosen.surface_strength) == (str(made / "mesh.glb"), sharpen.STRENGTH)
    assert (chosen.sharpen_colors, chosen.parent) == (True, "job")
    assert sharpen.free_folder(made).name == "job-sharpened"
    with pytest.raises(SjcError, match="sharpen_colors: there is no surface"):
        resolve(None, {"prompt": "a purple cube", "sharpen_colors": True})
    unfinished = tmp_path / "unfinished"
    prepare_folder(unfinished, resolve(None, {"prompt": "a purple cube", "preset": "test"}))
    with pytest.raises(SjcError, match="is not finished"):
        sharpen.settings_of(unfinished)
    with pytest.raises(SjcError):
        sharpen.settings_of(tmp_path / "none")


def test_a_parent_alone_sharpens_nothing(made: Path) -> None:
    """A parent alone says where a mesh came from, not that its colours shall stay."""
    job = job_run(made, replace(read_settings(made), parent="older"))
    job.load()
    views = job._begun()
    assert views.guided is not views.unguided


def test_a_sharpened_result_keeps_its_borders_and_is_asked_without_guidance(made: Path, tmp_path: Path) -> None:
    chosen = sharpen.settings_of(made, {"texture_size": 256, "surface_strength": 0.1})
    prepare_folder(tmp_path / "job", chosen)
    job = job_run(tmp_path / "job", read_settings(tmp_path / "job"))
    record = job.run()
    assert job.views.guided is job.views.unguided
    assert record["parent"]["folder"] == "job"
    before, after = (read_glb(folder / "mesh.glb").colors.mean(0) for folder in (made, tmp_path / "job"))
    assert np.abs(after - before).max() < 0.1


def test_whole_colours_are_corrected_and_borders_stay() -> None:
    """Pictures that are right about two colours, but have the border between them elsewhere."""
    surface = Surface(cube(), torch.device("cpu"))
    cameras = look_at([0.0, 60, 120, 180, 240, 300], [20.0, 40, 20, 40, 20, 40], 3.0, 36.0)
    shadow = consensus.cast(surface, cameras, 64)
    true, biased = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]]), torch.tensor([[0.8, 0.15, 0.2], [0.2, 0.2, 0.8]])

    def halves(position: torch.Tensor, colors: torch.Tensor, border: float = 0.0) -> torch.Tensor:
        return colors[(position[:, 2] > border).long()]

    at = shadow.places.position
    truer = correction.Correction(shadow, halves(at, biased), halves(at, true, border=0.1))
    places = surface.spread(500, torch.Generator().manual_seed(0))
    places = Points(*(x[places.normal[:, 2] > -0.5] for x in (places.position, places.normal)))
    made = truer(places, halves(places.position, biased))
    assert (made - halves(places.position, true)).abs().max() < 0.06  # none has the other half's colour
    green = torch.tensor([[0.1, 0.8, 0.1]]).expand(len(made), -1)  # of which the pictures say nothing
    torch.testing.assert_close(truer(places, green), green)


def test_a_result_with_a_texture_keeps_what_is_not_corrected() -> None:
    laid = painted_mesh.laid_out(cube(), 64)
    assert laid.texture is not None
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 99, np.uint8)], -1)
    mesh = Mesh(laid.vertices, laid.faces, laid.colors, texture=Texture(picture, laid.texture.uv))
    surface = Surface(mesh, torch.device("cpu"))
    shadow = consensus.cast(surface, look_at([0.0, 120, 240], [20.0, 40, 20], 3.0, 36.0), 32)
    own = torch.from_numpy(painted_mesh.present(mesh, shadow.face.numpy(), shadow.weights.numpy()))
    made = painted_mesh.corrected(mesh, surface, correction.Correction(shadow, own, own), 64).texture
    assert made is not None
    rows, columns, *_ = painted_mesh._texels(mesh, 64)
    assert np.abs(made.picture[rows, columns].astype(int) - picture[rows, columns]).max() <= 1


def test_a_hit_is_where_its_weights_say() -> None:
    surface = Surface(cube(), torch.device("cpu"))
    hits = surface.rays(torch.tensor([[0.1, -3.0, 0.2], [0.0, -3.0, 2.0]]), torch.tensor([[0.0, 1, 0]] * 2))
    assert hits.face[1] == -1
    side = RADIUS / 3**0.5
    at = surface.at(hits.face[:1], hits.weights[:1])
    assert torch.allclose(at.position[0], torch.tensor([0.1, -side, 0.2]), atol=1e-5)
    assert torch.allclose(at.normal[0], torch.tensor([0.0, -1, 0]), atol=1e-6)


@pytest.mark.parametrize(("scale", "offset"), [(1000.0, 0.0), (1.0, 10_000.0), (1e-3, 0.0)])
def test_a_large_small_or_far_mesh_comes_into_view(scale: float, offset: float) -> None:
    assert np.allclose(in_view(cube(scale, offset)), in_view(cube()), atol=2e-3)


def square(uv: list[list[float]]) -> Mesh:
    mesh = cube()
    return Mesh(
        mesh.vertices[:4],
        np.array([[0, 1, 3], [0, 3, 2]], np.int32),
        mesh.colors[:4],
        texture=Texture(np.zeros((1, 1, 3), np.uint8), np.array(uv, np.float32)),
    )


def test_good_uvs_are_kept_and_bad_ones_made_anew() -> None:
    right = square([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]])
    assert painted_mesh.laid_out(right, 64) is right
    outside = square([[0.1, 0.1], [1.9, 0.1], [0.1, 0.9], [1.9, 0.9]])
    folded = square([[0.1, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    for bad in (outside, folded):
        made = painted_mesh.laid_out(bad, 64).texture
        assert made is not None
        assert made.uv.min() >= 0
        assert made.uv.max() <= 1


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        (CUBE[:0], FACES[:0], "no faces"),
        (CUBE, np.zeros((2_000_001, 3), np.int32), "Decimate"),
        (np.full((8, 3), np.nan, np.float32), FACES, "no numbers"),
        (np.zeros((8, 3), np.float32), FACES, "in one place"),
    ],
)
def test_what_has_no_surface_is_one_line(vertices: np.ndarray, faces: np.ndarray, words: str) -> None:
    with pytest.raises(SjcError, match=words) as caught:
        in_view(Mesh(vertices, faces, np.ones_like(vertices)))
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_or_damaged_file_costs_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.glb").write_bytes(b"no glb")
    for name, words in (("none.glb", "does not exist"), ("bad.glb", "not a glTF")):
        assert cli.main(["texture", name, "a purple cube", "--out", "job"]) == 2
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("sjc:")]
        assert words in line
        assert not (tmp_path / "job").exists()
    with pytest.raises(SjcError):
        texture_run.read(tmp_path / "bad.glb")
