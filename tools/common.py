"""Ground shared by the commands: the root folder, the one exception, subprocesses without a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Settings that would bend another interpreter's imports, or send pip's work outside the environment it is asked for.
FOREIGN = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "VIRTUAL_ENV",
)


class BuildError(Exception):
    """One line for the person at the terminal: what is wrong and what to type. build.py exits with 2."""


def clean_environment(**extra: str) -> dict[str, str]:
    """Return the process environment without what would bend the environment's own Python, plus `extra`."""
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**own, "PYTHONUTF8": "1", **extra}


def say(text: str) -> None:
    """Print one line at once, so that it stands before a subprocess's own output."""
    print(text, flush=True)


def run(command: Sequence[str | Path], *, cwd: Path = ROOT, **extra: str) -> int:
    """Run `command` (no shell, no standard input of ours) with its output passed through; return its exit code."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean_environment(**extra), stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode


def run_labelled(label: str, command: Sequence[str | Path], *, cwd: Path = ROOT, **extra: str) -> int:
    """As `run`, with `label` before each line of its output: for several at once."""
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(**extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(label + line.rstrip("\n"))
    return process.returncode


def typed(command: Sequence[str | Path]) -> str:
    """Return `command` as a person would type it."""
    parts = [str(part) for part in command]
    return subprocess.list2cmdline(parts) if sys.platform == "win32" else shlex.join(parts)


def our_files(root: Path = ROOT) -> list[Path]:
    """Return the files of the project, relative and sorted: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        raise BuildError("the list of the project's files comes from git: run this inside a git clone.")
    names = sorted(filter(None, listed.stdout.decode("utf-8").split("\0")))
    return [Path(name) for name in names if (root / name).is_file()]
