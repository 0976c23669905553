"""The one queue of this Blender: made when first asked for, pumped by the timer, closed at switching off."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from . import live, places, timer, user_preferences
from .problems import Problem
from .queue.queue import Queue
from .queue.records import JobRecord

_queue: Queue | None = None
on_news: dict[str, Callable[[], None]] = {}  # id of a job -> what is called after each of its messages


def queue() -> Queue:
    """The one queue, made at the first call; it remembers its jobs in the output folder."""
    global _queue  # noqa: PLW0603 (one Blender, one queue)
    if _queue is None:
        _queue = Queue(
            user_preferences.worker_command,
            places.BACKEND / "sjc",
            places.state_file(),
            user_preferences.worker_environment(),
            ready=live.ready,
            times=user_preferences.worker_times(),
        )
    return _queue


def pump() -> bool:
    """Take in the worker's messages and bring the scene up to date; whether there is more to come. Never blocks."""
    news = [(record, message) for record, message in queue().pump() if record is not None]
    for record, message in news:
        try:
            live.handle(record, message)
        except Exception:  # noqa: BLE001 (a listener of the panel; what fails in the scene `live` tells the job)
            traceback.print_exc()
    live.settle()
    live.push_rows({batch.folder for batch in queue().batches})
    # Only now: the records know of all the news, so a job that says "finished" must have its mesh.
    for record, _ in news:
        try:
            if call := on_news.get(record.id):
                call()
        except Exception:  # noqa: BLE001 (somebody else's function)
            on_news.pop(record.id, None)
            traceback.print_exc()
    return queue().busy


def turn() -> bool:
    """One turn of the timer: pump, and follow the scene's timeline. True once there is nothing left to do."""
    from .scene import volumes

    try:
        busy = pump()
        if current := queue().current:
            volumes.follow_timeline(current.id)
    except Exception:  # noqa: BLE001 (the queue must be pumped at the next turn all the same)
        traceback.print_exc()
        return False
    return not busy and not queue().saving


def keep_pumping() -> None:
    """Have the timer pump as long as there is something to do; in background Blender `Job.wait` pumps instead."""
    timer.follow(turn)


def renew() -> None:
    """The worker that is wanted has changed: the next job gets a new one."""
    if _queue is not None:
        _queue.free(paused=False)
        keep_pumping()


def complain(record: JobRecord, problem: Problem) -> None:
    """Put a problem into the list: of a job that has ended, or one made elsewhere. It stays until it is taken off."""
    record.problem = problem
    queue().take_in(record)
    live.tell(record, {"type": "error", "code": problem.code, "text": problem.text, "hint": problem.hint})
    live.settle()


def warn(job_id: str, text: str) -> None:
    """Have the panel show a warning with a job, where that is still in the list."""
    for record in _queue.jobs if _queue else ():
        if record.id == job_id:
            message = {"type": "warning", "text": text}
            record.take(message)
            live.tell(record, message)
            live.settle()


def follow_file(*, same_scene: bool) -> None:
    """The .blend has another path now.  same_scene: it was saved there, and the list of jobs goes along.

    Otherwise another .blend was opened, which has a list of its own. While a job runs, the list stays where it is.
    """
    places.look_again()
    if _queue is None or _queue.state_file == places.state_file():
        return
    if same_scene:
        _queue.keep_at(places.state_file())
    elif not _queue.busy:
        close()


def flush() -> None:
    """Wait until the list of jobs is on disk, as before a .blend is saved."""
    if _queue is not None:
        _queue.flush()


def close() -> None:
    """End the worker and forget the queue: at exit, or when the add-on is switched off. Jobs can be resumed later."""
    global _queue  # noqa: PLW0603
    if _queue is not None:
        _queue.close()
    _queue = None
    on_news.clear()
