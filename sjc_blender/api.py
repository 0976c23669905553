"""What scripts and buttons call: generate, batch, import_result, and the job they give.

    from bl_ext.user_default.sjc_blender import api
    job = api.generate("a red mushroom", steps=200)     # in the window: returns at once, the scene fills by itself
    job.wait()                                          # in scripts: until it is done, with a bar on stderr

In background Blender (`blender -b`, the bpy module) `generate` waits by itself. Settings are those of the command line,
by name (docs/settings.md); bad ones raise `SjcError` with one line each.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import jobs, live, places
from .backend.sjc import settings as schema
from .backend.sjc.errors import SjcError

if TYPE_CHECKING:
    import bpy

__all__ = [
    "Job", "SjcError", "batch", "cancel", "clear_finished", "free_memory", "generate", "import_result", "move", "pause",
    "pump", "queue", "remove", "resume", "retry", "snapshot_now",
]  # fmt: skip

PUMP_SECONDS = 0.05
OnProgress = Callable[["Job"], None]

_queue: jobs.Queue | None = None
_jobs: dict[str, Job] = {}


class Job:
    """One prompt on its way to a mesh.  state: waiting, starting, running, paused, stopping, finished, stopped, failed."""

    def __init__(self, record: jobs.Job, on_progress: OnProgress | None = None) -> None:
        self.record, self.on_progress = record, on_progress

    def __repr__(self) -> str:
        return f"<Job {self.prompt!r} {self.state} {self.progress:.0%} {self.folder}>"

    @property
    def state(self) -> str:
        """One word, see the class."""
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
        """Pump until it has ended, with a bar on stderr; gives itself back. Raises TimeoutError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        bar = _Bar(self)
        while not self.finished:
            pump()
            bar.draw()
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{self.prompt!r} was not done after {timeout:g} s; it goes on")
            time.sleep(PUMP_SECONDS)
        bar.end()
        return self

    def cancel(self) -> None:
        """Stop it; what was made stays in its folder and can be resumed with `retry`."""
        queue().cancel(self.record)
        live.keep_pumping()

    def pause(self) -> None:
        """Hold it after its step."""
        queue().pause(self.record)

    def resume(self) -> None:
        """Go on after a pause; a stopped or failed one is taken up where it stands."""
        if self.record.finished:
            queue().retry(self.record)
        else:
            queue().resume(self.record)
        live.keep_pumping()


# ---------------------------------------------------------------------------------------------------------- make and get


def generate(
    prompt: str,
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    folder: str | Path | None = None,
    location: tuple[float, float, float] | None = None,
    **settings: Any,
) -> Job:
    """Make one object.  Returns its Job: at once in the window, finished in background Blender (`block` overrides).

    folder: the job folder, by default `//sjc/<prompt>-<seed>` beside the saved .blend, else in the folder of the
    preferences. location: where it grows and stands, by default the 3D cursor. on_progress: called with the Job, in
    Blender's main thread, at every message. settings: see docs/settings.md. Raises SjcError for bad ones.
    """
    chosen = schema.resolve(None, {**settings, "prompt": prompt})
    if not chosen.prompt:
        raise SjcError('The prompt is empty; say what to make, e.g. "a red mushroom".')
    taken = [j.folder for j in queue().jobs]
    place = Path(folder) if folder else places.free_folder(places.output_folder(), chosen, taken)
    job = _wrap(queue().add(chosen, place), on_progress)
    live.expect(job.record, location)
    live.keep_pumping()
    return job.wait() if _blocks(block) else job


def batch(
    prompts: Iterable[str | Mapping[str, Any]],
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    **settings: Any,
) -> list[Job]:
    """Make many, one after the other: texts, or mappings of settings with a "prompt". A failing one does not stop the rest.

    All are checked first: SjcError lists every bad one, and nothing has started then.
    """
    wanted, problems = [], []
    for number, item in enumerate(prompts, 1):
        own = {"prompt": item} if isinstance(item, str) else dict(item)
        try:
            if not schema.resolve(None, {**settings, **own}).prompt:
                raise SjcError("the prompt is empty")  # noqa: TRY301
            wanted.append({**settings, **own})
        except SjcError as error:
            problems.append(f"{number}: {error}")
    if problems:
        raise SjcError("\n".join(problems))
    made = []
    for index, own in enumerate(wanted):
        location = live.in_a_row(index)
        made.append(generate(block=False, on_progress=on_progress, location=location, **own))
    if _blocks(block):
        for job in made:
            job.wait()
    return made


def import_result(path: str | Path, *, location: tuple[float, float, float] | None = None) -> Job:
    """Bring in a job folder made elsewhere, finished or half finished: the folder, its NAME.sjc, or a file in it.

    A finished one gives its mesh, a half-finished one its newest volume. Raises SjcError with one line for anything else.
    """
    folder = places.job_folder(Path(path))
    record = jobs.read_folder(folder)
    job = _wrap(record, None)
    live.expect(record, location)
    live.bring_in(record)
    return job


def _wrap(record: jobs.Job, on_progress: OnProgress | None) -> Job:
    job = _jobs.get(record.id) or Job(record)
    job.on_progress = on_progress or job.on_progress
    _jobs[record.id] = job
    return job


def _blocks(block: bool | None) -> bool:
    import bpy

    return bpy.app.background if block is None else block


# ----------------------------------------------------------------------------------------------------------- the queue


def queue() -> jobs.Queue:
    """The one queue, made at the first call; it remembers its jobs in the output folder."""
    global _queue  # noqa: PLW0603 (one Blender, one queue)
    if _queue is None:
        from .ui import preferences

        _queue = jobs.Queue(
            places.worker_command,
            places.BACKEND / "sjc",
            places.state_file(),
            preferences.worker_environment(),
            times=preferences.worker_times(),
        )
        for record in _queue.jobs:
            _wrap(record, None)
    return _queue


def pump() -> bool:
    """Take in what the worker has said and bring the scene up to date; whether there is more to come. Never blocks."""
    for record, message in queue().pump():
        if record is None:
            continue
        job = _wrap(record, None)
        live.handle(record, message)
        if job.on_progress:
            job.on_progress(job)
    return queue().busy


def close() -> None:
    """End the worker and forget the queue: at exit, or when the add-on is switched off. Jobs can be resumed later."""
    global _queue  # noqa: PLW0603
    if _queue is not None:
        _queue.close()
    _queue = None
    _jobs.clear()


def pause(job: Job) -> None:
    """As the button."""
    job.pause()


def resume(job: Job) -> None:
    """As the button."""
    job.resume()


def cancel(job: Job) -> None:
    """As the button."""
    job.cancel()


def retry(job: Job) -> None:
    """Take up a stopped or failed job where its folder stands."""
    queue().retry(job.record)
    live.keep_pumping()


def remove(job: Job) -> None:
    """Take it off the list; its folder stays."""
    queue().remove(job.record)
    _jobs.pop(job.record.id, None)


def move(job: Job, delta: int) -> None:
    """Earlier (negative) or later in the queue."""
    queue().move(job.record, delta)


def snapshot_now() -> None:
    """Ask the running job for its present state."""
    queue().snapshot_now()


def free_memory() -> None:
    """End the worker process, and with it whatever the device holds."""
    queue().free()
    live.keep_pumping()


def clear_finished() -> None:
    """Take all that have ended off the list; their folders stay."""
    queue().clear_finished()


class _Bar:
    """One line on stderr: a bar that overwrites itself on a terminal, a line every ten percent elsewhere."""

    def __init__(self, job: Job, width: int = 24) -> None:
        self.job, self.width, self.shown = job, width, ""

    def draw(self) -> None:
        record = self.job.record
        live_terminal = sys.stderr is not None and sys.stderr.isatty()
        full = int(self.job.progress * self.width)
        eta = f", {self.job.eta:.0f} s left" if self.job.eta else ""
        counted = (
            f"{record.step}/{record.total} {record.it_s:.1f} step/s{eta}" if record.total else record.text
        )
        stage = record.stage or self.job.state
        text = f"{self.job.prompt[:40]}  {stage:<9} [{'#' * full}{'.' * (self.width - full)}] {counted}"
        key = text if live_terminal else f"{stage} {int(self.job.progress * 10)}"
        if key != self.shown and sys.stderr is not None:
            self.shown = key
            sys.stderr.write(f"\r{text:<110}" if live_terminal else text + "\n")
            sys.stderr.flush()

    def end(self) -> None:
        if sys.stderr is not None:
            end = f"{self.job.prompt[:40]}  {self.job.state}: {self.job.error or self.job.folder}"
            sys.stderr.write(("\r" + " " * 110 + "\r" if sys.stderr.isatty() else "") + end + "\n")


def settings_of(job: Job) -> dict[str, Any]:
    """The settings a job was made with, as `generate` takes them."""
    return json.loads(schema.to_json(job.record.settings))
