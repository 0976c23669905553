"""Installing and checking the backend beside everything else: one task at a time, followed by a timer of its own.

The timer lives as long as the task. In background Blender there are no timers: `wait` follows the task instead.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Protocol

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import places, user_preferences
from ..backend.sjc.errors import SjcError, one_line
from ..backend.sjc.remote import check as other_check
from ..backend.sjc.remote.ssh import Other
from ..install import environment, installer
from ..models import checking, fetching
from ..places import report_folder, whole_paths
from . import labels, model_picker, ui_state

TICK_SECONDS = 0.25


class Task(Protocol):
    """What `installer.Installer` and `Check` have in common."""

    def poll(self) -> installer.Progress:
        """Where it stands; never blocks."""

    def cancel(self) -> None:
        """Stop it."""


class Check:
    """Asks the doctor of an interpreter in a thread: it takes seconds to a minute."""

    def __init__(self, home: Path, python: str) -> None:
        self.home, self.python, self.cancelled = home, python, False
        self.answer: environment.Backend | None = None
        self.problem = ""
        self.thread = threading.Thread(target=self._run, name="doctor", daemon=True)
        self.thread.start()

    def poll(self) -> installer.Progress:
        """Where it stands."""
        if self.cancelled:
            return installer.Progress("cancelled", "doctor", 0.0, "")
        if self.thread.is_alive():
            return installer.Progress("running", "doctor", 0.5, "")
        return installer.Progress("failed" if self.problem else "done", "doctor", 1.0, self.problem)

    def cancel(self) -> None:
        """Let it talk to itself: the doctor ends alone."""
        self.cancelled = True

    def _run(self) -> None:
        try:
            self.answer = environment.use(self.home, self.python)
        except (SjcError, OSError) as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 (else a check without an answer would count as passed)
            self.problem = one_line(error)


class CheckOther:
    """Asks another computer in a thread: it takes seconds, or as long as a computer takes that does not answer."""

    def __init__(self, other: Other) -> None:
        self.other, self.cancelled = other, False
        self.answer = other_check.Checked(False, "")
        self.thread = threading.Thread(target=self._run, name="other computer", daemon=True)
        self.thread.start()

    def poll(self) -> installer.Progress:
        """Where it stands."""
        if self.cancelled or not self.thread.is_alive():
            return installer.Progress("cancelled" if self.cancelled else "done", "other", 1.0, "")
        return installer.Progress("running", "other", 0.5, "")

    def cancel(self) -> None:
        """Wait for it no longer; ssh ends alone."""
        self.cancelled = True

    def _run(self) -> None:
        try:
            self.answer = other_check.check(self.other)
        except Exception as error:  # noqa: BLE001 (else a check without an answer would count as none)
            self.answer = other_check.Checked(False, one_line(error))


_task: Task | None = None


def install(python: str = "", build: str = "auto") -> None:
    """Begin to install; the caller has asked the person. Raises SjcError when offline, busy or without a fit Python."""
    if not bpy.app.online_access:
        raise SjcError(labels.OFFLINE)
    _begin(installer.Installer(home(), python, build).start, "installing")


def check(python: str) -> None:
    """Begin to check `python`, which is the backend from then on. Raises SjcError when busy or for no Python."""
    path = str(environment.interpreter(python))
    _begin(lambda: Check(home(), path), "checking")


def check_other() -> None:
    """Begin to check the other computer of the preferences. Raises SjcError when busy, or where a field is empty."""
    other = user_preferences.other_computer()
    _begin(lambda: CheckOther(other), "reaching")


def fetch(model: str) -> None:
    """Begin to download a model into the hub's cache; the caller has asked the person. Raises SjcError."""
    python = _online_python()
    _begin(lambda: fetching.Fetch(python, model).start(), "fetching")


def ask_size(model: str) -> None:
    """Begin to ask the hub how large a download of `model` is; a person has pressed the button. Raises SjcError."""
    python = _online_python()
    _begin(lambda: fetching.Ask(python, model.strip()).start(), "asking")


def sign_in(token: str) -> None:
    """Begin to give the hub's own client a token, which nothing of ours keeps. Raises SjcError."""
    if not token.strip():
        raise SjcError("No token was given; make one on the hub's page with Get Token.")
    python = _online_python()
    _begin(lambda: fetching.SignIn(python, token).start(), "signing in")


def remove(model: str) -> None:
    """Begin to delete a model of the hub's cache; the caller has asked the person. Raises SjcError."""
    python = _python()
    _begin(lambda: fetching.Remove(python, model.strip()).start(), "removing")


def check_model(model: str) -> None:
    """Begin to measure a model that is on this machine; its report goes beside the jobs. Raises SjcError."""
    python = _python()
    work = checking.CheckModel(
        python, whole_paths(model.strip()), report_folder(model.strip()), bpy.context.scene.sjc.device
    )
    _begin(work.start, "measuring")


def _online_python() -> str:
    if not bpy.app.online_access:
        raise SjcError(labels.OFFLINE)
    return _python()


def _python() -> str:
    python = places.backend().python
    if not python:
        raise SjcError("Install the backend first: it downloads and removes the models.")
    return python


def cancel() -> None:
    """Stop what runs; what worked before works on."""
    if _task:
        _task.cancel()


def running() -> bool:
    """Whether a task is at work."""
    return _task is not None


def home() -> Path:
    """Where environments of our making lie."""
    return places.user_folder("environment")


def refresh() -> None:
    """The state line, from the record on disk."""
    known, runtime = places.backend(), bpy.context.window_manager.sjc
    runtime.backend_state, runtime.backend_text, runtime.backend_python = (known.state, known.text, known.python)
    runtime.backend_stale, runtime.backend_factor, runtime.backend_code = known.stale, 0.0, known.code
    runtime.backend_lines = "\n".join(f"{line.get('name', '')}: {line.get('text', '')}" for line in known.lines)
    ui_state.redraw()


def tick() -> float | None:
    """One turn of the timer; None when the task has ended."""
    global _task  # noqa: PLW0603 (one Blender, one backend)
    if _task is None:
        return None
    now, runtime = _task.poll(), bpy.context.window_manager.sjc
    if now.state == "running":
        runtime.backend_factor, runtime.backend_text = now.factor, now.text or _stage(_task)
        ui_state.redraw()
        return TICK_SECONDS
    if now.state == "done" and isinstance(_task, installer.Installer):
        _forget_choice()
    code = getattr(_task, "code", "")
    if isinstance(_task, fetching.Ask) and _task.answer:
        model_picker.downloads[_task.model] = _task.answer
    if isinstance(_task, fetching.Fetch) and _task.total:
        model_picker.note_size(_task.model, _task.total)
    if isinstance(_task, checking.CheckModel) and _task.report:
        model_picker.reports[_task.model] = _task.report
    if isinstance(_task, CheckOther) and not _task.cancelled:
        runtime.other_text, runtime.other_ok = _task.answer.text, _task.answer.ok
    _task = None
    model_picker.look_again()
    refresh()
    if now.state == "failed":
        runtime.backend_problem, runtime.backend_code = now.text, code or runtime.backend_code
    else:
        runtime.backend_problem = ""
    return None


def _stage(task: Task) -> str:
    """What a check of a model is doing, and the seconds that are left; "" for other tasks."""
    if not isinstance(task, checking.CheckModel):
        return ""
    stage = iface_(labels.CHECK_STAGES.get(task.stage, labels.CHECK_STAGES["load"]))
    left = iface_("{} left").format(labels.duration(task.seconds_left)) if task.seconds_left >= 0 else ""
    return ", ".join(filter(None, (stage, left)))


def wait() -> str:
    """Follow the task to its end, in background Blender; -> what went wrong, "" if nothing did."""
    while (delay := tick()) is not None:
        time.sleep(delay)
    problem: str = bpy.context.window_manager.sjc.backend_problem
    return problem


def stop() -> None:
    """At switching off: nothing of ours goes on."""
    global _task  # noqa: PLW0603
    cancel()
    _task = None
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def _begin(make: Any, state: str) -> None:
    global _task  # noqa: PLW0603
    if _task is not None:
        raise SjcError("The backend is busy with another task.")
    _task = make()
    runtime = bpy.context.window_manager.sjc
    runtime.backend_state, runtime.backend_text, runtime.backend_factor, runtime.backend_problem = (state, "", 0.0, "")
    if not bpy.app.background:
        bpy.app.timers.register(tick, first_interval=0.0, persistent=True)


def _forget_choice() -> None:
    """A fresh environment counts from now on, before one that was chosen by hand."""
    chosen = places.preferences()
    if chosen:
        chosen.backend_python = ""
