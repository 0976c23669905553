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
from ..errors import SjcError, here
from ..lora_text import Lora, parse
from ..paths import near
from .convert import PICKLES
from .families import FLUX, MVDREAM, PIXEL, SD3, SDXL, STABLE_DIFFUSION, Family
from .known_classes import LORA_METADATA
from .small_files import WEIGHT_BYTES, head, header

IN_A_FOLDER = "pytorch_lora_weights.safetensors"
"""What diffusers' save_lora_weights calls the file in the folder that it is given."""
BUNDLED = "bundle_emb."
"""How OneTrainer names the embeddings of new words that it puts beside a LoRA."""
_LYCORIS = {
    "hada_w1": "LoHa", "lokr_w": "LoKr", ".oft_": "OFT", ".on_input": "IA3", ".diff|": "Full",
    ".a1.weight": "GLoRA",
}  # fmt: skip
"""Part of a tensor's name -> the kind of LyCORIS that has it."""
_LEAST_SHARE, _MOST_WORDS = 0.9, 5
_DOWN = re.compile(r"(lora_A(\.\w+)?|down)\.weight$")
_PARTS = {
    PIXEL.name: ("StableDiffusionLoraLoaderMixin", ("unet",)),
    STABLE_DIFFUSION.name: ("StableDiffusionLoraLoaderMixin", ("unet", "text_encoder")),
    MVDREAM.name: ("StableDiffusionLoraLoaderMixin", ("unet", "text_encoder")),
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
        if other := near(path):
            raise SjcError(f"There is no LoRA file {path}, but there is {other}: write it with the same letters.")
        raise SjcError(f"There is no LoRA file {path}; give the path of a .safetensors file.")
    if path.suffix in PICKLES:
        raise SjcError(
            f"{path} is refused: a pickled LoRA can run any program when it is read; "
            + here(
                f'make safetensors of it with "sjc models convert {path}".',
                "take its .safetensors version. The project's command line can make one of it.",
            )
        )
    names = [name for name in header(path) if not name.startswith(BUNDLED)]
    if any("dora_scale" in name for name in names):
        raise SjcError(f"{path} is a DoRA, which diffusers cannot add to a model; use a plain LoRA.")
    lycoris = next((kind for mark, kind in _LYCORIS.items() if any(mark in f"{name}|" for name in names)), "")
    if lycoris:
        raise SjcError(
            f"{path} is a LyCORIS of the kind {lycoris}, which cannot be added to a model; use a plain LoRA or a LoCon."
        )
    if {"emb_params", "clip_l", "clip_g"} & set(names) or any(name.startswith("string_to_param") for name in names):
        raise SjcError(f"{path} is a textual inversion (one word), not a LoRA; it cannot be used.")
    if any(name.startswith("model.diffusion_model.") for name in names):
        raise SjcError(f"{path} is a whole checkpoint, not a LoRA; choose it as the model.")
    if not any("lora" in name and name.endswith(".weight") for name in names):
        raise SjcError(f"{path} is not a LoRA: none of its tensors has a LoRA's name.")
    return path


def is_one(path: Path) -> bool:
    """Whether a file is a LoRA that could be used."""
    try:
        _checked(path)
    except SjcError:
        return False
    return True


def bundled(loras: Iterable[Lora]) -> list[str]:
    """One line for each file with embeddings of new words, which are left out."""
    lines = []
    for lora in loras:
        words = {name.split(".")[1] for name in header(lora.path) if name.startswith(BUNDLED)}
        if words:
            lines.append(
                f"{lora.path} brings embeddings of its own for {', '.join(sorted(words))}; they are left out, "
                "so that these words mean nothing."
            )
    return lines


def trigger_words(path: Path) -> list[str]:
    """The words that a LoRA was trained to answer to, as its file's metadata tell; [] where they say nothing.

    The trigger phrase of the SAI model specification; else the folders of kohya's trainer ("10_felt toy") and the tags
    of nearly all of its pictures.  Raises SjcError for a damaged file.
    """
    metadata = head(path)[1]
    phrase = metadata.get("modelspec.trigger_phrase", "")
    if phrase.strip():
        return [" ".join(word.split()) for word in phrase.split(",") if word.strip()]
    folders, tags = (_table(metadata.get(name, "")) for name in ("ss_dataset_dirs", "ss_tag_frequency"))
    words = [re.sub(r"^\d+_", "", name).strip() for name in folders if re.match(r"\d+_", name)]
    counts: dict[str, int] = {}
    for table in tags.values():
        for tag, count in table.items() if isinstance(table, dict) else ():
            if isinstance(count, int):
                counts[tag.strip()] = counts.get(tag.strip(), 0) + count
    largest = max(counts.values(), default=0)
    words += [tag for tag, count in counts.items() if count >= _LEAST_SHARE * largest]
    return [" ".join(word.split())[:40] for word in dict.fromkeys(words) if word][:_MOST_WORDS]


def _table(text: str) -> dict[str, Any]:
    try:
        table = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def record(loras: Iterable[Lora]) -> list[dict[str, Any]]:
    """What run.json says of them: file, weight, sha256."""
    return [{"file": str(lora.path), "weight": lora.weight, "sha256": sha256(lora.path)} for lora in loras]


def fingerprint(loras: Iterable[Lora]) -> str:
    """A digest of the checked files' contents and weights, "" for none: encoded sentences depend on them."""
    contents = [(row["sha256"], row["weight"]) for row in record(loras)]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest() if contents else ""


def sha256(path: Path) -> str:
    """Of a file of weights, in hexadecimal."""
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
    source: Any = str(lora.path.parent)
    if bundled([lora]):  # OneTrainer's, without metadata for diffusers
        from safetensors.torch import load_file

        source = {name: tensor for name, tensor in load_file(lora.path).items() if not name.startswith(BUNDLED)}
    try:
        read = _loader(family).lora_state_dict(
            source,
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
