"""Whether jobs can be made on another computer, in one line: asked here, answered there."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .. import __version__, foreign
from ..errors import SjcError, one_line
from ..worker import protocol
from . import ssh
from .ssh import Failure, Other

SECONDS = 120.0  # torch may come from a cold network drive
PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Checked:
    """What a check came to.  text: one line; where it is not ok, what is wrong and what to do."""

    ok: bool
    text: str


def check(other: Other, package: Path = PACKAGE) -> Checked:
    """Ask another computer. Blocks for seconds; never raises.  package: the folder of the `sjc` that it must equal."""
    try:
        words = ssh.command(other, "--check", other.folder)
        done = subprocess.run(
            words, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False, **ssh.quiet()
        )
    except SjcError as error:
        return Checked(False, str(error))
    except subprocess.TimeoutExpired:
        return _wrong(
            Failure(f"{other.host} did not answer within {SECONDS:.0f} s.", "Look whether it is busy, then try again.")
        )
    except OSError as error:
        failure = Failure(f"ssh does not start: {error.strerror or error}.", "Look whether ssh runs in a terminal.")
        return _wrong(failure)
    if done.returncode != 0:
        failure = ssh.failure(other, done.returncode, done.stderr.decode("utf-8", "replace").splitlines())
        return _wrong(failure)
    return _understood(other, done.stdout, package)


def _understood(other: Other, output: bytes, package: Path) -> Checked:
    lines = output.decode("utf-8", "replace").strip().splitlines() or [""]
    try:
        record = foreign.Record(foreign.parsed(lines[-1]), other.host)  # a login script may have printed before it
        problem = record.text("problem")
        version, digest, device = record.text("sjc"), record.text("hash"), record.text("device")
        free, folder = record.whole("free", 0, 10**18), record.text("folder")
    except (ValueError, SjcError):
        return _wrong(
            Failure(
                f"{other.host} answered something else: {foreign.shown(lines[-1])}.",
                "Give the path of the Python there that has sjc.",
            )
        )
    if wrong := wrong_version(other, version, digest, package):
        return _wrong(wrong)
    if problem:
        return Checked(False, problem)
    return Checked(True, f"sjc {version}, {device}; {free / 1e9:.0f} GB free in {folder}")


def _wrong(failure: Failure) -> Checked:
    return Checked(False, "\n".join(filter(None, (failure.text, failure.hint))))


def wrong_version(other: Other, version: str, digest: str, package: Path = PACKAGE) -> Failure | None:
    """What is wrong with the `sjc` there, None where it is ours."""
    if version != __version__:
        return Failure(
            f"{other.host} has sjc {version}, but this add-on needs {__version__}.",
            "Install the version there that this add-on has.",
        )
    if digest != protocol.source_hash(package):
        return Failure(
            f"{other.host} has sjc {version}, but with other sources than this add-on.",
            "Install the version there that this add-on has.",
        )
    return None


# ------------------------------------------------------------------------------------------------- on the other side


def answer(folder: Path) -> bytes:
    """What this computer says of itself, as a line of JSON."""
    record = {"sjc": __version__, "hash": protocol.source_hash(PACKAGE), "folder": str(folder)}
    try:
        measured = {"free": _free(folder), "device": _device(), "problem": ""}
    except SjcError as error:
        measured = {"free": 0, "device": "", "problem": str(error)}
    return json.dumps({**record, **measured}).encode() + b"\n"


def _free(folder: Path) -> int:
    """Bytes that are left in the folder, which is made. Raises SjcError where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise SjcError(
            f"{folder} cannot be written on the other computer: {reason}. Choose another folder for jobs."
        ) from error
    return shutil.disk_usage(folder).free


def _device() -> str:
    """The device. Raises SjcError where nothing can be computed."""
    try:
        from ..machine.devices import choose_device, device_name

        return device_name(choose_device("auto"))
    except Exception as error:
        raise SjcError(
            f"sjc cannot compute on the other computer: {one_line(error)}. Install it again there."
        ) from error
