"""What a batch has come to: batch.json and batch.csv in its folder.  The job folders stay the truth."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError
from ..job import folder as job_folder
from ..output import files
from .plan import BatchJob

JSON, CSV = "batch.json", "batch.csv"
Row = dict[str, Any]

_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t")


def rows(jobs: Sequence[BatchJob], out: Path, news: Mapping[Path, Row] | None = None) -> list[Row]:
    """A row for every job: what its folder says, and what only the batch knows.

    news: {folder: host, and why it failed} of this run; what an earlier run knew is read from its batch.json.
    """
    before = {row["folder"]: row for row in _earlier(out) if isinstance(row, dict) and "folder" in row}
    made = []
    for job in jobs:
        name = relative(job.folder, out)
        own = {**before.get(name, {}), **(news or {}).get(job.folder, {})}
        made.append(_row(job, name, own))
    return made


def relative(folder: Path, out: Path) -> str:
    """The folder's path as batch.json has it: from the batch's own folder, with slashes."""
    return folder.relative_to(out).as_posix()


def _row(job: BatchJob, name: str, own: Row) -> Row:
    row = {
        "folder": name,
        "prompt": job.settings.prompt,
        "seed": job.settings.seed,
        **{setting: value for setting, value in job.varied.items() if setting != "seed"},
        "state": "waiting",
        "seconds": None,
        "host": _text(own.get("host")),
        "device": "",
        "faces": None,
        "watertight": None,
        "mesh_warnings": None,
        "reason": "",
    }
    if job_folder.finished(job.folder):
        return {**row, "state": "finished", **_measured(job.folder)}
    if own.get("state") == "failed":
        return {**row, "state": "failed", "reason": _text(own.get("reason"))}
    return {**row, "state": "unfinished" if job_folder.has_settings(job.folder) else "waiting"}


def _measured(folder: Path) -> Row:
    """What run.json says; nothing where it cannot be read."""
    try:
        record = foreign.Record(foreign.read_json(folder / job_folder.RUN, foreign.RECORD_BYTES), folder)
    except (OSError, ValueError, SjcError):
        return {}
    seconds = record.values.get("seconds")
    mesh = record.values.get("mesh")
    mesh = mesh if isinstance(mesh, dict) else {}
    warnings = mesh.get("warnings")
    return {
        "seconds": round(sum(v for v in seconds.values() if isinstance(v, int | float)), 2)
        if isinstance(seconds, dict)
        else None,
        "device": _text(record.values.get("device")),
        "faces": mesh.get("faces") if isinstance(mesh.get("faces"), int) else None,
        "watertight": mesh.get("watertight") if isinstance(mesh.get("watertight"), bool) else None,
        "mesh_warnings": len(warnings) if isinstance(warnings, list) else None,
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _earlier(out: Path) -> list[Any]:
    try:
        content = foreign.read_json(out / JSON, foreign.RECORD_BYTES)
    except (OSError, SjcError):
        return []
    jobs = content.get("jobs") if isinstance(content, dict) else None
    return jobs if isinstance(jobs, list) else []


def write(out: Path, made: Sequence[Row]) -> None:
    """Write both files. Raises SjcError where that cannot be."""
    counts: dict[str, int] = {}
    for row in made:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    files.write_json(out / JSON, {"count": len(made), "states": counts, "jobs": list(made)})
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(made[0]) if made else [], lineterminator="\r\n")
    table.writeheader()
    for row in made:
        table.writerow({name: _cell(value) for name, value in row.items()})
    files.write_bytes(out / CSV, text.getvalue().encode("utf-8-sig"))


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would compute begins with an apostrophe, so that it stays a text; a number does not."""
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return "" if value is None else value
