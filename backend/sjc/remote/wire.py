"""What the two ends of the line say to each other beside the worker's own messages: files, and which folder is meant.

Files go as messages: `file`, any number of `chunk`, `whole`. Both ends take only names that a job folder can have,
check what arrived by its SHA-256, and give a file its name when it is whole.  Standard library only.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from .. import foreign
from ..errors import SjcError
from ..job import folder as job_folder
from ..job.inputs import INPUTS
from ..output.files import replacing
from ..worker import protocol

Message = dict[str, Any]
Names = dict[str, str]
"""Name of a file in a job folder -> its digest."""

CHUNK = 64 * 1024  # bytes of a file in one message; in base64 a third more, which protocol.LONGEST_LINE must hold
MOST_NAMES = 5000  # of a list in one message; a folder with more is sent without regard to what is there
SUFFIXES = (".json", ".npz", ".vdb", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".glb", ".mp4", ".sjc",
            ".safetensors")  # fmt: skip
_NAME = re.compile(rf"(?:(?:{job_folder.SNAPSHOTS}|{INPUTS})/)?[\w-][\w.-]{{0,200}}")
_TEXT = (str,)
_FILES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "file": {"name": _TEXT},
    "chunk": {"data": _TEXT},
    "whole": {"sha256": _TEXT},
}

# From here.  open: which job is meant; name: that of its folder there, checkpoint: the digest of the one here ("" for
# none), have: what is here, paths: settings that name files of the other computer. alive: the line is there. forget:
# all of a finished job is here.
UP = MappingProxyType({
    **protocol.UP, **_FILES,
    "open": {"name": _TEXT, "resume": (bool,), "checkpoint": _TEXT, "have": (dict,), "paths": (dict,)},
    "alive": {},
    "forget": {},
})  # fmt: skip

# From there.  opened: wanted: the names of files that are needed from here; resume: whether there is a job to go on
# with. refused: why not. begun: the job folder there is made. files: all that the folder there holds.
DOWN = MappingProxyType({
    **protocol.DOWN, **_FILES,
    "opened": {"folder": _TEXT, "wanted": (list,), "resume": (bool,)},
    "refused": {"code": _TEXT, "text": _TEXT},
    "begun": {},
    "files": {"names": (list,)},
})  # fmt: skip


def fits(name: object) -> bool:
    """Whether a name is one of a file in a job folder that may be sent: no other folder, no program, nothing hidden."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name.lower().endswith(SUFFIXES)


def names_in(folder: Path) -> list[str]:
    """The files of a job folder that may be sent; the snapshots' .npz come last, as they count."""
    names = []
    for part in ("", job_folder.SNAPSHOTS, INPUTS):
        with contextlib.suppress(OSError):
            names += [f"{part}/{path.name}" if part else path.name for path in sorted((folder / part).iterdir())]
    sendable = [name for name in names if fits(name) and foreign.is_file(folder / name)]
    return sorted(sendable, key=lambda name: name.endswith(".npz"))


def digest(path: Path, folder: Path) -> str:
    """SHA-256 of a file of a job folder; "" where it cannot be read."""
    try:
        with foreign.opened(path, foreign.FIELD_BYTES, within=folder) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, SjcError):
        return ""


def digests(folder: Path) -> Names:
    """All that a job folder holds."""
    names = names_in(folder)
    return {name: digest(folder / name, folder) for name in names} if len(names) <= MOST_NAMES else {}


def messages_of(name: str, stream: BinaryIO) -> Iterator[Message]:
    """A file as messages."""
    whole = hashlib.sha256()
    yield {"type": "file", "name": name}
    while data := stream.read(CHUNK):
        whole.update(data)
        yield {"type": "chunk", "data": base64.b64encode(data).decode("ascii")}
    yield {"type": "whole", "sha256": whole.hexdigest()}


class Receiver:
    """Writes the files that arrive for a job folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = ""
        self._open = contextlib.ExitStack()
        self._stream: BinaryIO | None = None
        self._bytes = 0
        self._sum = hashlib.sha256()

    def take(self, message: Message) -> tuple[str, str] | None:
        """Take in one message; (name, digest) of a file that is whole now.

        Raises SjcError for what may not be written, for damage on the way, and where nothing can be written.
        """
        try:
            return {"file": self._begin, "chunk": self._add, "whole": self._end}[message["type"]](message)
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Forget a file that is not whole."""
        stack, self._open, self._stream = self._open, contextlib.ExitStack(), None
        stack.__exit__(_Dropped, _Dropped(), None)  # as if the writing had failed: the temporary file goes

    def _begin(self, message: Message) -> None:
        self.drop()
        name = message["name"]
        if not fits(name):
            raise SjcError(f"The other computer sent a file that no job has, {foreign.shown(name)}; it is refused.")
        job_folder.check_links(self.folder)
        temporary = self._open.enter_context(replacing(self.folder / name))
        self._stream = self._open.enter_context(temporary.open("wb"))
        self._name, self._bytes, self._sum = name, 0, hashlib.sha256()

    def _add(self, message: Message) -> None:
        try:
            data = base64.b64decode(message["data"], validate=True)
        except (binascii.Error, ValueError):
            data = b""
        self._bytes += len(data)
        if self._stream is None or not data or self._bytes > foreign.FIELD_BYTES:
            raise SjcError(f"{self._name} was damaged on the way from the other computer; press Retry.")
        try:
            self._stream.write(data)
        except OSError as error:
            self._open.__exit__(OSError, error, None)  # which says why in one line
            raise
        self._sum.update(data)

    def _end(self, message: Message) -> tuple[str, str]:
        if self._stream is None or self._sum.hexdigest() != message["sha256"]:
            raise SjcError(f"{self._name} was damaged on the way from the other computer; press Retry.")
        stack, self._open, self._stream = self._open, contextlib.ExitStack(), None
        stack.close()
        return self._name, self._sum.hexdigest()


class _Dropped(Exception):  # noqa: N818 (not an error)
    pass
