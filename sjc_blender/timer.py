"""One timer on Blender's main thread. It asks functions at every tick, each until it says that it has come to its end.

Knows no other module of the add-on. In background Blender no timer runs: whoever waits there asks by itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable

TICK_SECONDS = 0.1

Turn = Callable[[], bool]
_turns: list[Turn] = []
longest_tick = 0.0  # seconds, since the add-on was switched on


def follow(turn: Turn) -> None:
    """Have `turn` asked at every tick until it returns True. One that is followed already is not asked twice.

    A function that raises is asked no more, and its traceback is printed.
    """
    if turn not in _turns:
        _turns.append(turn)
    start()


def in_thread(name: str, work: Callable[[], None], then: Callable[[], None]) -> None:
    """Have a thread do `work`, which asks nothing of Blender, and call `then` on the main thread after its end.

    In background Blender this waits for both.
    """
    import bpy

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()

    def turn() -> bool:
        if thread.is_alive():
            return False
        then()
        return True

    if not bpy.app.background:
        follow(turn)
        return
    thread.join()
    turn()


def following() -> bool:
    """Whether anything is followed."""
    return bool(_turns)


def ask_all() -> None:
    """Ask every followed function once, and let go of those that have come to their end."""
    for turn in tuple(_turns):
        try:
            ended = turn()
        except Exception:  # noqa: BLE001 (a timer that raises is never called again)
            ended = True
            traceback.print_exc()
        if ended and turn in _turns:
            _turns.remove(turn)


def tick() -> float | None:
    """Called by Blender: one turn. Gives the seconds until the next one, None when nothing is left to follow."""
    global longest_tick  # noqa: PLW0603
    began = time.perf_counter()
    ask_all()
    longest_tick = max(longest_tick, time.perf_counter() - began)
    return TICK_SECONDS if _turns else None


def start() -> None:
    """Have Blender call `tick`; in background Blender nothing happens."""
    import bpy

    if not bpy.app.background and not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=0.0, persistent=True)


def stop() -> None:
    """Take the timer out, and let go of everything that it follows."""
    import bpy

    with contextlib.suppress(ValueError):
        bpy.app.timers.unregister(tick)
    _turns.clear()
