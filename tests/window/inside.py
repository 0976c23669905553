"""Runs inside the Blender of the window tests: answers questions, keeps time. It presses nothing.

A question is a file `ask.json` in the folder that stands after `--`: {"id", "script"}; the script's `result` goes to
`answer.json`. What every script can use: `bpy`, `api`, `live`, `ours(module)`, `region_of(area)`,
`times`, `opened` and `paths`.
"""

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

import bpy

HOME = Path(sys.argv[sys.argv.index("--") + 1])
ASK, ANSWER = HOME / "ask.json", HOME / "answer.json"
MODULE = "bl_ext.user_default.sjc_blender"
TICK_SECONDS = 0.01


def ours(name):
    """A module of the installed extension."""
    return importlib.import_module(f"{MODULE}.{name}")


def queued():
    """Seconds that this thread has stood ready without a processor since it began; 0 where the system counts none."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return 0.0


class Times:
    """Longest gap between two turns of the main loop, and longest time of each callback of ours; all in seconds.

    A turn is seen by a timer that wants to be called every 0.01 s; what it does itself is not counted. Everything is
    kept twice: by the clock, and less the time in which other programs held the processors ("net"), which says what
    Blender and we have done ourselves, however busy the machine is.
    """

    def __init__(self):
        self.ended = None
        self.start("start")

    def start(self, part):
        """Count anew, under this name."""
        self.part, self.since, self.gaps, self.callbacks = part, time.perf_counter(), [], {}

    def came(self):
        if self.ended is not None:
            gap, waited = time.perf_counter() - self.ended[0], queued() - self.ended[1]
            self.gaps.append((gap, gap - waited))

    def left(self):
        self.ended = time.perf_counter(), queued()

    def timed(self, name, function):
        """The function, with its time kept."""

        def wrapper(*given):
            before, began = queued(), time.perf_counter()
            try:
                return function(*given)
            finally:
                took = time.perf_counter() - began
                self.callbacks.setdefault(name, []).append((took, took - (queued() - before)))

        return wrapper

    def report(self):
        """All of it as numbers."""
        seconds = time.perf_counter() - self.since
        callbacks = {name: summary(all_) for name, all_ in self.callbacks.items()}
        return {"part": self.part, "seconds": seconds, "gaps": summary(self.gaps), "callbacks": callbacks}


def summary(pairs):
    """Of [(by the clock, net)], seconds."""
    wall, net = (sorted(column) for column in zip(*pairs, strict=True)) if pairs else ([0.0], [0.0])
    return {
        "count": len(pairs), "longest": wall[-1], "longest_net": net[-1], "half_are_below": net[len(net) // 2],
        "99_percent_are_below": net[len(net) * 99 // 100],
    }  # fmt: skip


times = Times()
opened = {}  # panel -> how often it was drawn: a folded one is not
paths = {}  # volume -> the files that it has shown, in order


def region_of(kind, part="UI"):
    """The region of the first area of that kind; None where there is none.

    Gives {"box": left, top, width, height in pixels of the screen, "tab"}.
    """
    windows = bpy.context.window_manager.windows
    for window in windows:
        for area in (area for area in window.screen.areas if area.type == kind):
            region = next(region for region in area.regions if region.type == part)
            if region.width > 1:
                top = windows[0].height - window.y - region.y - region.height
                # Blender 4.3 crashes when a sidebar without tabs is asked for one.
                tab = region.active_panel_category if (kind, part) == ("VIEW_3D", "UI") else ""
                return {"box": [window.x + region.x, top, region.width, region.height], "tab": tab}
    return None


def watch():
    """Keep the time of the extension's timers and of its panels."""
    for name, functions in {"timer": ["tick"], "ui.backend_task": ["tick"], "ui.ui_state": ["follow_worker"]}.items():
        module = ours(name)
        for function in functions:
            setattr(module, function, times.timed(f"{name}.{function}", getattr(module, function)))
    for name in ("main", "settings", "backend"):
        for cls in vars(ours(f"ui.panels.{name}")).values():
            if isinstance(cls, type) and issubclass(cls, bpy.types.Panel) and cls.__name__.startswith("SJC_"):
                cls.draw = counted(cls.__name__, times.timed(f"draw {cls.__name__}", cls.draw))


def counted(name, draw):
    def wrapper(panel, context):
        opened[name] = opened.get(name, 0) + 1
        draw(panel, context)

    return wrapper


def answer(asked):
    """Run a question's script."""
    names = {"bpy": bpy, "api": ours("api"), "live": ours("live"), "ours": ours, "region_of": region_of, "times": times,
             "opened": opened, "paths": paths, "result": None}  # fmt: skip
    try:
        exec(compile(asked["script"], "question", "exec"), names)
        return {"id": asked["id"], "result": names["result"]}
    except Exception:  # noqa: BLE001 (the test shall read it)
        return {"id": asked["id"], "error": traceback.format_exc()}


def tick():
    times.came()
    if ASK.exists():
        asked = json.loads(ASK.read_text("utf-8"))
        ASK.unlink()
        partial = ANSWER.with_suffix(".partial")
        partial.write_text(json.dumps(answer(asked), default=str), "utf-8")
        os.replace(partial, ANSWER)
    for volume in bpy.data.volumes:
        shown = paths.setdefault(volume.name, [])
        if volume.filepath not in shown[-1:]:
            shown.append(volume.filepath)
    times.left()
    return TICK_SECONDS


bpy.context.preferences.view.show_splash = False
bpy.context.preferences.system.viewport_aa = "OFF"  # else software draws every viewport eight times over
watch()
bpy.app.timers.register(tick, persistent=True)
