"""Paths as people write and paste them, one function for all doors: `user_path`.  Standard library only.

What is understood: quotes around, invisible characters that a copied path brings, ~, $HOME and %USERPROFILE%, file://
addresses, and Blender's // where a .blend file is known.  What Windows would silently turn into another path is refused
there: names of devices, a drive without a folder.
"""

from __future__ import annotations

import ntpath
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import SjcError

LONGEST_ON_WINDOWS = 259
"""Characters of a path that every program on Windows can open (MAX_PATH without its end)."""
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}|%(\w+)%")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_HUB_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<id>[\w.-]+/[\w.-]+?)"
    r"(?:/(?P<kind>tree|blob|resolve)/(?P<revision>[^/?#]+)(?P<file>/[^?#]*)?)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
_OTHER_PAGES = {"datasets", "spaces", "docs", "models", "blog", "settings", "collections", "papers"}


def tidy(text: str) -> str:
    """A pasted path without what does not belong to it: spaces and quotes around, invisible characters, file://."""
    text = _INVISIBLE.sub("", text).strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    if text[:7].lower() == "file://":
        path = unquote(urlsplit(text).path)
        text = path[1:] if re.match(r"/[A-Za-z]:", path) else path
    return text


def user_path(
    given: str | os.PathLike[str],
    *,
    blend: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    windows: bool = os.name == "nt",
) -> Path:
    """The path that a person means.  blend: the folder that `//` stands for, None where there is no .blend file.

    A variable that is not set stays as it is written.  Looks at no file.  Raises SjcError on Windows for a name that is
    a device, and for a drive without a folder (C:model), which means another place in every program.
    """
    text = tidy(os.fspath(given))
    if blend is not None and text.startswith("//"):
        text = os.path.join(blend, text[2:])  # noqa: PTH118 (may be absolute on neither system)
    text = _VARIABLE.sub(lambda match: environment.get(match[1] or match[2] or match[3], match[0]), text)
    if text.startswith("~"):
        text = _home(text, environment, windows)
    return Path(on_windows(text) if windows else text)


def local_path(given: str | os.PathLike[str]) -> Path:
    """As `user_path`, for what is written or read on a disk. Raises SjcError for an address such as s3://bucket/name."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", tidy(os.fspath(given)))
    if scheme:
        raise SjcError(
            f'"{tidy(os.fspath(given))}" is an address ({scheme[1]}) and no folder of this computer; mount that '
            "storage as a folder and give the folder."
        )
    return user_path(given)


def _home(text: str, environment: Mapping[str, str], windows: bool) -> str:
    variable = "USERPROFILE" if windows else "HOME"
    if environment.get(variable) and re.match(r"~($|[/\\])", text):
        return environment[variable] + text[1:]
    return os.path.expanduser(text)  # noqa: PTH111 (of another user)


def on_windows(text: str) -> str:
    """A path as Windows takes it: without the dots and spaces at the ends of names, which it drops.

    Raises SjcError for devices and for a drive without a folder.
    """
    drive, rest = ntpath.splitdrive(text)
    if re.fullmatch("[A-Za-z]:", drive) and rest and rest[0] not in "/\\":
        raise SjcError(
            f"{text} leaves out the folder on drive {drive} and would mean another place; write {drive}\\{rest}."
        )
    names = [name if set(name) <= {"."} else name.rstrip(". ") for name in re.split(r"[/\\]", rest)]
    device = next((name for name in names if _DEVICE.fullmatch(name)), None)
    if device is not None:
        raise SjcError(f'{text} cannot be used: Windows keeps the name "{device}" for a device; choose another one.')
    return drive + "\\".join(names)


def check_length(folder: Path, longest: int, windows: bool = os.name == "nt") -> None:
    """Raises SjcError where files whose names have up to `longest` characters get too long for Windows in a folder."""
    length = len(str(folder if folder.is_absolute() else Path.cwd() / folder)) + 1 + longest
    if windows and length > LONGEST_ON_WINDOWS:
        raise SjcError(
            f"{folder} is too long a path for Windows: with the files in it {length} characters, {LONGEST_ON_WINDOWS} "
            "are possible; choose a folder nearer to the drive."
        )


OWN_MODELS = ("embedded", "embedded-views")
"""The names of the models that come with the package."""


def model_name(text: str) -> str:
    """A model as a person names it, tidied: the address of a model on the hub becomes its id, name/model@revision.

    Raises SjcError for the address of a single file there, and for other addresses.
    """
    text = tidy(text)
    match = _HUB_ADDRESS.fullmatch(text)
    if match and match["id"].split("/")[0].lower() not in _OTHER_PAGES:
        if match["kind"] in ("blob", "resolve"):
            raise SjcError(
                f"model: {text} is one file on the hub; download it and choose the file, or use the model "
                f"{match['id']}."
            )
        return match["id"] if match["revision"] in (None, "main") else f"{match['id']}@{match['revision']}"
    if re.match(r"https?://", text, re.IGNORECASE):
        raise SjcError(
            f"model: {text} is a web address; download the file and choose it, or give a hub id such as name/model."
        )
    return text


def near(path: Path) -> Path | None:
    """What exists under this path but for capital and small letters, None where nothing does."""
    known = Path(path.anchor or ".")
    for name in path.parts[1 if path.anchor else 0 :]:
        try:
            if not (known / name).exists():
                name = next(entry.name for entry in known.iterdir() if entry.name.lower() == name.lower())  # noqa: PLW2901
        except (StopIteration, OSError, ValueError):
            return None
        known /= name
    return known if known != path else None
