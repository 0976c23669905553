"""The C++ inside the Warp kernels (folder `cpp`): read, and its constants written in.

A file is the body of one native function of warp_kernels, and uses its arguments by their names there. Lines that
include another file of the folder are replaced by it, so Warp hashes the whole text and notices every change.

Whole-word constants: K = 1 + C floats a voxel (density first), ACTIVATION (index in grid.COLOR_ACTIVATIONS), SIGN (of
the walk's direction), EMULATED and ORDERED (warp_kernels.build), the sizes below, and for vectors LANES, WIDTH and
their lanes' numbers.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from .grid import COLOR_ACTIVATIONS

BLOCK = 4  # cells per side of a block of empty or occupied space
REACH = 8  # empty blocks jumped at once, to each side
COLUMN = 32  # blocks whose occupancy is found together on a CPU
CHUNK = 32  # samples walked together: the lanes of a warp
BUNDLE = 64  # rays that advance together on a CPU
WARPS = 2  # of a CUDA block; each works for itself
THREADS = CHUNK * WARPS  # of a CUDA block
FOLDER = Path(__file__).with_name("cpp")


@functools.cache
def read(name: str) -> str:
    """The text of one file of the folder, with those that it includes."""
    text = (FOLDER / name).read_text("utf-8")
    return re.sub(r'^#include "(\w+\.h)"$', lambda match: read(match[1]), text, flags=re.MULTILINE)


def source(
    name: str, channels: int, activation: str, *, sign: int = 1, emulated: bool = False, ordered: bool = False
) -> str:
    """The text of `name` with its constants written in."""
    k = 1 + channels
    lanes = 1 << (2 * k).bit_length() - 1  # the largest power of two in a column
    width = 1 << (k - 1).bit_length()  # the smallest that a voxel fits in
    lists = {
        "FIRST": range(width),
        "SECOND": [min(lanes - k + c, lanes - 1) for c in range(width)],
        "BOTH": [c if c < k else width + c - k for c in range(lanes)],
    }
    constants = {
        "K": k,
        "LANES": lanes,
        "WIDTH": width,
        "ACTIVATION": COLOR_ACTIVATIONS.index(activation),
        "BLOCK": BLOCK,
        "CHUNK": CHUNK,
        "BUNDLE": BUNDLE,
        "COLUMN": COLUMN,
        "FAR": REACH,
        "SIGN": sign,
        "WARPS": WARPS,
        "EMULATED": int(emulated),
        "ORDERED": int(ordered),
    }
    text = read(name)
    for word, value in constants.items():
        text = re.sub(rf"\b{word}\b", f"({value})", text)
    for word, values in lists.items():
        text = re.sub(rf"\b{word}\b", ", ".join(map(str, values)), text)
    return text
