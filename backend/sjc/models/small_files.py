"""Reading small files of a model, JSON and the head of safetensors, and what is wrong with them in one line.

Standard library only.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError

HEADER_BYTES = 100 * foreign.MB
"""A head that safetensors reads is not larger."""
WEIGHT_BYTES = 10**12
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, with or without a mark of byte order.

    Raises SjcError where the file is missing, unreadable or something else.
    """
    try:
        config = foreign.read_json(path, constants=True)  # diffusers writes -Infinity into schedulers
    except FileNotFoundError:
        raise SjcError(f"{path} is missing; the model folder is not complete.") from None
    except SjcError:
        check_fetched(path)
        raise
    return foreign.Record(config, path).values


def check_fetched(path: Path) -> None:
    """Raises SjcError for the small text that git leaves in place of a large file that it has not fetched."""
    try:
        with foreign.opened(path, WEIGHT_BYTES) as file:
            begins = file.read(len(LFS_POINTER))
    except OSError:  # which is another problem
        return
    if begins == LFS_POINTER:
        raise SjcError(
            f"{path} is a Git LFS pointer, not the file itself; download the file, or run git lfs pull in its folder."
        )


def header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors, by name. Raises SjcError where it does not account for all bytes."""
    return head(path)[0]


def head(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """(`header`, the metadata: what the file's maker wrote into it, text by name).  Raises SjcError as `header`."""
    tensors: dict[str, Any] = {}
    metadata = None
    try:
        with foreign.opened(path, WEIGHT_BYTES) as file:
            size, length = os.fstat(file.fileno()).st_size, int.from_bytes(file.read(8), "little")
            if length <= min(size, HEADER_BYTES):
                tensors = foreign.parsed(file.read(length).decode())
        metadata = tensors.pop("__metadata__", None)
        whole = 8 + length + max(map(_end, tensors.values()), default=0) == size
    except OSError as error:
        raise SjcError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        check_fetched(path)
        raise SjcError(f"{path} is damaged or cut short; copy or fetch it again.")
    known = metadata if isinstance(metadata, dict) else {}
    return tensors, {str(name): value for name, value in known.items() if isinstance(value, str)}


def _end(entry: dict[str, Any]) -> int:
    """Where the bytes of a tensor end. Raises ValueError or its like where the entry is none."""
    begin, end = entry["data_offsets"]
    numbers = (begin, end, *entry["shape"])
    if not isinstance(entry["dtype"], str) or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError
    return int(end)


def first_line(error: BaseException) -> str:
    """The first sentence of an error's message, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return re.split(r"\. (?=[A-Z])", lines[0])[0].rstrip(" .:") if lines else type(error).__name__
