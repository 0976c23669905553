"""The directory of a field's .npz, read before anything is unpacked: three megabytes of it can claim ten gigabytes.

Standard library only, so that Blender's side looks before NumPy does.
"""

from __future__ import annotations

import ast
import contextlib
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from .. import foreign
from ..errors import SjcError

LARGEST_EDGE = 512
"""Voxels along an edge, as the setting `grid` has it."""
LARGEST_CHANNELS = 16
MOST_MEMBERS = 16
META_BYTES = foreign.MB
SMALL_BYTES, TIGHTEST = 300 * foreign.MB, 10
"""A field of more bytes than the first may not be packed tighter than by the second; ours are not packed at all."""
_DIRECTORY_BYTES = 16_384
_END = struct.Struct("<4s4H2LH")  # of a zip archive without a comment
_HEADER_BYTES = 1024  # of an array; NumPy pads to 64, and ours have a dozen words
_ITEMS = {"<f2": 2, "<f4": 4, "<f8": 8, "|b1": 1, "<i4": 4, "<i8": 8}


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], within: str | os.PathLike[str] | None = None) -> Iterator[zipfile.ZipFile]:
    """The archive, with a directory of a size that ours have. Raises SjcError, one line, also for what fails inside.

    within: as `foreign.opened` takes it.
    """
    try:
        with foreign.opened(path, foreign.FIELD_BYTES, within) as file:
            _check_end(file.seek(-_END.size, os.SEEK_END) and file.read())
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except FileNotFoundError as error:
        raise SjcError(f"{path} does not exist.") from error
    except KeyError as error:
        raise SjcError(f"{path} is not a field of this program: {error.args[0]}") from error
    except (
        ValueError, TypeError, AttributeError, EOFError, OSError, NotImplementedError, RuntimeError, struct.error,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise SjcError(f"{path} cannot be read as a field ({foreign.first_line(error)}).") from error


def check_sizes(archive: zipfile.ZipFile) -> int:
    """The bytes of all arrays, unpacked. Raises ValueError for more, other or larger ones than a field of ours has."""
    members = archive.infolist()
    if len({member.filename for member in members}) != len(members):
        raise ValueError("it holds an array twice")
    shapes = {member.filename.removesuffix(".npy"): _shape(archive, member) for member in members}
    density = shapes["density"]
    if len(density) != 3 or not 0 < max(density) <= LARGEST_EDGE:
        raise ValueError(f"a density of the shape {density}")
    for name, shape in shapes.items():
        large = math.prod(shape) > 100 and (shape[:3] != density or math.prod(shape[3:]) > LARGEST_CHANNELS)
        if name != "meta" and large:
            raise ValueError(f"{name} of the shape {shape} beside a density of {density}")
    unpacked, packed = (sum(getattr(member, name) for member in members) for name in ("file_size", "compress_size"))
    if unpacked > SMALL_BYTES and unpacked > TIGHTEST * packed:
        raise ValueError(f"{packed / foreign.MB:.1f} MB of it claim to be {unpacked / foreign.MB:.0f} MB")
    return unpacked


def meta(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The JSON about the field. Raises KeyError without any, ValueError for a damaged one."""
    member = archive.getinfo("meta.npy")
    if member.file_size > META_BYTES:
        raise ValueError("its meta is too large")
    raw = archive.read(member)
    # A NumPy scalar of text: a header whose length stands in bytes 8 and 9, then UTF-32.
    value = foreign.parsed(raw[10 + int.from_bytes(raw[8:10], "little") :].decode("utf-32-le").rstrip("\0"))
    if not isinstance(value, dict):
        raise ValueError(f"its meta is {foreign.shown(value)}")  # noqa: TRY004 (as everything else that is wrong)
    return value


def step_of(values: dict[str, Any]) -> int:
    """The step in a field's meta, 0 where it names none. Raises SjcError for one that no run has."""
    return foreign.Record(values, "meta").whole("step", 0, foreign.MOST_STEPS, 0)


def _check_end(end: bytes | int) -> None:
    """Raises ValueError unless the last bytes say that the directory is short."""
    if not isinstance(end, bytes) or len(end) != _END.size:
        raise ValueError("it is cut short")
    mark, _, _, _, members, size, _, comment = _END.unpack(end)
    if mark != b"PK\5\6" or comment:
        raise ValueError("it is cut short, or no archive")
    if members > MOST_MEMBERS or size > _DIRECTORY_BYTES:
        raise ValueError("its directory is too large")


def _shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[int, ...]:
    """The shape that an array's header states. Raises ValueError where it does not account for its size."""
    with archive.open(member) as stream:
        start = stream.read(10)
        length = int.from_bytes(start[8:10], "little")
        if start[:8] != b"\x93NUMPY\1\0" or length > _HEADER_BYTES:
            raise ValueError(f"{member.filename} is no array of this program")
        try:
            header = ast.literal_eval(stream.read(length).decode("latin-1").strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"{member.filename} has a damaged header") from None
    shape, kind = header["shape"], header["descr"]
    whole = isinstance(shape, tuple) and all(type(number) is int and number >= 0 for number in shape)
    if not whole or not isinstance(kind, str) or len(shape) > 4 or header["fortran_order"] not in (True, False):
        raise ValueError(f"{member.filename} has a damaged header")
    text = kind.startswith("<U") and kind[2:].isdecimal() and len(kind) < 10
    if kind not in _ITEMS and not text:
        raise ValueError(f"{member.filename} holds values of the type {foreign.shown(kind)}")
    size = math.prod(shape) * (4 * int(kind[2:]) if text else _ITEMS[kind])
    if 10 + length + size != member.file_size or (text and size > META_BYTES):
        raise ValueError(f"{member.filename} has another size than its header states")
    return shape
