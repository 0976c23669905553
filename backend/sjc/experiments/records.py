"""What an experiment's record holds: the measurements of its cells, their settings, the models they used."""

from __future__ import annotations

from typing import Any

from ..errors import SjcError

Record = dict[str, Any]


def measured(record: Record, **settings: Any) -> list[dict[str, Any]]:
    """What the cells with these settings measured, in the record's order. Raises SjcError where no cell has them."""
    cells = [
        cell["measured"]
        for cell in record["cells"]
        if all(cell["settings"].get(key) == value for key, value in settings.items())
    ]
    if not cells:
        raise SjcError(f"{record['experiment']}: no cell has {settings}; run the experiment again.")
    return cells


def settings_of(record: Record, key: str) -> list[Any]:
    """The values that one setting takes in the record, in order, each once."""
    return list(dict.fromkeys(c["settings"][key] for c in record["cells"] if key in c["settings"]))


def weights_of(record: Record) -> list[str]:
    """The digests of the models' files (`harness.model_digest`) in the record's cells; empty without a model."""
    settings = (cell["settings"] for cell in record["cells"])
    return sorted({values[key] for values in settings for key in ("weights", "own_weights", "model") if key in values})
