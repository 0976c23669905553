"""Finding a diffusers model on disk and refusing, before anything heavy is imported, what cannot be used.

A model is a folder in the ordinary diffusers layout: model_index.json, unet/ or transformer/, text_encoder/,
tokenizer/, scheduler/, vae/ and so on (families.py says which), weights in safetensors.  Stdlib only (huggingface_hub
is imported for hub ids alone).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from .. import foreign
from ..errors import SjcError, here
from ..paths import OWN_MODELS, near, user_path
from . import hub, mvdream, single_file
from .config_limits import check_part, check_scheduler
from .families import (
    FOUR_VIEWS,
    MVDREAM,
    Family,
    check_network,
    family_of,
    not_a_pipeline,
    tokenizer_of,
    used_components,
)
from .hub_ids import is_hub_id, split_revision
from .known_classes import AUTOENCODERS, TOKENIZERS, check_class, check_config
from .layout import PICKLE_SUFFIXES, SISTER, WEIGHT_STEMS
from .small_files import WEIGHT_BYTES, header, read_json

EMBEDDED = Path(__file__).resolve().parents[1] / "embedded" / "model"
EMBEDDED_VIEWS = EMBEDDED.with_name("views")
"""The embedded model's sister that sees four views at once (four_views.py): a folder with what it does not share."""
OWN = dict(zip(OWN_MODELS, (EMBEDDED, EMBEDDED_VIEWS), strict=True))
"""The models of the package by name."""


@dataclass(frozen=True)
class ModelFiles:
    """A checked folder.

    `index` is model_index.json, `configs` the config of each component, `variants` the weight variant each component
    is stored in (None or e.g. "fp16"), `bytes_of` what each component's weights take on disk,
    `numbers_of` how many numbers they are, `sister` the file of the embedded model's sister, whose other files are
    those of `folder`.
    """

    folder: Path
    family: Family
    index: dict[str, Any]
    configs: dict[str, dict[str, Any]]
    variants: dict[str, str | None]
    bytes_of: dict[str, int]
    numbers_of: dict[str, int]
    sister: Path | None = None

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
    """The folder of "embedded" or "embedded-views", of a path, or of a hub id in the local hub cache.

    A hub id is "name/model" or "name/model@revision".

    A checkpoint in one file is made a folder in the cache first, once (single_file_conversion.py).

    The network is touched only for a hub id with download=True (hub.py), never when it is forbidden (`hub.offline`);
    `tell` is then given the bytes of all its files, before the first comes.  Raises SjcError where nothing is found.
    """
    if model == "embedded":
        if not (EMBEDDED / "model_index.json").is_file():
            raise SjcError("This installation lacks the embedded model; reinstall it or choose another model.")
        return EMBEDDED
    if model in OWN:
        if not is_sister(OWN[model]):
            raise SjcError("This installation lacks the embedded model for four views; choose embedded.")
        return OWN[model]
    path = user_path(model)
    if foreign.is_folder(path):
        return path
    if foreign.kind(path):
        from .single_file_conversion import converted  # needs torch, which Blender has not

        return converted(path)
    if not is_hub_id(model):
        if model.startswith("//"):
            raise SjcError(f"{model} is relative to a .blend file, which is not known here; give the whole path.")
        if other := near(path):
            raise SjcError(f'There is no model folder "{model}", but there is {other}: write it with the same letters.')
        raise SjcError(f'There is no model folder "{model}"; give a folder, a hub id such as name/model, or embedded.')
    if not download:
        return _cached(model, revision)
    return hub.download(model, revision, tell)


def _cached(model: str, revision: str | None) -> Path:
    """Not by snapshot_download(local_files_only): it asks for every file of the repository (2.4), not those we need."""
    from huggingface_hub import try_to_load_from_cache

    name, pinned = split_revision(model)
    with contextlib.suppress(ValueError):  # an id that the client does not take
        index = try_to_load_from_cache(name, "model_index.json", revision=pinned or revision)
        if isinstance(index, str):
            return Path(index).parent
    raise SjcError(
        f'The model "{model}" is neither a folder nor in the local model cache; '
        + here(f'fetch it once with "sjc models fetch {model}"', "press Download Model beside it")
        + ", or give a folder."
    )


def check_there(model: str) -> None:
    """`locate` and `check`, but of a single-file checkpoint only its head is read.  Raises SjcError as they do."""
    if is_single_file(model):
        single_file.describe(user_path(model))
    else:
        check(locate(model))


def is_single_file(model: str) -> bool:
    """Whether `model` is the path of a file, a checkpoint in one piece."""
    return model not in OWN and user_path(model).is_file()


def is_sister(folder: Path) -> bool:
    """Whether a folder holds what the embedded model's sister has of its own."""
    return foreign.kind(folder / SISTER) != "" and not (folder / "model_index.json").is_file()


def read_card(folder: Path) -> dict[str, Any]:
    """What sjc.json in a model folder says (camera, words ...), {} without one.  Raises SjcError for a damaged one."""
    if is_sister(folder):  # an adapter of the single network is none of the sister's
        return {key: value for key, value in read_card(EMBEDDED).items() if key != "distilled"}
    path = folder / "sjc.json"
    if not foreign.kind(path):
        return {}
    card = foreign.Record(foreign.read_json(path), path)
    card.text("view_words", "paper")
    card.number("mean_shade", 0.01, 1, 1)
    if card.values.get("max_words") is not None:
        card.whole("max_words", 1, 10_000)
    words = card.record("words")
    for group in words.values:
        words.texts(group, 100_000)
    return card.values


def check(folder: Path) -> ModelFiles:
    """Reads the configs of a model and finds its weights.

    Raises SjcError for models of no known family, for upscalers, inpainters and their like, missing files and pickled
    weights.
    """
    if is_sister(folder):
        return _check_sister(folder / SISTER)
    if not (folder / "model_index.json").is_file():
        single, names = folder / "config.json", {path.name for path in folder.iterdir()}
        raise SjcError(not_a_pipeline(folder, names, read_json(single) if single.is_file() else {}))
    index = read_json(folder / "model_index.json")
    family, used = family_of(folder, index), used_components(index)
    texts = [name for name in family.texts if name in used]
    parts = [family.network, *texts, *(["vae"] if family.latent else [])]
    for name in ("scheduler", *parts, *map(tokenizer_of, texts)):
        check_files(folder / name)
    configs = {name: read_json(folder / name / "config.json") for name in parts}
    configs["scheduler"] = read_json(folder / "scheduler" / "scheduler_config.json")
    for name in map(tokenizer_of, texts):
        if not foreign.is_folder(folder / name):
            raise SjcError(f"{folder / name} is missing; the model folder is not complete.")
    _check_kind_of_unet(folder, family, configs)
    _check_programs(folder, family, index, configs)
    check_network(folder, family, configs[family.network], configs.get("vae", {}))
    weights = {name: weights_of(folder / name, WEIGHT_STEMS[name]) for name in parts}
    check_scheduler(folder / "scheduler" / "scheduler_config.json", configs["scheduler"])
    for name, (_, size) in weights.items():
        check_part(folder / name / "config.json", configs[name], size.tensors, size.largest)
    return ModelFiles(
        folder=folder,
        family=family,
        index=index,
        configs=configs,
        variants={name: variant for name, (variant, _) in weights.items()},
        bytes_of={name: size.bytes for name, (_, size) in weights.items()},
        numbers_of={name: size.numbers for name, (_, size) in weights.items()},
    )


def _check_sister(path: Path) -> ModelFiles:
    """The shipped model's files with what the sister has beside them."""
    shared, own = check(locate("embedded")), _size(path)
    return replace(
        shared,
        family=FOUR_VIEWS,
        bytes_of=shared.bytes_of | {"unet": shared.bytes_of["unet"] + own.bytes},
        numbers_of=shared.numbers_of | {"unet": shared.numbers_of["unet"] + own.numbers},
        sister=path,
    )


def _check_kind_of_unet(folder: Path, family: Family, configs: dict[str, dict[str, Any]]) -> None:
    """Puts diffusers' configuration in the place of MVDream's.  Raises SjcError where it is not the folder's own."""
    path = folder / "unet" / "config.json"
    if family is MVDREAM:
        configs["unet"] = mvdream.network_config(path, configs["unet"])
    elif configs.get("unet", {}).get("_class_name") == mvdream.CLASS_NAME:
        raise SjcError(
            f"{path} is that of MVDream, but model_index.json names a network for single views; take the whole folder "
            "from one model."
        )


def check_files(folder: Path) -> None:
    """Raises SjcError for a component with anything else than regular files, which its library would open."""
    for path in folder.iterdir() if foreign.is_folder(folder) else ():
        if not foreign.is_folder(path):
            weights = path.suffix in (".safetensors", ".onnx_data", *PICKLE_SUFFIXES)
            with contextlib.suppress(OSError):  # a link to nothing or to itself is as good as no file
                foreign.check_file(path, WEIGHT_BYTES if weights else foreign.RECORD_BYTES)


def _check_programs(folder: Path, family: Family, index: dict[str, Any], configs: dict[str, dict[str, Any]]) -> None:
    """Raises SjcError where a file of the model names a program, or a class that is not known."""
    for name in (tokenizer_of(text) for text in family.texts if text in configs):
        check_class(f"{folder / 'model_index.json'} ({name})", index[name][1], TOKENIZERS)
        path = folder / name / "tokenizer_config.json"
        config = read_json(path) if foreign.kind(path) else {}
        check_config(path, config)
        check_class(path, config.get("tokenizer_class", index[name][1]), TOKENIZERS)
    if "vae" in configs:
        check_class(f"{folder / 'model_index.json'} (vae)", index["vae"][1], AUTOENCODERS)
    networks = ("UNet2DConditionModel",) if family is MVDREAM else (family.network_class,)
    for name, classes in {family.network: networks, "vae": AUTOENCODERS}.items():
        named = configs.get(name, {}).get("_class_name")
        if named is not None:
            check_class(folder / name / "config.json", named, classes)
    for name, config in configs.items():
        check_config(folder / name / "config.json", config)
        adapter = folder / name / "adapter_config.json"
        if adapter.exists():  # transformers would load the model that this names, wherever it is
            raise SjcError(f"{adapter} makes an adapter of this part; take the model that it was made for.")


class Size(NamedTuple):
    """Of weights: bytes on the disk, numbers, tensors, the longest edge of a tensor."""

    bytes: int
    numbers: int
    tensors: int
    largest: int


def weights_of(folder: Path, stem: str) -> tuple[str | None, Size]:
    """(variant, size) of the safetensors weights in a component's folder.

    They are one file or shards, plain or of a variant such as fp16.
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
            parts = set(_shards(folder / shards))
            if parts and parts <= names:
                bytes_, numbers, tensors, largest = zip(*(_size(folder / part) for part in parts), strict=True)
                return variant, Size(sum(bytes_), sum(numbers), sum(tensors), max(largest))
            incomplete += sorted(parts - names)
    if incomplete:
        raise SjcError(f"{folder / incomplete[0]} is missing; the model folder is not complete.")
    pickled = sorted(n for n in names if n.endswith(PICKLE_SUFFIXES))
    if pickled:
        raise SjcError(
            f"{folder / pickled[0]} is refused: pickled weights can run any program when they are read; save the model "
            "again with safe_serialization=True, or take its safetensors version."
        )
    raise SjcError(f"{folder / (stem + '.safetensors')} is missing; the model folder is not complete.")


def _shards(path: Path) -> list[str]:
    """The files that an index of shards names, all beside it. Raises SjcError for a damaged index."""
    shards = list(foreign.Record(read_json(path), path).record("weight_map").values.values())
    if not all(isinstance(name, str) and Path(name).name == name for name in shards):
        raise SjcError(f"{path} is damaged: its weight_map must name files beside it.")
    return shards


def _size(path: Path) -> Size:
    """Of a whole safetensors file."""
    shapes = [entry["shape"] for entry in header(path).values()]
    largest = max((edge for shape in shapes for edge in shape), default=0)
    return Size(path.stat().st_size, sum(map(math.prod, shapes)), len(shapes), largest)
