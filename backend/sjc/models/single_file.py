"""What a single-file checkpoint holds, read off the head of the file before anything heavy is imported.

Stable Diffusion 1, 2 and XL and their fine-tunes are handed around as one .safetensors file, in the layout of the code
that trained them (CompVis' latent diffusion, "ldm").  `describe` recognises them by the names and shapes of their
tensors and names everything else; single_file_conversion.py makes a model folder of one.  Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError, here
from .families import MVDREAM, SDXL, STABLE_DIFFUSION, Family
from .layout import PICKLE_SUFFIXES
from .mvdream import CAMERA_EMBEDDING
from .small_files import WEIGHT_BYTES, check_fetched, head

SOURCE = "single_file.json"
"""In a model folder made of a checkpoint: the checkpoint's path, and how it is known what the network predicts."""
NETWORK = "model.diffusion_model."
AUTOENCODER = "first_stage_model."
CLIP_TEXT = "cond_stage_model.transformer."
OPENCLIP_TEXT = "cond_stage_model.model."
SDXL_TEXT, SDXL_TEXT_2 = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
_REFINER_TEXT = "conditioner.embedders.0.model."
_FLOATS = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FN"}


@dataclass(frozen=True)
class SingleFile:
    """A checkpoint that can be used.

    texts: component -> the prefix of its tensors, for the text encoders.  shapes: of every tensor, by name.
    metadata: what the file says of itself.  open_clip: components whose encoders are in OpenCLIP's layout.
    """

    path: Path
    family: Family
    version: str
    texts: dict[str, str]
    open_clip: frozenset[str]
    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]

    @property
    def prefixes(self) -> dict[str, str]:
        """Component -> the prefix of its tensors."""
        return {"unet": NETWORK, **self.texts, "vae": AUTOENCODER}

    def numbers_of(self) -> dict[str, int]:
        """How many numbers each component has."""
        counts = dict.fromkeys(self.prefixes, 0)
        for name, shape in self.shapes.items():
            for component, prefix in self.prefixes.items():
                if name.startswith(prefix):
                    size = 1
                    for edge in shape:
                        size *= edge
                    counts[component] += size
        return counts


def describe(path: Path) -> SingleFile:
    """The checkpoint in a file.  Raises SjcError, one line, that says what the file is where it cannot be used."""
    _check_kind(path)
    tensors, metadata = head(path)
    shapes = {name: tuple(entry["shape"]) for name, entry in tensors.items()}
    quantised = _quantisation(tensors)
    if quantised:
        raise SjcError(f"{path} is stored in {quantised}, which cannot be read here; take its fp16 or bf16 version.")
    if not any(name.startswith(NETWORK) for name in shapes):
        raise SjcError(f"{path} {_other(shapes)}.")
    _check_network(path, shapes)
    family, version, texts, open_clip = _texts(path, shapes)
    if not any(name.startswith(AUTOENCODER) for name in shapes):
        raise SjcError(
            f"{path} is a Stable Diffusion {version} without its autoencoder (VAE); take the complete checkpoint."
        )
    return SingleFile(path, family, version, texts, frozenset(open_clip), shapes, metadata)


def _check_kind(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in PICKLE_SUFFIXES:
        raise SjcError(
            f"{path} is refused: a pickled checkpoint can run any program when it is read; "
            + here(
                f'make safetensors of it with "sjc models convert {path}".',
                "take its .safetensors version. The project's command line can make one of it.",
            )
        )
    check_fetched(path)
    try:
        with foreign.opened(path, WEIGHT_BYTES) as file:
            first = file.read(4)
    except OSError as error:
        raise SjcError(f"{path} cannot be read: {error.strerror or error}.") from error
    if first == b"GGUF" or suffix == ".gguf":
        raise SjcError(
            f"{path} is a GGUF file, weights quantised for other programs; take the model's .safetensors, or its hub "
            "id."
        )
    if suffix != ".safetensors":
        raise SjcError(
            f"{path} is no model: give a checkpoint that ends in .safetensors, a model folder, or a hub id such as "
            "name/model."
        )


def _quantisation(tensors: Mapping[str, Any]) -> str:
    """How weights are stored that no plain reader knows, "" for plain ones."""
    for word, label in (
        ("bitsandbytes__nf4", "4 bits (NF4, bitsandbytes)"), ("bitsandbytes__fp4", "4 bits (FP4, bitsandbytes)"),
        ("scaled_fp8", "scaled 8 bits (fp8)"), (".scale_weight", "scaled 8 bits (fp8)"),
        (".comfy_quant", "a quantised form of ComfyUI"), (".SCB", "8 bits (int8, bitsandbytes)"),
    ):  # fmt: skip
        if any(word in name for name in tensors):
            return label
    weights = {
        entry["dtype"] for name, entry in tensors.items() if name.startswith(NETWORK) and name.endswith(".weight")
    }
    return ", ".join(sorted(weights - _FLOATS))


def _other(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What a file without a network of latent diffusion is, and what to take instead."""
    if any("lora_" in name or ".lora" in name or "hada_w1" in name or "lokr_w" in name for name in shapes):
        return "is a LoRA, not a model; give it as lora, beside the model that it was made for"
    if "emb_params" in shapes or {"clip_l", "clip_g"} & shapes.keys():
        return "is a textual inversion (one word), not a model; it cannot be used"
    for start, label in _STARTS.items():
        if any(name.startswith(start) for name in shapes):
            return label
    return _UNKNOWN


_UNKNOWN = (
    "is no Stable Diffusion 1, 2 or XL; other models cannot be read from one file: give them as a folder or a hub id"
)
_FLUX = "is FLUX.1, which cannot be read from one file; give it as a folder or a hub id"
_SD3 = "is Stable Diffusion 3, which cannot be read from one file; give it as a folder or a hub id"
_VAE = "is an autoencoder (VAE) alone; take the complete checkpoint"
_STARTS = {
    "control_model.": "is a ControlNet, which needs an image beside the text; take a text-to-image model",
    "double_blocks.": _FLUX,
    "joint_blocks.": _SD3,
    "input_blocks.": "is a network without text encoder and autoencoder; take the complete checkpoint",
    "down_blocks.": "is the unet of a model folder; give the folder that holds model_index.json",
    "transformer_blocks.": "is the transformer of a model folder; give the folder that holds model_index.json",
    "encoder.down": _VAE,
    "first_stage_model.": _VAE,
    "text_model.": "is a text encoder alone; take the complete checkpoint",
    "encoder.block.": "is a text encoder alone; take the complete checkpoint",
}
_CHANNELS = {
    9: "is an inpainting model; take the text-to-image model that it was made from",
    8: "is an image-editing model (InstructPix2Pix); take the text-to-image model that it was made from",
    5: "is a depth-to-image model; take a text-to-image model",
    7: "is an upscaler; take a text-to-image model",
}


def _check_network(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises SjcError for networks that take something else than latents, a time and a text."""
    for word, label in (("double_blocks.", _FLUX), ("joint_blocks.", _SD3)):
        if any(name.startswith(NETWORK + word) for name in shapes):
            raise SjcError(f"{path} {label}.")
    first = shapes.get(f"{NETWORK}input_blocks.0.0.weight")
    if first is None or len(first) != 4:
        raise SjcError(f"{path} {_UNKNOWN}.")
    if {"edm_mean", "edm_vpred.sigma_max"} & shapes.keys():
        raise SjcError(f"{path} is trained with EDM's noise levels, which cannot be used; take another model.")
    if first[1] != 4:
        raise SjcError(f"{path} {_CHANNELS.get(first[1], _UNKNOWN)}.")
    if any(_REFINER_TEXT in name for name in shapes) and not any(name.startswith(SDXL_TEXT_2) for name in shapes):
        raise SjcError(
            f"{path} is a refiner: it only finishes what another model began; take the base model it belongs to."
        )
    if any(name.startswith(NETWORK) and ".time_stack." in name for name in shapes):
        raise SjcError(f"{path} is a video model; take a text-to-image model.")


def _texts(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Family, str, dict[str, str], tuple[str, ...]]:
    """(family, version, text encoder -> prefix, those in OpenCLIP's layout)."""

    def has(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in shapes)

    adds_condition = f"{NETWORK}label_emb.0.0.weight" in shapes
    if adds_condition and has(SDXL_TEXT) and has(SDXL_TEXT_2):
        return SDXL, "XL", {"text_encoder": SDXL_TEXT, "text_encoder_2": SDXL_TEXT_2}, ("text_encoder_2",)
    if not adds_condition and has(CLIP_TEXT):
        return STABLE_DIFFUSION, "1", {"text_encoder": CLIP_TEXT}, ()
    if any(".to_k_ip." in name or name.startswith(f"{NETWORK}image_embed.") for name in shapes):
        raise SjcError(f"{path} is ImageDream, which needs an image beside the text; take MVDream.")
    if has(NETWORK + CAMERA_EMBEDDING) and has(OPENCLIP_TEXT):
        return MVDREAM, "2", {"text_encoder": OPENCLIP_TEXT}, ("text_encoder",)
    if not adds_condition and has(OPENCLIP_TEXT):
        return STABLE_DIFFUSION, "2", {"text_encoder": OPENCLIP_TEXT}, ("text_encoder",)
    if adds_condition and (has(OPENCLIP_TEXT) or has("embedder.")):
        raise SjcError(f"{path} needs an image beside the text (an unCLIP model); take a text-to-image model.")
    raise SjcError(f"{path} lacks its text encoder: it holds a network alone; take the complete checkpoint.")
