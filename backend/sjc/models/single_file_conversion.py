"""A model folder made of a single-file checkpoint, once, in the cache; from then on it is loaded as any folder.

Nothing is fetched: configurations come from single_file_config.py and CLIP's vocabulary from clip_vocabulary.py.  The
renaming of tensors is diffusers' own (`loaders.single_file_utils`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import foreign
from ..errors import SjcError, here
from ..machine.folders import PART, cache_folder, clear_abandoned
from ..paths import OWN_MODELS, user_path
from . import mvdream
from . import single_file_config as configs
from .clip_vocabulary import END, write_tokenizer
from .families import MVDREAM, SDXL
from .hub import free_bytes
from .layout import WEIGHT_STEMS
from .pretrained import OWN_FILES_ONLY, silence_libraries
from .single_file import AUTOENCODER, NETWORK, SDXL_TEXT_2, SOURCE, SingleFile, describe

_SAMPLES, _SAMPLE_BYTES = 64, 2**16
_WIDER = {torch.float8_e4m3fn: torch.float16, torch.float8_e5m2: torch.float16, torch.float64: torch.float32}
"""Kinds of numbers that are stored as others: half precision holds every number of 8 bits."""
_LAST_TIME, _V_BELOW = 999, -1.0
_STEP_OF_2_BASE = 875000


def converted(path: Path) -> Path:
    """The model folder of a checkpoint, made now if it is not in the cache.  Raises SjcError, one line."""
    file = describe(path)
    folder = folder_of(path)
    if not (folder / "model_index.json").is_file():
        try:
            _make(file, folder)
        except OSError as error:
            raise SjcError(
                f"{path} could not be made a model folder in {folder.parent}: {error.strerror or error}. "
                + here(
                    "Set SJC_CACHE to a folder on another disk.",
                    "Set the environment variable SJC_CACHE to a folder on another disk and restart Blender.",
                )
            ) from error
    return folder


def is_new(model: str) -> bool:
    """Whether a model is a checkpoint of which no folder has been made yet."""
    path = user_path(model)
    return foreign.is_file(path) and model not in OWN_MODELS and not (folder_of(path) / "model_index.json").is_file()


def folder_of(path: Path) -> Path:
    """By the file's contents and name; a copy of the file under the same name leads to the same folder."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for number in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)[:40].strip(".-") or "model"
    return cache_folder("models") / f"{stem}-{digest.hexdigest()[:12]}"


def _make(file: SingleFile, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    clear_abandoned(folder.parent)
    needed, free = file.path.stat().st_size, free_bytes(folder.parent)
    if needed > free:
        raise SjcError(
            f"{file.path} needs {needed / 1e9:.1f} GB more as a model folder, but {folder.parent} has only "
            f"{free / 1e9:.1f} GB free; make room there, or set "
            + here(
                "SJC_CACHE to a folder on a larger disk.",
                "the environment variable SJC_CACHE to a folder on a larger disk and restart Blender.",
            )
        )
    part = folder.with_name(f"{PART}{os.getpid()}-{folder.name}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        _write(file, part)
        with contextlib.suppress(OSError):  # another process was first
            part.rename(folder)
        if not (folder / "model_index.json").is_file():
            raise SjcError(f"{folder} is in the way and is no model folder; remove it.")
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(file: SingleFile, folder: Path) -> None:
    from safetensors import safe_open

    silence_libraries()
    prediction, because = configs.stated_prediction(file)
    with safe_open(file.path, framework="pt") as opened:

        def read(prefix: str) -> dict[str, Tensor]:
            return {name: _plain(opened.get_tensor(name)) for name in file.shapes if name.startswith(prefix)}

        network = configs.network_config(file, configs.latent_size(file, prediction or "epsilon"))
        if file.family is MVDREAM:
            _save_mvdream(file, folder, network, read(NETWORK))
        else:
            _save(file, folder, "unet", network, _network_weights(read(NETWORK), network))
        if prediction is None:
            prediction, because = _step_prediction(opened) or _measured(folder / "unet")
            network["sample_size"] = configs.latent_size(file, prediction)
            _write_json(folder / "unet" / "config.json", network)
        autoencoder = configs.autoencoder_config(file, configs.latent_size(file, prediction))
        _save(file, folder, "vae", autoencoder, _autoencoder_weights(read(AUTOENCODER), autoencoder))
        for component, prefix in file.texts.items():
            text = configs.text_config(file, component)
            _save(file, folder, component, text, _text_weights(file, component, read(prefix), text))
            pad = "!" if component in file.open_clip else END
            write_tokenizer(folder / component.replace("text_encoder", "tokenizer"), pad)
    (folder / "scheduler").mkdir()
    _write_json(
        folder / "scheduler" / "scheduler_config.json", configs.scheduler_config(prediction, "ztsnr" in file.shapes)
    )
    _write_json(folder / SOURCE, {"file": str(file.path.absolute()), "prediction": prediction, "because": because})
    _write_json(folder / "model_index.json", _index(file))


def _index(file: SingleFile) -> dict[str, Any]:
    xl = file.family is SDXL
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    if file.family is MVDREAM:
        index |= {"_class_name": "MVDreamPipeline", "unet": ["mv_unet", mvdream.CLASS_NAME]}
    if xl:
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
        index["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
        index["force_zeros_for_empty_prompt"] = True
    return index


def _plain(tensor: Tensor) -> Tensor:
    return tensor.to(_WIDER.get(tensor.dtype, tensor.dtype))


def _network_weights(tensors: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    return dict(convert_ldm_unet_checkpoint(tensors, config))


def _autoencoder_weights(tensors: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    return dict(convert_ldm_vae_checkpoint(tensors, config))


def _text_weights(
    file: SingleFile, component: str, tensors: dict[str, Tensor], config: dict[str, Any]
) -> dict[str, Tensor]:
    prefix = file.texts[component]
    if component not in file.open_clip:
        named = {configs.text_name(name.removeprefix(prefix)): tensor for name, tensor in tensors.items()}
        return {name: tensor for name, tensor in named.items() if name.startswith("text_model.")}
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    weights = dict(convert_open_clip_checkpoint(_Sized(config["hidden_size"]), tensors, prefix=prefix))
    if prefix != SDXL_TEXT_2:
        weights.pop("text_projection.weight", None)
    return weights


class _Sized:
    """What diffusers reads of the text model that it converts for: its width."""

    def __init__(self, width: int) -> None:
        self.config = self
        self.hidden_size = width


def _save(file: SingleFile, folder: Path, component: str, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Writes one component.  Raises SjcError where its tensors are not those of the configured module."""
    needed = _needed(component, config)
    wrong = sorted(name for name, shape in needed.items() if name not in weights or weights[name].shape != shape)
    extra = sorted(weights.keys() - needed.keys()) if component == "unet" else []
    if wrong or extra:
        raise SjcError(
            f"{file.path}: its {component.replace('_', ' ')} is built in another way than Stable Diffusion "
            f"{file.version}'s ({(wrong or extra)[0]} does not fit)."
        )
    _write_part(folder, component, config, {name: weights[name] for name in needed})


def _save_mvdream(file: SingleFile, folder: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Writes MVDream's network as its folders have it, under the names of the code that trained it."""
    weights = {name.removeprefix(NETWORK): tensor for name, tensor in tensors.items()}
    built = mvdream.network_config(file.path, config)
    mvdream.check_weights(file.path, _needed("unet", built), mvdream.converted(weights, built))
    _write_part(folder, "unet", config, weights)


def _write_part(folder: Path, component: str, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    (folder / component).mkdir()
    _write_json(folder / component / "config.json", config)
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(tensors, folder / component / f"{WEIGHT_STEMS[component]}.safetensors", {"format": "pt"})


def _needed(component: str, config: dict[str, Any]) -> dict[str, torch.Size]:
    """Name -> shape of every weight of the configured module, which is made without memory."""
    with torch.device("meta"):
        if component == "unet":
            from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

            module: Any = UNet2DConditionModel.from_config(config)
        elif component == "vae":
            from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

            module = AutoencoderKL.from_config(config)
        else:
            import transformers

            settings = transformers.CLIPTextConfig(**{k: v for k, v in config.items() if k != "architectures"})
            module = getattr(transformers, config["architectures"][0])(settings)
    names = {name: tensor.shape for name, tensor in module.state_dict().items() if "position_ids" not in name}
    if component in ("unet", "vae"):
        return names
    # CLIPTextModel has lost its prefix in later versions of transformers, which read the files of both.
    bare = ("embeddings.", "encoder.", "final_layer_norm.")
    return {f"text_model.{name}" if name.startswith(bare) else name: shape for name, shape in names.items()}


def _step_prediction(opened: Any) -> tuple[str, str] | None:
    """By the step at which Stable Diffusion 2 base was saved; None for every other."""
    if "global_step" not in opened.keys():  # noqa: SIM118 (safe_open is no mapping)
        return None
    step = int(opened.get_tensor("global_step").reshape(-1)[0])
    return ("epsilon", f"it was saved at step {step}") if step == _STEP_OF_2_BASE else None


def _measured(folder: Path) -> tuple[str, str]:
    """What the network in a folder predicts, by its answer to nearly pure noise."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    unet: Any = UNet2DConditionModel.from_pretrained(str(folder), torch_dtype=torch.float32, **OWN_FILES_ONLY)
    return measured_prediction(unet.eval(), int(unet.config.cross_attention_dim)), "its answer to noise was measured"


@torch.no_grad()
def measured_prediction(unet: Callable[..., Any], width: int) -> str:
    """What a Stable Diffusion 2 network predicts.

    At the last time of the schedule the picture is nearly pure noise.  A network that predicts the noise gives back
    about what it was given; one that predicts v gives about the picture turned round, far below.  The thresholds are
    those with which stable-diffusion-webui tells them apart (modules/sd_models_config.py).
    """
    noise = torch.full((1, 4, 8, 8), 0.5)
    text = torch.full((1, 2, width), 0.5)
    answer = unet(noise, torch.tensor([_LAST_TIME]), encoder_hidden_states=text).sample
    return "v_prediction" if float((answer - noise).mean()) < _V_BELOW else "epsilon"


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
