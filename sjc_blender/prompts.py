"""Many prompts in one text, as the command line's `sjc batch` reads them.  No bpy."""

from __future__ import annotations

import json
from typing import Any

from .backend.sjc.errors import SjcError


def prompts_in(text: str) -> list[str | dict[str, Any]]:
    """The prompts and settings in the lines of a text.

    Raises SjcError, one line for every bad line, or for none at
    all.
    """
    found: list[str | dict[str, Any]] = []
    problems = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if not line.startswith("{"):
            found.append(line)
            continue
        try:
            found.append(dict(json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            problems.append(f"line {number} is no JSON object: {error}")
    if problems:
        raise SjcError("\n".join(problems))
    if not found:
        raise SjcError("The text holds no prompts: write one a line.")
    return found
