"""`sjc models convert`: pickled weights to safetensors.

The one place where a pickle is read: by torch's weights-only reader, which builds tensors and containers only, and
in a process of its own, so that whatever a hostile file still achieves does not happen in the user's session.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import SjcError

PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def convert(path: Path) -> Path:
    """Writes the weights in `path` beside it as safetensors, whole; returns the new file.

    pytorch_model.bin becomes model.safetensors, as transformers names it; others keep their stem.  Raises SjcError, one
    line: no such file, not a pickle's name, the output exists, not plain weights.
    """
    if not path.is_file():
        raise SjcError(f"There is no file {path} to convert.")
    if path.suffix.lower() not in PICKLES:
        raise SjcError(f"{path} is not converted: give a file that ends in {', '.join(PICKLES)}.")
    stem = "model" if path.stem == "pytorch_model" else path.stem
    target = path.with_name(f"{stem}.safetensors")
    if target.exists():
        raise SjcError(f"{target} already exists; remove it first to convert {path.name} again.")
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = done.stdout.strip() or f"the converting process ended with {done.returncode}"
        raise SjcError(f"{path} cannot be converted: {message}")
    return target


_CHILD = f"""
import sys
sys.path[:0] = {[str(Path(__file__).resolve().parents[2])]!r}
from sjc.models.convert import convert_here
sys.exit(convert_here(*sys.argv[1:]))
"""


def convert_here(source: str, target: str) -> int:
    """The child's whole work: 0, or 1 after one line on stdout."""
    try:
        _convert(source, target)
    except SjcError as error:
        print(error)
        return 1
    return 0


class _Ignored:
    """Stands for an object that is no weight: takes whatever it is made with, and holds nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


_NO_WEIGHTS = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "numpy.", "omegaconf.")


def _inert(source: str) -> list[Any]:
    """Stand-ins for what trainers save beside the weights: their classes are not imported, and nothing of them runs."""
    import torch

    with contextlib.suppress(Exception):  # what is no such file is refused by who reads it
        names = torch.serialization.get_unsafe_globals_in_checkpoint(source)
        return [(type("Ignored", (_Ignored,), {}), name) for name in names if name.startswith(_NO_WEIGHTS)]
    return []


def _convert(source: str, target: str) -> None:
    import torch
    from safetensors.torch import save_file

    from ..output.files import alone, replacing

    try:
        with torch.serialization.safe_globals(_inert(source)):
            loaded = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names every refused class at length
        raise SjcError(
            "it holds more than weights, or is damaged; get it in safetensors from a source that you trust."
        ) from error
    table = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    tensors = {k: v for k, v in table.items() if isinstance(v, torch.Tensor)} if isinstance(table, dict) else {}
    if not tensors:
        raise SjcError("it is no table of named weights.")
    if table is not loaded and isinstance(loaded.get("global_step"), int):  # tells Stable Diffusion 2 base from 2
        tensors.setdefault("global_step", torch.tensor(loaded["global_step"]))
    # Tied weights share memory, which safetensors refuses.
    weights = {str(name): weight.detach().clone().contiguous() for name, weight in tensors.items()}
    with replacing(target) as temporary, alone(temporary) as place:
        save_file(weights, place, {"format": "pt"})
