"""Everything that Blender is told of, in order; taken back in reverse. Nothing of ours stays behind."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

import bpy

from . import live, remeshing, session, timer
from .backend.sjc import errors
from .scene import preview, volumes
from .ui import (
    backend_task,
    keys,
    loras,
    model_picker,
    notices,
    operators,
    panels,
    preferences,
    presets,
    properties,
    reference_pictures,
    ui_state,
)
from .ui import prompts as ui_prompts
from .ui.languages import translations
from .ui.operators import handover

CLASSES: tuple[type, ...] = (
    *loras.CLASSES,
    *reference_pictures.CLASSES,
    *properties.CLASSES,
    *preferences.CLASSES,
    *operators.CLASSES,
    *model_picker.CLASSES,
    *presets.CLASSES,
    *panels.CLASSES,
)


@bpy.app.handlers.persistent
def scene_replaced(*_arguments: Any) -> None:
    """After undo and redo: what the scene has lost may come back."""
    live.renew()


@bpy.app.handlers.persistent
def file_loaded(*_arguments: Any) -> None:
    """After a file load: so, too, and the window manager may be a new one, the list of jobs another."""
    live.renew()
    volumes.centre_all()
    session.follow_file(same_scene=False)
    backend_task.refresh()
    ui_state.start()


@bpy.app.handlers.persistent
def saving(*arguments: Any) -> None:
    """Before a .blend is written, to arguments[0]: where the volumes' files are, as it shall hold it."""
    for job_id, text in live.before_save(next((given for given in arguments if isinstance(given, str)), "")):
        session.warn(job_id, text)
    session.flush()


@bpy.app.handlers.persistent
def saved(*_arguments: Any) -> None:
    """After a .blend was written: perhaps for the first time, or to another place."""
    session.follow_file(same_scene=True)
    ui_state.start()


@bpy.app.handlers.persistent
def leaving(*_arguments: Any) -> None:
    """Blender quits: the worker ends with it."""
    backend_task.stop()
    remeshing.close()
    session.close()


def at_exit() -> None:
    """The interpreter ends. As a Python module Blender must find nothing of ours then, or 5.2 does not end."""
    if bpy.app.binary_path:
        leaving()
    else:
        unregister()


HANDLERS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("undo_post", scene_replaced),
    ("redo_post", scene_replaced),
    ("load_post", file_loaded),
    ("save_pre", saving),
    ("save_post", saved),
    ("exit_pre", leaving),  # from 5.1 on; before, atexit
)


_on = False


def register() -> None:
    """Switch on."""
    global _on  # noqa: PLW0603
    _on = True
    errors.in_blender = True
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    properties.attach()
    translations.register()
    for name, draw in (*operators.MENUS, *notices.MENUS):
        getattr(bpy.types, name).append(draw)
    keys.register()
    for name, handler in HANDLERS:
        if hasattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).append(handler)
    atexit.register(at_exit)
    live.listeners.append(ui_state.on_message)
    live.settled.append(ui_state.settle)
    live.folders_removed.append(ui_state.refresh_history)
    remeshing.on_problem.append(handover.show_problem)
    backend_task.refresh()
    if not bpy.app.background:  # the scene cannot be read while add-ons are switched on at the start
        bpy.app.timers.register(_begin, first_interval=0.1)


def unregister() -> None:
    """Switch off: the worker ends, jobs can be taken up again later. Once off, nothing (see `at_exit`)."""
    global _on  # noqa: PLW0603
    if not _on:
        return
    _on = False
    for function in (_begin, ui_state.follow_worker):
        if bpy.app.timers.is_registered(function):
            bpy.app.timers.unregister(function)
    leaving()
    timer.stop()
    live.forget()
    remeshing.on_problem.clear()
    ui_state.forget()
    model_picker.stop()
    ui_prompts.forget()
    preview.close()
    atexit.unregister(at_exit)
    for name, handler in HANDLERS:
        if hasattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).remove(handler)
    keys.unregister()
    for name, draw in (*operators.MENUS, *notices.MENUS):
        getattr(bpy.types, name).remove(draw)
    translations.unregister()
    properties.detach()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)


def _begin() -> None:
    """Soon after switching on: what was left of an earlier time."""
    ui_state.start()
