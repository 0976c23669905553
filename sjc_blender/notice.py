"""Says that a job has ended to somebody who looks elsewhere: by the desktop, and by a sound.  No bpy at the top."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading

SECONDS, PITCHES = 0.15, (660.0, 880.0)  # of the sound


def command(title: str, text: str, platform: str = sys.platform) -> list[str] | None:
    """What shows a notification on this desktop; None where nothing is known that does. The words are arguments."""
    if platform == "darwin":
        script = "on run words\ndisplay notification (item 2 of words) with title (item 1 of words)\nend run"
        return ["osascript", "-e", script, title, text]
    if platform == "win32":
        return None  # a toast needs a registered program
    program = shutil.which("notify-send")
    return [program, "--app-name=Blender", "--icon=blender", "--", title, text] if program else None


def show(title: str, text: str) -> bool:
    """Show it, where that can be done; whether it was tried. Never waits, never raises."""
    words = command(title, text)
    if words is None:
        return False

    def run() -> None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10,
                check=False,
            )  # fmt: skip

    threading.Thread(target=run, name="notice", daemon=True).start()
    return True


def play() -> None:
    """Two short tones, by Blender's own sound; nothing where there is no device."""
    import aud

    with contextlib.suppress(aud.error):
        low, high = (aud.Sound.sine(pitch).limit(0, SECONDS).volume(0.3) for pitch in PITCHES)
        aud.Device().play(low.join(high))
