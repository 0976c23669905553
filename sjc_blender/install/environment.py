"""The backend's Python: found, made, asked how it is.  No bpy, no torch; nothing here blocks but `doctor` and `probe`.

An environment made here lies in a folder of its own below `home`, and `home/backend.json` names the one that counts. A
new one is filled beside the old and takes its place only when the doctor has passed it, so a failed or cancelled
installation costs nothing. Delete the folder and everything can be made again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..backend.sjc import causes, foreign
from ..backend.sjc.errors import SjcError
from ..backend.sjc.paths import user_path
from ..backend.sjc.remote.ssh import Other

__all__ = ["PACKAGE", "Backend", "clean_environment", "doctor", "find_pythons", "stored", "use", "worker_command"]

_INSIDE = Path(__file__).parents[1] / "backend"
PACKAGE = _INSIDE if _INSIDE.is_dir() else Path(__file__).parents[2] / "backend"  # beside it in the source's own ZIP
SHORT_HOME = "sjc"  # in the local application data of Windows
REQUIREMENTS = PACKAGE / "requirements.txt"
RECORD = "backend.json"
VARIABLE = "SJC_BACKEND_PYTHON"  # for headless use and tests: goes before everything else
OLDEST = (3, 11)
DOCTOR_SECONDS = 180.0
LAST_LINES = 5  # of a log that can tell of a process's end

ENGINE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sjc import errors; errors.in_blender = True; "
"""What a program that Blender starts with `-c` begins with; its first argument is the folder of the engine."""
DOCTOR = ENGINE + "from sjc.cli import main; sys.exit(main(['doctor', '--json']))"
COMPILE = ENGINE + (
    "from sjc.doctor import kernels; line = kernels(); print('kernels', line['text']); sys.exit(0 if line['ok'] else 1)"
)


@dataclass(frozen=True)
class Backend:
    """One line of state for the panel.  state: missing, installing, ready, broken.

    python: the interpreter, "" if none. text: "NVIDIA ..., 24 GB" or "CPU ..." when ready, else what is wrong. lines:
    the doctor's answer. stale: made for other requirements than this version's. code: of what is wrong, one of the
    engine's `causes`, "" for none of them.
    """

    state: str = "missing"
    python: str = ""
    text: str = "not installed"
    lines: list[dict[str, Any]] = field(default_factory=list)
    stale: bool = False
    code: str = ""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process environment for the worker and the doctor: nothing that bends another interpreter's imports."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    variables = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith(("PIP_", "UV_"))}
    return {**variables, "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", **(extra or {})}


def worker_command(python: str | Path) -> list[str]:
    """How the worker is started. Raises SjcError when there is no such interpreter."""
    return [str(interpreter(python)), "-u", "-X", "utf8", "-B", str(PACKAGE / "sjc_worker.py")]


def other_command(other: Other, python: str = "", *words: str) -> list[str]:
    """How a worker is started whose jobs another computer does: by Blender's own Python, which needs no package.

    python: another one than Blender's. words: further ones for the program there. Raises SjcError without a Python.
    """
    program = python or _own_python()
    if not program:
        raise SjcError("Blender has no Python program of its own, which jobs on another computer need.")
    return [
        program,
        "-u",
        "-X",
        "utf8",
        "-B",
        str(PACKAGE / "sjc_worker.py"),
        "--other",
        json.dumps(asdict(other)),
        *words,
    ]


def shell_command(python: str | Path, name: str) -> list[str]:
    """How `sjc NAME` is started; its words follow. Raises SjcError when there is no such interpreter."""
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from sjc.cli import main; "
        f"sys.exit(main(['{name}', *sys.argv[1:]]))"
    )
    return [str(interpreter(python)), "-X", "utf8", "-B", "-c", program, str(PACKAGE)]


def interpreter(given: str | Path) -> Path:
    """A Python from what a person named: the program, or the folder of an environment. Raises SjcError."""
    path = user_path(given)
    if not str(given).strip():
        raise SjcError("No Python is chosen for the backend; install the backend, or choose one in the preferences.")
    if path.is_dir():
        inside = [path / "bin" / "python", path / "Scripts" / "python.exe", path / "python.exe"]
        path = next((p for p in inside if p.exists()), path)
    if not path.is_file():
        raise SjcError(f"{path} is not a Python program; choose another one, or install the backend.")
    return path


# ------------------------------------------------------------------------------------------------------------- record


def stored(home: Path, chosen: str = "") -> Backend:
    """What is known without asking anybody: the variable, the person's choice, or the record in `home`.

    A choice of the person's own that the doctor has not seen yet counts as ready; the first worker will tell.
    """
    own = os.environ.get(VARIABLE, "") or chosen
    record = _read(home / RECORD)
    known = Backend(**{k: v for k, v in record.items() if k in Backend.__dataclass_fields__}) if record else Backend()
    if own:
        try:
            python = str(interpreter(own))
        except SjcError as error:
            return Backend("broken", own, str(error))
        return known if known.python == python else Backend("ready", python, "not asked yet: Check says more")
    if known.python and not Path(known.python).is_file():
        return Backend("broken", known.python, "the environment is gone from the disk: install it again")
    if known.state == "ready" and record.get("requirements", "") not in ("", requirements_hash()):
        return Backend(known.state, known.python, known.text, known.lines, stale=True)
    return known


def use(home: Path, python: str | Path) -> Backend:
    """Ask the doctor of `python` and write down the answer. Blocks for seconds to a minute. Raises SjcError."""
    backend = doctor(interpreter(python))
    write(home, backend)
    return backend


def new_folder(home: Path, windows: bool = sys.platform == "win32", variables: Mapping[str, str] = os.environ) -> Path:
    r"""Where a new environment goes, of a name of its own: in `home`, but on Windows near to the drive.

    There a path has at most 259 characters, those inside an environment up to 190 (torch's licences), and the folder of
    an extension, AppData\Roaming\Blender Foundation\Blender\..., about 130.
    """
    if windows and variables.get("LOCALAPPDATA"):
        return Path(variables["LOCALAPPDATA"]) / SHORT_HOME / f"{int(time.time()):x}{os.getpid() % 4096:03x}"
    return home / f"env-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def recorded_folder(home: Path) -> Path | None:
    """The folder of the environment that `home` has on record, where it stands near to the drive and is ours."""
    python = (_read(home / RECORD) or {}).get("python", "")
    folder = Path(python).parent.parent if isinstance(python, str) and python else Path()
    return folder if folder.parent.name == SHORT_HOME and re.fullmatch("[0-9a-f]{11}", folder.name) else None


def write(home: Path, backend: Backend, made: bool = False) -> None:
    """Write the record, whole; `made`: this program filled the environment, with the requirements of today."""
    home.mkdir(parents=True, exist_ok=True)
    record = {**asdict(backend), "requirements": requirements_hash() if made else "", "time": time.time()}
    temporary = home / f".{RECORD}.{os.getpid()}"
    temporary.write_text(json.dumps(record, indent=1), "utf-8")
    os.replace(temporary, home / RECORD)


def requirements_hash() -> str:
    """Short digest of what the backend needs."""
    import hashlib

    try:
        return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def _read(path: Path) -> dict[str, Any]:
    try:
        record = foreign.read_json(path)
    except (OSError, SjcError):
        return {}
    types = {"state": str, "python": str, "text": str, "lines": list, "stale": bool, "code": str, "requirements": str}
    fits = isinstance(record, dict) and all(isinstance(record.get(k, t()), t) for k, t in types.items())
    return record if fits else {}


# ------------------------------------------------------------------------------------------------------------- doctor


def doctor(python: str | Path, seconds: float = DOCTOR_SECONDS) -> Backend:
    """Ask an interpreter how it would do as the backend. Blocks; never raises for a bad one."""
    python = str(python)
    command = [python, "-X", "utf8", "-B", "-c", DOCTOR, str(PACKAGE)]
    try:
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=seconds, check=False,
            encoding="utf-8", errors="replace", cwd=Path(python).parent, **quiet(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Backend("broken", python, f"did not answer within {seconds:.0f} s")
    except OSError as error:
        return Backend("broken", python, f"does not start: {error.strerror or error}")
    return _understood(python, done.stdout, done.stderr, done.returncode)


def _understood(python: str, answer: str, log: str, status: int) -> Backend:
    """The doctor's lines as a state: what must work is named first when it does not."""
    try:
        lines = json.loads(answer.strip().splitlines()[-1])
        by_name = {line["name"]: line for line in lines}
        device = by_name["device"]["text"]
    except (ValueError, IndexError, KeyError, TypeError):
        words = log.strip().splitlines() or ["no message"]
        if cause := causes.of_lines(words[-LAST_LINES:]) or causes.of_exit(status):
            return Backend("broken", python, f"{cause.text}\n{cause.hint}", code=cause.code)
        return Backend("broken", python, f"cannot run the backend: {words[-1][:200]}")
    bad = [line for line in lines if not line["ok"] and line["name"] not in ("memory", "disk", "device")]
    if bad:
        return Backend("broken", python, bad[0]["text"], lines, code=str(bad[0].get("code", "")))
    return Backend("ready", python, device, lines, code=str(by_name["device"].get("code", "")))


def quiet() -> dict[str, Any]:
    """No console window on Windows."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}


# ------------------------------------------------------------------------------------------------------ other Pythons


def find_pythons(pip: bool = True) -> list[tuple[tuple[int, int], str]]:
    """((major, minor), path) of Pythons that could make an environment, best first. Starts each: about 50 ms apiece.

    pip: whether it must be able to put pip into it by itself, which uv does without.
    """
    names = [f"python3.{minor}" for minor in (12, 13, 11, 14)] + ["python3", "python"]
    candidates = [shutil.which(name) for name in names] + [_own_python()]
    versions: dict[str, tuple[int, int]] = {}
    for path in candidates:
        if path and path not in versions and (version := probe(path, pip)) and version >= OLDEST:
            versions[path] = version
    return sorted(((version, path) for path, version in versions.items()), key=lambda x: x[0] != (3, 12))


def _own_python() -> str | None:
    """Blender's own interpreter, which can make environments too."""
    inside = Path(sys.executable)
    return str(inside) if re.match(r"python", inside.name, re.IGNORECASE) else None


def probe(python: str | Sequence[str], pip: bool = True) -> tuple[int, int] | None:
    """Version of an interpreter that can make environments (`pip`: with pip in it); None for any other program."""
    code = f"import sys{', venv, ensurepip' if pip else ''}; print(*sys.version_info[:2])"
    command = [python] if isinstance(python, str) else list(python)
    try:
        done = subprocess.run(
            [*command, "-c", code], env=clean_environment(), capture_output=True, text=True, timeout=20, check=False,
            **quiet(),
        )  # fmt: skip
        major, minor = (int(x) for x in done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return major, minor
