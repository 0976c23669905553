"""Reading small files of a model, JSON and the head of safetensors, and what is wrong with them in one line.

Standard library only.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..errors import SjcError


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


def header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors, by name. Raises SjcError where it does not account for all bytes."""
    return head(path)[0]


def head(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """(`header`, the metadata: what the file's maker wrote into it, text by name).  Raises SjcError as `header`."""
    size, tensors, metadata = path.stat().st_size, {}, None
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            tensors = json.loads(file.read(min(length, size)))
        metadata = tensors.pop("__metadata__", None)
        ends = [entry["data_offsets"][1] for entry in tensors.values()]
        whole = 8 + length + max(ends, default=0) == size
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise SjcError(f"{path} is damaged or cut short; copy or fetch it again.")
    known = metadata if isinstance(metadata, dict) else {}
    return tensors, {str(name): value for name, value in known.items() if isinstance(value, str)}


def first_line(error: BaseException) -> str:
    """The first sentence of an error's message, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return re.split(r"\. (?=[A-Z])", lines[0])[0].rstrip(" .:") if lines else type(error).__name__
