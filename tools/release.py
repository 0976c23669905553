"""A release in dist/: the extension's zip, notes for people, a bill of materials, a repository and SHA-256 sums.

The notes are the section of CHANGELOG.md that belongs to the manifest's version, steps to install the zip, and the
sums. With a number it first becomes the version, everywhere, and dates its section.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import tomllib
from pathlib import Path

from .bill import bill
from .common import ROOT, BuildError
from .package import build_repository, version

NOTES, SUMS = "RELEASE_NOTES.md", "SHA256SUMS"

TEMPLATE = """\
# {name} {version}

{tagline}. For Blender {blender} or newer.

## What is new

{changes}

## Install

1. Download `{zip}`. In Blender open Edit > Preferences > Get Extensions, choose *Install from Disk* in the menu at the
   top right, and pick the zip.
2. In the 3D viewport press N, open the tab *SJC* and press *Install Backend*. This downloads PyTorch into a folder of
   its own and leaves Blender's Python alone.
3. Type "a red mushroom" and press *Generate*.

Or put the folder `repo` on any static web server and add the address of its `index.json` under Preferences > Get
Extensions > Repositories: Blender then says when there is an update. `{bill}` lists every part of this release, as
CycloneDX.

## Checksums

SHA-256; `sha256sum -c {sums}` in the folder of the download compares them.

```
{checksums}```
"""


VERSIONS = {
    "blender_manifest.toml": r'^version = "(.+)"$',
    "pyproject.toml": r'^version = "(.+)"$',
    "backend/sjc/__init__.py": r'^__version__ = "(.+)"$',
}
"""Where the version stands."""


def set_version(number: str, today: dt.date | None = None, root: Path = ROOT) -> None:
    """Make `number` the version wherever it stands, and date its section of CHANGELOG.md.

    The section is called by the number, or [Unreleased]. Raises BuildError, before anything is written, for what is no
    version, for a lower one than the present, and where the number or the section is missing.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", number):
        raise BuildError(f"{number} is no version: give three numbers, such as 0.2.0.")
    if _parts(number) < _parts(agreed_version(root)):
        raise BuildError(f"{number} is lower than the version that is there, {version(root)}: give a higher one.")
    texts = {}
    for name, pattern in VERSIONS.items():
        old = _read(root / name)
        text, count = re.subn(pattern, lambda line: line[0].replace(line[1], number), old, flags=re.MULTILINE)
        if count != 1:
            raise BuildError(f"{name} has the version {count} times: there must be one line with it.")
        texts[name] = text
    day = (today or dt.datetime.now(dt.UTC).date()).isoformat()
    heading = rf"^## \[(?:{re.escape(number)}|Unreleased)\].*$"
    text, count = re.subn(heading, f"## [{number}] - {day}", _read(root / "CHANGELOG.md"), flags=re.MULTILINE)
    if count != 1:
        raise BuildError(f"CHANGELOG.md has {count} sections for version {number}: add '## [Unreleased]'.")
    for name, changed in {**texts, "CHANGELOG.md": text}.items():
        _write(root / name, changed)


def _parts(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def build_release(root: Path = ROOT) -> list[Path]:
    """Write the zip, its notes, its bill of materials, its checksums and a repository to dist/ and return the paths.

    Raises BuildError before anything is built where the versions of the manifest and pyproject.toml differ or
    CHANGELOG.md has no section for them, and when Blender's tool refuses the extension.
    """
    number = agreed_version(root)
    changes = changes_of(number, root)
    repository = build_repository(root)  # builds the zip, too
    archive = root / "dist" / next(repository.glob("*.zip")).name
    manifest = tomllib.loads((root / "blender_manifest.toml").read_text("utf-8"))
    parts = _write(archive.with_suffix(".cdx.json"), bill(archive, root))
    checksums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in (archive, parts))
    notes = TEMPLATE.format(
        name=manifest["name"],
        version=number,
        tagline=manifest["tagline"],
        blender=manifest["blender_version_min"].removesuffix(".0"),
        changes=changes,
        zip=archive.name,
        bill=parts.name,
        sums=SUMS,
        checksums=checksums,
    )
    written = [_write(archive.with_name(NOTES), notes), parts, _write(archive.with_name(SUMS), checksums)]
    return [archive, *written, repository]


def agreed_version(root: Path = ROOT) -> str:
    """The version in the manifest. Raises BuildError where pyproject.toml has another one."""
    number = version(root)
    package = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if package != number:
        raise BuildError(f"blender_manifest.toml has version {number}, pyproject.toml {package}: make them the same.")
    return number


def changes_of(number: str, root: Path = ROOT) -> str:
    """The text of a version's section in CHANGELOG.md. Raises BuildError where it is missing or empty."""
    text = (root / "CHANGELOG.md").read_text("utf-8")
    heading = re.search(rf"^## \[{re.escape(number)}\].*$", text, re.MULTILINE)
    if heading is None:
        raise BuildError(f"CHANGELOG.md has no section for version {number}: add '## [{number}] - DATE'.")
    body = re.split(r"^## ", text[heading.end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not body:
        raise BuildError(f"CHANGELOG.md says nothing under version {number}: write what changed.")
    return body


def _write(path: Path, text: str) -> Path:
    """Write a text file whole and return its path."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8", newline="\n")
    os.replace(partial, path)
    return path
