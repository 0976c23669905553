"""Variants of a prompt: several short jobs at once, in a row, of which one is taken to full length."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from . import live, places, session, timer
from .backend.sjc.errors import SjcError
from .backend.sjc.job import inputs
from .backend.sjc.settings import Settings
from .backend.sjc.variants import plan
from .job import Job, job_of
from .job_inputs import Given
from .queue.preparation import Preparation
from .queue.records import JobRecord
from .queue.variants import VariantBatch

STILL_MADE = "The variants are still being made; wait until all are there."
NO_VARIANT = "This job is no variant to choose from."


def parent_folder(folder: str | Path | None, chosen: Settings) -> Path:
    """The folder that somebody named for variants, else one that does not exist yet. Raises SjcError for a full one."""
    parent = places.named_path(folder).absolute() if folder else plan.free_parent(places.output_folder(), chosen)
    plan.check_parent(parent)
    return parent


def begin(given: Given, count: int, location: tuple[float, float, float] | None) -> list[Job]:
    """Start the variants of what was given; each stands in a row along X. Raises SjcError."""
    wanted = plan.variants_of(inputs.outside(given.settings, given.folder), count)
    with contextlib.suppress(OSError):  # takes the name; what is wrong with the folder the process tells
        given.folder.mkdir(parents=True, exist_ok=True)
    queue = session.queue()
    batch = VariantBatch(wanted, given.folder, places.shell_command("variants"))
    if given.prepare:
        batch.preparation = Preparation(given.prepare)
    queue.add_batch(batch)
    if queue.current is None:
        queue.free()  # its process would hold the model a second time
    for index, record in enumerate(batch.jobs):
        live.expect(record, live.in_a_row(index, location), index)
    session.keep_pumping()
    return [job_of(record) for record in batch.jobs]


def variants() -> list[JobRecord]:
    """The variants in the list that nobody has taken."""
    return [record for record in session.queue().jobs if record.variant]


def being_made(record: JobRecord) -> bool:
    """Whether the process that makes a variant is still there."""
    return any(record in batch.jobs for batch in session.queue().batches)


def take_variant(job: Job, *, keep_others: bool = False) -> Job:
    """Go on with a variant to full length, and remove the others that were made with it, as `clear_variants` does.

    Its mesh takes the place of the short one. keep_others: leave them, to take another one, too. Raises SjcError for a
    job that is no variant, while they are being made, and where its folder is gone.
    """
    record, queue = job.record, session.queue()
    if not record.variant or record not in queue.jobs:
        raise SjcError(NO_VARIANT)
    if being_made(record):
        raise SjcError(STILL_MADE)
    if not (record.folder / plan.PICTURE).is_file():
        raise SjcError(f"{record.folder} holds no variant any more; make the variants again.")
    record.variant = False
    queue.retry(record)
    if not keep_others:
        _clear([other for other in variants() if other.folder.parent == record.folder.parent])
    session.keep_pumping()
    return job


def clear_variants(keep: Iterable[Job] = ()) -> int:
    """Remove the variants that nobody has taken, but for `keep`: meshes, entries of the list, folders; -> how many.

    Undo brings the meshes back, not the folders. Raises SjcError while they are being made.
    """
    spared = {job.record.id for job in keep}
    gone = [record for record in variants() if record.id not in spared]
    if any(map(being_made, gone)):
        raise SjcError(STILL_MADE)
    _clear(gone)
    return len(gone)


def _clear(gone: list[JobRecord]) -> None:
    """Meshes and entries at once, the folders by a thread."""
    from .scene import meshes

    queue = session.queue()
    folders = {record.folder for record in gone}
    for record in gone:
        meshes.drop_variant(record.id)
        queue.remove(record)

    def remove() -> None:
        for parent in {folder.parent for folder in folders}:
            with contextlib.suppress(SjcError, OSError):  # a list that is damaged or gone: the folders stay
                plan.clear(parent, keep=[path for path in plan.read_list(parent) if path not in folders])

    timer.in_thread("variants", remove, live.tell_removed)
    session.keep_pumping()
