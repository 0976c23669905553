"""A depth ControlNet: pictures of depths, what it adds to a UNet, and one clear line for one of another base."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from sjc import cli
from sjc.errors import SjcError
from sjc.field.cameras import look_at
from sjc.job.folder import prepare_folder
from sjc.job.texture_run import TextureRun
from sjc.models import control
from sjc.models.loading import load_denoiser
from sjc.output.glb import write_glb
from sjc.settings import resolve
from sjc.texturing import depth
from sjc.texturing.surface import RADIUS, Surface
from tests.backend import tiny_families
from tests.backend.texturing.test_texture_job import cube

PROMPT = "a red mushroom"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random Stable Diffusion in the ordinary layout."""
    folder = tmp_path_factory.mktemp("base") / "model"
    tiny_families.stable_diffusion().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def net(base: Path) -> Path:
    """A small ControlNet of that base as its training leaves one, its zero convolutions filled."""
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    torch.manual_seed(5)
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 8, 8))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    made.save_pretrained(base.with_name("control"))
    return base.with_name("control")


def changed(net: Path, folder: Path, **values: object) -> str:
    """The ControlNet with another config."""
    folder.mkdir()
    for path in net.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((net / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_what_is_near_is_bright() -> None:
    surface = Surface(cube(), torch.device("cpu"))
    cameras = look_at([0.0], [0.0], 3.0, 36.0)
    shown = depth.pictures(surface, cameras, 65)[0]
    assert torch.equal(shown[0], shown[1])
    assert shown[0, 0, 0] == 0  # nothing is there
    front = shown[0, 32, 32]  # one plane across the camera's axis is equally deep, however far its rays go
    side = RADIUS / 3**0.5
    edge = int(32 + 0.8 * side / (3 - side) / torch.tan(torch.deg2rad(torch.tensor(18.0))) * 32.5)
    assert torch.allclose(shown[0, 32, edge], front, atol=1e-3)
    above = depth.pictures(surface, look_at([0.0], [30.0], 3.0, 36.0), 65)[0, 0]
    there = above > 0
    assert above.max() == pytest.approx(1.0)
    assert above[there].min() == pytest.approx(depth.FARTHEST, abs=1e-6)
    rows = there[:, 32].nonzero()[:, 0]
    ridge = int(above[:, 32].argmax())  # the edge between front and top is nearest
    assert (above[rows[0] : ridge, 32].diff() > 0).all()
    assert (above[ridge : rows[-1] + 1, 32].diff() < 0).all()


def test_the_control_net_is_shown_the_pictures_and_added_within_the_unet(base: Path, net: Path) -> None:
    """Against diffusers' own classes, called by hand, and row by row under guidance and Perp-Neg."""
    model = load_denoiser(str(base), control=str(net))
    edge = model.control_size
    assert edge == model.size * 8
    pictures = torch.rand(2, 3, edge, edge, generator=torch.Generator().manual_seed(1))
    x = torch.randn(2, 4, model.size, model.size, generator=torch.Generator().manual_seed(2))
    sigma = torch.full((2,), 2.0)
    asked = model.conditioned([PROMPT, "a blue mushroom"], guidance=1.0, control=pictures)
    made = asked(x, sigma)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    own = ControlNetModel.from_pretrained(net)
    given = asked.given(sigma)
    states, scaled = given["states"][given["rows"]], model.parameterization.network_input(x, given["level"])
    with torch.no_grad():
        down, middle = own(scaled, given["time"], states, pictures, conditioning_scale=control.SCALE, return_dict=False)
        output = unet(
            scaled, given["time"], states, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample
    expected = model.parameterization.to_denoised(x, given["level"], output)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)
    assert (made - asked(x.flip(0), sigma).flip(0)).abs().max() > 1e-3  # each picture goes with its own view
    guided = model.conditioned(
        [PROMPT, "a blue mushroom"], guidance=3.0, control=pictures, away=[[("a mushroom", 1.0)], []]
    )
    alone = [
        model.conditioned([text], guidance=3.0, control=pictures[i : i + 1], away=[away])(x[i : i + 1], sigma[:1])
        for i, (text, away) in enumerate([(PROMPT, [("a mushroom", 1.0)]), ("a blue mushroom", [])])
    ]
    torch.testing.assert_close(guided(x, sigma), torch.cat(alone), rtol=1e-3, atol=1e-4)
    model.max_rows = 1  # as where memory ran out
    torch.testing.assert_close(guided(x, sigma), torch.cat(alone), rtol=1e-3, atol=1e-4)
    for wrong, pictures_given in ((model, None), (load_denoiser(str(base)), pictures)):
        with pytest.raises(SjcError, match="ControlNet"):
            wrong.conditioned([PROMPT] * 2, control=pictures_given)


def test_the_memory_plan_counts_it(base: Path, net: Path) -> None:
    with_it, without = (load_denoiser(str(base), control=text).placement.plan for text in (str(net), ""))
    numbers = sum(parameter.numel() for parameter in ControlNetModel.from_pretrained(net).parameters())
    assert with_it.network - without.network == 4 * numbers


def test_a_mesh_is_textured_with_it(base: Path, net: Path, tmp_path: Path) -> None:
    write_glb(tmp_path / "cube.glb", cube())
    words = ["texture", str(tmp_path / "cube.glb"), PROMPT, "--model", str(base), "--out", str(tmp_path / "job")]
    words += ["--preset", "test", "--texture-size", "256", "--control", str(net)]
    assert cli.main(words) == 0
    record = json.loads((tmp_path / "job/run.json").read_text())
    assert record["model"]["control"] == {"source": str(net), "revision": None}


def test_every_view_is_shown_its_own_depths(base: Path, net: Path, tmp_path: Path) -> None:
    write_glb(tmp_path / "cube.glb", cube())
    settings = resolve("test", {"prompt": PROMPT, "surface": str(tmp_path / "cube.glb"), "control": str(net)})
    prepare_folder(tmp_path / "job", settings)
    job = TextureRun(tmp_path / "job", settings, denoiser=load_denoiser(str(base), control=str(net)))
    job.load()
    views = job._begun()
    expected = depth.pictures(job.surface, views.shadow.cameras, job.denoiser.control_size)
    assert torch.equal(views.depths, expected)
    assert torch.equal(views.guided.given(torch.ones(len(expected)))["control"], expected)


Spoil = Callable[[Path, Path, Path], str]
BAD: dict[str, tuple[Spoil, str]] = {
    "another base": (lambda _, net, to: changed(net, to, cross_attention_dim=48), "another kind of model"),
    "another class": (
        lambda _, net, to: changed(net, to, _class_name="SD3ControlNetModel"),
        "give a ControlNetModel as control",
    ),
    "a program": (lambda _, net, to: changed(net, to, auto_map={"AutoModel": "x.y"}), "never done"),
    "a number for a list": (
        lambda _, net, to: changed(net, to, conditioning_embedding_out_channels=7),
        "must be a list",
    ),
    "too long a list": (
        lambda _, net, to: changed(net, to, conditioning_embedding_out_channels=[1] * 10_000),
        "at most 6 numbers",
    ),
    "a whole model": (lambda base, *_: str(base), "whole model"),
    "a file": (lambda _base, net, _to: str(net / "config.json"), "is a file"),
    "nothing": (lambda *_: "no/where/at/all", "There is no ControlNet folder"),
    "an id that is not here": (lambda *_: "nobody/depth", "sjc models fetch nobody/depth"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_used_is_one_line(kind: str, base: Path, net: Path, tmp_path: Path) -> None:
    spoil, words = BAD[kind]
    with pytest.raises(SjcError, match=words) as caught:
        load_denoiser(str(base), control=spoil(base, net, tmp_path / "bad"))
    assert len(str(caught.value).splitlines()) == 1


def test_pickled_weights_are_refused(base: Path, net: Path, tmp_path: Path) -> None:
    folder = Path(changed(net, tmp_path / "pickled"))
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")
    with pytest.raises(SjcError, match="pickled"):
        load_denoiser(str(base), control=str(folder))


def test_it_needs_a_latent_unet_and_a_surface(net: Path) -> None:
    with pytest.raises(SjcError, match="Stable Diffusion 1, 2 and SDXL"):
        load_denoiser("embedded", control=str(net))
    with pytest.raises(SjcError, match="gets a texture"):
        resolve(None, {"prompt": PROMPT, "control": str(net)})
