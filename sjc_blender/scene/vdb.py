"""What the add-on must know of a .vdb before Blender opens it: is it whole, how wide is a voxel. No bpy, no OpenVDB.

Blender reads grids only when it draws them, and a file cut short would show as nothing without a word.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from ..backend.sjc import foreign
from ..backend.sjc.errors import SjcError

_MAGIC = b" BDV\0\0\0\0"
_TRANSFORM = "UniformScaleTranslateMap"
_LONGEST = 4096  # no name or metadata of ours comes near
_MOST_GRIDS, _LARGEST_VOXEL = 16, 10.0


@dataclass(frozen=True)
class Header:
    """grids: their names in the file's order; voxel: edge length of the density's, in the volume's own units."""

    grids: tuple[str, ...]
    voxel: float


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the head of a .vdb that this program wrote. Raises SjcError for a cut short, foreign or missing file."""
    try:
        with foreign.opened(path, foreign.FIELD_BYTES) as stream:
            return _read(stream, path)
    except OSError as error:
        raise SjcError(f"{path} cannot be read: {error.strerror}.") from error
    except (struct.error, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise SjcError(f"{path} is cut short or damaged.") from error


def _read(stream: BinaryIO, path: str | os.PathLike[str]) -> Header:
    size = os.fstat(stream.fileno()).st_size
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise SjcError(f"{path} is not an OpenVDB file.")
    stream.seek(struct.calcsize("<III?") + 36, os.SEEK_CUR)  # versions, flag, UUID
    _skip_metadata(stream)
    names, voxel = [], 0.0
    count = _number(stream)
    if count > _MOST_GRIDS:
        raise struct.error
    for _ in range(count):
        names.append(_string(stream))
        _string(stream)  # type
        _string(stream)  # parent
        start, _blocks, end = struct.unpack("<qqq", stream.read(24))
        if not stream.tell() <= start < end <= size:
            raise SjcError(f"{path} is cut short.")
        stream.seek(start + 4)  # compression
        _skip_metadata(stream)
        if _string(stream) != _TRANSFORM:
            raise SjcError(f"{path} was not written by this program; use Add > Volume > Import OpenVDB for it.")
        edge = struct.unpack("<6d", stream.read(48))[3]  # translation, scale
        voxel = edge if names[-1] == "density" else voxel  # colour may be coarser
        stream.seek(end)
    if "density" not in names:
        raise SjcError(f"{path} contains no grid named density.")
    if not 0 < voxel < _LARGEST_VOXEL:  # NaN and infinity as well
        raise struct.error
    return Header(tuple(names), voxel)


def _number(stream: BinaryIO) -> int:
    (value,) = struct.unpack("<I", stream.read(4))
    return int(value)


def _string(stream: BinaryIO) -> str:
    length = _number(stream)
    if length > _LONGEST:
        raise struct.error
    return stream.read(length).decode()


def _skip_metadata(stream: BinaryIO) -> None:
    count = _number(stream)
    if count > _LONGEST:
        raise struct.error
    for _ in range(count):
        _string(stream)
        _string(stream)
        stream.seek(_number(stream), os.SEEK_CUR)
