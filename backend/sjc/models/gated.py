"""Models that the hub gives only to accounts that accepted their terms: what to do, and which are waited for.

Which those are is written down in our cache whenever the hub says so, and the doctor names them without a network.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from .. import foreign
from ..errors import SjcError, here
from ..machine.folders import cache_folder
from ..output.files import write_json
from .hub_ids import is_hub_id, split_revision

__all__ = ["awaited", "forget", "note", "steps"]

_MOST = 20
"""Names that are kept; the oldest goes first."""


def steps(model: str) -> str:
    """What a person must do to get a gated model."""
    from huggingface_hub import constants

    name = split_revision(model)[0]
    return (
        "it is gated, its owners give it only to accounts that accepted their terms: 1. sign in at "
        f"{constants.ENDPOINT} and accept them on {constants.ENDPOINT}/{name}; 2. make a token that may read at "
        f"{constants.ENDPOINT}/settings/tokens; "
        + here(
            f'3. give it to "sjc models login" or "hf auth login"; 4. run "sjc models fetch {model}" again.',
            "3. press Sign In beside the model and paste it there; 4. press Download Model again.",
        )
    )


def note(model: str) -> None:
    """Write down that somebody wants a gated model and may not have it yet. Never raises."""
    _write([*(name for name in awaited() if name != model), model])


def forget(model: str) -> None:
    """The hub has given the model."""
    names = awaited()
    if model in names:
        _write([name for name in names if name != model])


def awaited() -> list[str]:
    """The hub ids of such models that have not come since, the newest last."""
    try:
        names = foreign.read_json(_file())
    except (OSError, SjcError):
        return []
    return [name for name in names if isinstance(name, str) and is_hub_id(name)] if isinstance(names, list) else []


def _write(names: list[str]) -> None:
    with contextlib.suppress(SjcError):
        write_json(_file(), names[-_MOST:])


def _file() -> Path:
    return cache_folder("hub") / "gated.json"
