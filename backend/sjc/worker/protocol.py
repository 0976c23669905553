"""The one door between Blender and the engine: JSON lines on the worker's standard input and output.

Standard library only; both sides load this file.  One JSON object a line, UTF-8, with a "type".  What each message
holds stands in DOWN (worker to add-on) and UP (add-on to worker).  The order: `hello` first; after a `start` any number
of messages of that job, `done` last; then the process may serve the next job.  `heartbeat` comes at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import SjcError

__all__ = [
    "DOWN", "HEARTBEAT_SECONDS", "LONGEST_LINE", "UP", "VERSION", "check_hello", "decode", "encode", "source_hash",
]  # fmt: skip

VERSION = 1
HEARTBEAT_SECONDS = 1.0
LONGEST_LINE = 1 << 20  # bytes; more is no message of ours
LARGEST_NUMBER = 2**53  # of a whole one: a float holds it exactly

Message = dict[str, Any]
_NUMBER, _TEXT = (int, float), (str,)

# Fields that must be there, with their types; further fields may come.
DOWN: Mapping[str, Mapping[str, tuple[type, ...]]] = MappingProxyType({
    # First line.  folder: of the running `sjc`; hash: source_hash of it; device: such as "CPU, 8 cores".
    "hello": {"protocol": (int,), "pid": (int,), "folder": _TEXT, "hash": _TEXT, "device": _TEXT, "versions": (dict,)},
    # stage: import (of libraries), load, resume, optimise, paused, export ...
    "status": {"stage": _TEXT, "text": _TEXT},
    "progress": {"step": (int,), "total": (int,), "it_s": _NUMBER, "eta_s": _NUMBER, "metrics": (dict,)},
    # path: the .npz; the .vdb, and the .png where there is one, stand beside it. colors: exact, or preview where a
    # latent model's voxels have no colour of their own and the volume shows the nearest there is; its mesh has true
    # ones.
    "snapshot": {"step": (int,), "path": _TEXT, "shape": (list,), "colors": _TEXT},
    # A mesh that gets a texture has been painted anew, as far as it is: painted.glb in the job folder.
    "painted": {"step": (int,)},
    "warning": {"text": _TEXT},
    # code: input, environment (a package is missing), bug, or one of `causes`; hint: what to do. The add-on's own side
    # says "worker" when the process itself has failed.
    "error": {"code": _TEXT, "text": _TEXT, "hint": _TEXT},
    "result": {"folder": _TEXT},
    # quiet_s: seconds since the job's own thread last sent or did something.
    "heartbeat": {"quiet_s": _NUMBER},
    # Last of a job.  state: finished, stopped (can be resumed), failed.
    "done": {"state": _TEXT},
})  # fmt: skip

UP: Mapping[str, Mapping[str, tuple[type, ...]]] = MappingProxyType({
    # settings: as job.json; resume: go on with what the folder holds (its job.json counts then).
    "start": {"folder": _TEXT, "settings": (dict,), "resume": (bool,)},
    "pause": {},
    "resume": {},
    "snapshot_now": {},
    "cancel": {},  # stop the job after its step; the folder can be resumed
    "free": {},  # between jobs: forget the loaded model
    "shutdown": {},  # cancel, then end the process; the end of the input means the same
})  # fmt: skip


def encode(message: Message) -> bytes:
    """One message as a line.  Numbers that JSON does not have (NaN, infinity) become null, so no message is lost."""
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        text = json.dumps(_finite(message), ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace") + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def decode(line: bytes | str, known: Mapping[str, Mapping[str, tuple[type, ...]]]) -> Message:
    """The message in a line, of a type in `known` (DOWN or UP).  Raises SjcError, one line, for anything else."""
    if len(line) > LONGEST_LINE:
        raise SjcError(f"a line of {len(line)} bytes is no message")
    try:
        text = line.decode("utf-8") if isinstance(line, bytes) else line
        message = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise SjcError(f"not a JSON line: {_shown(line)}") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise SjcError(f"no message with a type: {_shown(line)}")
    fields = known.get(message["type"])
    if fields is None:
        raise SjcError(f"unknown message {_shown(message['type'])}")
    for name, types in fields.items():
        value = message.get(name)
        wrong_bool = isinstance(value, bool) and bool not in types
        huge = isinstance(value, int) and abs(value) > LARGEST_NUMBER
        if not isinstance(value, types) or wrong_bool or huge:
            raise SjcError(f"message {message['type']} without a proper {name}: {_shown(line)}")
    return message


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def check_hello(message: Message, package: Path) -> str:
    """What is wrong with a worker's first message, in one line; "" if it runs this protocol and our `package`."""
    if message["type"] != "hello":
        return f"the worker's first message is {message['type']}, not hello"
    if message["protocol"] != VERSION:
        return f"the worker speaks protocol {message['protocol']}, Blender's side {VERSION}: update both together"
    if message["hash"] != source_hash(package):
        return f"the worker runs other sources ({message['folder']}) than the add-on's own ({package})"
    return ""


def source_hash(package: Path) -> str:
    """SHA-256 over names and contents of the package's Python files, in hexadecimal, 16 digits."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py"), key=lambda p: p.relative_to(package).as_posix()):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _shown(line: object) -> str:
    text = repr(line)
    return text if len(text) <= 120 else text[:117] + "..."
