"""Standard output and error under whatever code page they are: what it cannot show is written as an escape."""

from __future__ import annotations

import codecs
import json
import sys
from typing import Any

__all__ = ["as_json", "never_fail"]


def never_fail() -> None:
    """Have both streams write a character that their code page lacks as an escape instead of failing.

    Redirected to a file, Windows takes its old code page (cp1252, cp949), and the C locale ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", "") in {"strict", "surrogateescape"} and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def as_json(value: Any, stream: Any = None) -> str:
    """A value as one line of JSON for standard output, or for `stream`.

    Letters of all scripts stay as they are in UTF-8; under another code page they are JSON's own escapes, because those
    of `never_fail` are no JSON. So are lone surrogates, which no encoding has.
    """
    stream = stream or sys.stdout
    line = json.dumps(value, ensure_ascii=not _is_unicode(getattr(stream, "encoding", None)))
    return line if line.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in line) else json.dumps(value)


def _is_unicode(encoding: str | None) -> bool:
    """Whether an encoding has every character.  A stream without one holds text itself."""
    try:
        return encoding is None or codecs.lookup(encoding).name.startswith("utf")
    except LookupError:
        return False
