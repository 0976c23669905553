"""Kills jobs at the system calls that write and sees that nothing is lost: `python3 build.py soak kills`.

One process loads the libraries and forks for every attempt. The child runs a small job through one of the doors (a
batch in the shell, the worker, a result that is overwritten) and ends itself, as `kill -9` does, at the n-th of these
calls: opening a file to write, fsync (before it, or with half of the file written), rename, remove, mkdir, rmdir,
chmod. The parent then reads what is left, and goes on with the job, which may be killed again, until it is done. Then
the folder must be that of a job that nobody has disturbed.

Every round prints its own seed; what was done is written down, so the same command goes on. Needs fork: not on Windows.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a fork has no threads but its own

import numpy as np
from PIL import Image

from sjc import cli
from sjc.errors import SjcError
from sjc.job import checkpoint, export, locks
from sjc.job import folder as job_folder
from sjc.job.pointer import read_pointer
from sjc.models import loading
from sjc.output import files, npz, pictures
from sjc.worker.serve import Worker
from tests.backend.stubs import StubDenoiser, bent

SETTINGS = {
    "prompt": "a red mushroom", "preset": "test", "device": "cpu", "renderer": "reference", "steps": 6,
    "snapshot_every": 2, "checkpoint_every": 3, "density_shift": -1, "score_weight": "1/sigma",
    "emptiness_weight": 50, "carving_weight": 0, "opacity_entropy_weight": 0, "turntable": False,
}  # fmt: skip
NAMES = frozenset({
    "a-red-mushroom.sjc", "job.json", "run.json", "checkpoint.safetensors", "field.npz", "field.vdb", "mesh.glb",
    "preview.png", "curves.png",
    *(f"snapshots/f_000{number}.{kind}" for number in (1, 2, 3) for kind in ("npz", "vdb")),
})  # fmt: skip
AUDITED = {"os.rename": "rename", "os.remove": "remove", "os.mkdir": "mkdir", "os.rmdir": "rmdir", "os.chmod": "chmod"}
ATTEMPTS = 40  # after so many without an end, a round hangs
SAME = ("field.npz", "mesh.glb", "job.json")  # a .vdb has an identity of its own


class Failure(Exception):  # noqa: N818 (it is the finding)
    """Something was lost, left behind, or refused."""


class Injection:
    """Counts the writing calls below a folder; ends the process at number `at`, None never."""

    def __init__(self, folder: Path, at: int | None, note: int, *, torn: bool) -> None:
        self.folder, self.at, self.note, self.torn = f"{folder}{os.sep}", at, note, torn
        self.count = 0
        self.fsync = os.fsync

    def install(self) -> None:
        os.fsync = self.synced  # has no audit event of its own
        sys.addaudithook(self.audit)

    def audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = given
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
                self.reached("open", path)
        elif event in AUDITED:
            self.reached(AUDITED[event], given[0])

    def synced(self, descriptor: int) -> None:
        link = Path(f"/proc/self/fd/{descriptor}")
        path = link.readlink() if link.is_symlink() else f"{self.folder}?"  # macOS: one of ours, or the log
        self.reached("fsync", path, descriptor)
        self.fsync(descriptor)

    def reached(self, call: str, path: Any, descriptor: int | None = None) -> None:
        if not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path).startswith(self.folder):
            return
        self.count += 1
        if self.count == self.at:
            if descriptor is not None and self.torn:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                call = "half-written"
            os.write(self.note, f"{call} {os.fsdecode(path)[len(self.folder) :]}".encode("utf-8", "replace"))
            os.kill(os.getpid(), signal.SIGKILL)


# --------------------------------------------------------------------------------------------------------------- doors


def by_batch(folder: Path, own: dict[str, Any]) -> int:
    """A line of a batch, as the shell runs it."""
    prompts = folder.with_name("prompts.txt")
    prompts.write_text(json.dumps({**SETTINGS, **own}), "utf-8")
    return int(cli.main(["batch", str(prompts), "--out", str(folder), "--json"]))


def by_resume(folder: Path, own: dict[str, Any]) -> int:
    """`sjc resume` where there is something to resume, else the batch."""
    job = the_job(folder, own)
    return int(cli.main(["resume", str(job), "--json"])) if job_folder.resumable(job) else by_batch(folder, own)


def by_worker(folder: Path, own: dict[str, Any]) -> int:
    """As Blender's worker is told by its queue."""
    job = the_job(folder, own)
    if job_folder.finished(job):
        return by_batch(folder, own)
    with locks.holding(job):  # as the queue does
        Worker(io.BytesIO(), io.BytesIO())._work(job, {**SETTINGS, **own}, job_folder.resumable(job))
    return 0


def by_overwriting(folder: Path, own: dict[str, Any]) -> int:
    """A batch that takes the place of whatever result is there."""
    return by_batch(folder, {**own, "overwrite": True})


DOORS: dict[str, Callable[[Path, dict[str, Any]], int]] = {
    "batch": by_batch, "resume": by_resume, "worker": by_worker, "overwrite": by_overwriting
}  # fmt: skip


def the_job(folder: Path, own: dict[str, Any]) -> Path:
    """Where the batch puts its one job."""
    return folder / f"001-a-red-mushroom-{own['seed']}"


# --------------------------------------------------------------------------------------------------------------- child


def attempt(
    folder: Path, door: str, own: dict[str, Any], at: int | None, *, torn: bool = False, log: Path
) -> tuple[int | None, str]:
    """Run the job in a child that is killed at its `at`-th call.

    -> (its exit code, None if it was killed; where it was killed, else how many calls it made).
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.close(read)
            stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            for standard in (1, 2):
                os.dup2(stream, standard)
            injection = Injection(folder, at, write, torn=torn)
            injection.install()
            code = DOORS[door](folder, own)
            os.write(write, str(injection.count).encode())
        except BaseException:  # noqa: BLE001 (the parent judges by the code and shows the log)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        answer = stream.read().decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    return (None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)), answer


# -------------------------------------------------------------------------------------------------------------- checks


def check_left(job: Path) -> None:
    """What a kill has left can be read: every file that has its name is whole. Raises Failure."""
    if not job.exists():
        return
    try:
        for path in sorted(job.rglob("*")):
            name = path.relative_to(job).as_posix()
            if path.is_file() and not temporary(name) and path.name != ".lock":
                check_file(job, path)
        if (job / job_folder.RUN).exists():
            lost = [name for name in (job_folder.MESH, job_folder.FIELD) if not (job / name).exists()]
            if lost or not next(job.glob("*.sjc"), None):
                raise Failure(f"run.json is there without {lost or 'its pointer'}")
    except (SjcError, OSError, ValueError, KeyError) as error:
        raise Failure(f"a file is not whole: {error}") from error


def check_file(job: Path, path: Path) -> None:
    """Read one file with its own reader."""
    if path.suffix in (".json", ".sjc"):
        json.loads(path.read_text("utf-8"))
        if path.suffix == ".sjc":
            read_pointer(path)
    elif path.name == job_folder.CHECKPOINT:
        checkpoint.load(job)
    elif path.suffix == ".npz":
        npz.read_npz(path)
    elif path.suffix == ".png":
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix == ".glb":
        data = path.read_bytes()
        if data[:4] != b"glTF" or int.from_bytes(data[8:12], "little") != len(data):
            raise Failure(f"{path.name} is cut")
    elif path.suffix == ".vdb" and path.stat().st_size < 500:
        raise Failure(f"{path.name} is cut")


def temporary(name: str) -> bool:
    """Whether a file, or a folder above it, has a name that the next start removes."""
    return any(re.fullmatch(files.TEMPORARY, part) for part in name.split("/"))


def check_done(job: Path, whole: Path) -> None:
    """The job is that of nobody's disturbing. Raises Failure."""
    names = {path.relative_to(job).as_posix() for path in job.rglob("*") if path.is_file()}
    names = {name for name in names if not re.fullmatch(r"snapshots/f_000[12]\.png", name)}  # the worker's pictures
    if names != NAMES:
        raise Failure(f"left over: {sorted(names - NAMES)}, missing: {sorted(NAMES - names)}")
    check_left(job)
    steps = [npz.read_npz(path).meta["step"] for path in job_folder.snapshots(job)]
    if steps != [2, 4, 6]:
        raise Failure(f"snapshots of the steps {steps}")
    for name in SAME:
        if (job / name).read_bytes() != (whole / name).read_bytes():
            raise Failure(f"{name} is not that of an uninterrupted run")


# -------------------------------------------------------------------------------------------------------------- rounds


class Soak:
    """Kills in a folder, `seed` after `seed`."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder.absolute(), seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.whole: dict[int, Path] = {}
        self.calls = 0

    def prepare(self) -> None:
        """The undisturbed job of both seeds, and how many calls one makes."""
        for seed in (0, 1):
            parent = self.folder / "whole"
            shutil.rmtree(the_job(parent, {"seed": seed}), ignore_errors=True)
            code, answer = attempt(parent, "batch", {"seed": seed}, None, log=self.folder / "log.txt")
            if code != 0:
                raise Failure(f"the undisturbed job ended with {code}:\n{self.log()}")
            self.calls = int(answer)
            self.whole[seed] = the_job(parent, {"seed": seed})
            check_done(self.whole[seed], self.whole[seed])

    def log(self) -> str:
        """The end of what the last child said."""
        return (self.folder / "log.txt").read_text("utf-8", "replace")[-3000:]

    def round(self, number: int) -> list[str]:
        """One job to its end; -> where it was killed. Raises Failure."""
        dice, places = random.Random(f"{self.seed}-{number}"), []
        own = {"seed": dice.randrange(2)}
        parent = self.folder / "round"
        shutil.rmtree(parent, ignore_errors=True)
        job = the_job(parent, own)
        overwriting = dice.random() < 0.2
        if overwriting:  # a result of the other seed is there and is to go
            shutil.copytree(self.whole[1 - own["seed"]], job)
        for _ in range(ATTEMPTS):
            door = "overwrite" if overwriting else dice.choice(["batch", "resume", "worker"])
            goes_on = dice.random() < 0.6 or not places
            at = dice.randint(1, self.calls) if goes_on else None
            code, answer = attempt(parent, door, own, at, torn=dice.random() < 0.5, log=self.folder / "log.txt")
            if code is None:
                places.append(f"{door}: {answer}")
                check_left(job)
                overwriting = overwriting and not was_begun(job, own)
            elif code != 0:
                raise Failure(f"{door} ended with {code} after {places}:\n{self.log()}")
            else:
                check_done(job, self.whole[own["seed"]])
                return places
        raise Failure(f"no end after {places}")


def was_begun(job: Path, own: dict[str, Any]) -> bool:
    """Whether the new job has taken the old one's place, so that it can be gone on with."""
    try:
        return job_folder.read_settings(job).seed == own["seed"]
    except SjcError:
        return True


def light() -> None:
    """One small denoiser for every model, small pictures; what every job loads is loaded."""
    denoiser = StubDenoiser(bent, card={"mean_shade": 0.8})
    loading.load_denoiser = lambda *_given, **_named: denoiser
    for name, value in {"SHEET_SIZE": 16, "SHEET_VIEWS": 2}.items():
        setattr(export, name, value)
    # What is drawn does not matter here, and matplotlib would take half of the time.
    pictures.curves = lambda _history, path, _title: pictures.write_png(path, np.zeros((8, 8, 3), np.uint8))
    import torch._dynamo  # noqa: F401 (an optimiser would load it after every fork)


def soak(folder: Path, kills: int, seed: int, minutes: float, only: int | None = None) -> int:
    """Go on until `kills` are done or the time is over; -> 1 where something was lost."""
    light()
    one, done_file = Soak(folder, seed), folder / f"seed-{seed}.jsonl"
    one.prepare()
    lines = done_file.read_text("utf-8").splitlines() if done_file.exists() and only is None else []
    done = [json.loads(line) for line in lines]
    count, number, began = sum(len(entry["kills"]) for entry in done), len(done), time.monotonic()
    print(f"soak kills: seed {seed}, {one.calls} calls a job, {count} kills in {number} rounds done before", flush=True)
    while count < kills and time.monotonic() - began < 60 * minutes:
        number = number if only is None else only
        try:
            places = one.round(number)
        except Failure as failure:
            print(f"soak kills: FAILED in round {number} of seed {seed}: {failure}")
            print(f"its folder: {one.folder / 'round'}; again: build.py soak kills --seed {seed} --round {number}")
            return 1
        count += len(places)
        print(f"round {number}: {'; '.join(places) or 'not killed'} ({count})", flush=True)
        if only is not None:
            break
        with done_file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"round": number, "kills": places}) + "\n")
        number += 1
    print(f"soak kills: {count} kills in {number} rounds of seed {seed}, nothing lost")
    return 0


def main(words: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="build.py soak kills", description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600.0, help="stop after so many; the same command goes on")
    parser.add_argument("--round", type=int, default=None, help="that round of the seed alone")
    parser.add_argument("--folder", type=Path, default=Path("build/soak/kills"))
    given = parser.parse_args(words)
    if not hasattr(os, "fork"):
        print("soak kills: needs fork, which this system does not have")
        return 2
    return soak(given.folder, given.kills, given.seed, given.minutes, given.round)


if __name__ == "__main__":
    raise SystemExit(main())
