"""Words for prompts without a network: a list of style words that a person edits, and the prompts of earlier jobs.

Both are plain text in the extension's user folder, one entry a line; # begins a comment.  No bpy.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .backend.sjc import foreign
from .backend.sjc.errors import SjcError
from .backend.sjc.output.files import write_bytes

STYLES = (
    "low poly", "voxel art", "smooth", "glossy", "matte", "wooden", "metallic", "ceramic", "plastic", "stone", "marble",
    "glass", "fabric", "knitted", "clay", "origami", "toy", "cartoon", "stylized", "realistic", "highly detailed",
    "minimalist", "cute", "old", "rusty", "golden", "pastel colors", "vivid colors", "black and white", "hand-painted",
    "studio lighting", "plain background",
)  # fmt: skip
MOST_BYTES, MOST_LINES, LONGEST = 1_000_000, 1000, 1000


class WordList:
    """Entries in a text file, read when it has changed.

    default: the entries while there is no file. problem: what was wrong with the file, in one line; "" if nothing.
    """

    def __init__(self, path: Path, default: tuple[str, ...] = ()) -> None:
        self.path, self.default = path, default
        self.problem = ""
        self._stamp: tuple[int, int] | None = None
        self._entries: list[str] = list(default)

    def entries(self) -> list[str]:
        """What the file holds now. One that cannot be read is set aside and named in `problem`."""
        try:
            status = self.path.stat()
        except OSError:
            self._stamp, self._entries = None, list(self.default)
            return self._entries
        stamp = status.st_mtime_ns, status.st_size
        if stamp != self._stamp:
            self._stamp, self._entries = stamp, self._read()
        return self._entries

    def add(self, entry: str, *, first: bool = False) -> None:
        """Put an entry at the end, or first; one that is there moves. Raises SjcError where nothing can be written."""
        line = " ".join(entry.split())[:LONGEST]
        if not line or line.startswith("#"):
            raise SjcError("Type a word first.")
        others = [known for known in self.entries() if known != line]
        self._write([line, *others] if first else [*others, line])

    def remove(self, entry: str) -> None:
        """Take an entry out. Raises SjcError for one that is not there, and where nothing can be written."""
        line = " ".join(entry.split())
        if line not in self.entries():
            raise SjcError(f'"{line}" is not in the list.')
        self._write([known for known in self.entries() if known != line])

    def _read(self) -> list[str]:
        try:
            lines = foreign.read_text(self.path, MOST_BYTES).splitlines()
        except (SjcError, OSError, ValueError) as error:
            aside = self.path.with_name(f"{self.path.name}.damaged")
            with contextlib.suppress(OSError):
                os.replace(self.path, aside)
            text = f"{self.path} cannot be read: {foreign.first_line(error)}. It was renamed to {aside.name}."
            self.problem = text
            return list(self.default)
        entries = (" ".join(line.split())[:LONGEST] for line in lines[:MOST_LINES])
        return [line for line in dict.fromkeys(entries) if line and not line.startswith("#") and line.isprintable()]

    def _write(self, entries: list[str]) -> None:
        write_bytes(self.path, ("\n".join(entries[:MOST_LINES]) + "\n").encode())


def matching(entries: list[str], typed: str) -> list[str]:
    """The entries that hold every typed word, those that begin with what is typed first."""
    words = typed.lower().split()
    fitting = [entry for entry in entries if all(word in entry.lower() for word in words)]
    return sorted(fitting, key=lambda entry: not entry.lower().startswith(typed.lower().strip()))


def completed(typed: str, known: list[str]) -> list[str]:
    """What is typed with its last word completed to each of the known ones that begin so."""
    head, _, last = typed.rpartition(" ")
    if not last:
        return []
    start, begun = f"{head} " if head else "", last.lower()
    return [start + word for word in known if word.lower().startswith(begun) and word.lower() != begun]
