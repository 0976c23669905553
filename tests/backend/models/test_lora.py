"""LoRA files: what is asked for, what is refused, and what they do to D(x; sigma), with files that diffusers wrote."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    FluxPipeline,
    IFPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from sjc import cli, lora_text, settings
from sjc.errors import SjcError
from sjc.job.run import JobRun
from sjc.models import convert, lora
from sjc.models.loading import load_denoiser
from tests.backend import tiny_families, tiny_models
from tests.backend.models.test_families import conditions_of

PROMPT = "a red mushroom"
PIPELINES = {
    "sd": (tiny_families.stable_diffusion, StableDiffusionPipeline, "unet", ("text_encoder",)),
    "sdxl": (tiny_families.sdxl, StableDiffusionXLPipeline, "unet", ("text_encoder", "text_encoder_2")),
    "sd3": (tiny_families.sd3, StableDiffusion3Pipeline, "transformer", ("text_encoder", "text_encoder_2")),
    "flux": (lambda: tiny_families.flux(distilled=False), FluxPipeline, "transformer", ("text_encoder",)),
}


def layers(module, targets, seed, rank=2):
    """The tensors of a random LoRA over the layers of those names, as peft gives them; the module keeps its weights."""
    torch.manual_seed(seed)
    module.add_adapter(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, init_lora_weights=False))
    tensors = {key: value.clone() for key, value in get_peft_model_state_dict(module).items()}
    return tensors


def written(folder, name, seed=5, texts=True):
    """A LoRA of the family's network and text encoders, in a folder as save_lora_weights leaves it."""
    make, kind, network, encoders = PIPELINES[name]
    pipeline = make()
    parts = {f"{network}_lora_layers": layers(getattr(pipeline, network), ["to_q", "to_v"], seed)}
    for encoder in encoders if texts else ():
        tensors = layers(getattr(pipeline, encoder), ["q_proj", "k_proj", "v_proj", "out_proj", "fc1"], seed + 1)
        parts[f"{encoder}_lora_layers"] = tensors
    kind.save_lora_weights(folder, **parts)
    return folder / lora.IN_A_FOLDER


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """name -> (model folder, LoRA file) of a family."""
    known = {}

    def get(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            PIPELINES[name][0]().save_pretrained(folder / "model")
            known[name] = folder / "model", written(folder / "lora", name)
        return known[name]

    return get


def denoised(denoiser, prompt=PROMPT):
    x = torch.randn(1, denoiser.channels, 8, 8, generator=torch.Generator().manual_seed(0))
    return denoiser.conditioned([prompt], guidance=2.0)(x, torch.tensor([1.0]))


@pytest.mark.parametrize("name", PIPELINES)
def test_a_lora_changes_what_the_model_sees_as_the_pipeline_of_diffusers_does(made, name):
    model, file = made(name)
    plain, changed = load_denoiser(str(model)), load_denoiser(str(model), lora=f"{file}:0.7")
    make, _, network, _ = PIPELINES[name]
    pipeline = make()
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name="one")
    pipeline.set_adapters("one", 0.7)

    assert not torch.allclose(denoised(plain), denoised(changed), atol=1e-3)
    theirs = conditions_of(pipeline)[0]
    pooled = theirs.get("pooled_projections", theirs.get("added_cond_kwargs", {}).get("text_embeds"))
    before, ours = plain.prompt_encoder.conditions([PROMPT]), changed.prompt_encoder.conditions([PROMPT])
    torch.testing.assert_close(ours.states, theirs["encoder_hidden_states"], atol=1e-5, rtol=1e-4)
    assert any(not torch.allclose(a, b, atol=1e-3) for a, b in zip(before, ours, strict=True) if a is not None)
    if pooled is not None:
        torch.testing.assert_close(ours.pooled, pooled, atol=1e-5, rtol=1e-4)
    getattr(pipeline, network).fuse_lora()
    theirs = dict(getattr(pipeline, network).named_parameters())
    for key, value in changed.unet.named_parameters():
        layer, _, name = key.rpartition(".")
        merged = theirs.get(key, theirs.get(f"{layer}.base_layer.{name}"))
        torch.testing.assert_close(value, merged, atol=1e-6, rtol=1e-5)


def test_weight_0_is_no_lora_exactly(made):
    model, file = made("sd")
    assert torch.equal(denoised(load_denoiser(str(model))), denoised(load_denoiser(str(model), lora=f"{file}:0")))


def test_two_add_up_and_so_do_their_weights(made, tmp_path):
    """Weights are linear in every file's: W + a A + b B, whatever the order."""
    model, first = made("sd")
    second = written(tmp_path, "sd", seed=9)

    def weights(text):
        return {k: v.clone() for k, v in load_denoiser(str(model), lora=text).unet.named_parameters()}

    plain, a, b = weights(""), weights(f"{first}:0.5"), weights(f"{second}:-2")
    both, turned = weights(f"{first}:0.5, {second}:-2"), weights(f"{second}:-2,{first}:0.5")
    moved = 0
    for key, value in both.items():
        torch.testing.assert_close(value, a[key] + b[key] - plain[key], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(value, turned[key], atol=1e-6, rtol=1e-5)
        moved += not torch.equal(value, plain[key])
    assert moved > 0


def test_the_model_is_an_ordinary_one_afterwards(made):
    model, file = made("sd")
    plain, changed = load_denoiser(str(model)), load_denoiser(str(model), lora=str(file))
    assert list(plain.unet.state_dict()) == list(changed.unet.state_dict())
    assert not any(p.requires_grad for p in changed.unet.parameters())
    assert list(plain.prompt_encoder.text_encoders[0].module.state_dict()) == list(
        changed.prompt_encoder.text_encoders[0].module.state_dict()
    )


def kohya(path, file, leave_out=""):
    """The same LoRA with the names of kohya's trainer and its alpha: 1, half of the rank."""
    renamed = {}
    for key, value in load_file(file).items():
        part, _, layer = key.partition(".")
        layer, _, side = layer.partition(".lora_")
        start = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}[part]
        name = start + layer.removeprefix("text_model.").replace(".", "_")
        if not leave_out or leave_out not in name:
            renamed[f"{name}.lora_{'down' if side.startswith('A') else 'up'}.weight"] = value
            renamed[f"{name}.alpha"] = torch.tensor(1.0)
    save_file(renamed, path)
    return path


def test_the_layout_of_other_trainers(made, tmp_path):
    """Half the rank as alpha is half of the effect; where no alpha is named it is the rank."""
    model, file = made("sd")
    other = kohya(tmp_path / "kohya.safetensors", file)
    mine, same = (load_denoiser(str(model), lora=text) for text in (f"{other}:0.8", f"{file}:0.4"))
    torch.testing.assert_close(denoised(mine), denoised(same), atol=1e-4, rtol=1e-3)


def test_what_diffusers_would_take_in_part_is_refused(made, tmp_path):
    """Its reader of this layout recognises a text encoder's attention by out_proj, and else passes it over silently."""
    model, file = made("sd")
    part = kohya(tmp_path / "part.safetensors", file, leave_out="out_proj")
    with pytest.raises(SjcError, match="does not fit this model"):
        load_denoiser(str(model), lora=str(part))


def test_only_the_network(made, tmp_path):
    model, _ = made("sdxl")
    file = written(tmp_path, "sdxl", texts=False)
    plain, changed = load_denoiser(str(model)), load_denoiser(str(model), lora=str(tmp_path))
    assert torch.equal(plain.prompt_encoder.encode([PROMPT]), changed.prompt_encoder.encode([PROMPT]))
    assert not torch.allclose(denoised(plain), denoised(changed), atol=1e-3)
    assert changed.origin.loras == (
        {"file": str(file), "weight": 1.0, "sha256": lora.record([lora.Lora(file, 1)])[0]["sha256"]},
    )


def test_pixel_models_take_one_too_and_torch_runs_it(tmp_path):
    folder = tiny_models.word_model(tmp_path / "model")
    IFPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers(tiny_models.tiny_unet(), ["to_q"], 3))
    plain = load_denoiser(str(folder), runtime="auto")
    changed = load_denoiser(str(folder), runtime="onnx", lora=str(tmp_path))
    assert not torch.allclose(denoised(plain), denoised(changed), atol=1e-3)
    assert torch.equal(denoised(changed), denoised(load_denoiser(str(folder), lora=str(tmp_path))))


@pytest.mark.parametrize(("model", "file"), [("sd", "sdxl"), ("sdxl", "sd"), ("sd", "flux"), ("sd3", "flux")])
def test_of_another_family(made, model, file):
    with pytest.raises(SjcError, match="does not fit this model") as caught:
        load_denoiser(str(made(model)[0]), lora=str(made(file)[1]))
    assert "\n" not in str(caught.value)


def test_of_another_width(made, tmp_path):
    tensors = {k: torch.zeros(v.shape[0] + 2, *v.shape[1:]) if "up" in k or "lora_B" in k else v
               for k, v in load_file(made("sd")[1]).items()}  # fmt: skip
    save_file(tensors, tmp_path / "wide.safetensors")
    with pytest.raises(SjcError, match="does not fit this model"):
        load_denoiser(str(made("sd")[0]), lora=str(tmp_path / "wide.safetensors"))


def test_no_family_without_loras(made, tmp_path):
    tiny_families.ddpm().save_pretrained(tmp_path)
    with pytest.raises(SjcError, match="No LoRA fits a model of the family unconditional"):
        load_denoiser(str(tmp_path), lora=str(made("sd")[1]))


def refused(tmp_path, name, tensors=None, data=b""):
    path = tmp_path / name
    if tensors is None:
        path.write_bytes(data)
    else:
        save_file(tensors, path)
    with pytest.raises(SjcError) as caught:
        lora.check(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_none(tmp_path):
    for path in (tmp_path / "no.safetensors", tmp_path):
        with pytest.raises(SjcError, match="There is no LoRA file"):
            lora.check(str(path))
    assert "damaged" in refused(tmp_path, "cut.safetensors", data=b"\x10\0\0\0\0\0\0\0{}")
    assert "is not a LoRA" in refused(tmp_path, "model.safetensors", {"unet.weight": torch.zeros(2)})
    names = ("unet.a.lora_A.weight", "unet.a.dora_scale")
    assert "is a DoRA" in refused(tmp_path, "dora.safetensors", {n: torch.zeros(2) for n in names})
    for suffix in (".bin", ".pt"):
        message = refused(tmp_path, f"style{suffix}", data=b"\x80\x04.")
        assert f"sjc models convert {tmp_path / 'style'}{suffix}" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ", []),
        ("a.safetensors", [("a.safetensors", 1.0)]),
        ("a.safetensors:0.8,folder:-1", [("a.safetensors", 0.8), ("folder", -1.0)]),
        (r"C:\loras\a.safetensors", [(r"C:\loras\a.safetensors", 1.0)]),
        (r"C:\loras\a.safetensors:.5", [(r"C:\loras\a.safetensors", 0.5)]),
        ("C:/loras/a", [("C:/loras/a", 1.0)]),
        ("C:a.safetensors", [("C:a.safetensors", 1.0)]),
        ("/x/v1:2.safetensors", [("/x/v1:2.safetensors", 1.0)]),
    ],
)
def test_paths_and_weights(text, expected):
    assert [(one.path, one.weight) for one in lora_text.parse(text)] == [(Path(p), w) for p, w in expected]


def test_every_file_of_weights_is_told_from_a_weight():
    assert set(lora_text.FILE_SUFFIXES) == {".safetensors", *convert.PICKLES}


@pytest.mark.parametrize("text", ["a.safetensors:strong", "a.safetensors:", "file:nan", "file:inf", "file:11", ":0.5"])
def test_weights_that_are_none(text):
    with pytest.raises(SjcError, match=r"^lora: ") as caught:
        settings.resolve(None, {"prompt": "x", "lora": text})
    assert "\n" not in str(caught.value)


@given(st.lists(st.tuples(st.from_regex(r"([A-Z]:[\\/])?[a-z0-9_/ .-]*[a-z]\.safetensors", fullmatch=True),
                          st.floats(-10, 10)), max_size=4))  # fmt: skip
def test_whatever_is_written_is_read(pairs):
    text = ", ".join(f"{path}:{weight!r}" for path, weight in pairs)
    assert [(one.path, one.weight) for one in lora_text.parse(text)] == [
        (Path(path.strip()), weight) for path, weight in pairs
    ]


def test_the_fingerprint_is_that_of_contents_and_weights(made, tmp_path):
    _, file = made("sd")
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(file.read_bytes())
    other = written(tmp_path / "other", "sd", seed=20)

    def digest(text):
        return lora.fingerprint(lora.check(text))

    assert digest("") == ""
    assert digest(str(file)) == digest(f"{copy}:1.0")
    assert len({digest(text) for text in (str(file), f"{file}:0.5", str(other), f"{file},{other}")}) == 4
    assert json.loads(json.dumps(lora.record(lora.check(str(file)))))[0]["weight"] == 1.0


def test_a_job_notes_its_loras_and_a_missing_one_stops_it_early(tmp_path, capsys):
    model = tiny_models.word_model(tmp_path / "model")
    IFPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers(tiny_models.tiny_unet(), ["to_q"], 3))
    file = tmp_path / lora.IN_A_FOLDER
    asked = ["generate", PROMPT, "--model", str(model), "--preset=test", "--steps=1", "--json", "--device=cpu"]
    assert cli.main([*asked, "--out", str(tmp_path / "job"), "--lora", f"{file}:0.25"]) == 0
    noted = json.loads((tmp_path / "job" / "run.json").read_text())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert noted["model"]["loras"] == [{"file": str(file), "weight": 0.25, "sha256": digest}]
    assert noted["settings"]["lora"] == f"{file}:0.25"

    capsys.readouterr()
    assert cli.main([*asked, "--out", str(tmp_path / "other"), "--lora", "nowhere.safetensors"]) == 2
    assert (
        capsys.readouterr().err
        == "sjc: There is no LoRA file nowhere.safetensors; give the path of a .safetensors file.\n"
    )
    assert not (tmp_path / "other").exists()


def test_a_job_takes_over_the_model_of_the_one_before_only_with_the_same_loras(made, tmp_path):
    model, file = made("sd")
    plain = settings.resolve("test", {"prompt": PROMPT, "model": str(model), "device": "cpu"})
    job, models = None, []
    for chosen in (plain, replace(plain, lora=f"{file}:0.5"), replace(plain, lora=f"{file}:0.5"), plain):
        job = JobRun(tmp_path, chosen, previous=job)
        job.load()
        models.append(job.denoiser)
    first, second, third, fourth = models
    assert second is third
    assert len({id(d) for d in (first, second, fourth)}) == 3


def test_in_half_precision(made):
    """The sum is rounded once, so it is as near to the exact one as half precision can be."""
    model, file = made("sd")
    half = load_denoiser(str(model), dtype=torch.float16, lora=str(file)).unet.state_dict()
    for key, value in load_denoiser(str(model), lora=str(file)).unet.state_dict().items():
        torch.testing.assert_close(half[key].float(), value, atol=2e-3, rtol=2e-3)
