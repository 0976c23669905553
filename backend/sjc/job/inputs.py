"""What a job starts from: files that its settings name, copied into its folder before it begins.

A person names them wherever they lie. The job folder keeps its own copies in `inputs/`, and job.json names those
("inputs/start.glb"), so that resuming, the queue and a cluster need nothing outside of the folder. Standard library
only.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from .. import foreign, picture_text
from ..errors import SjcError
from ..output.files import replacing
from ..paths import user_path
from ..settings import Settings

INPUTS = "inputs"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
_INSIDE = re.compile(rf"{INPUTS}/[\w-][\w.-]*")  # a name that only a job folder's own settings have


def _one(text: str) -> list[tuple[str, str]]:
    return [(text, "")]


@dataclass(frozen=True)
class Input:
    """A setting whose text names files.

    noun: what messages call such a file. suffixes: that it may have, in small letters, with the most bytes of each.
    split: the text as (file, what follows it in the text); they are joined again with commas.
    """

    noun: str
    suffixes: dict[str, int]
    split: Callable[[str], list[tuple[str, str]]] = _one


FILES = {
    "start": Input("the start", {".glb": foreign.MESH_BYTES, ".safetensors": foreign.FIELD_BYTES}),
    "surface": Input("the mesh to texture", {".glb": foreign.MESH_BYTES}),
    "keep": Input("the part that may change", {".glb": foreign.MESH_BYTES}),
    "picture": Input("the picture", dict.fromkeys(PICTURES, foreign.PICTURE_BYTES), picture_text.split),
}
"""Setting -> what it names."""


@dataclass(frozen=True)
class _Copy:
    """A file that the settings name, and what it is called in the job folder."""

    setting: str
    source: str
    rest: str
    name: str

    @property
    def inside(self) -> bool:
        """Whether the job folder has it already."""
        return self.source == self.name


def _copies(settings: Settings) -> list[_Copy]:
    copies = []
    for setting, known in FILES.items():
        text = getattr(settings, setting)
        for number, (source, rest) in enumerate(known.split(text) if text else [], 1):
            stem = setting if number == 1 else f"{setting}-{number}"
            inside = _INSIDE.fullmatch(source) is not None
            name = source if inside else f"{INPUTS}/{stem}{Path(source).suffix.lower()}"
            copies.append(_Copy(setting, source, rest, name))
    return copies


def _with(settings: Settings, name_of: Callable[[_Copy], str]) -> Settings:
    """The settings with other names for their files."""
    texts: dict[str, list[str]] = {}
    for copy in _copies(settings):
        texts.setdefault(copy.setting, []).append(name_of(copy) + copy.rest)
    return replace(settings, **{setting: ", ".join(parts) for setting, parts in texts.items()})  # type: ignore[arg-type]


def whole(settings: Settings) -> Settings:
    """The settings as a person at the command line gave them, with whole paths. Raises SjcError for what is no path."""
    return _with(settings, lambda copy: str(user_path(copy.source).absolute()))


def outside(settings: Settings, folder: Path) -> Settings:
    """A job folder's settings for another job: its inputs by their whole paths."""
    return _with(settings, lambda copy: str(folder.absolute() / copy.name) if copy.inside else copy.source)


def named(settings: Settings) -> Settings:
    """The settings as the folder's job.json names its files."""
    return _with(settings, lambda copy: copy.name)


def sources(settings: Settings, folder: Path) -> dict[str, Path]:
    """Where the files lie now, each by its name in the job folder."""
    return {copy.name: path(folder, copy.source) for copy in _copies(settings)}


def path(folder: Path, source: str) -> Path:
    """Where a file lies that the settings of this folder's job name."""
    return folder / source if _INSIDE.fullmatch(source) else Path(source)


def located(setting: str, text: str, folder: Path) -> str:
    """The text of one of a job folder's settings with the whole paths of its files."""
    return ", ".join(f"{path(folder, source)}{rest}" for source, rest in FILES[setting].split(text))


def digest(folder: Path, source: str) -> str:
    """The first 16 digits of a file's SHA-256, by which it is known again wherever it lies."""
    with foreign.opened(path(folder, source), foreign.FIELD_BYTES) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def check(settings: Settings, folder: Path) -> None:
    """Whether every file is there, of a kind and a size that is read. Raises SjcError, one line."""
    for copy in _copies(settings):
        _checked(copy, folder)


def check_inside(settings: Settings, folder: Path) -> None:
    """Raises SjcError where a folder's own settings name a file that lies elsewhere: nothing outside of it is read."""
    for copy in _copies(settings):
        if not copy.inside:
            raise SjcError(
                f"{folder}: {copy.setting} is {foreign.shown(copy.source)}, which is not one of the files in {INPUTS}."
            )
        _checked(copy, folder)


def take_in(folder: Path, settings: Settings) -> Settings:
    """Copy every file into the job folder, whole and renamed; returns the settings as `named`. Raises SjcError."""
    for copy in _copies(settings):
        source, largest = _checked(copy, folder)
        if copy.inside:
            continue
        with foreign.opened(source, largest) as stream, replacing(folder / copy.name) as temporary:
            with temporary.open("wb") as target:
                shutil.copyfileobj(stream, target)
            foreign.check_file(temporary, largest)  # it may have grown meanwhile
    return named(settings)


def _checked(copy: _Copy, folder: Path) -> tuple[Path, int]:
    """A file's path and the most bytes that it may have. Raises SjcError."""
    known, source = FILES[copy.setting], path(folder, copy.source)
    largest = known.suffixes.get(source.suffix.lower())
    if largest is None:
        allowed = " or ".join(known.suffixes)
        raise SjcError(f"{copy.setting}: {source} is not a {allowed} file; export {known.noun} as {allowed}.")
    try:
        foreign.check_file(source, largest, within=folder if copy.inside else None)
    except FileNotFoundError as error:
        raise SjcError(f"{copy.setting}: {source} does not exist.") from error
    except OSError as error:
        raise SjcError(f"{copy.setting}: {source} cannot be read: {error.strerror or error}.") from error
    return source, largest
