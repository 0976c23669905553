"""Which family of models a folder holds, read off model_index.json and the configs before anything heavy is imported.

The families are those whose pipelines diffusers ships; docs/models.md lists them.  Standard library only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ..errors import SjcError
from ..guidance.views import FOUR, SIX, WORDED_FOUR, ViewRing
from . import mvdream

CLIP, CLIP_POOLED, T5 = ("CLIPTextModel",), ("CLIPTextModelWithProjection",), ("T5EncoderModel",)


@dataclass(frozen=True)
class Family:
    """What the folder of one family holds.

    network: the component that predicts, network_class its library class.  texts: text encoder -> the classes it may
    have; optional: those that may be absent.  latent: whether it works behind an autoencoder.  ring: the views that the
    network sees at once; None for one that sees single pictures.
    """

    name: str
    network: str
    network_class: str
    texts: dict[str, tuple[str, ...]]
    optional: tuple[str, ...] = ()
    latent: bool = True
    ring: ViewRing | None = None

    @property
    def views(self) -> int:
        """How many views of an object the network sees at once."""
        return len(self.ring) if self.ring else 1

    @property
    def label(self) -> str:
        """Its name for a list: "MVDream (multi-view)"."""
        return f"{self.name} (multi-view)" if self.ring else self.name

    @property
    def needed(self) -> tuple[str, ...]:
        """The components it cannot do without."""
        texts = [name for name in self.texts if name not in self.optional]
        return (
            self.network,
            *texts,
            *(tokenizer_of(name) for name in texts),
            "scheduler",
            *(("vae",) if self.latent else ()),
        )


PIXEL = Family("pixel", "unet", "UNet2DConditionModel", {"text_encoder": T5 + CLIP}, latent=False)
FOUR_VIEWS = replace(PIXEL, ring=WORDED_FOUR)
"""The embedded model's sister."""
UNCONDITIONAL = Family("unconditional", "unet", "UNet2DModel", {}, latent=False)
STABLE_DIFFUSION = Family("stable diffusion", "unet", "UNet2DConditionModel", {"text_encoder": CLIP + T5})
SDXL = Family(
    "SDXL", "unet", "UNet2DConditionModel", {"text_encoder": CLIP, "text_encoder_2": CLIP_POOLED}
)  # fmt: skip
SD3 = Family(
    "stable diffusion 3", "transformer", "SD3Transformer2DModel",
    {"text_encoder": CLIP_POOLED, "text_encoder_2": CLIP_POOLED, "text_encoder_3": T5}, optional=("text_encoder_3",),
)  # fmt: skip
FLUX = Family(
    "FLUX.1", "transformer", "FluxTransformer2DModel", {"text_encoder": CLIP, "text_encoder_2": T5}
)  # fmt: skip
ADAPTED_VIEWS = len(SIX)
"""That a model of single views sees at once with an MV-Adapter."""
MVDREAM = Family("MVDream", "unet", mvdream.CLASS_NAME, {"text_encoder": CLIP}, ring=FOUR)


def tokenizer_of(encoder: str) -> str:
    """The tokenizer's component: text_encoder_2 -> tokenizer_2."""
    return encoder.replace("text_encoder", "tokenizer")


def used_components(index: dict[str, Any]) -> set[str]:
    """The components that model_index.json names, without those that it says are absent."""
    return {k for k, v in index.items() if isinstance(v, list) and len(v) == 2 and v[1]}


def family_of(folder: Path, index: dict[str, Any]) -> Family:
    """The family by the network's class and the components beside it.

    Raises SjcError for other networks, for pipelines that need an image (ControlNet), and for missing components.
    """
    used = used_components(index)
    beside = used & {"controlnet", "prior", "adapter", "motion_adapter", "low_res_scheduler"}
    if beside:
        raise SjcError(
            f"{folder} needs more than text (it has a {min(beside)}); take the plain text-to-image model that "
            "it was made from."
        )
    if index.get("requires_aesthetics_score"):
        raise SjcError(
            f"{folder} is a refiner: it only finishes what another model began; take the base model it belongs to."
        )
    family = _by_network(folder, index, used)
    missing = [name for name in family.needed if name not in used]
    if missing:
        raise SjcError(
            f"{folder} is not a complete model ({family.name}): model_index.json names no {', '.join(missing)}."
        )
    for component, classes in family.texts.items():
        if component in used and index[component][1] not in classes:
            raise SjcError(
                f"{folder}: its {component.replace('_', ' ')} is a {index[component][1]}; only "
                f"{' or '.join(classes)} can be used."
            )
    return family


def _by_network(folder: Path, index: dict[str, Any], used: set[str]) -> Family:
    if "transformer" in used:
        for family in (SD3, FLUX):
            if index["transformer"][1] == family.network_class:
                return family
        raise SjcError(
            f"{folder}: its transformer is a {index['transformer'][1]}; only Stable Diffusion 3 and FLUX.1 can be used."
        )
    if "unet" not in used:
        raise SjcError(f"{folder} is not a text-to-image model: model_index.json names no unet and no transformer.")
    network = index["unet"][1]
    if network == mvdream.CLASS_NAME:
        if "image_encoder" in used:
            raise SjcError(f"{folder} is ImageDream, which needs an image beside the text; take MVDream.")
        return MVDREAM
    if network == "UNet2DModel" and not used & {"text_encoder", "vae", "vqvae"}:
        return UNCONDITIONAL
    if network != "UNet2DConditionModel":
        raise SjcError(f"{folder}: its unet is a {network}; only UNet2DConditionModel can be used beside these parts.")
    if used & {"vqvae", "movq", "vae_decoder", "image_encoder"} and "vae" not in used:
        raise SjcError(f"{folder}: only models with an ordinary autoencoder (a vae) or in pixel space can be used.")
    if "vae" not in used:
        return PIXEL
    return SDXL if "text_encoder_2" in used else STABLE_DIFFUSION


def check_network(folder: Path, family: Family, config: dict[str, Any], vae: dict[str, Any]) -> None:
    """Raises SjcError for a network that takes or gives something else than the images of its family.

    A square sample_size written as a list becomes a number in `config`.
    """
    at = family.network
    channels, out = config.get("in_channels"), config.get("out_channels")
    if family is FLUX:
        out = out or channels
        if not isinstance(channels, int) or channels % 4 or out != channels:
            raise SjcError(
                f"{folder}: its transformer takes {channels} channels and gives {out}; it needs more than text "
                "(an inpainter or a control model)."
            )
        channels = channels // 4  # 2 x 2 latents are packed into one token
    if not isinstance(channels, int):
        raise SjcError(f"{folder}: {at}/config.json names no number of channels.")
    plain = vae.get("latent_channels", 4) if family.latent else (1, 3)
    if not isinstance(plain, int | tuple):
        raise SjcError(f"{folder}: vae/config.json names no number of channels.")
    if channels != plain if isinstance(plain, int) else channels not in plain:
        raise SjcError(
            f"{folder}: its {at} takes {channels} channels instead of {plain if isinstance(plain, int) else '1 or 3'} "
            "(an upscaler, an inpainter or an editing model); one that takes plain images is needed."
        )
    if (config.get("class_embed_type") and family is not MVDREAM) or config.get("num_class_embeds"):
        raise SjcError(
            f"{folder}: its {at} needs a second condition (an upscaler or a class number); one that takes text "
            "alone is needed."
        )
    if family is not FLUX and out not in (channels, 2 * channels):
        raise SjcError(
            f"{folder}: its {at} gives {out} channels for {channels}; needed are {channels} or {2 * channels}."
        )
    added = config.get("addition_embed_type")
    if added not in ((None, "text") if family is not SDXL else ("text_time",)):
        raise SjcError(f"{folder}: its {at} needs a {added} condition besides the text.")
    if family is not FLUX:  # which works at any size
        _check_size(folder, at, config)


def _check_size(folder: Path, at: str, config: dict[str, Any]) -> None:
    size = config.get("sample_size")
    if isinstance(size, list) and len(size) == 2 and size[0] == size[1]:
        config["sample_size"] = size = size[0]
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise SjcError(f"{folder}: {at}/config.json names no square image size (sample_size is {size}).")


def not_a_pipeline(subject: object, names: Collection[str], config: dict[str, Any]) -> str:
    """Why a folder or repository without model_index.json cannot be used.

    subject: how the message calls it.  names: of its files.  config: its config.json, {} without one.
    """
    if "adapter_config.json" in names or any(fnmatch(name, "*lora*.safetensors") for name in names):
        kind = "an adapter (LoRA)"
    elif "_class_name" in config:
        kind = f"a single {config['_class_name']}"
    elif "model_type" in config or "architectures" in config:
        kind = f"a language or vision model ({config.get('model_type') or config['architectures']})"
    else:
        files = sorted(name for name in names if "/" not in name and name.endswith(".safetensors"))
        if files:
            return (
                f"{subject} has no model_index.json, but checkpoints in one file: download one, such as {files[0]}, "
                "and choose the file."
            )
        return f"{subject} is not a diffusers model: it has no model_index.json."
    return f"{subject} is {kind}, not a diffusers model: it has no model_index.json. Name a text-to-image pipeline."
