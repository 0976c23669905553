"""What somebody sends along who reports a bug: versions, settings, the last lines of the log.  No bpy.

Prompts and paths say who a person is and what they make, so they are left out unless the person ticks them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .problems import Problem

__all__ = ["LOG_LINES", "report", "without_paths", "without_prompt"]

LOG_LINES = 40
PROMPTS = ("prompt", "negative_prompt")
# A path from the root on, of Windows, of its network or of the others; a web address is none.
_PATH = re.compile(r"""(?<![\w:/.])(?:[A-Za-z]:[\\/]|\\\\|/)(?:[^\s"'<>|:*?\\/]+[\\/]+)+""")


def report(
    problem: Problem,
    settings: Mapping[str, Any],
    log: Iterable[str],
    versions: Mapping[str, str],
    *,
    prompt: bool = False,
    paths: bool = False,
    folders: Mapping[str, str] | None = None,
) -> str:
    """A text to paste into an issue.

    prompt, paths: whether the prompts and the names of folders stay in. folders: {path: what stands for it}, such as
    the home folder; they are found even where a path has spaces.
    """
    details = problem.details.splitlines()[-LOG_LINES:]
    lines = [
        f"Problem: {problem.code}: {problem.text}",
        "",
        "Versions",
        *(f"  {name}: {version}" for name, version in versions.items()),
        "",
        "Settings",
        *(f"  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()),
        "",
        "Details",
        *(f"  {line}" for line in details),
        "",
        "Last lines of the log",
        *(f"  {line.rstrip()}" for line in list(log)[-LOG_LINES:]),
    ]
    text = "\n".join(lines) + "\n"
    if not prompt:
        text = without_prompt(text, [str(settings.get(name, "")) for name in PROMPTS])
    return text if paths else without_paths(text, folders or {})


def without_prompt(text: str, prompts: Iterable[str]) -> str:
    """The text without these sentences: as they are, as the names of folders, and their words in quotation marks."""
    for prompt in filter(None, (given.strip() for given in prompts)):
        text = re.sub(re.escape(json.dumps(prompt, ensure_ascii=False)[1:-1]), "(prompt)", text, flags=re.IGNORECASE)
        text = re.sub(re.escape(prompt), "(prompt)", text, flags=re.IGNORECASE)
        words = re.findall(r"\w+", prompt)
        text = re.sub(r"[-_]".join(map(re.escape, words)), "(prompt)", text, flags=re.IGNORECASE)
        for word in words:
            text = re.sub(rf"""(["']){re.escape(word)}\1""", r"\1(word)\1", text, flags=re.IGNORECASE)
    return text


def without_paths(text: str, folders: Mapping[str, str]) -> str:
    """The text with the last part alone of every path, and with `folders` replaced, the longest first."""
    for folder in sorted((name for name in folders if re.search(r"[^\W_]{2}", name)), key=len, reverse=True):
        for written in {folder, folder.replace("\\", "/"), json.dumps(folder)[1:-1]}:
            text = re.sub(re.escape(written), folders[folder].replace("\\", r"\\"), text, flags=re.IGNORECASE)
    return _PATH.sub(".../", text)
