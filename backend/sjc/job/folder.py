"""The job folder: the names of its files, its settings, its snapshots, and whether a job may begin or go on in it.

The folder is the truth: `job.json` holds the settings, `checkpoint.safetensors` the state of the run, and `run.json`
appears last. Engine and extension read it through this module alone, so both give the same answer about a folder.
Standard library only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError, here
from ..output import field_archive, files
from ..paths import check_length
from ..settings import Settings, resolve
from . import inputs

JOB, RUN, CHECKPOINT = "job.json", "run.json", "checkpoint.safetensors"
FIELD, VOLUME, MESH = "field.npz", "field.vdb", "mesh.glb"
PREVIEW, TURNTABLE, CURVES = "preview.png", "turntable.mp4", "curves.png"
PAINTED = "painted.glb"  # a mesh that gets a texture, as far as it is; gone when that is finished
SNAPSHOTS = "snapshots"
RESULTS = (RUN, MESH, FIELD, VOLUME, PREVIEW, TURNTABLE, CURVES)
LOG = "worker.log"
REMOTE = ".remote.json"  # where another computer works on the job (`sjc.remote`)
SUPERVISOR_FILES = {".lock", LOG, REMOTE}  # written by whoever supervises the job, perhaps before it begins
BEFORE_A_JOB = SUPERVISOR_FILES | {inputs.INPUTS}
UNNAMED = {"color_rate": 1.0}  # what jobs had that are older than the setting; a job.json names all that there were

_SLUG_BYTES = 180
_SNAPSHOT_FILE = re.compile(r"f_(\d{4,})\.(npz|vdb|png)")
_TEMPORARY = re.compile(files.TEMPORARY)
_OLD_TEMPORARY = re.compile(r"\.tmp\w{6}")  # a checkpoint that a killed process of versions up to 0.1 was writing
_LONGEST_NAME = 80  # characters: the .sjc file's, while it is written


# --------------------------------------------------------------------------------------------------- a name for a job


def slug(prompt: str) -> str:
    """A prompt as a file name: "A red mushroom!" -> "a-red-mushroom"; letters of other scripts stay."""
    name = re.sub(r"[^\w]+", "-", prompt.lower()).strip("-_")[:60]
    name = name.encode("utf-8", "replace")[:_SLUG_BYTES].decode("utf-8", "ignore")  # a file's name has 255
    return name.strip("-_") or "untitled"


def free_folder(parent: Path, settings: Settings, taken: Collection[Path] = ()) -> Path:
    """<parent>/<slug>-<seed>, with -2, -3 ... where that name exists already or is among `taken`.

    An empty folder counts as taken, too: with one, Blender's queue reserves the name of a job that still waits.
    """
    return free_name(parent / f"{slug(settings.prompt)}-{settings.seed}", taken)


def free_name(base: Path, taken: Collection[Path] = ()) -> Path:
    """`base`, or with -2, -3 ... where that name exists already or is among `taken`."""
    candidate, number = base, 1
    while candidate in taken or foreign.kind(candidate):
        number += 1
        candidate = base.with_name(f"{base.name}-{number}")
    return candidate


def numbered_folder(parent: Path, number: int, settings: Settings) -> Path:
    """<parent>/<number>-<slug>-<seed>: of a batch's job, counted from 1."""
    return parent / f"{number:03d}-{slug(settings.prompt)}-{settings.seed}"


# ------------------------------------------------------------------------------------------------ settings and state


def stored_settings(folder: Path) -> dict[str, Any]:
    """The settings of a job folder, unchecked: from job.json, or from run.json where that alone is left.

    Raises SjcError where there are none or the file cannot be read.
    """
    for name in (JOB, RUN):
        path = folder / name
        if not foreign.kind(path) or _blank(path):
            continue
        try:
            value = foreign.read_json(path, foreign.RECORD_BYTES, within=folder)
            value = value["settings"] if name == RUN else value
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SjcError(f"{path} cannot be read: {foreign.first_line(error)}") from error
        if not isinstance(value, dict):
            raise SjcError(f"{path} cannot be read: its settings are not a JSON object.")
        return value
    raise SjcError(f"{folder} is not a job folder: it has no job.json.")


def read_settings(folder: Path) -> Settings:
    """The settings of a job folder, checked. Raises SjcError, for bad values with one line each."""
    stored = stored_settings(folder)
    try:
        return resolve(None, {**UNNAMED, **stored})
    except SjcError as error:
        lines = (f"{folder / JOB} cannot be read: {line}" for line in str(error).splitlines())
        raise SjcError("\n".join(lines)) from error


def write_settings(folder: Path, settings: Settings) -> None:
    """Write job.json. `overwrite` is left out: it belongs to one start of a job, not to the job."""
    files.write_json(folder / JOB, asdict(replace(settings, overwrite=False)))


def finished(folder: Path) -> bool:
    """Whether the folder holds a result: run.json, which is written last, and the mesh."""
    return foreign.is_file(folder / RUN) and foreign.is_file(folder / MESH)


def resumable(folder: Path) -> bool:
    """Whether the folder holds a job that is not finished; somebody who deletes its mesh can make it again."""
    return has_settings(folder) and not finished(folder)


def has_settings(folder: Path) -> bool:
    """Whether there is a job.json with something in it."""
    return foreign.is_file(folder / JOB) and not _blank(folder / JOB)


def _blank(path: Path) -> bool:
    """Whether a file holds nothing, or zeros alone: so a power cut leaves what was just written."""
    try:
        return not foreign.read_bytes(path, foreign.RECORD_BYTES).strip(b"\0")
    except (OSError, SjcError):
        return False


# --------------------------------------------------------------------------------------------------- begin or go on


def check_folder(folder: Path, settings: Settings) -> None:
    """Whether a new job may begin there; writes nothing.

    Raises SjcError for a folder that holds a result or an unfinished job, unless the settings say `overwrite`, and
    always for one that holds other files than a job's, and for one whose path is too long for Windows.
    """
    check_length(folder, _LONGEST_NAME)
    if foreign.kind(folder) not in ("folder", ""):
        raise SjcError(f"{folder} is a file; " + here("--out needs a folder.", "choose another output folder."))
    check_links(folder)
    names = {path.name for path in folder.iterdir()} - BEFORE_A_JOB if folder.is_dir() else set()
    names = {name for name in names if not _TEMPORARY.fullmatch(name)}  # somebody was killed before job.json was there
    if names == {JOB} and not has_settings(folder):
        names = set()
    if names and not settings.overwrite:
        if finished(folder):
            raise SjcError(
                f"{folder} already holds a result; "
                + here("add --overwrite to replace it, or choose another --out.", "choose another output folder.")
            )
        if JOB in names:
            raise SjcError(
                f"{folder} holds an unfinished job: "
                + here(
                    f"continue it with sjc resume {folder}, or start again with --overwrite.",
                    "import it and press Retry to continue it, or choose another output folder.",
                )
            )
        raise SjcError(
            f"{folder} is not empty and is not a job folder; "
            + here("choose another --out.", "choose another output folder.")
        )
    if names and JOB not in names:
        raise SjcError(
            f"{folder} is not empty and is not a job folder; nothing there is overwritten. "
            + here("Choose another --out.", "Choose another output folder.")
        )


def check_links(folder: Path) -> None:
    """Raises SjcError where the folder's snapshots or inputs lie somewhere else: what is there is another's."""
    for name in (SNAPSHOTS, inputs.INPUTS):
        place = folder / name
        if foreign.kind(place) and place.resolve() != folder.resolve() / name:
            raise SjcError(f"{place} is a link that leads out of the job folder; remove it. Nothing there is changed.")


def prepare_folder(folder: Path, settings: Settings) -> None:
    """Make the folder, clear a result that may be overwritten, take in what the job starts from, write job.json.

    Raises SjcError as `check_folder`, and for a file to start from that cannot be read.
    """
    check_folder(folder, settings)
    inputs.check(settings, folder)
    if folder.is_dir():
        _remove_made(folder)
    write_settings(folder, inputs.take_in(folder, settings))


def remove_files(folder: Path, more: Collection[str] = ()) -> None:
    """Remove all files of a job, its settings last, and those called `more`; what else lies there stays.

    Raises SjcError as `check_links`, and for a file that cannot be removed.
    """
    check_links(folder)
    if foreign.kind(folder / inputs.INPUTS) and (folder / inputs.INPUTS).is_symlink():
        raise SjcError(f"{folder / inputs.INPUTS} is a link that leads out of the job folder; nothing is removed.")
    _remove_made(folder)
    taken_in = [f"{inputs.INPUTS}/{path.name}" for path in (folder / inputs.INPUTS).glob("*")]
    for name in (*more, *taken_in, LOG, REMOTE, JOB):
        _remove(folder / name)


def _remove_made(folder: Path) -> None:
    """All that a job has made so far."""
    clear_temporary(folder)
    for name in (*RESULTS, CHECKPOINT, PAINTED):
        _remove(folder / name)
    for path in [*folder.glob("*.sjc"), *_snapshot_files(folder)]:
        _remove(path)


def _remove(path: Path) -> None:
    """Remove a file or a link; a folder of that name is not ours and stays. Raises SjcError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if not foreign.is_folder(path):
            raise SjcError(f"{path} cannot be removed: {error.strerror or error}.") from error


def clear_temporary(folder: Path) -> None:
    """Remove what was being written when a process was killed: files, and folders that were being filled."""
    for path in (*folder.glob(".*~*"), *(folder / SNAPSHOTS).glob(".*~*")):
        if _TEMPORARY.fullmatch(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                _remove(path)
    for path in folder.glob(".tmp*"):
        if _OLD_TEMPORARY.fullmatch(path.name) and path.is_file():
            _remove(path)


def clear_unfinished(folder: Path, saved_step: int | None) -> None:
    """Before a job goes on: remove the snapshots that it will make again, and what a killed process left behind.

    A damaged snapshot stays where a whole one from before the checkpoint follows it: the numbers have no gap then.

    saved_step: the step of the checkpoint, from which the job goes on; None without one.

    Raises SjcError as `check_links`.
    """
    check_links(folder)
    clear_temporary(folder)
    _remove(folder / RUN)  # it says that the result is whole, which is no longer so
    last_kept = 0
    for number, path in enumerate(snapshots(folder) if saved_step is not None else [], 1):
        meta = snapshot_meta(path)
        if meta is None:
            continue
        last = meta["step"] == meta.get("steps") or meta.get("color") == "final"  # the export writes it again
        if meta["step"] > (saved_step or 0) or last:
            break
        last_kept = number
    stale = [path for path in _snapshot_files(folder) if (snapshot_number(path) or 0) > last_kept]
    for path in sorted(stale, key=lambda path: -(snapshot_number(path) or 0)):  # killed here, too, it leaves no gap
        _remove(path)


# --------------------------------------------------------------------------------------------------------- snapshots


def snapshot_stem(number: int) -> str:
    """1 -> "f_0001". Blender's volume sequences look for numbers without gaps, from 1 on."""
    return f"f_{number:04d}"


def snapshot_number(path: Path) -> int | None:
    """f_0012.npz, f_0012.vdb or f_0012.png -> 12; None for a file of another name."""
    match = _SNAPSHOT_FILE.fullmatch(path.name)
    return int(match[1]) if match else None


def numbered(folder: Path, suffix: str) -> list[Path]:
    """f_0001, f_0002 ... with this suffix (".npz", ".vdb") in a folder, in order, up to the first gap."""
    try:
        present = {path.name for path in folder.iterdir()}
    except OSError:
        return []
    paths: list[Path] = []
    while (name := f"{snapshot_stem(len(paths) + 1)}{suffix}") in present:
        paths.append(folder / name)
    return paths


def snapshots(folder: Path) -> list[Path]:
    """The .npz files of a job folder's snapshots, in order, up to the first gap; none where they lie elsewhere."""
    try:
        check_links(folder)
    except SjcError:
        return []
    return numbered(folder / SNAPSHOTS, ".npz")


def next_snapshot(folder: Path) -> Path:
    """The .npz file that the job folder's next snapshot is written to. The .npz counts: write the .vdb before it."""
    return folder / SNAPSHOTS / f"{snapshot_stem(len(snapshots(folder)) + 1)}.npz"


def snapshot_meta(npz: Path) -> dict[str, Any] | None:
    """A snapshot's `meta` (step, steps, prompt, color), read without NumPy; None for a file that is cut or damaged.

    The step is a whole number that a run can have, 0 where the file says none.
    """
    try:
        with field_archive.opened(npz, within=npz.parent) as archive:
            meta = field_archive.meta(archive)
        meta["step"] = field_archive.step_of(meta)
    except SjcError:
        return None
    return meta


def _snapshot_files(folder: Path) -> list[Path]:
    return [path for path in (folder / SNAPSHOTS).glob("f_*") if snapshot_number(path) is not None]
