"""Finding a diffusers model on disk and refusing, before anything heavy is imported, what cannot be used.

A model is a folder in the ordinary diffusers layout: model_index.json, unet/ or transformer/, text_encoder/,
tokenizer/, scheduler/, vae/ and so on (families.py says which), weights in safetensors.  Stdlib only (huggingface_hub
is imported for hub ids alone).
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SjcError
from .families import Family, check_network, family_of, not_a_pipeline, tokenizer_of, used_components

EMBEDDED = Path(__file__).resolve().parents[1] / "embedded" / "model"
DISTILLED = "distilled.safetensors"
"""An adapter that builds a guidance scale into the network, beside model_index.json (distilled.py)."""
WEIGHT_STEMS = {
    "unet": "diffusion_pytorch_model",
    "transformer": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "text_encoder_2": "model",
    "text_encoder_3": "model",
}
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")
_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?!.*\.\.)(\w[\w./-]*))?")
"""name/model, or name/model@revision: a branch, a tag or a whole commit."""


@dataclass(frozen=True)
class ModelFiles:
    """A checked folder.

    `index` is model_index.json, `configs` the config of each component, `variants` the weight variant each component
    is stored in (None or e.g. "fp16"), `bytes_of` what each component's weights take on disk,
    `numbers_of` how many numbers they are.
    """

    folder: Path
    family: Family
    index: dict[str, Any]
    configs: dict[str, dict[str, Any]]
    variants: dict[str, str | None]
    bytes_of: dict[str, int]
    numbers_of: dict[str, int]

    @property
    def weight_bytes(self) -> int:
        """What all weights take on disk."""
        return sum(self.bytes_of.values())

    def class_of(self, component: str) -> str:
        """The library class model_index.json names for a component."""
        return str(self.index[component][1])


def locate(
    model: str, *, download: bool = False, revision: str | None = None, tell: Callable[[int], None] = lambda _size: None
) -> Path:
    """The folder of "embedded", of a path, or of a hub id ("name/model", "name/model@revision") in the local hub cache.

    The network is touched only for a hub id with download=True (hub.py), never when it is forbidden (`hub.offline`);
    `tell` is then given the bytes of all its files, before the first comes.  Raises SjcError where nothing is found.
    """
    if model == "embedded":
        if not (EMBEDDED / "model_index.json").is_file():
            raise SjcError("This installation lacks the embedded model; reinstall it or name a model with --model.")
        return EMBEDDED
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise SjcError(f"{model} is a file; a model is a folder with model_index.json, unet/, text_encoder/ and so on.")
    if not is_hub_id(model):
        raise SjcError(f'There is no model folder "{model}"; give a folder, a hub id such as name/model, or embedded.')
    if not download:
        return _cached(model, revision)
    from . import hub

    return hub.download(model, revision, tell)


def is_hub_id(model: str) -> bool:
    """Whether `model` could be the id of a model on the hub, with or without a revision."""
    return _HUB_ID.fullmatch(model) is not None


def split_revision(model: str) -> tuple[str, str | None]:
    """A hub id without its revision, and the revision: "name/model@v1" -> ("name/model", "v1")."""
    found = _HUB_ID.fullmatch(model)
    return (found[1], found[2]) if found else (model, None)


def _cached(model: str, revision: str | None) -> Path:
    """Not by snapshot_download(local_files_only): it asks for every file of the repository (2.4), not those we need."""
    from huggingface_hub import try_to_load_from_cache

    name, pinned = split_revision(model)
    with contextlib.suppress(ValueError):  # an id that the client does not take
        index = try_to_load_from_cache(name, "model_index.json", revision=pinned or revision)
        if isinstance(index, str):
            return Path(index).parent
    raise SjcError(
        f'The model "{model}" is neither a folder nor in the local model cache; fetch it once with '
        f'"sjc models fetch {model}" or give a folder.'
    )


def wanted_files(names: list[str]) -> list[str]:
    """Of a hub repository's files, those worth fetching.

    Configs, tokenizer, and one set of safetensors weights per component: half precision where there is one (half the
    download; read back as float32 on a CPU).
    """
    if "model_index.json" not in names:
        raise SjcError("That repository is not a diffusers pipeline: it has no model_index.json.")
    wanted = ["model_index.json"] + [n for n in names if n in ("sjc.json", DISTILLED)]
    wanted += [n for n in names if re.match(r"(tokenizer(_\d)?|scheduler)/", n)]
    for component in WEIGHT_STEMS:
        inside = [n for n in names if n.startswith(f"{component}/")]
        weights = [n for n in inside if n.endswith(".safetensors") or ".safetensors.index" in n]
        half = [n for n in weights if ".fp16" in n]
        if inside:
            wanted += [f"{component}/config.json", *(half or weights)]
    return wanted


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; SjcError where the file is missing, unreadable or something else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SjcError(f"{path} is missing; the model folder is not complete.") from None
    except (OSError, ValueError) as error:
        raise SjcError(f"{path} cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(data, dict):
        raise SjcError(f"{path} must hold a JSON object.")
    return data


def read_card(folder: Path) -> dict[str, Any]:
    """What sjc.json in a model folder says (camera, words ...), {} without one.  Raises SjcError for a damaged one."""
    path = folder / "sjc.json"
    return read_json(path) if path.is_file() else {}


def check(folder: Path) -> ModelFiles:
    """Reads the configs of a model and finds its weights.

    Raises SjcError for models of no known family, for upscalers, inpainters and their like, missing files and pickled
    weights.
    """
    if not (folder / "model_index.json").is_file():
        single, names = folder / "config.json", {path.name for path in folder.iterdir()}
        raise SjcError(not_a_pipeline(folder, names, read_json(single) if single.is_file() else {}))
    index = read_json(folder / "model_index.json")
    family, used = family_of(folder, index), used_components(index)
    texts = [name for name in family.texts if name in used]
    parts = [family.network, *texts, *(["vae"] if family.latent else [])]
    configs = {name: read_json(folder / name / "config.json") for name in parts}
    configs["scheduler"] = read_json(folder / "scheduler" / "scheduler_config.json")
    for name in map(tokenizer_of, texts):
        if not (folder / name).is_dir():
            raise SjcError(f"{folder / name} is missing; the model folder is not complete.")
    check_network(folder, family, configs[family.network], configs.get("vae", {}))
    found = {name: _weights(folder / name, WEIGHT_STEMS[name]) for name in parts}
    return ModelFiles(
        folder=folder,
        family=family,
        index=index,
        configs=configs,
        variants={name: variant for name, (variant, _) in found.items()},
        bytes_of={name: size for name, (_, (size, _)) in found.items()},
        numbers_of={name: count for name, (_, (_, count)) in found.items()},
    )


def _weights(folder: Path, stem: str) -> tuple[str | None, tuple[int, int]]:
    """(variant, (bytes, numbers)) of the safetensors weights in a component's folder: whole or in shards, plain or a
    variant.
    """
    names = {path.name for path in folder.iterdir()}
    variants = {m[1] for n in names if (m := re.fullmatch(rf"{stem}\.(\w+)\.safetensors", n))}
    variants |= {m[1] for n in names if (m := re.fullmatch(rf"{stem}\.safetensors\.index\.(\w+)\.json", n))}
    incomplete: list[str] = []
    for variant in (None, *sorted(variants)):
        suffix = f".{variant}" if variant else ""
        whole, shards = f"{stem}{suffix}.safetensors", f"{stem}.safetensors.index{suffix}.json"
        if whole in names:
            return variant, _size(folder / whole)
        if shards in names:
            parts = set(read_json(folder / shards).get("weight_map", {}).values())
            if parts and parts <= names:
                sizes = [_size(folder / part) for part in parts]
                return variant, (sum(size for size, _ in sizes), sum(count for _, count in sizes))
            incomplete += sorted(parts - names)
    if incomplete:
        raise SjcError(f"{folder / incomplete[0]} is missing; the model folder is not complete.")
    pickled = sorted(n for n in names if n.endswith(PICKLES))
    if pickled:
        raise SjcError(
            f"{folder / pickled[0]} is refused: pickled weights can run any program when they are read; save the model "
            "again with safe_serialization=True, or take its safetensors version."
        )
    raise SjcError(f"{folder / (stem + '.safetensors')} is missing; the model folder is not complete.")


def header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors, by name. Raises SjcError where it does not account for all bytes."""
    size, found = path.stat().st_size, {}
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            found = json.loads(file.read(min(length, size)))
        found.pop("__metadata__", None)
        ends = [entry["data_offsets"][1] for entry in found.values()]
        whole = 8 + length + max(ends, default=0) == size
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise SjcError(f"{path} is damaged or cut short; copy or fetch it again.")
    return found


def _size(path: Path) -> tuple[int, int]:
    """(bytes, numbers) of a whole safetensors file."""
    return path.stat().st_size, sum(math.prod(entry["shape"]) for entry in header(path).values())


def first_line(error: BaseException) -> str:
    """The first sentence of an error's message, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return re.split(r"\. (?=[A-Z])", lines[0])[0].rstrip(" .:") if lines else type(error).__name__
