"""What a batch is to make: every job's folder and settings, from a list, and from values that vary (`--grid`)."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import foreign, settings
from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs
from ..job.batch import decode, read_batch
from ..paths import user_path
from ..settings import Settings

MOST_JOBS = 100_000
Varied = dict[str, list[str]]


@dataclass(frozen=True)
class BatchJob:
    """One job of a batch.

    varied: the values that the grid gave it, by setting. address: where it goes instead of to `folder`, which then
    holds its small files only (see `destination.py`).
    """

    folder: Path
    settings: Settings
    varied: dict[str, str] = field(default_factory=dict)
    address: str = ""

    @property
    def place(self) -> str:
        """Where it goes, as messages say it and a slot is given it."""
        return self.address or str(self.folder)


def read_text(name: str) -> str:
    """The text of a list of jobs; - is standard input. Raises SjcError."""
    try:
        if name == "-":
            return decode(sys.stdin.buffer.read())
        return decode(foreign.read_bytes(user_path(name), foreign.RECORD_BYTES))
    except OSError as error:
        raise SjcError(f"{name} cannot be read as a list of prompts: {error.strerror or error}.") from error


def plan(text: str, out: Path, common: Mapping[str, object], grid: Varied | None = None) -> list[BatchJob]:
    """Every job of a text, in order: its own settings over `common`, each with every combination of the grid's values.

    Raises SjcError with a line for everything that is wrong with them.
    """
    check = _check_once()
    return _jobs(read_batch(text, lambda own: _resolved(own, common, grid or {}, check)), out)


def plan_of(jobs: Iterable[str | Mapping[str, Any]], out: Path, grid: Varied | None = None) -> list[BatchJob]:
    """As `plan`, of prompts and mappings of settings."""
    made, problems, check = [], [], _check_once()
    for number, job in enumerate(jobs, 1):
        try:
            made.append(_resolved({"prompt": job} if isinstance(job, str) else job, {}, grid or {}, check))
        except SjcError as error:
            problems += [f"job {number}: {line}" for line in str(error).splitlines()]
    if problems:
        raise SjcError("\n".join(problems))
    if not made:
        raise SjcError("There are no jobs to make.")
    return _jobs(made, out)


def _check_once() -> Callable[[Settings], None]:
    """`run.check_early`, but asked once for jobs that differ in nothing but prompt and seed, which it does not read."""
    from ..job import run

    passed: set[Settings] = set()

    def check(chosen: Settings) -> None:
        rest = replace(chosen, prompt="", seed=0)
        if rest not in passed:
            run.check_early(chosen)
            passed.add(rest)

    return check


def _resolved(
    own: Mapping[str, Any], common: Mapping[str, object], grid: Varied, check: Callable[[Settings], None]
) -> list[tuple[Settings, dict[str, str]]]:
    """The settings of one line, and what the grid gave them: one for each of its combinations."""
    if twice := sorted(own.keys() & grid):
        raise SjcError(f"{twice[0]} is set here, and --grid varies it; leave one of them out.")
    made: list[tuple[Settings, dict[str, str]]] = []
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        chosen = inputs.whole(settings.resolve_job({**common, **varied, **own}))
        if not made:
            check(chosen)
        made.append((chosen, varied))
    if grid.keys() & {"model", "lora", "control", "mv_adapter", *inputs.FILES}:
        for chosen, _ in made[1:]:
            check(chosen)
    return made


def _jobs(lines: list[list[tuple[Settings, dict[str, str]]]], out: Path) -> list[BatchJob]:
    made = list(itertools.chain.from_iterable(lines))
    if len(made) > MOST_JOBS:
        raise SjcError(f"The list asks for {len(made)} jobs; make at most {MOST_JOBS} in one batch.")
    return [
        BatchJob(job_folder.numbered_folder(out, number, chosen), chosen, varied)
        for number, (chosen, varied) in enumerate(made, 1)
    ]


def parse_grid(given: Iterable[str]) -> Varied:
    """["seed=0..9", "guidance=1,2.5"] -> {setting: its values as text}. Raises SjcError."""
    grid: Varied = {}
    for text in given:
        name, sign, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not sign or not values.strip():
            raise SjcError(f"--grid {text}: write a setting and its values, such as seed=0..9 or guidance=1,2.5,7.5.")
        if name == "prompt" or name not in settings.SPECS:
            known = "several prompts go into a list, one a line" if name == "prompt" else "there is no such setting"
            raise SjcError(f"--grid {text}: {known}.")
        if name in grid:
            raise SjcError(f"--grid {text}: {name} is varied twice; write all its values into one.")
        grid[name] = list(dict.fromkeys(itertools.chain.from_iterable(map(_values, values.split(",")))))
        for value in grid[name]:
            settings.coerce(name, value)
    count = 1
    for values_of_one in grid.values():
        count *= len(values_of_one)
    if count > MOST_JOBS:
        raise SjcError(f"The grid has {count} combinations; make at most {MOST_JOBS} in one batch.")
    return grid


def _values(text: str) -> list[str]:
    """Of "0..3" the numbers 0, 1, 2 and 3; anything else is a value itself."""
    match = re.fullmatch(r"\s*(-?\d{1,9})\.\.(-?\d{1,9})\s*", text)
    if not match:
        return [text.strip()]
    first, last = int(match[1]), int(match[2])
    if last < first or last - first >= MOST_JOBS:
        raise SjcError(f"{text.strip()} is no range of values; write the smaller number first, such as 0..9.")
    return [str(number) for number in range(first, last + 1)]
