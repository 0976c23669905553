"""Job folders made elsewhere come into the scene: the mesh, or the newest volume of an unfinished one.

A volume without a .vdb is converted by a process of its own, which takes up to some seconds. In the window nobody waits
for it: the timer asks whether it is done, then shows what it has written.
"""

from __future__ import annotations

import subprocess
import time
import traceback
from pathlib import Path

from . import live, session, timer
from .backend.sjc.errors import SjcError, one_line
from .install.environment import clean_environment, quiet
from .problems import Problem
from .queue.records import JobRecord

SECONDS = 120.0  # a conversion that takes longer hangs
WAIT_SECONDS = 0.05
AGAIN = "Import it again, or press Retry to continue the job."


def bring_in(record: JobRecord) -> None:
    """The mesh of a job folder, or its newest volume. Raises SjcError when it holds neither."""
    import bpy

    from .scene import history

    if (record.folder / "mesh.glb").is_file():
        live.finish(record)
        return
    newest = history.newest(record.folder)
    if newest is None:
        raise SjcError(f"{record.folder} has no mesh and no snapshot yet; resume the job first.")
    if newest.suffix == ".vdb":
        _show(record, newest)
        return
    conversion = Conversion(record, newest)
    if not bpy.app.background:
        timer.follow(conversion.turn)
        return
    while not conversion.done:
        time.sleep(WAIT_SECONDS)
    _show(record, conversion.result())


class Conversion:
    """A process that writes the .vdb of a snapshot `npz`."""

    def __init__(self, record: JobRecord, npz: Path) -> None:
        from .scene import convert

        self.record, self.npz, self.vdb = record, npz, npz.with_suffix(".vdb")
        self.process = subprocess.Popen(
            convert.command(npz, self.vdb), env=clean_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", **quiet(),
        )  # fmt: skip
        self.deadline = time.monotonic() + SECONDS

    @property
    def done(self) -> bool:
        """Whether it has ended; one that hangs is ended."""
        if self.process.poll() is None and time.monotonic() > self.deadline:
            self.process.kill()
            self.process.wait()
        return self.process.poll() is not None

    def result(self) -> Path:
        """What it has written. Raises SjcError with its last word."""
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            lines = stream.read().strip().splitlines() or ["no message"]
        if self.process.returncode != 0 or not self.vdb.is_file():
            raise SjcError(f"{self.npz} cannot be shown: {lines[-1]}")
        return self.vdb

    def turn(self) -> bool:
        """Asked at every turn of the timer; True ends that. What goes wrong is told in the panel."""
        if not self.done:
            return False
        try:
            _show(self.record, self.result())
        except SjcError as error:
            session.complain(self.record, Problem("folder", str(error), AGAIN))
        except Exception as error:  # noqa: BLE001 (Blender refuses in many ways; none may go unsaid)
            text = f"The volume could not be brought into the scene: {one_line(error)}"
            session.complain(self.record, Problem("bug", text, AGAIN, traceback.format_exc()))
        return True


def _show(record: JobRecord, vdb: Path) -> None:
    import bpy

    from .scene import volumes

    volumes.show_snapshot(
        record.id,
        vdb,
        name=f"{record.prompt} volume",
        location=live.placement_of(record).location,
        size=live.output_settings()["size"],
    )
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message="Import Volume (SJC)")
