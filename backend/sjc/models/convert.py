"""`sjc models convert`: pickled weights to safetensors.

The one place where a pickle is read: by torch's weights-only reader, which builds tensors and containers only, and
in a process of its own, so that whatever a hostile file still achieves does not happen in the user's session.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..errors import SjcError

PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def convert(path: Path) -> Path:
    """Writes the weights in `path` beside it as safetensors, whole; returns the new file.

    pytorch_model.bin becomes model.safetensors, as transformers names it; others keep their stem.  Raises SjcError, one
    line: no such file, not a pickle's name, the output exists, not plain weights.
    """
    if not path.is_file():
        raise SjcError(f"There is no file {path} to convert.")
    if path.suffix not in PICKLES:
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


def _convert(source: str, target: str) -> None:
    import torch
    from safetensors.torch import save_file

    from ..output.files import alone, replacing

    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names every refused class at length
        raise SjcError(
            "it holds more than weights, or is damaged; get it in safetensors from a source that you trust."
        ) from error
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(v, torch.Tensor) for v in loaded.values()):
        raise SjcError("it is no table of named weights.")
    # Tied weights share memory, which safetensors refuses.
    weights = {str(name): weight.detach().clone().contiguous() for name, weight in loaded.items()}
    with replacing(target) as temporary, alone(temporary) as place:
        save_file(weights, place, {"format": "pt"})
