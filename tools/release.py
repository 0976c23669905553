"""A release in dist/: the extension's zip, notes for people and SHA-256 sums.

The notes are the section of CHANGELOG.md that belongs to the manifest's version, three steps to install the zip, and
the sums.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from pathlib import Path

from .common import ROOT, BuildError
from .package import build_zip, version

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

## Checksums

SHA-256; `sha256sum -c {sums}` in the folder of the download compares them.

```
{checksums}```
"""


def build_release(root: Path = ROOT) -> list[Path]:
    """Write the zip, its notes and its checksums to dist/ and return the three paths.

    Raises BuildError before anything is built where the versions of the manifest and pyproject.toml differ or
    CHANGELOG.md has no section for them, and when Blender's tool refuses the extension.
    """
    number = agreed_version(root)
    changes = changes_of(number, root)
    archive = build_zip(root)
    manifest = tomllib.loads((root / "blender_manifest.toml").read_text("utf-8"))
    checksums = f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"
    notes = TEMPLATE.format(
        name=manifest["name"],
        version=number,
        tagline=manifest["tagline"],
        blender=manifest["blender_version_min"].removesuffix(".0"),
        changes=changes,
        zip=archive.name,
        sums=SUMS,
        checksums=checksums,
    )
    return [archive, _write(archive.with_name(NOTES), notes), _write(archive.with_name(SUMS), checksums)]


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
