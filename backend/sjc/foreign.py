"""Files that come from outside: opened without being blocked, tricked into another folder, or filled by them.

A job folder, a model, a list of jobs may have been made by a stranger, or damaged. Engine and extension open all of
them here: a regular file only (no pipe, no device, no socket), of a size that its kind can have, and where it belongs
to a folder, inside of that. `Record` reads the values of a JSON object, each of its type and within its bounds.
Standard library only.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from .errors import SjcError

MB = 10**6
SETTINGS_BYTES = MB  # job.json, a NAME.sjc, a saved preset
RECORD_BYTES = 16 * MB  # run.json, the configurations of a model, lists of jobs and prompts
MESH_BYTES = 500 * MB  # mesh.glb; ten million faces, the most that can be set, with their points and colours
PICTURE_BYTES = 100 * MB  # a reference picture
FIELD_BYTES = 4000 * MB  # volumes, meshes, checkpoints: the largest grid, 512^3 of four numbers, takes twice its half
MOST_STEPS = 1_000_000  # of a run, as the setting `steps` has it

AnyPath: TypeAlias = str | os.PathLike[str]
Kind = Literal["file", "folder", "special", ""]
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_BINARY", "O_CLOEXEC", "O_NOCTTY"))


def kind(path: AnyPath) -> Kind:
    """What lies there, links followed; "" for nothing, and for what can be no path at all. Never raises."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return ""
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "special"


def is_file(path: AnyPath) -> bool:
    """Whether a regular file lies there. Never raises."""
    return kind(path) == "file"


def is_folder(path: AnyPath) -> bool:
    """Whether a folder lies there. Never raises."""
    return kind(path) == "folder"


def resolved(path: AnyPath) -> Path:
    """Where a path leads, links followed. Raises SjcError for links in a circle, and for what can be no path."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise SjcError(f"{str(path)!a} is no path: {first_line(error)}.") from error


def check_file(path: AnyPath, largest: int, within: AnyPath | None = None) -> int:
    """The size of a regular file of at most `largest` bytes, for a library that opens it itself; opens nothing.

    within: the folder that it must lie in, wherever that itself lies. Raises FileNotFoundError where nothing is, other
    OSErrors as the system does, SjcError for everything that is not read.
    """
    try:
        status = Path(path).stat()
        if within is not None and not _lies_in(path, within):
            raise SjcError(f"{path} is a link that leads out of {within}; nothing outside of that folder is read.")
    except (ValueError, RuntimeError) as error:  # a NUL or half a character, which no path can have; links in a circle
        raise SjcError(f"{str(path)!a} is no path: {first_line(error)}.") from error
    return _check(path, status, largest)


def opened(path: AnyPath, largest: int, within: AnyPath | None = None) -> io.BufferedReader:
    """That file, open for reading. Raises as `check_file`."""
    check_file(path, largest, within)
    handle = os.open(path, _FLAGS)
    try:
        _check(path, os.fstat(handle), largest)  # something else may stand there by now
        return io.open(handle, "rb")  # noqa: UP020 (Path.open takes no descriptor)
    except BaseException:
        os.close(handle)
        raise


def appended(path: AnyPath) -> BinaryIO:
    """A file to write at its end, made where it is missing. Raises SjcError for a link, a device or a pipe, OSError."""
    if Path(path).is_symlink():
        raise SjcError(f"{path} is a link; nothing is written where it leads.")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (_FLAGS & ~os.O_RDONLY)
    handle = os.open(path, flags, 0o666)
    try:
        _check(path, os.fstat(handle), FIELD_BYTES)
        return io.open(handle, "ab")  # noqa: UP020 (Path.open takes no descriptor)
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: AnyPath, largest: int, within: AnyPath | None = None) -> bytes:
    """All of that file. Raises as `check_file`, and SjcError for one that grows beyond `largest` meanwhile."""
    with opened(path, largest, within) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise _too_large(path, largest)
    return content


def read_text(path: AnyPath, largest: int, within: AnyPath | None = None) -> str:
    """UTF-8 text, with or without a byte-order mark. Raises as `read_bytes`, and SjcError for other bytes."""
    try:
        return read_bytes(path, largest, within).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SjcError(f"{path} is not UTF-8 text: {first_line(error)}.") from error


def read_json(
    path: AnyPath, largest: int = RECORD_BYTES, within: AnyPath | None = None, *, constants: bool = False
) -> Any:
    """The value of a JSON file. Raises FileNotFoundError where there is none, SjcError for all that cannot be read.

    constants: as `parsed`.
    """
    try:
        return parsed(read_text(path, largest, within), constants=constants)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SjcError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise SjcError(f"{path} cannot be read as JSON: {first_line(error)}.") from error


def parsed(text: str, *, constants: bool = False) -> Any:
    """The value of a JSON text. Raises ValueError for every text that is none, endless nesting among them.

    constants: whether NaN and Infinity are numbers, as some libraries write them.
    """
    try:
        return json.loads(text, parse_constant=None if constants else _refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def first_line(error: BaseException) -> str:
    """What an error says, in one line without the full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(error).__name__


def shown(value: object) -> str:
    """A value from outside as a message quotes it: printable and short."""
    if isinstance(value, int) and abs(value) >= 10**60:  # too many digits for str()
        return "a number of more than 60 digits"
    text = str(value)
    text = text if text.isprintable() else ascii(text)[1:-1]
    text = text if len(text) <= 60 else text[:57] + "..."
    return f'"{text}"' if isinstance(value, str) else text


class Record:
    """The values of a JSON object, each asked for by name, type and bounds.

    value: the object. at: what messages call it. Everything raises SjcError, one line, for a value of another kind, and
    for one that is missing where no `default` is given.
    """

    def __init__(self, value: object, at: object) -> None:
        if not isinstance(value, dict):
            raise SjcError(f"{at} must hold a JSON object, not {shown(value)}.")
        self.values, self.at = value, at

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(name, f"a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float = -math.inf, high: float = math.inf, default: float | None = None) -> float:
        """A finite number from `low` to `high`."""
        value = self.values.get(name, default)
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        try:
            number = float(value) if good else math.nan  # type: ignore[arg-type]
        except OverflowError:
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(name, "a number" if math.isinf(low) else f"a number from {low:g} to {high:g}")
        return number

    def text(self, name: str, default: str | None = None, longest: int = 10_000) -> str:
        """Text that can be written and shown: no NUL, no halves of characters."""
        value = self.values.get(name, default)
        if not isinstance(value, str) or len(value) > longest or not _is_whole_text(value):
            raise self._wrong(name, f"text of at most {longest} characters")
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        """true or false."""
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def texts(self, name: str, longest: int = 1000) -> list[str]:
        """A list of at most `longest` texts; [] where it is missing."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or len(value) > longest:
            raise self._wrong(name, "a list of texts")
        if not all(isinstance(text, str) and _is_whole_text(text) for text in value):
            raise self._wrong(name, "a list of texts")
        return list(value)

    def record(self, name: str) -> Record:
        """An object inside; an empty one where it is missing."""
        return Record(self.values.get(name, {}), f"{self.at}: {name}")

    def _wrong(self, name: str, needed: str) -> SjcError:
        given = f"{name} is {shown(self.values[name])}" if name in self.values else f"{name} is missing"
        return SjcError(f"{self.at}: {given}; it must be {needed}.")


def _is_whole_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _check(path: AnyPath, status: os.stat_result, largest: int) -> int:
    if stat.S_ISDIR(status.st_mode):
        raise SjcError(f"{path} is a folder, not a file.")
    if not stat.S_ISREG(status.st_mode):
        raise SjcError(f"{path} is a device or a pipe, not a file; it is not read.")
    if status.st_size > largest:
        raise _too_large(path, largest)
    return status.st_size


def _too_large(path: AnyPath, largest: int) -> SjcError:
    return SjcError(f"{path} is larger than {largest / MB:.6g} MB, which no such file is; it is not read.")


def _lies_in(path: AnyPath, folder: AnyPath) -> bool:
    return Path(path).resolve().is_relative_to(Path(folder).resolve())
