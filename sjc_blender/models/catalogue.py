"""What the picker of models offers: embedded, those in the hub's cache, those used before.  No bpy, no network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..backend.sjc.models import model_list
from . import lookup

__all__ = ["Entry", "key_of", "listing", "stamp"]

Entry = tuple[str, lookup.ModelInfo]  # what the model's field takes, and what is known of it


def key_of(used: Iterable[str]) -> str:
    """The models that were used before, as one text: what a `lookup.ModelCache` asks by."""
    return "\n".join(dict.fromkeys(name.strip() for name in used if name.strip()))


def listing(key: str, environment: Mapping[str, str] = os.environ) -> list[Entry]:
    """Everything that can be chosen, each model once: embedded, cached, then of those used before what is more.

    Reads the disk; never raises. What was used before and is no model any longer is left out.
    """
    here = [*model_list.own(), *model_list.cached(lookup.hub_folder(environment))]
    entries = [(name, lookup.look(name, environment)) for name in dict.fromkeys([*here, *key.splitlines()])]
    return [(name, info) for name, info in entries if name in here or info.kind != "bad"]


def stamp(key: str, environment: Mapping[str, str] = os.environ) -> tuple[Any, ...]:
    """Changes when `listing` may have changed."""
    here = model_list.cached(lookup.hub_folder(environment))
    return tuple(lookup.stamp(name, environment) for name in (*here, *key.splitlines()))
