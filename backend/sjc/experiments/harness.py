"""An experiment is a list of cells. Each is computed once and saved in a file of its own; a page shows them all."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from ..errors import SjcError
from ..output.files import read_json, write_json
from . import page
from .claims import Claim
from .pictures import DISCS, PictureSource
from .records import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENGINE = Path(__file__).resolve().parents[1]
TWO_D = ("guidance", "experiments/pictures.py")
# What the scores of a field depend on; how volumes and pictures are filed does not change them.
THREE_D = (
    "guidance",
    "field",
    "optimize.py",
    "step.py",
    "job/export.py",
    "output/colour.py",
    "output/glb.py",
    "output/mesh.py",
    "output/threshold.py",
    "output/voxelize.py",
)
MAX_SEEDS = 100

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a run of an experiment may change; seeds 0 .. seeds-1."""

    model: str = "embedded"
    seeds: int = 5
    quick: bool = False
    device: str = "auto"
    pictures: PictureSource = DISCS

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise SjcError(f"seeds: {self.seeds} is out of range; use 1 to {MAX_SEEDS}.")


@dataclass(frozen=True)
class Cell:
    """One measurement. name: of its file. settings: JSON values, all that its numbers depend on beside the code.

    compute: returns what was measured, JSON values only. Raises SjcError.
    """

    name: str
    settings: dict[str, Any]
    compute: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Experiment:
    """A row of the list of experiments.

    cells: what to measure. answer: one sentence, and tables: Markdown, and figure, all made of the record alone.
    rooms: the sources of the engine that its numbers depend on. A change there, or in the module that computes a cell,
    measures anew. claims: the paper's, which the page judges.
    """

    name: str
    question: str
    method: str
    cells: Callable[[Options], list[Cell]]
    answer: Callable[[Record], str]
    tables: Callable[[Record], str]
    figure: Callable[[Record], Figure]
    rooms: tuple[str, ...] = TWO_D
    seeds: int = 5
    quick_seeds: int = 2
    claims: tuple[Claim, ...] = ()


def run(
    experiment: Experiment, options: Options, out: Path, say: Say = print, processes: Executor | None = None
) -> Record:
    """Compute the cells that `out` does not hold yet, then write NAME.json, NAME.md and NAME.png there.

    `out` holds those of a stopped run (cells/NAME/) and those of the last page (NAME.json), so that a clone goes on
    where the committed pages end. processes: what computes the cells side by side (see `side_by_side`); without, they
    are computed here, one after the other. Raises SjcError.
    """
    cells = experiment.cells(options)
    wanted = {cell.name: _identity(experiment, cell) for cell in cells}
    finished = _finished(out, experiment.name, wanted)
    say(budget(experiment.name, len(cells), [cell["seconds"] for cell in finished.values()]))
    missing = [cell for cell in cells if cell.name not in finished]
    for name, result in _computed(missing, options.device, processes):
        finished[name] = {**wanted[name], **result}
        write_json(_file(out, experiment.name, name), finished[name])
        left = len(cells) - len(finished)
        at_once = getattr(processes, "_max_workers", 1)
        seconds = left * _mean(finished) / at_once
        say(f"  {name}: {result['seconds']:.1f} s; {left} left, about {_minutes(seconds)}")
    record = {
        "experiment": experiment.name,
        "question": experiment.question,
        "model": options.model,
        "pictures": options.pictures.name,
        "seeds": options.seeds,
        "quick": options.quick,
        "cells": [{"name": cell.name, **finished[cell.name]} for cell in cells],
    }
    page.write(experiment, record, out)
    return record


@contextmanager
def side_by_side(count: int) -> Iterator[Executor | None]:
    """`count` processes for `run`, which share the cores of this one; None for 1. They end with the block."""
    if count == 1:
        yield None
        return
    threads = max(1, (os.cpu_count() or 1) // count)
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, (threads,)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(threads: int) -> None:
    """What a process of `side_by_side` begins with: its share of the cores, and an end without words at Ctrl-C."""
    import torch

    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _computed(cells: list[Cell], device: str, processes: Executor | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each cell's name and what was found, as soon as it is there."""
    if processes is None:
        for cell in cells:
            yield cell.name, _measure(cell.compute, device)
        return
    names = {processes.submit(_measure, cell.compute, device): cell.name for cell in cells}
    for future in as_completed(names):
        yield names[future], future.result()


def _measure(compute: Callable[[], dict[str, Any]], device: str) -> dict[str, Any]:
    """What one cell measures, and in how long and where. Raises SjcError."""
    began = time.perf_counter()
    measured = compute()
    return {"seconds": round(time.perf_counter() - began, 3), **_where(device), "measured": measured}


def rewrite(experiment: Experiment, out: Path) -> Record | None:
    """Write page and figure anew from the record in `out`; None where there is none. Raises SjcError."""
    record = _read(out / f"{experiment.name}.json")
    if not record.get("cells"):
        return None
    page.write(experiment, {**record, "question": experiment.question}, out)
    return record


def survey(experiment: Experiment, options: Options, out: Path) -> str:
    """The budget of what a run would do now, without doing it. Raises SjcError."""
    wanted = {cell.name: _identity(experiment, cell) for cell in experiment.cells(options)}
    finished = _finished(out, experiment.name, wanted)
    return budget(experiment.name, len(wanted), [cell["seconds"] for cell in finished.values()])


def budget(name: str, count: int, seconds: list[float]) -> str:
    """One line: how many cells there are, how many are left, and how long that takes by what was measured."""
    left = count - len(seconds)
    if not left:
        return f"{name}: all {count} cells are there"
    if not seconds:
        return f"{name}: {count} cells, none measured yet; the first one shows how long they take"
    each = mean(seconds)
    return f"{name}: {left} of {count} cells left at {each:.1f} s each, about {_minutes(left * each)}"


def code_digest(rooms: Iterable[str], compute: Callable[[], Any]) -> str:
    """The first 16 digits of the SHA-256 of the sources that a cell depends on: its module and the engine's rooms."""
    function = compute.func if isinstance(compute, partial) else compute
    return _digest(tuple(rooms), Path(inspect.getsourcefile(function) or "").resolve())


@cache
def _digest(rooms: tuple[str, ...], own: Path) -> str:
    total = hashlib.sha256(own.name.encode() + b"\0" + own.read_bytes())
    for room in rooms:
        path = ENGINE / room
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(source.relative_to(ENGINE).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def model_digest(model: str) -> str:
    """The first 16 digits of the SHA-256 of a model's files, for a cell's settings. Raises SjcError for a bad model."""
    from ..models import model_files

    folder = model_files.locate(model)
    files, total = model_files.check(folder), hashlib.sha256()
    if files.sister:  # which shares the embedded model's files
        total.update(files.sister.read_bytes())
    for path in sorted(p for p in files.folder.rglob("*") if p.is_file()):
        total.update(path.relative_to(files.folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _identity(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    if not re.fullmatch(r"[\w.-]+", cell.name):
        raise SjcError(f"{experiment.name}: {cell.name!r} cannot name a file; use letters, digits, '-' and '.'.")
    settings = json.loads(json.dumps(cell.settings))  # as the file will give them back
    return {"code": code_digest(experiment.rooms, cell.compute), "settings": settings}


def _file(out: Path, experiment: str, cell: str) -> Path:
    return out / "cells" / experiment / f"{cell}.json"


def _finished(out: Path, experiment: str, wanted: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The cells of the same code and settings that `out` holds."""
    page = _read(out / f"{experiment}.json").get("cells", [])
    shown = {cell.pop("name", ""): cell for cell in page if isinstance(cell, dict)}
    return {
        name: cell
        for name, known in wanted.items()
        for cell in (shown.get(name, {}), _read(_file(out, experiment, name)))
        if "measured" in cell and {key: cell.get(key) for key in known} == known
    }


def _read(path: Path) -> dict[str, Any]:
    """A JSON object, empty where there is none or no whole one."""
    try:
        content = read_json(path)
    except SjcError:
        return {}
    return content if isinstance(content, dict) else {}


def _where(device: str) -> dict[str, Any]:
    from ..machine.devices import choose_device, device_name, versions

    return {"device": device_name(choose_device(device)), "versions": versions()}


def _mean(finished: dict[str, dict[str, Any]]) -> float:
    return mean(cell["seconds"] for cell in finished.values())


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
