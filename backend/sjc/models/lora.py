"""LoRA files fused into a model: W + weight * (alpha / rank) B A in every layer that a file names.

(Hu et al., arXiv 2106.09685.)  `check`, `record` and `fingerprint` need the standard library only, so that Blender can
call them.  `fuse` has diffusers and peft read a file, and adds it to the weights for good: the network is an ordinary
one afterwards, and as fast.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError
from ..lora_text import Lora, parse
from .convert import PICKLES
from .families import FLUX, PIXEL, SD3, SDXL, STABLE_DIFFUSION, Family
from .known_classes import LORA_METADATA
from .small_files import WEIGHT_BYTES, header

IN_A_FOLDER = "pytorch_lora_weights.safetensors"
"""What diffusers' save_lora_weights calls the file in the folder that it is given."""
_DOWN = re.compile(r"(lora_A(\.\w+)?|down)\.weight$")
_PARTS = {
    PIXEL.name: ("StableDiffusionLoraLoaderMixin", ("unet",)),
    STABLE_DIFFUSION.name: ("StableDiffusionLoraLoaderMixin", ("unet", "text_encoder")),
    SDXL.name: ("StableDiffusionXLLoraLoaderMixin", ("unet", "text_encoder", "text_encoder_2")),
    SD3.name: ("SD3LoraLoaderMixin", ("transformer", "text_encoder", "text_encoder_2")),
    FLUX.name: ("FluxLoraLoaderMixin", ("transformer", "text_encoder")),
}
"""Name of a family -> (the class of diffusers that knows its files, the components that those may change)."""


def check(text: str) -> tuple[Lora, ...]:
    """`lora_text.parse`, and checks that every file is there, whole, safetensors and a LoRA.

    A folder is replaced by the file inside it.  Raises SjcError, one line, for what is wrong.
    """
    return tuple(Lora(_checked(lora.path), lora.weight) for lora in parse(text))


def _checked(path: Path) -> Path:
    if foreign.is_folder(path):
        path /= IN_A_FOLDER
    if not foreign.kind(path):
        raise SjcError(f"There is no LoRA file {path}; give the path of a .safetensors file.")
    if path.suffix in PICKLES:
        raise SjcError(
            f"{path} is refused: a pickled LoRA can run any program when it is read; make safetensors of it with "
            f'"sjc models convert {path}".'
        )
    names = list(header(path))
    if any("dora_scale" in name for name in names):
        raise SjcError(f"{path} is a DoRA, which diffusers cannot add to a model; use a plain LoRA.")
    if not any("lora" in name and name.endswith(".weight") for name in names):
        raise SjcError(f"{path} is not a LoRA: none of its tensors has a LoRA's name.")
    return path


def record(loras: Iterable[Lora]) -> list[dict[str, Any]]:
    """What run.json says of them: file, weight, sha256."""
    return [{"file": str(lora.path), "weight": lora.weight, "sha256": _sha256(lora.path)} for lora in loras]


def fingerprint(loras: Iterable[Lora]) -> str:
    """A digest of the checked files' contents and weights, "" for none: encoded sentences depend on them."""
    contents = [(row["sha256"], row["weight"]) for row in record(loras)]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest() if contents else ""


def _sha256(path: Path) -> str:
    with foreign.opened(path, WEIGHT_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fuse(loras: Iterable[Lora], family: Family, parts: Mapping[str, Any]) -> None:
    """Adds checked LoRAs to the weights of `parts`, components of a model by name (some or all of them), in place.

    A component that is not among `parts` is left for another call.  Raises SjcError for a family without LoRAs, and for
    a file made for another one; `parts` are then of no use any more.
    """
    for number, lora in enumerate(loras):
        if family.name not in _PARTS:
            raise SjcError(f"No LoRA fits a model of the family {family.name}; leave lora empty.")
        layers, alphas, metadata = _read(lora, family, parts)
        named = {key.partition(".")[0] for key in layers}
        if not named <= set(_PARTS[family.name][1]):
            raise _misfit(lora, family)
        for component in sorted(named & set(parts)):
            own = {key: value for key, value in layers.items() if key.startswith(f"{component}.")}
            try:
                _fuse(own, alphas, metadata, f"lora_{number}", family, component, parts[component], lora.weight)
            except ImportError as error:
                raise SjcError("LoRA needs the package peft; install the backend again.") from error
            except Exception as error:  # the libraries raise many kinds, none of which says what to do
                raise _misfit(lora, family) from error


def _misfit(lora: Lora, family: Family) -> SjcError:
    return SjcError(
        f"The LoRA {lora.path} does not fit this model ({family.name}): its layers have other names or shapes; "
        "take one made for the same base model."
    )


def _loader(family: Family) -> Any:
    from diffusers.loaders import lora_pipeline

    return getattr(lora_pipeline, _PARTS[family.name][0])


def _read(lora: Lora, family: Family, parts: Mapping[str, Any]) -> tuple[dict[str, Any], Any, Any]:
    """(tensors under "component.", alphas, metadata) of a file in any of the layouts that diffusers knows."""
    more: dict[str, Any] = {"return_alphas": True} if family is FLUX else {}
    if family is SDXL and "unet" in parts:
        more = {"unet_config": parts["unet"].config}
    try:
        read = _loader(family).lora_state_dict(
            str(lora.path.parent),
            weight_name=lora.path.name,
            local_files_only=True,
            use_safetensors=True,
            return_lora_metadata=True,
            **more,
        )
    except Exception as error:
        raise _misfit(lora, family) from error
    layers, alphas, metadata = read if len(read) == 3 else (read[0], None, read[1])
    if metadata is not None:
        metadata = {key: value for key, value in metadata.items() if key.rpartition(".")[2] in LORA_METADATA}
    return layers, alphas, metadata


def _fuse(
    layers: dict[str, Any],
    alphas: Any,
    metadata: Any,
    name: str,
    family: Family,
    component: str,
    module: Any,
    weight: float,
) -> None:
    """One file's layers of one component, added to its weights.  Raises ValueError where some fit no layer."""
    from diffusers.loaders.lora_base import fuse_text_encoder_lora
    from diffusers.utils import recurse_remove_peft_layers
    from peft.tuners.tuners_utils import BaseTunerLayer

    options = {"network_alphas": alphas, "adapter_name": name, "metadata": metadata}
    if component == family.network:
        module.load_lora_adapter(layers, prefix=component, **options)
    else:
        _loader(family).load_lora_into_text_encoder(layers, text_encoder=module, prefix=component, **options)
    placed = sum(isinstance(layer, BaseTunerLayer) for layer in module.modules())
    if placed != sum(_DOWN.search(key) is not None for key in layers):
        raise ValueError(f"{placed} layers fit")
    if component == family.network:
        module.fuse_lora(lora_scale=weight)
        module.unload_lora()
        return
    fuse_text_encoder_lora(module, lora_scale=weight)
    recurse_remove_peft_layers(module)
    del module.peft_config
    module._hf_peft_config_loaded = False  # noqa: SLF001 (transformers has no public word for it)
