"""Copies the queue to the window manager when something has happened, so that drawing only reads.

Messages are noted as they come; `settle` brings the panel up to date once a turn, and touches only what differs.

Nothing here makes the queue by itself (that would make the output folder): it is asked for once there is a list on
disk, or a job of this Blender.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import bpy

from .. import places, session, timer
from ..backend.sjc.errors import SjcError
from ..backend.sjc.variants import plan
from ..job import Job, job_of
from ..problems import Problem
from ..queue.records import JobRecord, State
from ..scene import plot, preview
from . import job_history, notices
from .entries import Entries

WORKER_SECONDS = 0.5
CURVE_SECONDS = 1.0  # curves are drawn no more often
HISTORY_ENTRIES = 200  # of a long history, how many are brought up to date in one turn of the timer
JOB_PROPERTIES = (
    "prompt", "state", "stage", "text", "colors", "folder", "warnings", "step", "total", "progress", "rate", "seconds",
    "eta", "problem_code", "problem_text", "problem_hint", "problem_details",
)  # fmt: skip
OFTEN = ("progress", "status", "snapshot")  # messages that change nothing but the job at work
# What all of these are made from: where none differs there is nothing to do, for which a thousand jobs take 1 ms.
_marks = attrgetter(
    "settings", "state", "stage", "text", "colors", "folder", "step", "total", "it_s", "seconds", "eta_s", "problem"
)
_jobs, _history = Entries(JOB_PROPERTIES), Entries(("folder", "prompt", "when", "finished", "model", "parent", "depth"))
_drawn_at = 0.0
_no_problem = Problem("", "")


@dataclass
class _News:
    """What has happened since the panel was last brought up to date.  ended: folders of jobs that have ended."""

    current: JobRecord | None = None
    everything: bool = False
    ended: list[Path] = field(default_factory=list)


_news = _News()


def on_message(record: JobRecord, message: dict[str, Any]) -> None:
    """A job has news (see `live.listeners`), which `settle` brings into the panel."""
    if message["type"] in OFTEN:
        _news.current = record
    elif message["type"] != "heartbeat":
        _news.everything = True
    if message["type"] == "done":
        _news.ended.append(record.folder)
        if message["state"] == "finished":
            notices.note(record.prompt, well=True)
    elif message["type"] == "error":
        notices.note(record.prompt, well=False)


def settle() -> None:
    """All messages of a turn have come (see `live.settled`): the panel is brought up to date, once."""
    global _news  # noqa: PLW0603
    news, runtime, queue = _news, bpy.context.window_manager.sjc, session.queue()
    problem = queue.problem.text if queue.problem else ""
    # A worker that is there already says no hello: the first news of a job may be of its first step.
    strange = news.current is not None and news.current.id != runtime.current
    if news.everything or strange or problem != runtime.queue_problem:
        refresh()
    elif news.current is not None:
        _copy(runtime, news.current)
        _show_picture(runtime, news.current)
        _show_curves(runtime, news.current)
        redraw()
    for folder in news.ended:
        _refresh_past(folder)
    _news = _News()
    notices.tell(runtime.states)


def refresh() -> None:
    """All of the queue, as it is now."""
    queue, runtime = session.queue(), bpy.context.window_manager.sjc
    _news.everything = False
    chosen = _chosen(runtime)
    ids = [record.id for record in queue.jobs]
    _jobs.arrange(runtime.jobs, ids)
    if chosen != _chosen(runtime):
        runtime.active_job = max(0, ids.index(chosen) if chosen in ids else min(runtime.active_job, len(ids) - 1))
    for record in queue.jobs:
        _copy(runtime, record)
    current = queue.current
    runtime.current = current.id if current else ""
    runtime.failed = next((record.id for record in reversed(queue.jobs) if _has_problem(record)), "")
    _show_variants(runtime)
    runtime.states = " ".join(sorted({record.state for record in queue.jobs}))
    runtime.worker_alive = queue.process is not None
    runtime.worker_device = str((queue.hello or {}).get("device", ""))
    runtime.freeing = queue.freeing
    runtime.queue_problem = queue.problem.text if queue.problem else ""
    runtime.queue_hint = queue.problem.hint if queue.problem else ""
    if current:
        _show_picture(runtime, current)
        _show_curves(runtime, current)
    redraw()


def refresh_history() -> None:
    """The job folders of the output folder, and of the one it stands in for, as they are now.

    In the window a thread reads them, and the panel takes a part of them in each turn.
    """
    folders = places.history_folders()
    bpy.context.window_manager.sjc.output_folder = str(places.output_folder())

    def jobs() -> list[job_history.HistoryEntry]:
        return [job for folder in folders for job in job_history.jobs_in(folder)]

    if bpy.app.background:
        for _ in _show_history(jobs()):
            pass
        return
    read: list[list[job_history.HistoryEntry]] = []
    thread = threading.Thread(target=lambda: read.append(jobs()), name="history", daemon=True)
    thread.start()
    parts: list[Iterator[None]] = []

    def turn() -> bool:
        if thread.is_alive():
            return False
        if not parts and read:
            parts.append(_show_history(read[0]))
        return not parts or next(parts[0], True) is True

    timer.follow(turn)


def _show_history(past: list[job_history.HistoryEntry]) -> Iterator[None]:
    """Brings the panel's history up to date, a part at every `next`."""
    runtime, tree = bpy.context.window_manager.sjc, job_history.as_tree(past)
    _history.arrange(runtime.history, [str(entry.folder) for entry, _ in tree])
    for start in range(0, len(tree), HISTORY_ENTRIES):
        for entry, depth in tree[start : start + HISTORY_ENTRIES]:
            _history.copy(runtime.history, str(entry.folder), _past_values(entry, depth))
        redraw()
        yield
    runtime.active_history = max(0, min(runtime.active_history, len(runtime.history) - 1))
    redraw()


def _refresh_past(folder: Path) -> None:
    """One job folder of the history, which stands first in it from now on."""
    runtime = bpy.context.window_manager.sjc
    entry = job_history.entry_of(folder)
    if entry is None:
        return
    if runtime.output_folder != str(folder.parent):
        if {folder.parent, folder.parent.parent} & set(places.history_folders()):
            refresh_history()
        return
    if entry.parent or any(known.parent == folder.name for known in runtime.history):  # its place is in a tree
        refresh_history()
        return
    name = str(folder)
    others = [known for known in runtime.history.keys() if known != name]  # noqa: SIM118 (a collection)
    _history.arrange(runtime.history, [name, *others][: job_history.MAX_JOBS])
    _history.copy(runtime.history, name, _past_values(entry))
    redraw()


def _past_values(entry: job_history.HistoryEntry, depth: int = 0) -> tuple[Any, ...]:
    return str(entry.folder), entry.prompt, entry.when, entry.finished, entry.model, entry.parent, depth


def start() -> None:
    """At switching on and after a file load: what was left of an earlier time."""
    if places.state_file().is_file():
        refresh()
    refresh_history()


def forget() -> None:
    """At switching off: the collections go, and what was copied into them."""
    global _news  # noqa: PLW0603
    _jobs.forget()
    _history.forget()
    _news = _News()


def follow_worker() -> float | None:
    """A timer, while a worker is being ended: its end comes without a message. None once it is gone."""
    if session.queue().process is not None:
        return WORKER_SECONDS
    refresh()
    return None


def job_with(job_id: str) -> Job:
    """The job of an entry. Raises SjcError when it has left the queue."""
    for record in session.queue().jobs:
        if record.id == job_id:
            return job_of(record)
    raise SjcError("That job is no longer in the queue.")


def redraw() -> None:
    """Have every sidebar of a 3D viewport draw its panels anew; not the viewports, which may hold a heavy scene."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions if area.type == "VIEW_3D" else ():
                if region.type == "UI":
                    region.tag_redraw()


def _chosen(runtime: Any) -> str:
    return runtime.jobs[runtime.active_job].name if 0 <= runtime.active_job < len(runtime.jobs) else ""


def _has_problem(record: JobRecord) -> bool:
    """Whether a job has failed, or has ended and something is wrong with what it made."""
    return record.state is State.FAILED or (record.problem is not None and record.finished)


def _copy(runtime: Any, record: JobRecord) -> None:
    """What the panel shows of a job, in the order of JOB_PROPERTIES."""
    marks = (*_marks(record), len(record.warnings))
    if _jobs.marks(record.id) == marks:
        return
    problem = record.problem or _no_problem
    values = (
        record.prompt, record.state.value, record.stage, record.text, record.colors, str(record.folder),
        "\n".join(record.warnings), record.step, record.total, record.progress, record.it_s, record.seconds,
        -1.0 if record.eta_s is None else record.eta_s, problem.code, problem.text, problem.hint, problem.details,
    )  # fmt: skip
    _jobs.copy(runtime.jobs, record.id, values, marks)


def _show_variants(runtime: Any) -> None:
    """The gallery: names of the variants to choose from, in order, and their pictures."""
    shown = [record for record in session.queue().jobs if record.variant]
    runtime.variants = " ".join(record.id for record in shown)
    pictures = {record.id: record.folder / plan.PICTURE for record in shown if record.finished}
    preview.gallery(pictures.values())
    for job_id, picture in pictures.items():
        runtime.jobs[job_id].picture = str(picture)


def _show_picture(runtime: Any, record: JobRecord) -> None:
    picture = next((s.png for s in reversed(record.snapshots) if s.png), None)
    if picture and preview.update(picture):
        runtime.jobs[record.id].picture = str(picture)


def _show_curves(runtime: Any, record: JobRecord) -> None:
    """The job's curves as pictures; a millisecond, so not at every step."""
    global _drawn_at
    now = time.monotonic()
    drawn = runtime.curves_of == record.id and len(runtime.curves) > 0
    if not record.curves or (drawn and now - _drawn_at < CURVE_SECONDS):
        return
    _drawn_at, runtime.curves_of = now, record.id
    if list(runtime.curves.keys()) != list(record.curves):
        runtime.curves.clear()
        for name in record.curves:
            runtime.curves.add().name = name
    for name, points in record.curves.items():
        entry = runtime.curves[name]
        entry.value = points[-1][1]
        entry.picture = preview.plot(name, plot.picture(points))
