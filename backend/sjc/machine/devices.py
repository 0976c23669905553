"""What a run computes on, and with which libraries."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import SjcError
from . import cards

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """The torch device of a setting. Raises SjcError for one that is not there."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return _with_kernels(torch.device("cuda"))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.startswith("cuda"):
        index = int(name[5:] or 0)
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if index >= count:
            have = (
                f"this machine has {count} (cuda:0 to cuda:{count - 1})" if count else "torch sees no CUDA device here"
            )
            raise SjcError(f"device {name} is not there: {have}. Set the device to cpu or auto.")
        return _with_kernels(torch.device(name))
    if name == "mps" and not torch.backends.mps.is_available():
        raise SjcError("device mps is not there (Apple GPUs only). Set the device to cpu or auto.")
    return torch.device(name)


def _with_kernels(device: torch.device) -> torch.device:
    """The CUDA device, if torch's build can run on it. Raises SjcError."""
    if reason := cards.unfit(device.index or 0):
        raise SjcError(reason.fact, code=reason.code)
    return device


def device_name(device: torch.device) -> str:
    """Such as "cpu (x86_64, 2 threads)" or "cuda:0 (the card's name, 24 GB)"."""
    import torch

    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        return f"{device} ({torch.cuda.get_device_name(device)}, {memory / 2**30:.0f} GB)"
    return f"{device} ({platform.machine()}, {torch.get_num_threads()} threads)"


def versions() -> dict[str, str]:
    """Of Python and of the libraries that a result depends on."""
    from importlib.metadata import PackageNotFoundError, version

    versions_by_name = {"python": platform.python_version(), "sjc": __version__}
    for name in ("torch", "diffusers", "transformers", "peft", "onnxruntime", "warp-lang", "numpy", "scikit-image"):
        try:
            versions_by_name[name] = version(name)
        except PackageNotFoundError:
            versions_by_name[name] = "missing"
    return versions_by_name
