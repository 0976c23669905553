"""NAME.sjc, the small JSON in a job folder that Blender's file handler opens.  Standard library only."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError
from ..output.files import read_json, write_json
from . import folder as job_folder

POINTER_VERSION = 1
POINTER_FILES = {
    "job": job_folder.JOB,
    "run": job_folder.RUN,
    "field": job_folder.FIELD,
    "volume": job_folder.VOLUME,
    "mesh": job_folder.MESH,
    "preview": job_folder.PREVIEW,
    "turntable": job_folder.TURNTABLE,
    "curves": job_folder.CURVES,
    "snapshots": job_folder.SNAPSHOTS,
}


def write_pointer(folder: Path, prompt: str, to_come: Collection[str] = ()) -> Path:
    """Write <slug of the prompt>.sjc, which names the files that exist and those `to_come`. -> its path.

    Names are relative to the pointer: the folder may be moved or copied whole.
    """
    path = folder / f"{job_folder.slug(prompt)}.sjc"
    named = {kind: name for kind, name in POINTER_FILES.items() if name in to_come or (folder / name).exists()}
    write_json(path, {"sjc": POINTER_VERSION, "prompt": prompt, "files": named})
    return path


def repair_pointer(folder: Path) -> Path | None:
    """Write the pointer of a finished job folder that lacks it, as after a kill; None where one is there.

    Raises SjcError where the folder's settings cannot be read or nothing can be written.
    """
    if next(folder.glob("*.sjc"), None):
        return None
    return write_pointer(folder, job_folder.read_settings(folder).prompt)


def read_pointer(path: Path) -> dict[str, Any]:
    """{"sjc", "prompt", "files": {kind: absolute Path}} of a NAME.sjc file.

    A file name that leaves the pointer's folder raises SjcError: a pointer may come from a stranger.
    """
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("sjc"), int) or not isinstance(value.get("files"), dict):
        raise SjcError(f"{path} is not a .sjc file of this program.")
    if value["sjc"] > POINTER_VERSION:
        raise SjcError(f"{path} was written by a newer version of this program.")
    record, folder = foreign.Record(value, path), foreign.resolved(path.parent)
    files = record.record("files")
    targets: dict[str, Path] = {}
    for kind in files.values:
        name = files.text(kind)
        target = foreign.resolved(folder / name)
        if not target.is_relative_to(folder):
            raise SjcError(f"{path} names a file outside its folder: {foreign.shown(name)}")
        targets[kind] = target
    return {"sjc": value["sjc"], "prompt": record.text("prompt", ""), "files": targets}
