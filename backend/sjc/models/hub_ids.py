"""Ids of models on the hub: name/model, or name/model@revision.  Standard library only."""

from __future__ import annotations

import re

_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?!.*\.\.)(\w[\w./-]*))?")
"""name/model, or name/model@revision: a branch, a tag or a whole commit."""


def is_hub_id(model: str) -> bool:
    """Whether `model` could be the id of a model on the hub, with or without a revision."""
    return _HUB_ID.fullmatch(model) is not None


def split_revision(model: str) -> tuple[str, str | None]:
    """A hub id without its revision, and the revision: "name/model@v1" -> ("name/model", "v1")."""
    match = _HUB_ID.fullmatch(model)
    return (match[1], match[2]) if match else (model, None)
