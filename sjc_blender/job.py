"""A job as scripts and buttons see it, and what they can do with the jobs of the queue."""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import live, session
from .backend.sjc.errors import SjcError
from .backend.sjc.job import inputs
from .backend.sjc.settings import to_json
from .bar import Bar
from .queue.records import JobRecord, State

if TYPE_CHECKING:
    import bpy

PUMP_SECONDS = 0.05


class Job:
    """One prompt on its way to a mesh.

    state: waiting, starting, running, paused, stopping, finished, stopped or failed.
    """

    def __init__(self, record: JobRecord) -> None:
        self.record = record

    def __repr__(self) -> str:
        return f"<Job {self.prompt!r} {self.state} {self.progress:.0%} {self.folder}>"

    @property
    def state(self) -> str:
        """One of the words that the class names."""
        return self.record.state.value

    @property
    def prompt(self) -> str:
        """What is made."""
        return self.record.prompt

    @property
    def folder(self) -> Path:
        """The job folder."""
        return self.record.folder

    @property
    def progress(self) -> float:
        """0 to 1."""
        return self.record.progress

    @property
    def eta(self) -> float | None:
        """Seconds that are left of the optimisation; None while unknown."""
        return self.record.eta_s

    @property
    def error(self) -> str | None:
        """What went wrong and what to do, None if nothing did."""
        problem = self.record.problem
        return " ".join(part for part in (problem.text, problem.hint) if part) if problem else None

    @property
    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """{what the steps measured: [(step, value)]}, thinned.

        Of a job that was begun elsewhere only what came since.
        """
        return {name: list(points) for name, points in self.record.curves.items()}

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself: finished, stopped or failed."""
        return self.record.finished

    @property
    def volume_object(self) -> bpy.types.Object | None:
        """The Volume object that shows it growing, if it is still there."""
        return live.volume_of(self.record.id)

    @property
    def mesh_object(self) -> bpy.types.Object | None:
        """The finished mesh, if it is still there."""
        return live.mesh_of(self.record.id)

    def wait(self, timeout: float | None = None) -> Job:
        """Pump until it has ended, with a bar on stderr; gives itself back.

        Raises TimeoutError after `timeout` seconds, and SjcError for a job that has left the queue without an end, as
        when the add-on was switched off.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        bar = Bar(self)
        while not self.finished:
            session.pump()
            bar.draw()
            if not self.finished and self.record not in session.queue().jobs:
                raise SjcError(f"{self.prompt!r} is no longer in the queue; there is nothing to wait for.")
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{self.prompt!r} was not done after {timeout:g} s; it goes on")
            time.sleep(PUMP_SECONDS)
        bar.end()
        return self

    def cancel(self) -> None:
        """Stop it; what was made stays in its folder and can be resumed with `retry`."""
        session.queue().cancel(self.record)
        session.keep_pumping()

    def pause(self) -> None:
        """Hold it after its step."""
        session.queue().pause(self.record)

    def resume(self) -> None:
        """Go on after a pause; a stopped or failed job is taken up where it stands. A finished one stays as it is."""
        if self.record.state in {State.STOPPED, State.FAILED}:
            session.queue().retry(self.record)
        else:
            session.queue().resume(self.record)
        session.keep_pumping()


OnProgress = Callable[[Job], None]
_jobs: weakref.WeakValueDictionary[str, Job] = weakref.WeakValueDictionary()


def job_of(record: JobRecord, on_progress: OnProgress | None = None) -> Job:
    """The job of a record, the same one as long as anybody holds it. on_progress: as in `api.generate`."""
    job = _jobs.get(record.id)
    if job is None or job.record is not record:  # one of an earlier queue, which somebody still holds
        job = _jobs[record.id] = Job(record)
    if on_progress:
        session.on_news[record.id] = lambda: on_progress(job)
    return job


def jobs() -> list[Job]:
    """All jobs of the queue, in its order; also those that an earlier Blender left in the same folder."""
    return [job_of(record) for record in session.queue().jobs]


def pause(job: Job) -> None:
    """Hold it after its step."""
    job.pause()


def resume(job: Job) -> None:
    """Go on after a pause, or take up a stopped or failed job."""
    job.resume()


def cancel(job: Job) -> None:
    """Stop it; its folder keeps what was made."""
    job.cancel()


def retry(job: Job) -> None:
    """Take up a stopped or failed job where its folder stands."""
    session.queue().retry(job.record)
    session.keep_pumping()


def remove(job: Job) -> None:
    """Take it off the list; its folder stays."""
    session.queue().remove(job.record)


def move(job: Job, delta: int) -> None:
    """Earlier (negative) or later in the queue."""
    session.queue().move(job.record, delta)


def snapshot_now() -> None:
    """Ask the running job for its present state."""
    session.queue().snapshot_now()


def free_memory() -> None:
    """End the worker process, and with it whatever the device holds."""
    session.queue().free()
    session.keep_pumping()


def clear_finished() -> None:
    """Take all that have ended off the list; their folders stay."""
    session.queue().clear_finished()


def settings_of(job: Job) -> dict[str, Any]:
    """The settings a job was made with, as `generate` takes them; what it started from by its path in the folder."""
    return json.loads(to_json(inputs.outside(job.record.settings, job.folder)))
