"""The checkpoint of a run: one safetensors file, written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import foreign
from ..errors import SjcError, here
from ..output.files import alone, replacing
from .folder import CHECKPOINT

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
LARGEST_NUMBER = 1e300  # that a job has measured; more digits are no number of ours


def save(folder: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write the state of `Optimization.state` and what the job adds to it (history, seconds) as JSON.

    Raises SjcError when the disk is full or the folder cannot be written; the checkpoint before then stays.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = folder / CHECKPOINT
    with replacing(path) as temporary:
        try:
            with alone(temporary) as place:
                save_file(tensors, place, {"sjc": json.dumps({"version": VERSION, **meta})})
        except SafetensorError as error:  # the library's wrapping of a full disk and its like
            raise SjcError(f"{path} was not written ({error}). Free some space and resume the job.") from error


def largest_bytes(grid: int) -> int:
    """More than a checkpoint of `grid` voxels an edge can take: values and two moments of up to 32 channels."""
    return 10 * foreign.MB + 3 * 32 * 4 * grid**3


def load(folder: Path, largest: int = foreign.FIELD_BYTES) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, meta) of a folder's checkpoint. Raises SjcError for a cut, foreign, newer or larger file."""
    from safetensors import SafetensorError, safe_open

    path = folder / CHECKPOINT
    try:
        foreign.check_file(path, largest, within=folder)
        with safe_open(path, "pt") as f:
            meta = foreign.parsed((f.metadata() or {}).get("sjc", "null"), constants=True)  # a loss may be NaN
            _check(path, meta)
            tensors = {key: f.get_tensor(key) for key in f.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise SjcError(
            f"{path} is damaged ({foreign.first_line(error)})."
            + here(" Start the job again with --overwrite.", " Press Edit Settings and generate again.")
        ) from error
    step = tensors.get("step")
    if step is not None and not (step.numel() == 1 and 0 <= float(step) <= foreign.MOST_STEPS):
        raise SjcError(
            f"{path} names a step that no job has."
            + here(" Start the job again with --overwrite.", " Press Edit Settings and generate again.")
        )
    return tensors, meta


def load_field(path: Path, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(the field's tensors, meta) of a checkpoint inside a job folder that another job starts from.

    Raises SjcError, one line, for a cut, foreign or newer file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        foreign.check_file(path, foreign.FIELD_BYTES, within=folder)
        with safe_open(path, "pt") as f:
            meta = foreign.parsed((f.metadata() or {}).get("sjc", "null"), constants=True)
            _check(path, meta)
            tensors = {key: f.get_tensor(key) for key in f.keys() if key.startswith("field.")}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, SjcError) as error:
        reason = foreign.first_line(error)
        raise SjcError(f"The field to start from cannot be read: {reason}. Start from another result.") from error
    return tensors, meta


def _check(path: Path, meta: Any) -> None:
    """Raises SjcError for the description of another program's file, or of a newer or damaged one."""
    if not isinstance(meta, dict) or not isinstance(meta.get("version"), int):
        raise SjcError(
            f"{path} is not a checkpoint of this program."
            + here(" Start the job again with --overwrite.", " Press Edit Settings and generate again.")
        )
    if meta["version"] > VERSION:
        raise SjcError(f"{path} was written by a newer version of this program; update, then resume.")
    record = foreign.Record(meta, path)
    record.number("seconds", 0, default=0)
    for name, values in record.record("history").values.items():
        numbers = values if isinstance(values, list) and len(values) <= foreign.MOST_STEPS else [None]
        if not all(map(_is_number, numbers)):
            raise SjcError(f"{path} is damaged: its history of {foreign.shown(name)} must be a list of numbers.")


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= LARGEST_NUMBER)


def saved_step(folder: Path, largest: int = foreign.FIELD_BYTES) -> int | None:
    """The step of a folder's checkpoint, None without one. Raises SjcError as `load`."""
    return int(load(folder, largest)[0].get("step", 0)) if foreign.kind(folder / CHECKPOINT) else None
