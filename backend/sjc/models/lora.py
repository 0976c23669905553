"""LoRA files laid over a model: W + weight * (alpha / rank) B A in every layer that a file names (Hu et al., arXiv
2106.09685).

What is asked of them before torch is there (`parse`, `check`, `record`, `fingerprint`) needs the standard library only,
so Blender asks it, too.  `fuse` has diffusers and peft read a file, and adds it to the weights for good: the network is
an ordinary one afterwards, and as fast.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SjcError
from . import model_files
from .convert import PICKLES
from .families import FLUX, PIXEL, SD3, SDXL, STABLE_DIFFUSION, Family

LARGEST_WEIGHT = 10.0
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


@dataclass(frozen=True)
class Lora:
    """One file and how strongly it counts: 1 as trained, 0 not at all, below 0 its opposite."""

    path: Path
    weight: float


def parse(text: str) -> tuple[Lora, ...]:
    """The LoRAs of "PATH[:weight], PATH[:weight]"; a weight left out is 1, "" names none.  Looks at no file.

    A path is a file or the folder that holds it under diffusers' name, and has no comma.  The colon of a Windows drive
    is no weight's.  Raises SjcError for a weight that is not a number from -10 to 10.
    """
    return tuple(_parsed(part.strip()) for part in text.split(",") if part.strip())


def _parsed(part: str) -> Lora:
    path, colon, weight = part.rpartition(":")
    drive = re.fullmatch("[A-Za-z]", path) is not None
    in_path = any(c in weight for c in "/\\") or weight.endswith((".safetensors", *PICKLES))
    if not colon or drive or in_path:
        return Lora(Path(part).expanduser(), 1.0)
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST_WEIGHT:
        raise SjcError(
            f'lora: the weight "{weight.strip()}" of {path or "nothing"} is not a number from -10 to 10; write '
            "PATH:0.8, or "
            "PATH alone."
        )
    if not path.strip():
        raise SjcError(f'lora: "{part}" names no file; write PATH:0.8, or PATH alone.')
    return Lora(Path(path.strip()).expanduser(), number)


def check(text: str) -> tuple[Lora, ...]:
    """`parse`, and every file is there, whole, safetensors and a LoRA; folders are replaced by the file inside.

    Raises SjcError, one line, for what is not.
    """
    return tuple(Lora(_checked(lora.path), lora.weight) for lora in parse(text))


def _checked(path: Path) -> Path:
    if path.is_dir():
        path /= IN_A_FOLDER
    if not path.is_file():
        raise SjcError(f"There is no LoRA file {path}; give the path of a .safetensors file.")
    if path.suffix in PICKLES:
        raise SjcError(
            f"{path} is refused: a pickled LoRA can run any program when it is read; make safetensors of it with "
            f'"sjc models convert {path}".'
        )
    names = list(model_files.header(path))
    if any("dora_scale" in name for name in names):
        raise SjcError(f"{path} is a DoRA, which diffusers cannot lay over a model; take a plain LoRA.")
    if not any("lora" in name and name.endswith(".weight") for name in names):
        raise SjcError(f"{path} is no LoRA: no tensor in it is named as one.")
    return path


def record(loras: Iterable[Lora]) -> list[dict[str, Any]]:
    """What run.json says of them: file, weight, sha256."""
    return [{"file": str(lora.path), "weight": lora.weight, "sha256": _sha256(lora.path)} for lora in loras]


def fingerprint(text: str) -> str:
    """What text states depend on beside model and sentence: a digest of the files' contents and weights, "" for none.

    Raises SjcError as `check`.
    """
    noted = [(row["sha256"], row["weight"]) for row in record(check(text))]
    return hashlib.sha256(json.dumps(noted).encode()).hexdigest() if noted else ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
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
                raise SjcError("LoRA needs the package peft; install the backend anew.") from error
            except Exception as error:  # the libraries raise many kinds, none of which says what to do
                raise _misfit(lora, family) from error


def _misfit(lora: Lora, family: Family) -> SjcError:
    return SjcError(
        f"The LoRA {lora.path} does not fit this model ({family.name}): its layers have other names or shapes; "
        "take one made "
        "for the same base model."
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
        found = _loader(family).lora_state_dict(
            str(lora.path.parent),
            weight_name=lora.path.name,
            local_files_only=True,
            use_safetensors=True,
            return_lora_metadata=True,
            **more,
        )
    except Exception as error:
        raise _misfit(lora, family) from error
    layers, alphas, metadata = found if len(found) == 3 else (found[0], None, found[1])
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
    """One file's layers of one component, added to its weights.  Raises ValueError where some find no place."""
    from diffusers.loaders.lora_base import fuse_text_encoder_lora
    from diffusers.utils import recurse_remove_peft_layers
    from peft.tuners.tuners_utils import BaseTunerLayer

    known = {"network_alphas": alphas, "adapter_name": name, "metadata": metadata}
    if component == family.network:
        module.load_lora_adapter(layers, prefix=component, **known)
    else:
        _loader(family).load_lora_into_text_encoder(layers, text_encoder=module, prefix=component, **known)
    placed = sum(isinstance(layer, BaseTunerLayer) for layer in module.modules())
    if placed != sum(_DOWN.search(key) is not None for key in layers):
        raise ValueError(f"{placed} layers found a place")
    if component == family.network:
        module.fuse_lora(lora_scale=weight)
        module.unload_lora()
        return
    fuse_text_encoder_lora(module, lora_scale=weight)
    recurse_remove_peft_layers(module)
    del module.peft_config
    module._hf_peft_config_loaded = False  # noqa: SLF001 (transformers has no public word for it)
