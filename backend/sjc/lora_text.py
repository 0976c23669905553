"""The text of the setting `lora`, "PATH[:weight], PATH[:weight]": read, not checked against the disk.

Standard library only: settings, the worker and Blender read it alike.  `sjc.models.lora` opens the files.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import SjcError
from .paths import user_path

LARGEST_WEIGHT = 10.0
FILE_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
"""By these a path is told from a weight after a colon."""


@dataclass(frozen=True)
class Lora:
    """One file and how strongly it counts: 1 as trained, 0 not at all, below 0 its opposite."""

    path: Path
    weight: float


def parse(text: str) -> tuple[Lora, ...]:
    """The LoRAs of "PATH[:weight], PATH[:weight]"; a weight left out is 1, "" names none.  Looks at no file.

    A path is a file or the folder that holds it under diffusers' name, and has no comma.  The colon of a Windows drive
    is no weight's.  Raises SjcError for a weight that is not a number from -10 to 10.
    """
    return tuple(_parsed(part.strip()) for part in text.split(",") if part.strip())


def _parsed(part: str) -> Lora:
    path, colon, weight = part.rpartition(":")
    drive = re.fullmatch("[A-Za-z]", path) is not None
    in_path = any(c in weight for c in "/\\") or weight.endswith(FILE_SUFFIXES)
    if not colon or drive or in_path:
        return Lora(user_path(part), 1.0)
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST_WEIGHT:
        raise SjcError(
            f'lora: the weight "{weight.strip()}" of {path or "nothing"} is not a number from -10 to 10; write '
            "PATH:0.8, or PATH alone."
        )
    if not path.strip():
        raise SjcError(f'lora: "{part}" names no file; write PATH:0.8, or PATH alone.')
    return Lora(user_path(path), number)
