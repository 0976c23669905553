"""A batch to its end: here, one job after the other, or on a cluster; then the list and the pictures of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import causes
from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs
from ..job.progress import Report, silent
from ..settings import Settings
from . import records, summary
from .destination import Destination, opened
from .dispatch import Dispatch
from .plan import BatchJob, plan_of
from .ray_cluster import ClusterOptions, inspected, joined, nodes, places
from .records import Row
from .slot import Slot

RECORD_SECONDS = 30.0  # from one writing of batch.json to the next while a cluster works


@dataclass(frozen=True)
class Result:
    """What a batch has come to.  rows: as in batch.json. stopped: it was asked to stop, and the same call goes on."""

    rows: list[Row]
    stopped: bool = False

    @property
    def failed(self) -> list[Row]:
        """The jobs that could not be made, each with its reason."""
        return [row for row in self.rows if row["state"] == "failed"]


def run(
    jobs: Iterable[str | Mapping[str, Any]],
    out: str | Path,
    cluster: str | ClusterOptions | None = None,
    *,
    grid: Mapping[str, Iterable[object]] | None = None,
    report: Report = silent,
) -> Result:
    """Make many objects.

    jobs: prompts, or mappings of settings with a "prompt". out: the parent of the job folders, a folder or an fsspec
    address such as s3://bucket/results. cluster: None for this
    process; "local" for a cluster of this computer, "auto" or an address for a running one, or ClusterOptions. grid:
    {setting: values}, of which every combination is made of every job. report: called with events, as in
    `sjc batch --json`. Called again with the same arguments it makes only what is missing.

    Raises SjcError for bad input, before anything starts.
    """
    varied = {name: [str(value) for value in values] for name, values in (grid or {}).items()}
    options = ClusterOptions(cluster) if isinstance(cluster, str) else cluster
    with opened(out) as place:
        chosen = plan_of(jobs, place.folder, varied)
        if options is None:
            return here(chosen, place, report)
        return on_cluster(chosen, place, options, report)


def here(
    jobs: Sequence[BatchJob],
    out: Destination,
    report: Report,
    during: Callable[[], AbstractContextManager[Callable[[], bool]]] = lambda: nullcontext(lambda: False),
) -> Result:
    """One job after the other; one that fails does not stop the rest.

    during: entered for each job; gives what is asked before every step, and True ends the batch there.

    Raises SjcError for an address where nothing can be written, before anything starts.
    """
    out.check()
    jobs = out.placed(jobs)
    news: dict[Path, Row] = {}
    slot, stopped = Slot(report), False
    for number, job in enumerate(jobs, 1):
        text = f"[{number}/{len(jobs)}] {job.settings.prompt} -> {job.place}"
        report({"type": "status", "stage": "batch", "text": text})
        try:
            with during() as stop:
                stopped = slot.make(job.place, job.settings, stop) == "stopped"
            out.arrived(job)
        except Exception as error:
            if (known := causes.in_one_line(error)) is None:
                raise
            news[job.folder] = {"state": "failed", "reason": known[1]}
            report({"type": "error", "code": known[0], "text": known[1], "folder": job.place})
        if stopped:
            break
    return _finish(jobs, out, news, report, stopped=stopped)


def on_cluster(
    jobs: Sequence[BatchJob],
    out: Destination,
    options: ClusterOptions,
    report: Report,
    shown: Callable[[Dispatch], None] = lambda _dispatch: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """On all slots of a cluster. shown: called at every turn. stop: asked at every turn. Raises SjcError."""
    with joined(options.address) as ray:
        alive = nodes(ray)
        count = len(places(alive, options))
        text = f"jobs: {len(jobs)}, slots: {count}, computers: {len(alive)}"
        report({"type": "status", "stage": "batch", "text": text})
        inspected(ray, alive, out, jobs)
        jobs = [replace(job, settings=_with_inputs(job, out)) for job in out.placed(jobs)]
        written = time.monotonic()

        def ended(job: BatchJob, row: Row) -> None:
            out.arrived(job)
            report({"type": "job", "folder": job.place, "state": "finished", **row})

        def turn(dispatch: Dispatch) -> None:
            nonlocal written
            shown(dispatch)
            for worker in dispatch.working:
                assert worker.task is not None
                folder, host = worker.task.job.place, worker.place.host
                report({"type": "job", "folder": folder, "state": "running", "host": host, **worker.progress})
            if time.monotonic() - written > RECORD_SECONDS:
                written = time.monotonic()
                records.write(out.folder, records.rows(jobs, out.folder, dispatch.news))
                out.publish()

        dispatch = Dispatch(ray, jobs, options, ended, turn, stop)
        try:
            done = dispatch.run()
        finally:
            result = _finish(jobs, out, dispatch.news, report, stopped=bool(dispatch.left))
        return Result(result.rows, stopped=not done)


def _with_inputs(job: BatchJob, out: Destination) -> Settings:
    """A job's settings once its folder has what it starts from: the computers share that folder and no other."""
    if job_folder.has_settings(job.folder) and not job.settings.overwrite:
        return inputs.named(job.settings)
    chosen = inputs.take_in(job.folder, job.settings)
    out.send_inputs(job)
    return chosen


def _finish(
    jobs: Sequence[BatchJob], out: Destination, news: Mapping[Path, Row], report: Report, *, stopped: bool
) -> Result:
    rows = records.rows(jobs, out.folder, news)
    try:
        records.write(out.folder, rows)
        summary.write(out.folder, rows)
        out.publish()
    except SjcError as error:  # the jobs themselves are made
        report({"type": "warning", "text": str(error)})
    return Result(rows, stopped)
