"""The system's ssh: how it is called, and what its failures mean.  Standard library only.

Nothing is ever asked (BatchMode). Keys, names and ports of computers are those of the person's own ssh configuration.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SjcError

CONNECT_SECONDS, ALIVE_SECONDS, ALIVE_MISSED = 10, 5, 3
OPTIONS = (
    "-T", "-a", "-x", "-k",
    "-o", "BatchMode=yes",
    "-o", f"ConnectTimeout={CONNECT_SECONDS}",
    "-o", f"ServerAliveInterval={ALIVE_SECONDS}",
    "-o", f"ServerAliveCountMax={ALIVE_MISSED}",
    "-o", "ClearAllForwardings=yes",
    "-o", "Tunnel=no",
    "-o", "ControlMaster=no",
    "-o", "RemoteCommand=none",
    "-o", "LogLevel=ERROR",
)  # fmt: skip
LINE_LOST = 255  # exit code of ssh itself; any other is that of the program there
NO_PYTHON = 127
# For `sh`, whatever shell the account has. In `/`, where no folder called sjc shadows the installed one.
SCRIPT = (
    'cd / || exit 1; p=$1; shift; case $p in "~/"*) p=$HOME/${p#"~/"};; /*) ;; */*) p=$HOME/$p;; esac; '
    'if [ -d "$p" ]; then p=$p/bin/python; fi; '
    f'command -v "$p" >/dev/null 2>&1 || {{ echo "sjc: no Python: $p" >&2; exit {NO_PYTHON}; }}; '
    '"$p" -u -X utf8 -B -m sjc.remote "$@"'
)
HOST = "host"  # the code of problems with the other computer
_HOST = re.compile(r"[\w\[][\w.@:%+/\[\]-]*")


@dataclass(frozen=True)
class Other:
    """Another computer.

    host: user@host, or a name of the ssh configuration. python: a Python there that has sjc, or the folder of its
    environment. folder: where jobs are worked there; `~/` is that account's home.
    """

    host: str
    python: str
    folder: str

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise SjcError(f'"{self.host}" names no computer; write user@host, or a name of your ssh settings.', HOST)
        if not _is_one_line(self.python):
            raise SjcError(f"Say which Python on {self.host} has sjc, in the preferences.", HOST)
        if not _is_one_line(self.folder):
            raise SjcError(f"Say which folder on {self.host} is for jobs, in the preferences.", HOST)


def _is_one_line(text: str) -> bool:
    return bool(text.strip()) and not any(ord(letter) < 32 for letter in text)


@dataclass(frozen=True)
class Failure:
    """Why the line is not there.  code: of a problem; again: whether another try may help by itself."""

    text: str
    hint: str = ""
    again: bool = False
    code: str = HOST


def client() -> str:
    """The program. Raises SjcError where there is none."""
    program = shutil.which("ssh")
    if program is None:
        if sys.platform == "win32":
            raise SjcError(
                "This computer has no program ssh. Add OpenSSH Client under Settings > System > Optional features.",
                HOST,
            )
        raise SjcError("This computer has no program ssh. Install OpenSSH's client (on Debian: openssh-client).", HOST)
    return program


def command(other: Other, *words: str) -> list[str]:
    """What reaches `python -m sjc.remote` there, with further words. Raises SjcError as `client`."""
    line = shlex.join(["sh", "-c", SCRIPT, "sh", other.python, *words])
    return [client(), *OPTIONS, "--", other.host, line]


def quiet() -> dict[str, Any]:
    """No console window on Windows."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}


def failure(other: Other, code: int, lines: Iterable[str]) -> Failure:
    """What it means that ssh has ended.  code: its exit code; lines: the last of its standard error."""
    output = "\n".join(line.strip() for line in lines if line.strip())
    last = output.splitlines()[-1][:200] if output else f"exit code {code}"
    host = other.host
    if code == NO_PYTHON or "sjc: no Python:" in output:
        return Failure(f"{host} has no Python {other.python}.", "Give the path of the Python there that has sjc.")
    if match := re.search(r"No module named '?sjc(\.remote)?\b", output):
        if match[1]:
            return Failure(f"{host} has an older version of sjc.", "Install the version there that this add-on has.")
        return Failure(f"{other.python} on {host} has no sjc.", "Install it there, or give another Python.")
    if code != LINE_LOST and code >= 0:
        return Failure(
            f"The program on {host} ended: {last}",
            "Press Check Other Computer in the preferences to see what is wrong.",
        )
    return _line_failure(other, output, last)


def _line_failure(other: Other, output: str, last: str) -> Failure:
    host = other.host
    if "IDENTIFICATION HAS CHANGED" in output:
        return Failure(
            f"The key of {host} is not the one that ssh knows.",
            f'Ask who runs it. If it has a new key, type in a terminal: "ssh-keygen -R {_known_as(other)}".',
        )
    if "Host key verification failed" in output:
        return Failure(
            f"ssh does not know {host} yet.",
            f'Type in a terminal: "ssh {host}". Compare the key that it shows, and answer yes.',
        )
    if "Permission denied" in output or "Too many authentication failures" in output:
        return _denied(other)
    if "Could not resolve hostname" in output:
        return Failure(f"There is no computer {host}.", "Check how it is written, and your network.", again=True)
    return Failure(f"{host} does not answer: {last}", "Check that it is on and that you can reach it.", again=True)


def _denied(other: Other) -> Failure:
    """Which key could have opened it, if a passphrase keeps it from being used."""
    for key in _keys(other):
        if _has_passphrase(key):
            return Failure(
                f"The key {key} has a passphrase, and nothing here may ask for it.",
                f'Type in a terminal: "ssh-add {key}", then try again.',
            )
    return Failure(
        f"{other.host} accepts none of your keys.", f'Type in a terminal: "ssh-copy-id {other.host}", then try again.'
    )


def _keys(other: Other) -> list[Path]:
    """Private keys that ssh would try and that are there."""
    lines = _answer([client(), "-G", "--", other.host]).splitlines()
    names = [line.partition(" ")[2] for line in lines if line.startswith("identityfile ")]
    return [path for path in (Path(name).expanduser() for name in names) if path.is_file()]


def _has_passphrase(key: Path) -> bool:
    program = shutil.which("ssh-keygen")
    if program is None:
        return False
    done = subprocess.run(
        [program, "-y", "-P", "", "-f", str(key)], capture_output=True, stdin=subprocess.DEVNULL, timeout=20,
        check=False, **quiet(),
    )  # fmt: skip
    return done.returncode != 0 and b"passphrase" in done.stderr


def _answer(words: list[str]) -> str:
    done = subprocess.run(
        words, capture_output=True, stdin=subprocess.DEVNULL, text=True, errors="replace", timeout=20, check=False,
        **quiet(),
    )  # fmt: skip
    return done.stdout


def _known_as(other: Other) -> str:
    """Under which name ssh keeps the key of a computer: that of its settings, with a port that is not the usual one."""
    lines = _answer([client(), "-G", "--", other.host]).splitlines()
    settings = dict(line.split(" ", 1) for line in lines if " " in line)
    name, port = settings.get("hostname", other.host.rpartition("@")[2]), settings.get("port", "22")
    return name if port == "22" else shlex.quote(f"[{name}]:{port}")
