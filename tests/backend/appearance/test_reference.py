"""Reference pictures: what is read of a file, what is refused, and where a field is pulled by them."""

import numpy as np
import pytest
import torch
from PIL import Image

from sjc import picture_text
from sjc.appearance.appearance import Appearance, repainted
from sjc.appearance.reference import fitted_map, read_picture, reference, target
from sjc.errors import SjcError
from sjc.field import picture_terms
from sjc.field.cameras import CameraPrior
from sjc.field.picture_terms import color_map, identity_map, photometric, seen_from, silhouette
from sjc.optimize import Optimization
from sjc.picture_text import View, split, view_of
from sjc.settings import resolve, to_arguments
from tests.backend.stubs import SIZE, StubDenoiser, settings

CPU = torch.device("cpu")
BLUE = (0.1, 0.2, 0.9)
NOISE = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
PRIOR = CameraPrior(radius=3.0, fov_min=34.0, fov_max=38.0)


def disc(size=32, color=BLUE, ground=(1, 1, 1), alpha=True, radius=0.6):
    """RGBA or RGB u8: a disc in the middle."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    inside = (axis[:, None] ** 2 + axis[None] ** 2 < radius**2)[..., None]
    rgb = np.where(inside, color, ground)
    picture = np.concatenate([rgb, inside], -1) if alpha else rgb
    return (picture * 255).round().astype(np.uint8)


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


# --------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.png@front", [("a.png", "@front")]),
        ("a, b@home.png@30,-20 , c.png@Back", [("a, b@home.png", "@30,-20"), ("c.png", "@Back")]),
        ("a.png@1,2,3,40,b.png@left", [("a.png", "@1,2,3,40"), ("b.png", "@left")]),
        ('"x y.png"@90,0', [('"x y.png"', "@90,0")]),
        ("", []),
    ],
)
def test_a_list_of_pictures_is_split_after_every_view(text, parts):
    assert split(text) == [(picture_text.tidy(file), view) for file, view in parts]


def test_views_are_the_cameras_that_they_name():
    """Azimuth grows counter-clockwise seen from above, so that 90 stands at +x: the object's right in Blender."""
    eye = {name: reference_camera(f"@{name}").eye[0].round(decimals=4).tolist() for name in picture_text.VIEWS}
    assert eye["front"] == [0, -3, 0]
    assert eye["right"] == eye["side"] == [3, 0, 0]
    assert eye["back"] == [0, 3, 0]
    assert eye["left"] == [-3, 0, 0]
    assert eye["top"] == [0, 0, 3]
    assert view_of("a", "@30, 20,2.5,40") == View(30, 20, 2.5, 40)


def reference_camera(view):
    return reference_of(np.asarray(Image.fromarray(disc())), view).cameras


def reference_of(array, view="@front", denoiser=None):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = saved(Path(folder) / "a.png", array)
        return reference(path, view_of("a.png", view), PRIOR, denoiser or StubDenoiser(None))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a.png", "is no picture with a view; write FILE@front"),
        ("a.png@above", 'has the view "above"; use one of front'),
        ("a.png@30", "a view of 1 numbers"),
        ("a.png@30,100", "has the elevation 100; use -90 to 90"),
        ("a.png@30,10,0,40", "has the distance 0"),
        (", ".join(f"{i}.png@front" for i in range(17)), "17 pictures are too many"),
    ],
)
def test_a_text_that_names_no_view_is_refused_in_one_line(text, match):
    with pytest.raises(SjcError, match=match) as caught:
        resolve(None, {"picture": text})
    assert "\n" not in str(caught.value)


def test_settings_take_lists_and_give_the_flag_back():
    chosen = resolve(None, {"picture": ["a.png@front", "b.png@30,20"]})
    assert chosen.picture == "a.png@front, b.png@30,20"
    assert "--picture=a.png@front, b.png@30,20" in to_arguments(chosen)


# -------------------------------------------------------------------------------------------------------------- files


def test_alpha_and_a_plain_background_give_the_same_mask(tmp_path):
    cut = read_picture(saved(tmp_path / "cut.png", disc()))
    plain = read_picture(saved(tmp_path / "plain.png", disc(alpha=False, ground=(0.9, 0.5, 0.2))))
    np.testing.assert_array_equal(cut[1], plain[1])
    np.testing.assert_allclose(cut[0][16, 16], BLUE, atol=1 / 255)


def test_a_spot_of_the_backgrounds_colour_inside_is_object(tmp_path):
    picture = disc(alpha=False)
    picture[15:17, 15:17] = 255
    _, mask = read_picture(saved(tmp_path / "a.png", picture))
    assert mask[15:17, 15:17].all()
    assert not mask[0].any()


def test_a_wide_picture_is_padded_to_a_square(tmp_path):
    color, mask = read_picture(saved(tmp_path / "a.png", disc()[8:24]))
    assert color.shape == (32, 32, 3)
    np.testing.assert_array_equal(mask[8:24], disc()[8:24, :, 3] / 255)
    assert not mask[:8].any()


@pytest.mark.parametrize("mode", ["I;16", "L", "LA", "P"])
def test_gray_and_palettes_are_read(tmp_path, mode):
    gray = (disc(color=(0.25,) * 3)[..., 0].astype(np.uint16) * 257) if mode == "I;16" else None
    image = Image.fromarray(gray) if mode == "I;16" else Image.fromarray(disc(color=(0.25,) * 3)).convert(mode)
    image.save(tmp_path / "a.png")
    color, mask = read_picture(tmp_path / "a.png")
    np.testing.assert_allclose(color[16, 16], 0.25, atol=0.01)
    assert mask[16, 16] == 1
    assert mask[0, 0] == 0


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (
            np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8),
            "neither transparency nor a plain background",
        ),
        (np.full((32, 32, 3), 200, np.uint8), "shows no object"),
        (np.zeros((32, 32, 4), np.uint8), "shows no object"),
        (np.zeros((1, 1, 3), np.uint8), "has 1 x 1 pixels; use at least 16 x 16"),
        (b"\x89PNG\r\n\x1a\n no picture", "is not a picture|is damaged"),
        (None, "does not exist"),
    ],
)
def test_a_file_that_shows_nothing_is_refused_in_one_line(tmp_path, array, match):
    path = tmp_path / "a.png"
    if isinstance(array, bytes):
        path.write_bytes(array)
    elif array is not None:
        saved(path, array)
    with pytest.raises(SjcError, match=match) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)


def test_half_covered_pixels_have_the_objects_colour():
    """Their colour is not mixed with what lies under transparency."""
    color, mask = np.zeros((16, 16, 3), np.float32), np.zeros((16, 16), np.float32)
    color[:, :7], mask[:, :7] = BLUE, 1
    got = target(color, mask, StubDenoiser(None))
    half = got[:, 0, 3]
    assert float(half[-1]) == pytest.approx(0.5)
    np.testing.assert_allclose(half[:-1] / 2 + 0.5, BLUE, atol=1e-5)


def test_latents_are_encoded():
    class Encoder:
        factor = 4

        def encode(self, rgb):
            assert rgb.shape == (1, 3, 4 * SIZE, 4 * SIZE)
            return rgb.mean(1, keepdim=True).expand(1, 4, -1, -1)[..., ::4, ::4]

    denoiser = StubDenoiser(None)
    denoiser.autoencoder = Encoder()
    got = reference_of(disc(), denoiser=denoiser).target
    assert got.shape == (5, SIZE, SIZE)
    assert float(got[-1, SIZE // 2, SIZE // 2]) == 1


# -------------------------------------------------------------------------------------------------------------- terms


def pixels_shown(rays=50, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.rand(*shape, generator=generator, dtype=dtype)

    opacity = draw(rays)
    return (draw(rays, 3) * 2 - 1) * opacity[:, None], opacity, torch.cat([draw(rays, 3) * 2 - 1, draw(rays, 1)], 1)


def test_the_terms_gradients_are_those_of_their_formulas():
    color, opacity, wanted = pixels_shown()
    affine = color_map(color, opacity, wanted)
    inputs = (color.requires_grad_(), opacity.requires_grad_())
    assert torch.autograd.gradcheck(lambda c, o: photometric(c, o, wanted, affine), inputs)
    assert torch.autograd.gradcheck(lambda o: silhouette(o, wanted), inputs[1:])
    same = identity_map(3, color)
    (got,) = torch.autograd.grad(photometric(color, opacity, wanted, same), color)
    torch.testing.assert_close(got, (wanted[:, -1:] * (color - opacity[:, None] * wanted[:, :-1])).detach())


def test_the_map_of_colours_is_the_affine_one_behind_the_pictures(monkeypatch):
    monkeypatch.setattr(picture_terms, "RIDGE", 1e-6)
    color, opacity, wanted = pixels_shown(400)
    true = torch.tensor([[0.2, 0.5, 0.0], [0.3, -0.4, 0.1], [0.0, 0.2, 0.7], [0.1, -0.2, 0.3]], dtype=torch.float64)
    shown = torch.cat([color, opacity[:, None]], 1) @ true / opacity[:, None]
    got = color_map(color, opacity, torch.cat([shown, wanted[:, -1:]], 1))
    torch.testing.assert_close(got, true, atol=1e-3, rtol=0)
    nothing = color_map(color, opacity, torch.cat([shown, torch.zeros_like(wanted[:, -1:])], 1))
    torch.testing.assert_close(nothing, identity_map(3, color))


def test_small_differences_of_colour_are_not_blown_up():
    """Two hundredths apart for the model, in the picture far apart: chance would become blotches."""
    opacity = torch.ones(100, dtype=torch.float64)
    color = torch.full((100, 3), 0.5, dtype=torch.float64)
    color[:50, 0] += 0.02
    wanted = torch.cat([torch.zeros(100, 3, dtype=torch.float64), opacity[:, None]], 1)
    wanted[:50, 2] = 1.0
    shown = torch.cat([color, opacity[:, None]], 1) @ color_map(color, opacity, wanted)
    torch.testing.assert_close(shown.mean(0), wanted[:, :3].mean(0), atol=1e-3, rtol=0)
    assert float((shown[0] - shown[-1]).abs().max()) < 0.02


def test_a_repainted_paint_is_the_map_and_then_the_paint():
    generator = np.random.default_rng(0)
    affine, paint, values = generator.random((4, 3)), generator.random((4, 3)), generator.random((5, 3))
    one = np.ones((5, 1))
    by_hand = np.hstack([np.hstack([values, one]) @ affine, one]) @ paint
    np.testing.assert_allclose(np.hstack([values, one]) @ repainted(paint, affine), by_hand)


# --------------------------------------------------------------------------------------------------------------- runs


def run_with(array, denoise, **given):
    chosen = settings(steps=40, optimizer="adam", background="random", emptiness_weight=0, score_weight="1", **given)
    denoiser = StubDenoiser(denoise)
    one = reference_of(array, denoiser=denoiser)
    run = Optimization(chosen, denoiser, CPU, references=[one])
    for _ in range(40):
        run.advance()
    return run, denoiser, one


def test_a_field_takes_outline_and_colours_of_its_picture():
    """The model has no opinion: it gives back what it sees."""
    run, _, one = run_with(disc(radius=0.7), lambda x, _s: x, picture_recolor=False, start_noise=0.01, sigma_min=0.01)
    color, opacity, wanted = _shown(run, one)
    full = wanted[:, -1] > 0.99
    assert float(opacity[full].mean()) > 0.9
    assert float(opacity[wanted[:, -1] < 0.01].mean()) < 0.2
    np.testing.assert_allclose(color[full].mean(0) / 2 + 0.5, BLUE, atol=0.1)


def test_a_models_own_colour_becomes_the_pictures_on_all_sides():
    """The model paints red; the map makes the picture's blue of it, also where no picture looks."""
    red = torch.tensor([0.7, -0.8, -0.8]).view(1, 3, 1, 1)
    run, denoiser, one = run_with(disc(radius=0.7), lambda x, _s: red.expand_as(x))
    paint = Appearance(denoiser, run.settings, [one]).paint_of(run.field)
    shown = np.append(red.flatten().numpy(), 1.0) @ paint
    np.testing.assert_allclose(shown, BLUE, atol=0.1)
    assert fitted_map(run.field, [one], "reference").shape == (4, 3)


def _shown(run, one):
    with torch.no_grad():
        return seen_from(run.render, run.field, one.tensors(), 1.0)


def test_pictures_take_turns():
    denoiser = StubDenoiser(lambda x, _s: x)
    pictures = [reference_of(disc(), view, denoiser) for view in ("@front", "@left")]
    run = Optimization(settings(picture_every=2), denoiser, CPU, references=pictures)
    eyes = [run.draw(step).tensors.get("picture_eye") for step in range(6)]
    assert [None if eye is None else eye[0].round().tolist() for eye in eyes] == [
        [0, -3, 0], None, [-3, 0, 0], None, [0, -3, 0], None,
    ]  # fmt: skip
