"""What the prompt's field offers as one types, the prompts of earlier jobs, and style words."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from .. import api, places
from ..backend.sjc.errors import SjcError
from ..backend.sjc.paths import OWN_MODELS
from ..words import STYLES, WordList, completed, matching

MOST_OFFERED = 30
MOST_KEPT = 200  # prompts


_lists: dict[str, WordList] = {}


def styles() -> WordList:
    """The style words."""
    return _kept("styles.txt", STYLES)


def history() -> WordList:
    """The prompts of earlier jobs, the newest first."""
    return _kept("prompts.txt")


def problems() -> list[str]:
    """What was wrong with the lists that have been read; looks at no file, so that a panel may ask."""
    return [words.problem for words in _lists.values() if words.problem]


def _kept(name: str, default: tuple[str, ...] = ()) -> WordList:
    if name not in _lists:
        _lists[name] = WordList(places.user_folder() / name, default)
    return _lists[name]


@cache
def known_words() -> tuple[str, ...]:
    """The words of the embedded model; none where it is damaged."""
    try:
        return tuple(word for words in api.words().values() for word in words)
    except SjcError:
        return ()


def remember(prompt: str) -> None:
    """Put a prompt first in the history; one that cannot be kept is no reason to make nothing."""
    try:
        history().add(prompt, first=True)
    except SjcError as error:
        history().problem = str(error)


def offered(group: Any, _context: Any, typed: str) -> Iterable[str]:
    """For the prompt: its last word completed, then earlier prompts that fit."""
    words = list(known_words()) if group.model in OWN_MODELS else styles().entries()
    return [*completed(typed, words), *matching(history().entries(), typed)][:MOST_OFFERED]


def offered_styles(_group: Any, _context: Any, typed: str) -> Iterable[str]:
    """For the field of style words: those that fit."""
    return matching(styles().entries(), typed)


def forget() -> None:
    """At switching off: another user folder may come."""
    _lists.clear()
    known_words.cache_clear()
