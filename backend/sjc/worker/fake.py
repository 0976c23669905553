"""A worker for tests: `sjc_worker.py --fake FAULT[:ARGUMENT]`.  Standard library and NumPy; starts at once.

It speaks the real protocol through the real `Worker` and makes real, small job folders: a ball that grows, a cube at
the end. Each fault is something that happens to real workers; the tests show how Blender's side copes with it. It ends
by itself after two minutes, so that no computer is left with one.

    ok              nothing is wrong
    slow[:SECONDS]  every step takes so long (0.05)
    crash:STEP      killed at a step, as by the system
    exit:CODE       ends with CODE before its first word
    no-import       so does a Python that lacks a package
    hang:STEP       at a step: no further word, not even a heartbeat, no answer to commands
    deaf            hears no command, not even the end of the input; not to be terminated, only killed
    mute            says nothing, from the start
    flood           says the same things as often as it can
    garbage         says things that are no messages
    half-line       breaks off in the middle of a message, once
    wrong-protocol  is of another version
    wrong-hash      runs other sources
    memory, disk-full   at the middle step
    latent          says that its volumes' colours are previews
    truncated-snapshot  every second snapshot is cut off
"""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from .. import settings
from ..job import folder as job_folder
from ..job import run
from ..job.pointer import write_pointer
from ..output import files
from ..output.npz import write_npz
from ..output.vdb import write_live_vdb, write_vdb
from ..settings import Settings
from . import protocol
from .serve import Worker

LONGEST_LIFE = 120.0
CHECKPOINT = "fake.json"
GRID = 24


class FakeWorker(Worker):
    """The real worker with a job that costs nothing, and one fault."""

    def __init__(self, commands: IO[bytes], messages: IO[bytes], fault: str, argument: str) -> None:
        super().__init__(commands, messages)
        self.fault, self.argument = fault, argument
        self.silent = False

    def send(self, type_: str, **fields: Any) -> None:
        """Send one message as the real worker does, with what the fault adds to it."""
        if self.silent:
            return
        if type_ == "progress" and self.fault == "half-line" and fields["step"] == 2:
            self.raw(b'{"type": "progress", "step": 2, "tot')
        super().send(type_, **fields)
        if type_ == "progress" and self.fault == "garbage":
            self.raw(b"Setting up a library...\n\xff\xfe{}\n[1, 2]\n" * 3)

    def raw(self, data: bytes) -> None:
        """Write bytes that are no message."""
        with self.lock:
            self.messages.write(data)

    def hello(self) -> dict[str, Any]:
        """As the real one's, without asking for versions."""
        package = Path(__file__).parents[1]
        return {
            "protocol": protocol.VERSION + (self.fault == "wrong-protocol"),
            "pid": os.getpid(),
            "folder": str(package),
            "hash": "0" * 16 if self.fault == "wrong-hash" else protocol.source_hash(package),
            "device": "no device (fake)",
            "versions": {},
        }

    def _listen(self) -> None:
        if self.fault != "deaf":
            super()._listen()
            return
        time.sleep(LONGEST_LIFE)

    def _work(self, folder: Path, given: dict[str, Any], resume: bool) -> None:
        self.send("status", stage="load", text="loading the model fake")
        if resume:
            chosen = job_folder.read_settings(folder)
            job_folder.clear_temporary(folder)
        else:
            chosen = settings.resolve_job(given)
            job_folder.prepare_folder(folder, chosen)
        first = _saved_step(folder) if resume else 0
        if first:
            self.send("status", stage="resume", text=f"resuming at step {first} of {chosen.steps}")
        every = run.snapshot_interval(chosen)
        for step in range(first + 1, chosen.steps + 1):
            if self._stop():
                raise run.Stopped
            self._step(step, chosen)
            files.write_json(folder / CHECKPOINT, {"step": step})
            if self._wants_snapshot() or step % every == 0:
                self._snapshot(folder, step, chosen)
        self.send("status", stage="export", text="writing mesh, volume and pictures")
        self._finish(folder, chosen)

    def _step(self, step: int, chosen: Settings) -> None:
        seconds = float(self.argument or 0.05) if self.fault == "slow" else 0.002
        time.sleep(seconds)
        if self.fault == "crash" and step == int(self.argument or 1):
            _die()
        if self.fault == "hang" and step == int(self.argument or 1):
            self.silent = True
            time.sleep(LONGEST_LIFE)
        if step == max(1, chosen.steps // 2):
            if self.fault == "memory":
                raise MemoryError
            if self.fault == "disk-full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left = round(seconds * (chosen.steps - step), 1)
        metrics = {"loss": round(1 / step, 4)}
        speed = round(1 / seconds, 1)
        progress = {"step": step, "total": chosen.steps, "it_s": speed, "eta_s": left, "metrics": metrics}
        self._report({"type": "progress", "stage": "optimise", **progress})
        while self.fault == "flood" and not self._stop():
            self.send("progress", **progress)
            self.send("warning", text="one more")
            self.send("status", stage="optimise", text="flooding")

    def _snapshot(self, folder: Path, step: int, chosen: Settings) -> None:
        if chosen.surface:
            files.write_bytes(folder / job_folder.PAINTED, cube(chosen.prompt))
            self.send("painted", step=step)
            return
        density, color = ball(step / chosen.steps)
        path = job_folder.next_snapshot(folder)
        meta = {"step": step, "steps": chosen.steps, "prompt": chosen.prompt, "color": "preview"}
        write_live_vdb(path.with_suffix(".vdb"), density, color)
        files.write_bytes(path.with_suffix(".png"), png(density))
        write_npz(path, density, color, meta=meta, half=True, compress=False)
        if self.fault == "truncated-snapshot" and (job_folder.snapshot_number(path) or 0) % 2 == 0:
            for cut in (path, path.with_suffix(".vdb")):
                os.truncate(cut, cut.stat().st_size // 2)
        colors = "preview" if self.fault == "latent" else "exact"
        self.send("snapshot", step=step, path=str(path), shape=list(density.shape), colors=colors)

    def _finish(self, folder: Path, chosen: Settings) -> None:
        density, color = ball(1.0)
        write_npz(folder / job_folder.FIELD, density, color, meta={"step": chosen.steps, "prompt": chosen.prompt})
        write_vdb(folder / job_folder.VOLUME, density, color)
        files.write_bytes(folder / job_folder.PREVIEW, png(density))
        files.write_bytes(folder / job_folder.MESH, cube(chosen.prompt))
        files.write_json(
            folder / job_folder.RUN, {"settings": {"prompt": chosen.prompt}, "seconds": {}, "warnings": []}
        )
        write_pointer(folder, chosen.prompt)
        self.send("result", folder=str(folder))


def ball(share: float) -> tuple[np.ndarray, np.ndarray]:
    """density [N,N,N] of a ball that grows with `share` 0..1, and colour [N,N,N,3], red above and white below."""
    at = (np.arange(GRID) + 0.5) / GRID * 2 - 1
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    density = np.where(x * x + y * y + z * z < (0.2 + 0.5 * share) ** 2, 30.0, 0.0).astype(np.float32)
    color = np.where((z > 0)[..., None], [0.7, 0.05, 0.05], [0.8, 0.8, 0.8]).astype(np.float32)
    return density, color


def png(density: np.ndarray) -> bytes:
    """A small grey picture: the ball from the front."""
    rows = (255 - 200 * (density.max(1) > 0)).astype(np.uint8).T[::-1]
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def cube(name: str) -> bytes:
    """A red cube of edge 1 as a glTF binary, the way output/glb.py writes meshes (which needs SciPy)."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], "<f4")
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([[t for a, b, c, d in sides for t in (a, b, c, a, c, d)]], "<u4")
    color = np.tile(np.array([46000, 3000, 3000, 65535], "<u2"), (8, 1))
    normals = (corners / np.linalg.norm(corners, axis=1, keepdims=True)).astype("<f4")
    blocks = [corners, normals, color, faces]
    starts = np.cumsum([0, *(b.nbytes for b in blocks)]).tolist()
    kinds = [(5126, "VEC3", 8), (5126, "VEC3", 8), (5123, "VEC4", 8), (5125, "SCALAR", faces.size)]
    accessors: list[dict[str, Any]] = [
        {"bufferView": i, "componentType": c, "type": t, "count": n} for i, (c, t, n) in enumerate(kinds)
    ]
    accessors[0] |= {"min": [-0.5] * 3, "max": [0.5] * 3}
    accessors[2]["normalized"] = True
    part = {"attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}, "indices": 3, "material": 0}
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, "name": name}],
        "meshes": [{"primitives": [part]}], "accessors": accessors, "buffers": [{"byteLength": starts[-1]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": s, "byteLength": b.nbytes} for s, b in zip(starts, blocks, strict=False)
        ],
    }  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    data = b"".join(b.tobytes() for b in blocks)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data))
    return head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data


def _saved_step(folder: Path) -> int:
    return int(files.read_json(folder / CHECKPOINT)["step"]) if (folder / CHECKPOINT).exists() else 0


def _die() -> None:
    """At once, without a word: as the system kills what takes too much memory."""
    if sys.platform == "win32":
        os._exit(0xC0000005)
    os.kill(os.getpid(), signal.SIGKILL)


def _end_some_day() -> None:
    time.sleep(LONGEST_LIFE)
    os._exit(3)


def main(commands: IO[bytes], messages: IO[bytes]) -> int:
    """Serve over two streams; returns the exit status."""
    fault, _, argument = sys.argv[sys.argv.index("--fake") + 1].partition(":")
    threading.Thread(target=_end_some_day, daemon=True).start()
    if fault == "exit":
        sys.stderr.write("the driver did not answer\n")
        return int(argument or 1)
    if fault == "no-import":
        sys.stderr.write("Traceback (most recent call last):\nModuleNotFoundError: No module named 'torch'\n")
        return 1
    if fault == "mute":
        time.sleep(LONGEST_LIFE)
    if fault == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return FakeWorker(commands, messages, fault, argument).serve()
