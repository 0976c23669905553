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
from .ssh import Other

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
        return Checked(False, f"{other.host} did not answer within {SECONDS:.0f} s.")
    except OSError as error:
        return Checked(False, f"ssh does not start: {error.strerror or error}.")
    if done.returncode != 0:
        failure = ssh.failure(other, done.returncode, done.stderr.decode("utf-8", "replace").splitlines())
        return Checked(False, f"{failure.text} {failure.hint}")
    return _understood(other, done.stdout, package)


def _understood(other: Other, output: bytes, package: Path) -> Checked:
    lines = output.decode("utf-8", "replace").strip().splitlines() or [""]
    try:
        record = foreign.Record(foreign.parsed(lines[-1]), other.host)  # a login script may have printed before it
        problem = record.text("problem")
        version, digest, device = record.text("sjc"), record.text("hash"), record.text("device")
        free, folder = record.whole("free", 0, 10**18), record.text("folder")
    except (ValueError, SjcError):
        return Checked(False, f"{other.host} answered something else: {foreign.shown(lines[-1])}.")
    if wrong := wrong_version(other, version, digest, package):
        return Checked(False, wrong)
    if problem:
        return Checked(False, problem)
    return Checked(True, f"sjc {version}, {device}; {free / 1e9:.0f} GB free in {folder}")


def wrong_version(other: Other, version: str, digest: str, package: Path = PACKAGE) -> str:
    """What is wrong with the `sjc` there, "" where it is ours."""
    if version != __version__:
        return f"{other.host} has sjc {version}, but this add-on needs {__version__}: install that version there."
    if digest != protocol.source_hash(package):
        return f"{other.host} has other sources of sjc {version} than this add-on: install the same ones there."
    return ""


# ------------------------------------------------------------------------------------------------- on the other side


def answer(folder: Path) -> bytes:
    """What this computer says of itself, as a line of JSON."""
    problem = _folder_problem(folder)
    device, device_problem = _device()
    free = 0 if problem else shutil.disk_usage(folder).free
    record = {
        "sjc": __version__,
        "hash": protocol.source_hash(PACKAGE),
        "device": device,
        "free": free,
        "folder": str(folder),
        "problem": problem or device_problem,
    }
    return json.dumps(record).encode() + b"\n"


def _folder_problem(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        return f"{folder} cannot be written on the other computer: {reason}. Choose another folder for jobs."
    return ""


def _device() -> tuple[str, str]:
    """(the device, what is wrong with it)."""
    try:
        from ..machine.devices import choose_device, device_name

        return device_name(choose_device("auto")), ""
    except Exception as error:  # noqa: BLE001 (whatever it is, the person reads it)
        return "", f"The Python of the other computer cannot compute: {one_line(error)}. Install sjc again there."
