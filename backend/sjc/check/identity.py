"""What a report says of the model, the machine and the libraries: no name of a person, and no place on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..machine.devices import device_name, versions
from ..models import model_list
from ..models.layout import WEIGHT_STEMS
from ..models.model_files import ModelFiles
from ..models.text_denoiser import TextDenoiser
from .place import short_name

SCHEDULER = (
    "_class_name", "prediction_type", "num_train_timesteps", "beta_schedule", "beta_start", "beta_end",
    "rescale_betas_zero_snr", "shift", "use_dynamic_shifting",
)  # fmt: skip
VAE = ("scaling_factor", "shift_factor", "latent_channels")
CHUNK = 2**22


def of_model(model: str, files: ModelFiles, denoiser: TextDenoiser) -> dict[str, Any]:
    """Name, family, size, and what its configuration says of noise and latents."""
    schedule = denoiser.schedule
    return {
        "name": short_name(model),
        "pipeline": str(files.index.get("_class_name", "")),
        "family": files.family.name,
        "revision": files.folder.name if files.folder.parent.name == "snapshots" else None,
        "licence": model_list.licence(files.folder) or None,
        "weight_bytes": files.weight_bytes,
        "parts": {name: {"bytes": files.bytes_of[name], "numbers": files.numbers_of[name]} for name in files.bytes_of},
        "channels": denoiser.channels,
        "size": denoiser.size,
        "predicts": prediction(denoiser),
        "sigma": [schedule.sigma_min, schedule.sigma_max],
        "scheduler": {key: files.configs["scheduler"].get(key) for key in SCHEDULER},
        "vae": {key: files.configs["vae"].get(key) for key in VAE} if "vae" in files.configs else None,
    }


def prediction(denoiser: TextDenoiser) -> str:
    """What the scheduler says that the network predicts, in diffusers' words."""
    from ..guidance.parameterizations import BY_PREDICTION_TYPE

    names = (name for name, known in BY_PREDICTION_TYPE.items() if known == denoiser.parameterization)
    return next(names, "flow")


def of_machine(denoiser: TextDenoiser) -> dict[str, Any]:
    """Device, precision, libraries."""
    return {
        "device": device_name(denoiser.device),
        "dtype": str(denoiser.dtype).removeprefix("torch."),
        "notes": list(denoiser.notes),
        "versions": {**versions(), "torch build": torch.__version__},
    }


def weight_files(files: ModelFiles) -> dict[str, list[Path]]:
    """The weight files of each part, in the variant that is loaded."""
    listed = {"four_views": [files.sister]} if files.sister else {}
    for part, variant in files.variants.items():
        stem, paths = WEIGHT_STEMS[part], sorted((files.folder / part).glob("*.safetensors"))
        own = [path for path in paths if path.name.startswith(stem)]
        listed[part] = [path for path in own if (f".{variant}." in path.name if variant else _plain(path, stem))]
    return listed


def _plain(path: Path, stem: str) -> bool:
    """Whether a weight file, or shard, belongs to no variant."""
    return "." not in path.name.removeprefix(stem).removesuffix(".safetensors")


def hashes(files: ModelFiles, count: Callable[[int], None] = lambda _bytes: None) -> dict[str, str]:
    """SHA-256 of every weight file by "part/file"; count: called with the bytes that were read."""
    digests = {}
    for part, paths in weight_files(files).items():
        for path in paths:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
                    count(len(chunk))
            digests[f"{part}/{path.name}"] = digest.hexdigest()
    return digests
