"""The text of a batch, one job a line, as `sjc batch` and Blender both read it.  Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import SjcError

T = TypeVar("T")


def read_batch(text: str, resolve: Callable[[dict[str, Any]], T]) -> list[T]:
    r"""What `resolve` makes of the settings of every job in the text, in order.

    A job is a line: a prompt, or a JSON object of settings with a "prompt". Empty lines, and lines that begin with #,
    are passed over. Lines end as they do in every text editor: with \n, \r\n or \r. Unicode's other line ends
    (U+2028, U+0085, form feed ...) stay in the prompt, whose check then refuses them: a pasted one must not cut a
    sentence into two jobs without a word. A byte-order mark at the beginning is no text.

    resolve: gives the job of such settings, {"prompt": ...} for a prompt alone; raises SjcError for bad ones.

    Raises SjcError with "line N: ..." for everything that is wrong, or when the text holds no job.
    """
    jobs, problems = [], []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")), 1):
        job = line.strip()
        if not job or job.startswith("#"):
            continue
        try:
            jobs.append(resolve(_settings(job)))
        except SjcError as error:
            problems += [f"line {number}: {problem}" for problem in str(error).splitlines()]
    if problems:
        raise SjcError("\n".join(problems))
    if not jobs:
        raise SjcError("The text contains no prompts: write one per line.")
    return jobs


def _settings(job: str) -> dict[str, Any]:
    if not job.startswith("{"):
        return {"prompt": job}
    try:
        return dict(json.loads(job))
    except (ValueError, RecursionError) as error:
        raise SjcError(f"this is not a JSON object: {error}") from error
