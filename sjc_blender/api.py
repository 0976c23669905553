"""What scripts and buttons call: generate, batch, import_result, and the job they give.

    from bl_ext.user_default.sjc_blender import api
    job = api.generate("a red mushroom", steps=200)     # in the window: returns at once, the scene fills by itself
    job.wait()                                          # in scripts: until it is done, with a bar on stderr

In background Blender (`blender -b`, the bpy module) `generate` waits by itself. Settings are those of the command line,
by name (docs/settings.md); bad ones raise `SjcError` with one line each. docs/scripting.md has an example of
everything.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import incoming, live, places
from .backend.sjc.errors import SjcError
from .backend.sjc.job.batch import read_batch
from .backend.sjc.job.folder import free_folder
from .backend.sjc.settings import Settings, resolve_job, to_json
from .bar import Bar
from .queue.queue import Job as Record
from .queue.queue import Queue, State, read_folder

if TYPE_CHECKING:
    import bpy

__all__ = [
    "Job", "SjcError", "batch", "cancel", "clear_finished", "free_memory", "generate", "import_result", "jobs", "move",
    "pause", "pump", "queue", "remove", "resume", "resume_folder", "retry", "settings_of", "snapshot_now",
]  # fmt: skip

PUMP_SECONDS = 0.05
OnProgress = Callable[["Job"], None]

_queue: Queue | None = None
_jobs: dict[str, Job] = {}


class Job:
    """One prompt on its way to a mesh.  state: waiting, starting, running, paused, stopping, finished, stopped, failed."""

    def __init__(self, record: Record, on_progress: OnProgress | None = None) -> None:
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
    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """{what the steps measured: [(step, value)]}, thinned; of a job that was begun elsewhere only what came since."""
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

        Raises TimeoutError after `timeout`
        seconds.

        SjcError for one that has left the queue without an end, as when the add-on was switched off.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        bar = Bar(self)
        while not self.finished:
            pump()
            bar.draw()
            if not self.finished and self.record not in queue().jobs:
                raise SjcError(f"{self.prompt!r} is no longer in the queue; there is nothing to wait for.")
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
        """Go on after a pause; a stopped or failed one is taken up where it stands. Nothing happens to a finished one."""
        if self.record.state in {State.STOPPED, State.FAILED}:
            queue().retry(self.record)
        else:
            queue().resume(self.record)
        live.keep_pumping()


# ---------------------------------------------------------------------------------------------------------- make and
# get


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
    preferences; `//` is the .blend's own. location: where it grows and stands, by default the 3D cursor. on_progress:
    called with the Job, in Blender's main thread, at every message; if it raises, its traceback is printed and it is
    called no more. settings: see docs/settings.md. Raises SjcError for bad ones.
    """
    chosen = _resolved({**settings, "prompt": prompt})
    taken = [j.folder for j in queue().jobs]
    place = _path(folder) if folder else free_folder(places.output_folder(), chosen, taken)
    job = _wrap(queue().add(chosen, place), on_progress)
    live.expect(job.record, location)
    live.keep_pumping()
    return job.wait() if _blocks(block) else job


def batch(
    prompts: str | bpy.types.Text | Iterable[str | Mapping[str, Any]],
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    **settings: Any,
) -> list[Job]:
    """Make many, one after the other: texts, or mappings of settings with a "prompt".

    A failing one does not stop the
    rest.

    A single text, or a Text datablock, is read as `sjc batch` reads a file: a prompt or a JSON object a line, # begins
    a comment. All are checked first: SjcError lists every bad one, and nothing has started then.
    """
    made = []
    for index, given in enumerate(_checked(prompts, settings)):
        location = live.in_a_row(index)
        made.append(generate(block=False, on_progress=on_progress, location=location, **given))
    if _blocks(block):
        for job in made:
            job.wait()
    return made


def _resolved(given: Mapping[str, Any]) -> Settings:
    """Settings by name, over those that the preferences name for all files. Raises SjcError, also without a prompt."""
    from .ui import preferences

    return resolve_job({**preferences.defaults(), **given})


def _checked(prompts: Any, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of every job that `batch` was given. Raises SjcError, one line for everything wrong with them."""

    def check(own: Mapping[str, Any]) -> dict[str, Any]:
        given = {**common, **own}
        _resolved(given)
        return given

    text = prompts.as_string() if hasattr(prompts, "as_string") else prompts  # of a Text datablock
    if isinstance(text, str):
        return read_batch(text, check)
    wanted, problems = [], []
    for number, item in enumerate(prompts, 1):
        try:
            wanted.append(check(item if isinstance(item, Mapping) else {"prompt": item}))
        except SjcError as error:
            problems.append(f"{number}: {error}")
    if problems:
        raise SjcError("\n".join(problems))
    return wanted


def import_result(path: str | Path, *, location: tuple[float, float, float] | None = None) -> Job:
    """Bring in a job folder made elsewhere, finished or half finished: the folder, its NAME.sjc, or a file in it.

    A finished one gives its mesh, a half-finished one its newest volume. Raises SjcError with one line for anything
    else.
    """
    folder = places.job_folder(_path(path))
    record = read_folder(folder)
    job = _wrap(record, None)
    live.expect(record, location)
    incoming.bring_in(record)
    return job


def resume_folder(
    path: str | Path,
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    location: tuple[float, float, float] | None = None,
) -> Job:
    """Go on with a half-finished job folder, whoever began it: here, another Blender, or the command line.

    path: as for `import_result`. The job joins the queue; the rest is as in `generate`. Raises SjcError for a finished
    one, and for anything that is no job folder.
    """
    job = _wrap(queue().take_up(places.job_folder(_path(path))), on_progress)
    live.expect(job.record, location)
    live.keep_pumping()
    return job.wait() if _blocks(block) else job


def _path(given: str | Path) -> Path:
    """A path as people write it in Blender: `//` stands for the folder of the .blend."""
    import bpy

    return Path(bpy.path.abspath(str(given))).expanduser()


def _wrap(record: Record, on_progress: OnProgress | None) -> Job:
    job = _jobs.get(record.id) or Job(record)
    job.on_progress = on_progress or job.on_progress
    _jobs[record.id] = job
    return job


def _blocks(block: bool | None) -> bool:
    import bpy

    return bpy.app.background if block is None else block


# ----------------------------------------------------------------------------------------------------------- the queue


def queue() -> Queue:
    """The one queue, made at the first call; it remembers its jobs in the output folder."""
    global _queue  # noqa: PLW0603 (one Blender, one queue)
    if _queue is None:
        from .ui import preferences

        _queue = Queue(
            places.worker_command,
            places.BACKEND / "sjc",
            places.state_file(),
            preferences.worker_environment(),
            times=preferences.worker_times(),
        )
        for record in _queue.jobs:
            _wrap(record, None)
    return _queue


def jobs() -> list[Job]:
    """All jobs of the queue, in its order; also those that an earlier Blender left in the same place."""
    return [_wrap(record, None) for record in queue().jobs]


def pump() -> bool:
    """Take in what the worker has said and bring the scene up to date; whether there is more to come. Never blocks."""
    news = [(_wrap(record, None), message) for record, message in queue().pump() if record is not None]
    for job, message in news:
        try:
            live.handle(job.record, message)
        except Exception:  # noqa: BLE001 (the messages behind it still count)
            traceback.print_exc()
    # Only now: the records know of all the news, so a job that says "finished" must have its mesh.
    for job, _ in news:
        try:
            if job.on_progress:
                job.on_progress(job)
        except Exception:  # noqa: BLE001 (somebody else's function)
            job.on_progress = None
            traceback.print_exc()
    return queue().busy


def follow_file(*, same_scene: bool) -> None:
    """The .blend has another path now.  same_scene: it was saved there, and the list of jobs goes along.

    Otherwise another .blend was opened, which has a list of its own. What runs goes on: then the list stays where it
    is.
    """
    if _queue is None or _queue.state_file == places.state_file():
        return
    if same_scene:
        _queue.keep_at(places.state_file())
    elif not _queue.busy:
        close()


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


def settings_of(job: Job) -> dict[str, Any]:
    """The settings a job was made with, as `generate` takes them."""
    return json.loads(to_json(job.record.settings))
