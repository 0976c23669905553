"""The extension as people install it: a zip that Blender's own tool built and checked, and a repository to serve it.

The tool is `blender_ext.py`: plain Python that comes with Blender. It is taken from the bpy wheel that the tests use,
or is called through a Blender program. It zips files in whatever order the disk gives them and with their times; so the
archive is written once more, in order and with one time: the same sources give the same bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from .common import ROOT, BuildError, clean_environment, say
from .stage import BESIDE, PACKAGE

LIMIT = 30 * 2**20  # bytes; more is refused by Blender's extensions platform and by people
OLDEST_BLENDER = (4, 2)  # the first one with extensions
NOT_SHIPPED = ("training",)  # folders of backend/ that make the embedded model and are not needed to run it
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
WHEELS = ("build/blender/bpy*/lib/python3.*/site-packages", "build/blender/bpy*/Lib/site-packages")
SCRIPT = "bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
TAGS = "modules/_bpy_internal/extensions/tags.py"  # in Blender's scripts folder


def contents(root: Path = ROOT) -> dict[str, Path]:
    """Return {name in the zip: source} of everything that ships, sorted by name."""
    sources = {name: root / name for name in BESIDE}
    for folder, prefix in ((root / PACKAGE, ""), (root / "backend", "backend/")):
        for path in folder.rglob("*"):
            parts = path.relative_to(folder).parts
            if path.is_file() and not _left_out(parts) and not (prefix and parts[0] in NOT_SHIPPED):
                sources[prefix + "/".join(parts)] = path
    missing = [name for name, path in sources.items() if not path.is_file()]
    if missing:
        raise BuildError(f"{' and '.join(missing)} must ship and cannot be found at {root}.")
    return dict(sorted(sources.items()))


def _left_out(parts: tuple[str, ...]) -> bool:
    """Whether a path is byte code, a hidden or temporary file, or a note of setuptools."""
    return any(
        part.startswith(".") or part == "__pycache__" or part.endswith((".egg-info", ".pyc", "~", ".partial"))
        for part in parts
    )


def version(root: Path = ROOT) -> str:
    """The version in the manifest."""
    return tomllib.loads((root / BESIDE[1]).read_text("utf-8"))["version"]


def build_zip(root: Path = ROOT) -> Path:
    """Write dist/sjc_blender-VERSION.zip and return its path. Raises BuildError when Blender's tool refuses it."""
    source = root / "build" / "package"
    shutil.rmtree(source, ignore_errors=True)
    for name, original in contents(root).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, source / name)
    target = root / "dist" / f"{PACKAGE}-{version(root)}.zip"
    target.parent.mkdir(exist_ok=True)
    raw, ordered = root / "build" / f"{PACKAGE}-raw.zip", root / "build" / target.name
    command, tags = tool(root)
    _call([*command, "build", "--source-dir", source, "--output-filepath", raw, *tags])
    write_in_order(raw, ordered)
    _call([*command, "validate", *tags, ordered])
    size = ordered.stat().st_size
    if size >= LIMIT:
        raise BuildError(f"{target.name} has {size / 2**20:.1f} MB, {LIMIT // 2**20} MB at most: ship less.")
    os.replace(ordered, target)
    raw.unlink()
    return target


def build_repository(root: Path = ROOT) -> Path:
    """Write dist/repo, an extension repository for any static web server, and return its folder."""
    archive = build_zip(root)
    target, partial = root / "dist" / "repo", root / "build" / "repo"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copyfile(archive, partial / archive.name)
    _call([*tool(root)[0], "server-generate", "--repo-dir", partial, "--html"])
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(partial, target)
    return target


def write_in_order(source: Path, target: Path) -> None:
    """Copy a zip with its files sorted, all of one time and one mode."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in sorted(old.namelist()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name), compresslevel=9)


def tool(root: Path = ROOT) -> tuple[list[str | Path], list[str | Path]]:
    """Return (the command of Blender's extension tool, its options that name the valid tags).

    From a bpy wheel in build/blender, else a Blender 4.2 or newer on the path, else from a wheel that is fetched now.
    """
    script = _script(root)
    if script is None and (blender := _program()):
        return [blender, "--command", "extension"], []
    if script is None:
        say("package: fetching Blender as a Python module for its extension tool")
        _call([sys.executable, root / "tests" / "blender" / "venvs.py", "5.0.1"])
        script = _script(root)
    if script is None:
        raise BuildError("Blender's extension tool was not found: install Blender 4.2 or newer.")
    return [sys.executable, script], ["--valid-tags", script.parents[3] / TAGS]


def _script(root: Path) -> Path | None:
    """Blender's tool in the newest bpy wheel that is ready."""
    paths = (path for pattern in WHEELS for path in root.glob(f"{pattern}/{SCRIPT}"))
    return max(paths, key=lambda path: path.parts[-6], default=None)


def _program() -> str | None:
    """A Blender on the path that knows extensions."""
    blender = shutil.which("blender")
    if blender is None:
        return None
    output = subprocess.run([blender, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"Blender (\d+)\.(\d+)", output)
    return blender if match and (int(match[1]), int(match[2])) >= OLDEST_BLENDER else None


def _call(command: list[str | Path]) -> None:
    """Run Blender's tool; its words appear only when it fails, the last of them as the reason."""
    done = subprocess.run(
        [str(part) for part in command],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise BuildError("\n".join([f"{command[-1]}: Blender's extension tool says no:", *lines[-8:]]))
