"""MVDream: a small random model in its own layout against a plain reference, what a step asks, what is refused."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from sjc.check.run import check_model
from sjc.check.subject import Effort
from sjc.cli import main
from sjc.errors import SjcError
from sjc.field.cameras import CameraPrior, look_at, sample_rings
from sjc.guidance.views import FOUR
from sjc.job import checkpoint
from sjc.job.folder import prepare_folder
from sjc.job.run import JobRun, Stopped, reopen
from sjc.models import model_files, model_list, single_file, single_file_config, single_file_conversion
from sjc.models import mvdream as mvdream_module
from sjc.models.graphs import Replayed
from sjc.models.joined_views import camera_numbers, join_views
from sjc.models.loading import load_denoiser
from sjc.models.text_encoders import Condition
from sjc.optimize import Optimization
from tests.backend import multi_view_models as small
from tests.backend import single_files
from tests.backend.mvdream_reference import Reference
from tests.backend.stubs import StubDenoiser, bent, settings

PROMPT = "a red mushroom"


@pytest.fixture(scope="module")
def mvdream(tmp_path_factory):
    """(folder, weights, denoiser) of one small MVDream."""
    folder = tmp_path_factory.mktemp("multi-view") / "mvdream"
    weights = small.mvdream(folder)
    return folder, weights, load_denoiser(str(folder))


def rings(n, seed=1):
    return sample_rings(CameraPrior(framing=0.9), FOUR.azimuths, n, torch.Generator().manual_seed(seed))


def reference(mvdream, x, tick, text, cameras):
    """D of the reference for one ring."""
    _, weights, denoiser = mvdream
    sigma = float(denoiser.sigmas[tick])
    states = denoiser.prompt_encoder.conditions([text]).states.expand(4, -1, -1)
    eps = Reference(weights)(x / math.sqrt(1 + sigma**2), tick, states, camera_numbers(cameras.poses))
    return x - sigma * eps


def noisy(b, sigma):
    return torch.randn(b, 4, small.SIZE, small.SIZE, generator=torch.Generator().manual_seed(0)) * (1 + sigma)


@pytest.mark.parametrize("tick", [1, 500, 998])
def test_equals_the_reference_written_after_the_papers(mvdream, tick):
    denoiser, cameras = mvdream[2], rings(1)
    sigma = float(denoiser.sigmas[tick])
    x = noisy(4, sigma)
    ours = denoiser.conditioned([PROMPT] * 4, poses=cameras.poses)(x, torch.full((4,), sigma))
    theirs = reference(mvdream, x, tick, PROMPT, cameras)
    assert float((ours - theirs).abs().max()) < 2e-5 * sigma + 3e-6 * max(float(theirs.abs().max()), 1.0)


def test_two_rings_do_not_see_each_other_and_guidance_is_rescaled_over_a_ring(mvdream):
    denoiser, cameras = mvdream[2], rings(2)
    sigma = float(denoiser.sigmas[400])
    x, at = noisy(8, sigma), torch.full((8,), sigma)
    ours = denoiser.conditioned([PROMPT] * 8, "", 50.0, rescale=0.5, poses=cameras.poses)(x, at)
    for ring in (slice(0, 4), slice(4, 8)):
        c, u = (reference(mvdream, x[ring], 400, text, cameras[ring]) for text in (PROMPT, ""))
        guided = u + 50 * (c - u)
        theirs = 0.5 * guided * c.std() / guided.std() + 0.5 * guided
        assert torch.allclose(ours[ring], theirs, rtol=1e-3, atol=2e-3)
        assert float((guided - theirs).abs().max()) > 0.1


def test_views_and_cameras_matter(mvdream):
    denoiser, cameras = mvdream[2], rings(1)
    sigma = float(denoiser.sigmas[500])
    x, at = noisy(4, sigma), torch.full((4,), sigma)
    here = denoiser.conditioned([PROMPT] * 4, poses=cameras.poses)(x, at)
    other_view = x.clone()
    other_view[3] += 1
    assert float((denoiser.conditioned([PROMPT] * 4, poses=cameras.poses)(other_view, at) - here)[0].abs().max()) > 1e-3
    turned = denoiser.conditioned([PROMPT] * 4, poses=rings(1, 2).poses)(x, at)
    assert float((turned - here).abs().max()) > 1e-3


def test_the_front_of_ours_is_the_front_of_theirs():
    """Our camera in front stands at -Y, MVDream's at +X; right, up and backward follow."""
    front = camera_numbers(look_at([0.0], [0.0], 3.0, 40.0).poses).view(4, 4)
    expected = torch.tensor([[0.0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert torch.allclose(front, expected, atol=1e-6)


def test_a_ring_has_one_elevation_one_view_and_the_named_azimuths():
    cameras = rings(3)
    azimuths = cameras.azimuth_deg.view(3, 4)
    assert torch.allclose((azimuths - azimuths[:, :1]) % 360, torch.tensor(FOUR.azimuths).expand(3, 4), atol=1e-3)
    for each in (cameras.elevation_deg, cameras.fov_deg):
        assert (each.view(3, 4) == each.view(3, 4)[:, :1]).all()
        assert len(each.unique()) == 3
    shown = torch.linalg.vector_norm(cameras.eye, dim=1) * torch.tan(torch.deg2rad(cameras.fov_deg) / 2)
    assert torch.allclose(shown, torch.full((12,), 0.9), atol=1e-5)
    fixed = sample_rings(CameraPrior(elevation_min=0, elevation_max=0), (0.0, 45.0), 1, turns=False)
    assert fixed.azimuth_deg.tolist() == [0, 45]


def test_a_step_draws_one_noise_level_and_one_background_for_a_ring(mvdream):
    run = Optimization(
        settings(views_per_step=8, view_words="none", sigma_schedule="falling", sigma_max=0, sigma_min=0),
        mvdream[2], torch.device("cpu"),
    )  # fmt: skip
    drawn = run.draw(run.settings.steps - 1)  # the range of noise levels is a point at the first step
    assert len(drawn.tensors["sigma"].unique()) == 2
    assert len(drawn.cameras) == 8
    for name in ("sigma", "background", "fov_deg"):
        rows = drawn.tensors[name].view(2, 4, -1)
        assert (rows == rows[:, :1]).all(), name
    assert drawn.tensors["camera"].shape == (8, 16)
    before = run.field.grid.detach().clone()
    assert run.advance().finite
    assert not torch.equal(before, run.field.grid)


@pytest.mark.parametrize("pooled", [None, torch.ones(2, 3)])
def test_a_captured_call_reads_new_cameras(pooled):
    conditions = []

    class Recorded:
        def __init__(self, call):
            self.call, self.output = call, call()

        def replay(self):
            self.output = self.call()

    network = Replayed(lambda x, _t, c, _g: conditions.append(c) or x + c.camera.sum(), record=Recorded)
    x, t = torch.zeros(2, 1), torch.zeros(2)
    for value in (1.0, 5.0):
        given = Condition(torch.zeros(2, 1, 1), pooled, torch.full((2, 1), value))
        assert float(network(x, t, given, 1.0)[0]) == 2 * value
    assert all((c.pooled is None) == (pooled is None) for c in conditions)


def test_where_memory_runs_out_rings_stay_whole(mvdream):
    denoiser = load_denoiser(str(mvdream[0]))
    denoiser._rows_requested = 24
    rows = []
    for line in denoiser._cheaper_ways():
        if denoiser.placement.in_pieces:
            break
        rows.append(denoiser.max_rows)
        assert str(denoiser.max_rows) in line
    assert rows == [12, 4]


def test_lists_and_memory_know_it(mvdream):
    files = model_files.check(mvdream[0])
    assert (files.family.label, files.family.views) == ("MVDream (multi-view)", 4)
    assert files.numbers_of["unet"] == sum(tensor.numel() for tensor in mvdream[1].values())
    assert model_list._row("x", mvdream[0]).family == "MVDream (multi-view)"


def one_file(path, more=None):
    """A checkpoint of MVDream in one file: its network, and text encoder and autoencoder of Stable Diffusion 2."""
    tensors = single_files.original("2", single_files.parts("2"))
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items() if not k.startswith(single_file.NETWORK)}
    network = small.weights(text=64)
    tensors |= {single_file.NETWORK + name: tensor for name, tensor in network.items()} | (more or {})
    save_file(tensors, path, {"modelspec.resolution": "16x16"})
    return network


def test_one_file_becomes_the_folder_and_equals_the_reference(tmp_path, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    network = one_file(tmp_path / "model.safetensors")
    denoiser = load_denoiser(str(tmp_path / "model.safetensors"))
    folder = model_files.locate(str(tmp_path / "model.safetensors"))
    assert json.loads((folder / "model_index.json").read_text())["unet"] == ["mv_unet", "MultiViewUNetModel"]
    written = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(written[name], tensor) for name, tensor in network.items())
    assert (denoiser.size, len(denoiser.ring)) == (2, 4)
    sigma, cameras = float(denoiser.sigmas[500]), rings(1)
    x = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * (1 + sigma)
    ours = denoiser.conditioned([PROMPT] * 4, poses=cameras.poses)(x, torch.full((4,), sigma))
    states = denoiser.prompt_encoder.conditions([PROMPT]).states.expand(4, -1, -1)
    reference = Reference(network, head=64)
    theirs = x - sigma * reference(x / math.sqrt(1 + sigma**2), 500, states, camera_numbers(cameras.poses))
    assert float((ours - theirs).abs().max()) < 2e-5 * sigma + 3e-6 * max(float(theirs.abs().max()), 1.0)


def test_the_real_size_in_one_file(tmp_path):
    """The released network has Stable Diffusion 2's tensors and an embedding of cameras."""
    with torch.device("meta"):
        network = single_files.parts("2", tiny=False)["unet"]
        shapes = {name: tensor.shape for name, tensor in single_files.network_tensors(network).items()}
    shapes |= {"camera_embed.0.weight": (1280, 16), "camera_embed.0.bias": (1280,)}
    shapes |= {"camera_embed.2.weight": (1280, 1280), "camera_embed.2.bias": (1280,)}
    config = single_file_config._mvdream_config({name: tuple(shape) for name, shape in shapes.items()}, 32)
    built = mvdream_module.network_config(tmp_path, config)
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    weights = mvdream_module.converted(tensors, built)
    mvdream_module.check_weights(tmp_path, single_file_conversion._needed("unet", built), weights)
    assert built["attention_head_dim"] == [5, 10, 20, 20]
    assert sum(tensor.numel() for tensor in weights.values()) == 865_910_724 + 1280 * (16 + 1 + 1280 + 1)


def test_the_check_asks_about_whole_rings(mvdream, tmp_path):
    """Each sentence is asked about as many views as the model sees; what fails is a verdict, never an error."""
    record = check_model(
        str(mvdream[0]), tmp_path / "report", device="cpu", effort=Effort(steps=2, levels=2, repeats=1)
    )
    assert {check["name"] for check in record["checks"]} >= {"noise", "schedule", "words", "colours", "time"}


def test_a_whole_job(mvdream, tmp_path, capsys):
    words = ["--preset=test", "--views-per-step=4", "--view-words=none", "--no-rgb-grid", "--device=cpu"]
    command = ["generate", PROMPT, "--model", str(mvdream[0]), *words]
    assert main([*command, "--out", str(tmp_path / "job")]) == 0
    noted = json.loads((tmp_path / "job" / "run.json").read_text())
    assert (noted["settings"]["views_per_step"], noted["model"]["mv_adapter"]) == (4, None)
    assert main([*command, "--views-per-step=2", "--out", str(tmp_path / "no")]) != 0
    assert "sees 4 views at once, and 2 cannot be divided so; use 4" in capsys.readouterr().err


def test_a_stopped_job_goes_on_to_the_same_field(mvdream, tmp_path):
    """The rings that were not drawn yet come as they would have come."""
    given = settings(
        prompt=PROMPT, model=str(mvdream[0]), steps=4, views_per_step=4, view_words="none", rgb_grid=False,
        turntable=False, sigma_schedule="falling", sigma_max=0, sigma_min=0,
    )  # fmt: skip
    for name in ("whole", "parts"):
        prepare_folder(tmp_path / name, given)
    whole = JobRun(tmp_path / "whole", given).run()
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        JobRun(tmp_path / "parts", given, stop=lambda: next(asked)).run()
    parts = JobRun(tmp_path / "parts", reopen(tmp_path / "parts")).run()
    assert parts["final"] == whole["final"]
    (one, noted), (two, known) = (checkpoint.load(tmp_path / name) for name in ("whole", "parts"))
    assert noted["history"] == known["history"]
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_operations_of_a_step_of_the_real_size():
    """Four views at once against four calls for single views: only the products of tokens with tokens are more."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    config = small.CONFIG | {
        "image_size": 32, "model_channels": 320, "num_res_blocks": 2, "attention_resolutions": [4, 2, 1],
        "channel_mult": [1, 2, 4, 4], "num_head_channels": 64, "context_dim": 1024,
    }  # fmt: skip
    with torch.device("meta"):
        built = mvdream_module.network_config("unet/config.json", config)
        network = UNet2DConditionModel.from_config(built).eval()
        given = torch.empty(4, 4, 32, 32), torch.empty(4), torch.empty(4, 77, 1024)
        cameras = torch.empty(4, 16)

    def operations():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(*given, class_labels=cameras)
        return {str(kind): count for kind, count in counter.get_flop_counts()["Global"].items()}

    single = operations()
    join_views(network, 4)
    joined = operations()
    assert sum(joined.values()) / sum(single.values()) == pytest.approx(1.127, abs=0.001)
    assert [kind for kind in single if joined[kind] != single[kind]] == ["aten.bmm"]


# -------------------------------------------------------------------------------------------------- what is refused


def refused(line, call):
    with pytest.raises(SjcError) as caught:
        call()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"config": {"ip_dim": 16}}, "is ImageDream's, which needs an image beside the text"),
        ({"index": {"image_encoder": ["transformers", "CLIPVisionModel"]}}, "is ImageDream, which needs an image"),
        ({"config": {"camera_dim": 12}}, "camera_dim is 12 instead of 16"),
        ({"config": {"resblock_updown": True}}, "resblock_updown is True instead of False"),
        ({"config": {"channel_mult": "1,2"}}, "channel_mult is"),
        ({"config": {"_class_name": "UNet2DConditionModel"}}, "is that of a network for single views"),
        ({"index": {"unet": ["diffusers", "UNet2DConditionModel"]}}, "is that of MVDream, but model_index.json names"),
    ],
)
def test_other_multi_view_folders_are_refused(tmp_path, change, line):
    small.mvdream(tmp_path / "model", **change)
    refused(line, lambda: load_denoiser(str(tmp_path / "model")))


def test_weights_of_a_single_view_model_are_no_mvdream(tmp_path):
    tensors = {name: tensor for name, tensor in small.weights().items() if not name.startswith("camera_embed")}
    small.mvdream(tmp_path / "model", tensors=tensors)
    refused("weights without MVDream's embedding of cameras", lambda: load_denoiser(str(tmp_path / "model")))


def test_weights_of_another_shape_are_named(tmp_path):
    small.mvdream(tmp_path / "model", tensors=small.weights() | {"out.2.bias": torch.zeros(3)})
    refused("conv_out.bias is missing or has another shape", lambda: load_denoiser(str(tmp_path / "model")))


def test_imagedream_in_one_file_is_refused(tmp_path):
    name = f"{single_file.NETWORK}input_blocks.1.1.transformer_blocks.0.attn2.to_k_ip.weight"
    one_file(tmp_path / "model.safetensors", {name: torch.zeros(1)})
    refused("is ImageDream, which needs an image", lambda: load_denoiser(str(tmp_path / "model.safetensors")))


def test_what_cannot_be_asked_of_it(mvdream):
    denoiser = mvdream[2]
    refused("must be told their cameras", lambda: denoiser.conditioned([PROMPT] * 4))
    refused("3 views cannot be divided", lambda: denoiser.conditioned([PROMPT] * 3, poses=rings(1).poses[:3]))
    refused("does not support Perp-Neg; set perp_neg to 0", lambda: denoiser.check_steering("", perp_neg=True))
    cpu = torch.device("cpu")
    refused("sees 4 views at once, and 6 cannot", lambda: Optimization(settings(views_per_step=6), denoiser, cpu))
    single = settings(preset="mvdream", prompt=PROMPT)
    refused("mvdream is for a model that sees several views", lambda: Optimization(single, StubDenoiser(bent), cpu))
