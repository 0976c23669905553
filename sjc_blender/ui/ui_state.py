"""Copies the queue to the window manager when something has happened, so that drawing only reads.

Nothing here makes the queue by itself (that would make the output folder): it is asked for once there is a list on
disk, or a job of this Blender.
"""

from __future__ import annotations

import time
from typing import Any

import bpy

from .. import places, session
from ..backend.sjc.errors import SjcError
from ..job import Job, job_of
from ..problems import Problem
from ..queue.records import JobRecord
from ..scene import plot, preview
from . import job_history

WORKER_SECONDS = 0.5
CURVE_SECONDS = 1.0  # curves are drawn no more often
_drawn_at = 0.0


def on_message(record: JobRecord, message: dict[str, Any]) -> None:
    """A job has news (see `live.listeners`): one entry is brought up to date, or all of them at its end."""
    runtime = bpy.context.window_manager.sjc
    if message["type"] == "heartbeat":
        return
    # A worker that is there already says no hello: the first news of a job may be of its first step.
    if message["type"] in ("progress", "status", "snapshot") and record.id == runtime.current:
        _copy(runtime.jobs[record.id], record)
        _show_picture(runtime, record)
        _show_curves(runtime, record)
        redraw()
    else:
        refresh()
    if message["type"] == "done":
        refresh_history()


def refresh() -> None:
    """All of the queue, as it is now."""
    queue, runtime = session.queue(), bpy.context.window_manager.sjc
    ids = [record.id for record in queue.jobs]
    if list(runtime.jobs.keys()) != ids:
        chosen, pictures = _chosen(runtime), {entry.name: entry.picture for entry in runtime.jobs}
        runtime.jobs.clear()
        for job_id in ids:
            entry = runtime.jobs.add()
            entry.name, entry.picture = job_id, pictures.get(job_id, "")
        runtime.active_job = max(0, ids.index(chosen) if chosen in ids else min(runtime.active_job, len(ids) - 1))
    for record in queue.jobs:
        _copy(runtime.jobs[record.id], record)
    current = queue.current
    runtime.current = current.id if current else ""
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
    """The job folders in the output folder, as they are now. Reads the disk."""
    runtime = bpy.context.window_manager.sjc
    folder = places.output_folder()
    runtime.output_folder = str(folder)
    runtime.history.clear()
    for job in (job for one in places.history_folders() for job in job_history.jobs_in(one)):
        entry = runtime.history.add()
        entry.name = entry.folder = str(job.folder)
        entry.prompt, entry.when, entry.finished = job.prompt, job.when, job.finished
        entry.model = job.model
    runtime.active_history = max(0, min(runtime.active_history, len(runtime.history) - 1))
    redraw()


def start() -> None:
    """At switching on and after a file load: what was left of an earlier time."""
    if places.state_file().is_file():
        refresh()
    refresh_history()


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


def _copy(entry: Any, record: JobRecord) -> None:
    problem = record.problem or Problem("", "")
    values = {
        "prompt": record.prompt, "state": record.state.value, "stage": record.stage, "text": record.text,
        "colors": record.colors, "folder": str(record.folder), "warnings": "\n".join(record.warnings),
        "step": record.step, "total": record.total, "progress": record.progress, "rate": record.it_s,
        "seconds": record.seconds, "eta": -1.0 if record.eta_s is None else record.eta_s,
        "problem_code": problem.code, "problem_text": problem.text,
        "problem_hint": problem.hint, "problem_details": problem.details,
    }  # fmt: skip
    for name, value in values.items():
        # A file name that is no UTF-8 must not stop the panel.
        setattr(entry, name, value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)


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
