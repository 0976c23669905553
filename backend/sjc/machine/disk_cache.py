"""What can be made again but takes time, kept in the user's cache: tensors in safetensors files.

Whatever goes wrong with it (no room, no permission, a damaged file), it is made again instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from .. import foreign
from .folders import PART, clear_abandoned

_HEAD = 2**16  # bytes of a file that go into the fingerprint beside its size and time


def fingerprint(folder: Path, parts: Iterable[str], *more: str) -> str:
    """Changes when a file in one of the folder's parts may have, or one of `more`.

    Files count by name, size, time and first bytes; reading ten gigabytes would take longer than what is kept saves.
    """
    digest = hashlib.sha256("\0".join(more).encode())
    for part in parts:
        for path in filter(foreign.is_file, sorted((folder / part).glob("*"))):
            known = path.stat()
            with path.open("rb") as file:
                digest.update(f"{part}/{path.name} {known.st_size} {known.st_mtime_ns}".encode() + file.read(_HEAD))
    return digest.hexdigest()[:32]


def load(path: Path) -> dict[str, Tensor] | None:
    """What `save` kept there, on the CPU; None if nothing was, or it cannot be read."""
    from safetensors.torch import load_file

    with contextlib.suppress(Exception):
        return load_file(path)
    return None


def save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Keep tensors, whole or not at all, if that can be done."""
    from safetensors.torch import save_file

    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(path.parent)
        # In a folder of our own: the library writes to a file beside the one that it is given, and a kill leaves both.
        with tempfile.TemporaryDirectory(prefix=PART, dir=path.parent, ignore_cleanup_errors=True) as folder:
            made = Path(folder) / path.name
            save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, made)
            made.replace(path)
