"""What the variants of a prompt are: their settings, their folders, how far they run.  Standard library only.

A variant is an ordinary job that stops early. Its folder holds the settings of the whole job and a checkpoint, so that
it goes on to full length as any stopped job does, and comes to what it would have been without the stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs, locks
from ..output import files
from ..settings import SPECS, Settings, validate

LIST, SHEET = "variants.json", "variants.png"
PREFIX = "variants-"  # of the folder that holds those of a prompt, where nobody names it
MESH, PICTURE = "variant.glb", "variant.png"  # of one, as it is when it stops
MOST = 16
SHORT = 0.25  # of a run's steps: four variants take the calls of one whole job
DIFFERENCES: tuple[Mapping[str, float], ...] = ({}, {"carving_weight": 3.0}, {"carving_weight": 0.3})
"""Factors on settings, in turn: as they are, slimmer, fuller."""
VERSION = 1
_ALLOWED = (locks.FOLDER_LOCK, inputs.INPUTS)  # in a new parent: what Blender has written for all of them


def short_steps(settings: Settings) -> int:
    """The steps that a variant makes of its run's."""
    return max(1, round(SHORT * settings.steps))


def variants_of(settings: Settings, count: int) -> list[Settings]:
    """The settings of `count` variants: a seed each, from the settings' own on, and `DIFFERENCES` in turn.

    The first is the job itself. Raises SjcError for a number that is no whole one from 1 to MOST.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        raise SjcError(f"{count} variants cannot be made; choose a whole number from 1 to {MOST}.")
    highest = int(SPECS["seed"].high or 0)
    made = []
    for index in range(count):
        factors = DIFFERENCES[index % len(DIFFERENCES)]
        changes: dict[str, Any] = {name: round(getattr(settings, name) * factor, 7) for name, factor in factors.items()}
        made.append(validate(replace(settings, seed=(settings.seed + index) % (highest + 1), **changes)))
    return made


def difference(settings: Settings, first: Settings) -> dict[str, Any]:
    """The settings in which a variant differs from the first, by name, but for the seed."""
    both = {name: (getattr(settings, name), getattr(first, name)) for name in SPECS if name != "seed"}
    return {name: own for name, (own, other) in both.items() if own != other}


def folders(parent: Path, settings: Sequence[Settings]) -> list[Path]:
    """The job folder of each variant."""
    return [job_folder.numbered_folder(parent, number, chosen) for number, chosen in enumerate(settings, 1)]


def free_parent(outputs: Path, settings: Settings) -> Path:
    """A folder for the variants of a prompt that does not exist yet."""
    base = outputs / f"{PREFIX}{job_folder.slug(settings.prompt)}-{settings.seed}"
    candidate, number = base, 1
    while foreign.kind(candidate):
        number += 1
        candidate = base.with_name(f"{base.name}-{number}")
    return candidate


def check_parent(parent: Path) -> None:
    """Whether variants may be made there; writes nothing. Raises SjcError for a file and for a folder with content."""
    if foreign.kind(parent) not in ("folder", ""):
        raise SjcError(f"{parent} is a file; variants need a folder.")
    if foreign.is_folder(parent) and any(path.name not in _ALLOWED for path in parent.iterdir()):
        raise SjcError(f"{parent} is not empty; choose another folder for the variants.")


# --------------------------------------------------------------------------------------------------------- the list


def write_list(parent: Path, settings: Sequence[Settings], problems: Mapping[Path, str]) -> None:
    """variants.json: prompt, steps, and folder, seed, differences and problem ("" for none) of each."""
    rows = [
        {
            "folder": folder.name,
            "seed": chosen.seed,
            "differences": difference(chosen, settings[0]),
            "problem": problems.get(folder, ""),
        }
        for folder, chosen in zip(folders(parent, settings), settings, strict=True)
    ]
    document = {"version": VERSION, "prompt": settings[0].prompt, "steps": short_steps(settings[0]), "variants": rows}
    files.write_json(parent / LIST, document)


def read_list(parent: Path) -> list[Path]:
    """The job folders that variants.json names, of those that are there. Raises SjcError for a damaged one."""
    path = parent / LIST
    try:
        document = foreign.read_json(path, foreign.RECORD_BYTES, within=parent)
        names = [row["folder"] for row in document["variants"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SjcError(f"{path} cannot be read: {foreign.first_line(error)}.") from error
    if not all(isinstance(name, str) and Path(name).name == name and name not in (".", "..") for name in names):
        raise SjcError(f"{path} cannot be read: it names a folder elsewhere.")
    return [parent / name for name in names if foreign.is_folder(parent / name)]


# --------------------------------------------------------------------------------------------------------- clearing


def untouched(folder: Path) -> bool:
    """Whether nobody has gone on with a variant, be it finished as a short one or stopped earlier."""
    if job_folder.finished(folder):
        return False
    newest = job_folder.snapshots(folder)[-1:]
    meta = job_folder.snapshot_meta(newest[0]) if newest else {"step": 0}
    return meta is not None and meta["step"] <= short_steps(job_folder.read_settings(folder))


def clear(parent: Path, keep: Sequence[Path] = ()) -> list[Path]:
    """Remove the variants of a folder that nobody has taken, but for `keep`; returns the folders that are gone.

    What is no file of a job stays, and its folder with it. A damaged variant stays, too. Raises SjcError for a damaged
    list.
    """
    spared = {Path(folder).absolute() for folder in keep}
    gone = []
    for folder in read_list(parent):
        if folder.absolute() in spared:
            continue
        try:
            if untouched(folder):
                _remove(folder)
        except SjcError:  # damaged, or another program is at work there
            continue
        if not foreign.kind(folder):
            gone.append(folder)
    return gone


def _remove(folder: Path) -> None:
    with locks.holding(folder):
        job_folder.remove_files(folder, (MESH, PICTURE))
    (folder / locks.FOLDER_LOCK).unlink(missing_ok=True)
    for place in (folder / job_folder.SNAPSHOTS, folder / inputs.INPUTS, folder):
        if foreign.is_folder(place) and not any(place.iterdir()):
            place.rmdir()
