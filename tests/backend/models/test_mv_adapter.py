"""MV-Adapter: a small random one, by the released files' names, against a plain reference; other bases are refused."""

import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from sjc.errors import SjcError
from sjc.field.cameras import look_at
from sjc.guidance.views import SIX
from sjc.models import mv_adapter
from sjc.models.loading import load_denoiser
from sjc.models.memory_plan import plan_for
from sjc.models.model_files import check
from sjc.models.row_attention import RowAttention, rays
from sjc.optimize import Optimization
from tests.backend import multi_view_models as small
from tests.backend import tiny_families
from tests.backend.mv_adapter_reference import AdaptedReference, features, rows
from tests.backend.stubs import settings

PROMPT = "a red mushroom"
POSES = look_at(list(SIX.azimuths), 0.0, 3.0, 40.0).poses


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """(folder, file, tensors of both, the denoiser)."""
    folder = tmp_path_factory.mktemp("adapted") / "base"
    tensors = small.base(folder)
    unet = load_denoiser(str(folder)).unet
    path = folder.parent / "mvadapter_t2mv_sd21.safetensors"
    added = small.adapter(path, unet)
    return folder, path, tensors, added, load_denoiser(str(folder), views_adapter=str(path))


def noisy(b, size, sigma):
    return torch.randn(b, 4, size, size, generator=torch.Generator().manual_seed(0)) * (1 + sigma)


@pytest.mark.parametrize("tick", [1, 500, 998])
def test_equals_the_reference_written_after_the_papers(adapted, tick):
    _, _, tensors, added, denoiser = adapted
    sigma = float(denoiser.sigmas[tick])
    x = noisy(6, 8, sigma)
    ours = denoiser.conditioned([PROMPT] * 6, poses=POSES)(x, torch.full((6,), sigma))
    states = denoiser.prompt_encoder.conditions([PROMPT]).states.expand(6, -1, -1)
    eps = AdaptedReference(tensors, added)(x / math.sqrt(1 + sigma**2), tick, states, None)
    theirs = x - sigma * eps
    assert float((ours - theirs).abs().max()) < 2e-5 * sigma + 3e-6 * max(float(theirs.abs().max()), 1.0)


def test_two_objects_do_not_see_each_other(adapted):
    denoiser = adapted[-1]
    sigma = float(denoiser.sigmas[500])
    x = noisy(12, 8, sigma)
    both = denoiser.conditioned([PROMPT] * 12, "", 5.0, poses=POSES.repeat(2, 1, 1))(x, torch.full((12,), sigma))
    for half in (slice(0, 6), slice(6, 12)):
        one = denoiser.conditioned([PROMPT] * 6, "", 5.0, poses=POSES)(x[half], torch.full((6,), sigma))
        assert torch.allclose(both[half], one, atol=1e-4)


def test_the_noise_levels_are_those_of_its_training(adapted):
    """The SNR falls by 8 ** (t / 999) more than in the base (the released code's "interpolated" shift)."""
    plain = load_denoiser(str(adapted[0])).sigmas
    times = torch.arange(1000, dtype=torch.float64)
    snr = plain**-2 * torch.exp(-math.log(8) * times / 999)
    assert torch.allclose(adapted[-1].sigmas, snr**-0.5, rtol=1e-9)


def test_the_rays_are_those_of_our_cameras():
    """Direction of sight and position of orthographic cameras, brought to [0,1]."""
    picture = rays(4)
    assert picture.shape == (6, 6, 4, 4)
    position = POSES[:, :3, 3] / 3
    expected = (torch.cat([-POSES[:, :3, 2], position], 1) + 1) / 2
    assert torch.allclose(picture, expected[:, :, None, None].expand(-1, -1, 4, 4), atol=1e-6)


def test_sdxl_equals_diffusers_network_with_the_references_parts(tmp_path):
    folder, path = tmp_path / "xl", tmp_path / "mvadapter_t2mv_sdxl.safetensors"
    tiny_families.sdxl().save_pretrained(folder)
    plain = load_denoiser(str(folder))
    added = small.adapter(path, plain.unet, xl=True)
    adapted = load_denoiser(str(folder), views_adapter=str(path))
    sigma = float(adapted.sigmas[500])
    x = noisy(6, 8, sigma)
    ours = adapted.conditioned([PROMPT] * 6, poses=POSES)(x, torch.full((6,), sigma))

    class Beside:
        """The self-attention of the base, and the reference's beside it."""

        def __init__(self, inner, where):
            self.inner, self.where = inner, where

        def __call__(self, attn, hidden_states, *given, **named):
            own = self.inner(attn, hidden_states, *given, **named)
            return own + rows(added, self.where, hidden_states, attn.heads)

    unet = plain.unet
    for name, module in unet.named_modules():
        if name.endswith(".attn1"):
            module.set_processor(Beside(module.processor, f"{name}.processor"))
    condition = plain.prompt_encoder.conditions([PROMPT])
    with torch.no_grad():
        eps = unet(
            x / math.sqrt(1 + sigma**2), 500, condition.states.expand(6, -1, -1),
            added_cond_kwargs={
                "text_embeds": condition.pooled.expand(6, -1), "time_ids": torch.tensor([[16.0, 16, 0, 0, 16, 16]] * 6)
            },
            down_intrablock_additional_residuals=features(added, 64, 16, (2,), 3),
        ).sample  # fmt: skip
    theirs = x - sigma * eps
    assert float((ours - theirs).abs().max()) < 2e-5 * sigma + 3e-6 * max(float(theirs.abs().max()), 1.0)


def test_a_step_has_the_six_views(adapted):
    run = Optimization(
        settings(views_per_step=6, view_words="none", elevation_min=10), adapted[-1], torch.device("cpu")
    )  # fmt: skip
    drawn = run.draw(0)
    assert drawn.cameras.azimuth_deg.tolist() == list(SIX.azimuths)
    assert drawn.cameras.elevation_deg.unique().tolist() == [0]
    assert run.advance().finite


def test_memory_and_record_know_it(adapted):
    folder, path, _, added, denoiser = adapted
    files = check(folder)
    own = sum(tensor.numel() for name, tensor in added.items() if not name.startswith("adapter."))
    assert mv_adapter.numbers_of(path) == own
    assert plan_for(files, "cpu", "float32", own).network == plan_for(files, "cpu", "float32").network + 4 * own
    assert denoiser.origin.views_adapter["file"] == str(path)
    assert sum(isinstance(part, RowAttention) for part in denoiser.unet.modules()) == 7


# -------------------------------------------------------------------------------------------------- what is refused


def refused(line, call):
    with pytest.raises(SjcError) as caught:
        call()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_base_is_refused(adapted, tmp_path):
    folder, path, _, added, _ = adapted
    first, pixels = tmp_path / "first", tmp_path / "mvdream"
    tiny_families.stable_diffusion().save_pretrained(first)
    refused("but the model is Stable Diffusion 1", lambda: load_denoiser(str(first), views_adapter=str(path)))
    small.mvdream(pixels)
    refused("but the model is MVDream", lambda: load_denoiser(str(pixels), views_adapter=str(path)))
    query = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_mv.weight"
    for name, change in (
        ("names", {name.replace("up_blocks.1", "up_blocks.2"): tensor for name, tensor in added.items()}),
        ("widths", added | {query: torch.ones(8, 8)}),
        ("encoder", added | {"adapter.conv_in.weight": torch.ones(8, 6, 3, 3)}),
    ):  # fmt: skip
        other = tmp_path / f"{name}.safetensors"
        save_file(change, other)
        refused(
            "is an adapter for another base", lambda other=other: load_denoiser(str(folder), views_adapter=str(other))
        )


@pytest.mark.parametrize(
    ("name", "more", "line"),
    [
        ("mvadapter_i2mv_sd21.safetensors", {"a.attn1.processor.to_q_ref.weight": torch.ones(1)}, "needs an image"),
        ("mvadapter_tg2mv_sdxl.safetensors", {}, "paints a given shape"),
        ("adapter.ckpt", {}, "is refused: a pickled adapter"),
    ],
)
def test_other_adapters_are_named(adapted, tmp_path, name, more, line):
    save_file(load_file(adapted[1]) | more, tmp_path / name)
    refused(line, lambda: mv_adapter.check(str(tmp_path / name)))


def test_what_is_no_adapter(tmp_path):
    save_file({"lora_down.weight": torch.ones(1)}, tmp_path / "x.safetensors")
    refused("is no MV-Adapter; a LoRA goes into", lambda: mv_adapter.check(str(tmp_path / "x.safetensors")))
    refused("There is no adapter file", lambda: mv_adapter.check(str(tmp_path / "y.safetensors")))
    assert mv_adapter.check("") is None
