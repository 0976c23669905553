"""Variants of a prompt: several short jobs at once, in a row, of which one is taken to full length."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import live, places, session
from .backend.sjc.errors import SjcError
from .backend.sjc.settings import Settings
from .backend.sjc.variants import plan
from .job import Job, job_of
from .queue.records import JobRecord
from .queue.variants import VariantBatch

STILL_MADE = "The variants are still being made; wait until all are there."
NO_VARIANT = "This job is no variant to choose from."


def begin(chosen: Settings, count: int, folder: Path | None, location: tuple[float, float, float] | None) -> list[Job]:
    """Start the variants of these settings; each stands in a row along X. Raises SjcError."""
    wanted = plan.variants_of(chosen, count)
    parent = folder or plan.free_parent(places.output_folder(), chosen)
    plan.check_parent(parent)
    queue = session.queue()
    batch = VariantBatch(wanted, parent, places.shell_command("variants"))
    queue.add_batch(batch)
    if queue.current is None:
        queue.free()  # its process would hold the model a second time
    for index, record in enumerate(batch.jobs):
        live.expect(record, live.in_a_row(index, location))
    session.keep_pumping()
    return [job_of(record) for record in batch.jobs]


def variants() -> list[JobRecord]:
    """The variants in the list that nobody has taken."""
    return [record for record in session.queue().jobs if record.variant]


def being_made(record: JobRecord) -> bool:
    """Whether the process that makes a variant is still there."""
    return any(record in batch.jobs for batch in session.queue().batches)


def take_variant(job: Job) -> Job:
    """Go on with a variant to full length; its mesh takes the place of the short one. The others stay.

    Raises SjcError for a job that is no variant, while they are being made, and where its folder is gone.
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
    session.keep_pumping()
    return job


def clear_variants(keep: Iterable[Job] = ()) -> int:
    """Remove the variants that nobody has taken, but for `keep`: meshes, entries of the list, folders; -> how many.

    Undo brings the meshes back, not the folders. Raises SjcError while they are being made.
    """
    from .scene import meshes

    queue = session.queue()
    spared = {job.record.id for job in keep}
    gone = [record for record in variants() if record.id not in spared]
    if any(map(being_made, gone)):
        raise SjcError(STILL_MADE)
    folders = {record.folder for record in gone}
    for record in gone:
        meshes.drop_variant(record.id)
        queue.remove(record)
    for parent in {folder.parent for folder in folders}:
        if (parent / plan.LIST).is_file():
            plan.clear(parent, keep=[path for path in plan.read_list(parent) if path not in folders])
    session.keep_pumping()
    return len(gone)
