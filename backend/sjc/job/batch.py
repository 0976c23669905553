"""The text of a batch, one job a line, as `sjc batch` and Blender both read it.  Standard library only."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Callable
from typing import Any, TypeVar

from .. import foreign
from ..errors import SjcError

T = TypeVar("T")


_MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be",
}  # fmt: skip
_AROUND = "\ufeff\u200b"
"""Invisible characters that a paste leaves at the ends of a line."""


def decode(data: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 and UTF-32 with a mark of byte order, or UTF-16 that looks like it.

    Raises SjcError with "line N: ..." for other encodings.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    encoding = _MARKS.get(mark, "utf-8")
    if not mark and b"\0" in data[:2]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        lines = re.split(r"\r\n|\r|\n", data[: len(mark) + error.start].decode(encoding, "replace"))
        wrong = data[len(mark) + error.start]
        raise SjcError(
            f"line {len(lines)}: byte 0x{wrong:02X} is not {encoding.upper()}; save the file as UTF-8."
        ) from error


def read_batch(text: str, resolve: Callable[[dict[str, Any]], T]) -> list[T]:
    r"""What `resolve` makes of the settings of every job in the text, in order.

    A job is a line: a prompt, with or without quotes around it, or a JSON object of settings with a "prompt"; a comma
    may follow a prompt in quotes and an object. Empty lines, and lines that begin with #,
    are passed over. Lines end as they do in every text editor: with \n, \r\n or \r. Unicode's other line ends
    (U+2028, U+0085, form feed ...) stay in the prompt, whose check then refuses them: a pasted one must not cut a
    sentence into two jobs without a word. A byte-order mark at the beginning is no text.

    resolve: gives the job of such settings, {"prompt": ...} for a prompt alone; raises SjcError for bad ones.

    Raises SjcError with "line N: ..." for everything that is wrong, or when the text holds no job.
    """
    jobs, problems = [], []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")), 1):
        job = line.strip().strip(_AROUND).strip()
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
    if re.fullmatch(r"[\[\]{}],?", job):
        raise SjcError(f"{job} stands alone; write one job on each line, a JSON object whole.")
    if job.startswith('"'):
        with contextlib.suppress(ValueError):
            return {"prompt": foreign.parsed(job.rstrip(", \t"))}
    if not job.startswith("{"):
        return {"prompt": job.replace("\t", " ")}
    try:
        return dict(foreign.parsed(re.sub(r",\s*}$", "}", job.rstrip(", \t"))))
    except ValueError as error:
        raise SjcError(f"this is not a JSON object: {foreign.first_line(error)}") from error
