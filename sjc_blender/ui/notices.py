"""That a job runs, in the status bar; that it has ended, by the desktop and by a sound, as the preferences say."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import notice, places

LONGEST = 40  # characters of a prompt
AT_WORK = {"waiting", "starting", "running"}


_ended: list[tuple[str, bool]] = []  # prompts of jobs since the last notice, and whether each ended well


def note(prompt: str, well: bool) -> None:
    """A job has ended, well or not; `tell` says so once nothing is left to do."""
    _ended.append((prompt, well))


def tell(states: str) -> None:
    """One notice of all that has ended, if no job is at work or waits.  states: of the jobs in the list.

    In background Blender nobody is told: its script knows.
    """
    if not _ended or AT_WORK & set(states.split()):
        return
    title, text = words(_ended)
    _ended.clear()
    chosen = places.preferences()
    if chosen is None or bpy.app.background:
        return
    if chosen.notify:
        notice.show(title, text)
    if chosen.notify_sound:
        notice.play()


def words(ended: list[tuple[str, bool]]) -> tuple[str, str]:
    """Title and text of a notice."""
    good = sum(well for _, well in ended)
    title = iface_("The object is ready") if good else iface_("The job failed")
    if len(ended) == 1:
        return title, ended[0][0]
    return iface_("The queue is done"), iface_("{} finished, {} failed").format(good, len(ended) - good)


def draw_status(self: Any, context: Any) -> None:
    """Blender's status bar: the job at work and how far it is."""
    runtime = context.window_manager.sjc
    if runtime.current and runtime.current in runtime.jobs:
        job = runtime.jobs[runtime.current]
        prompt = job.prompt if len(job.prompt) <= LONGEST else job.prompt[: LONGEST - 1] + "…"
        self.layout.label(text=f"{prompt} {job.progress:.0%}", translate=False, icon="OUTLINER_OB_VOLUME")


MENUS = (("STATUSBAR_HT_header", draw_status),)
