"""Job folders made elsewhere come into the scene: the mesh, or the newest volume of an unfinished one.

A large mesh is read by a thread, and a volume without a .vdb is converted by a process; both take up to some seconds.
In the window nobody waits for them: the timer asks whether they are done, then shows what they have given.
"""

from __future__ import annotations

import subprocess
import time
import traceback
from pathlib import Path
from typing import Protocol

from . import live, session, timer
from .backend.sjc.errors import SjcError, one_line
from .backend.sjc.job import placement
from .backend.sjc.job.folder import MESH
from .install.environment import clean_environment, quiet
from .problems import Problem
from .queue.records import JobRecord

SECONDS = 120.0  # a conversion that takes longer hangs
WAIT_SECONDS = 0.05
AT_ONCE_BYTES = 16e6  # of a mesh that takes some hundredths of a second to read
AGAIN = "Import it again, or press Retry to continue the job."


def bring_in(record: JobRecord) -> None:
    """The mesh of a job folder, or its newest volume. Raises SjcError when it holds neither."""
    from .scene import history

    mesh = record.folder / MESH
    if mesh.is_file():
        if mesh.stat().st_size <= AT_ONCE_BYTES:
            live.finish(record)
        else:
            _follow(Mesh(record))
        return
    newest = history.newest(record.folder)
    if newest is None:
        raise SjcError(f"{record.folder} has no mesh and no snapshot yet; resume the job first.")
    if newest.suffix == ".vdb":
        _show(record, newest)
        return
    _follow(Conversion(record, newest))


class Work(Protocol):
    """Something that becomes visible when it is done."""

    record: JobRecord

    @property
    def done(self) -> bool:
        """Whether it has ended; never blocks."""

    def show(self) -> None:
        """Bring it into the scene. Raises SjcError."""


def _follow(work: Work) -> None:
    """Show it once it is done; only background Blender, which has no timer, waits for that."""
    import bpy

    def turn() -> bool:
        if not work.done:
            return False
        try:
            work.show()
        except SjcError as error:
            session.complain(work.record, Problem("folder", str(error), AGAIN))
        except Exception as error:  # noqa: BLE001 (Blender refuses in many ways; none may go unsaid)
            text = f"The result could not be brought into the scene: {one_line(error)}"
            session.complain(work.record, Problem("bug", text, AGAIN, traceback.format_exc()))
        return True

    if not bpy.app.background:
        timer.follow(turn)
        return
    while not work.done:
        time.sleep(WAIT_SECONDS)
    work.show()


class Mesh:
    """A mesh that a thread reads."""

    def __init__(self, record: JobRecord) -> None:
        self.record = record

    @property
    def done(self) -> bool:
        """Whether it is read."""
        return live.ready(self.record, {"type": "result"})

    def show(self) -> None:
        """Bring it into the scene. Raises SjcError."""
        live.finish(self.record)


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

    def show(self) -> None:
        """Bring it into the scene. Raises SjcError."""
        _show(self.record, self.result())


def _show(record: JobRecord, vdb: Path) -> None:
    import bpy

    from .scene import volumes

    volumes.show_snapshot(
        record.id,
        vdb,
        name=f"{record.prompt} volume",
        location=live.placement_of(record).location,
        size=live.output_settings()["size"],
        stands=placement.read(record.folder),
    )
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message="Import Volume (SJC)")
