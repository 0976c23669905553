"""Going on from a finished result: its field with more steps, or under other words.  Standard library only.

The new job is an ordinary one, in a folder of its own: its `start` is the finished field, its `parent` the name of the
folder that it came from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from .. import foreign, settings
from ..errors import SjcError, here
from ..settings import Settings
from . import folder as job_folder
from . import inputs, locks

REFINED = {"start_noise": 0.5, "emptiness_switch": 0.0, "carving_weight": 0.0, "coarse_to_fine": 0}
"""What both begin with: no high noise levels, and the regularisers as they are at the end of a run."""
DENSITY_RATE = 0.01
REWORDED = {**REFINED, "start_noise": 1.0, "density_rate": DENSITY_RATE, "color_rate": 0.5}
"""For other words: colours take all noise levels and larger steps than in a first run, and the shape hardly moves.
Whole steps of colours end rougher: `bench change` with 1.0 here ended at CIEDE2000 4.4, with 0.5 at 3.5."""
STEPS_SHARE, REWORDED_SHARE = 0.25, 0.5
"""Of the parent's steps; colours that change need more than details."""
OTHER = "other words"
"""Stands for a prompt that is not known yet."""


def settings_of(parent: Path, prompt: str | None = None, given: Mapping[str, object] | None = None) -> Settings:
    """The settings of a job that goes on from the finished result in the job folder `parent`.

    prompt: the new words; None or the same keep them. given: settings by name, over those that follow
        from the parent's.

    Raises SjcError, one line, for a folder that is no job's, is not finished, is at work, or has lost its field, and
    for bad settings.
    """
    old = job_folder.read_settings(parent)
    check_parent(parent)
    changes: dict[str, object] = dict(given or {})
    words = old.prompt if prompt is None else str(settings.coerce("prompt", prompt))
    reworded = words != old.prompt
    derived: dict[str, object] = {
        **(REWORDED if reworded else REFINED),
        "prompt": words,
        "steps": max(1, round((REWORDED_SHARE if reworded else STEPS_SHARE) * old.steps)),
        "learning_rate": old.learning_rate if reworded else max(old.learning_rate * old.learning_rate_end, 1e-6),
        "parent": parent.absolute().name,
        "start": str(parent.absolute() / job_folder.CHECKPOINT),
        "start_strength": 0.0,
        "keep": "",
        "overwrite": False,
    }
    if "preset" in changes:
        raise SjcError("preset: a job that goes on has its parent's settings; change single ones instead.")
    return settings.resolve_job({**asdict(inputs.outside(old, parent)), **derived, **changes})


def check_finished(parent: Path) -> None:
    """Raises SjcError for a job that is at work, and for one that has not come to its end."""
    if not job_folder.finished(parent):
        if locks.in_use(parent):
            raise SjcError(f"{parent} is at work; wait until the job has ended there.")
        raise SjcError(
            f"{parent} is not finished; "
            + here(f"finish it with sjc resume {parent} first.", "finish it with Retry or Resume first.")
        )


def check_parent(parent: Path) -> None:
    """Raises SjcError where no job can go on from what stands in the folder."""
    check_finished(parent)
    if not foreign.is_file(parent / job_folder.CHECKPOINT):
        raise SjcError(
            f"{parent} has no {job_folder.CHECKPOINT}, which holds the finished field; generate it again to go on from "
            "it."
        )


def free_folder(parent: Path, chosen: Settings, taken: Collection[Path] = ()) -> Path:
    """A new folder beside the parent: NAME-refined, or <prompt>-<seed> for other words; numbered where it exists."""
    place = parent.absolute()
    same = job_folder.read_settings(place).prompt == chosen.prompt
    return job_folder.free_name(
        place.with_name(f"{place.name}-refined" if same else f"{job_folder.slug(chosen.prompt)}-{chosen.seed}"), taken
    )
