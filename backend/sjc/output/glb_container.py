"""A .glb file: a JSON document and one block of bytes, y up.  No more than numpy, for Blender writes it, too."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC, JSON, BIN = 0x46546C67, 0x4E4F534A, 0x004E4942


def to_gltf(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Engine frame, z up -> glTF frame, y up: (x, y, z) -> (x, z, -y)."""
    return np.stack([points[:, 0], points[:, 2], -points[:, 1]], 1)


def from_gltf(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """glTF frame, y up -> engine frame, z up: (x, y, z) -> (x, -z, y)."""
    return np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)


def container(document: dict[str, Any], binary: bytes) -> bytes:
    """The file's bytes (glTF 2.0, section 4.4). binary: a multiple of four bytes."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<III", MAGIC, 2, 12 + 8 + len(text) + 8 + len(binary))
    return head + struct.pack("<II", len(text), JSON) + text + struct.pack("<II", len(binary), BIN) + binary
