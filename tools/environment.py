"""The project's own Python environment in .venv: made once, checked in a blink, remade when it is broken."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .common import ROOT, BuildError, clean_environment, run, say
from .stage import stage

MINIMUM = (3, 11)
LOCK = "requirements.lock"
STAMP = ".sjc-stamp"
UNFINISHED = ".sjc-unfinished"

# Asks the environment itself which distributions it holds; nothing heavy is imported.
LIST_INSTALLED = """
import importlib.metadata as m, json, re
print(json.dumps({re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in m.distributions()}))
"""


def check_version(version: tuple[int, ...] = tuple(sys.version_info[:2])) -> None:
    """Raise BuildError when `version`, the running Python's (major, minor), is too old for this project."""
    if version < MINIMUM:
        have, need = (".".join(map(str, part)) for part in (version, MINIMUM))
        raise BuildError(
            f"Python {need} or newer is needed and this is {have}: install it (on Debian or Ubuntu "
            f"'apt-get install python{need} python{need}-venv') and type python{need} in place of python3."
        )


def check_venv() -> None:
    """Raise BuildError when the running Python cannot make environments (Debian splits that off)."""
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise BuildError(
                f"this Python has no '{module}' module: install it (on Debian or Ubuntu 'apt-get install "
                "python3-venv') and run the same command again."
            )


def read_lock(path: Path) -> dict[str, str]:
    """Return {normalised name: version} of every unconditional pin of a lock file."""
    pins = {}
    for line in path.read_text("utf-8").splitlines():
        pin = line.split("#")[0].strip()
        if pin and ";" not in pin:
            name, _, version = pin.partition("==")
            pins[name.lower().replace("_", "-").replace(".", "-")] = version
    return pins


@dataclass(frozen=True)
class Environment:
    """The environment of the tree at `root`."""

    root: Path = ROOT

    @property
    def folder(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter, wherever this system keeps it."""
        windows = sys.platform == "win32"
        return self.folder / ("Scripts/python.exe" if windows else "bin/python")

    @property
    def script(self) -> Path:
        """The installed `sjc` command."""
        windows = sys.platform == "win32"
        return self.folder / ("Scripts/sjc.exe" if windows else "bin/sjc")

    def stamp(self) -> str:
        """Hash of all that decides what the environment should hold: pins, metadata, its Python, its place."""
        digest = hashlib.sha256(str(self.root).encode())
        for path in (self.root / LOCK, self.root / "pyproject.toml", self.folder / "pyvenv.cfg"):
            digest.update(path.read_bytes() if path.exists() else b"absent")
        return digest.hexdigest()

    def is_ready(self) -> bool:
        """Whether the environment is complete and made from today's lock; costs three small reads."""
        mark = self.folder / STAMP
        return self.python.exists() and mark.exists() and mark.read_text("utf-8") == self.stamp()

    def is_sound(self) -> bool:
        """Whether what stands at .venv can be filled: its interpreter starts, is new enough and has pip."""
        if (self.folder / UNFINISHED).exists() or not self.python.exists():
            return False
        probe = f"import pip, sys; sys.exit(sys.version_info[:2] < {MINIMUM})"
        try:
            done = subprocess.run(
                [str(self.python), "-c", probe], env=clean_environment(), capture_output=True, check=False
            )
        except OSError:
            return False
        return done.returncode == 0

    def ensure(self) -> Path:
        """Make, mend or just check the environment and the stage; return its interpreter."""
        stage(self.root)
        if self.is_ready():
            return self.python
        if not self.is_sound():
            self.make()
        self.fill()
        wrong = self.differences()
        if wrong:
            raise BuildError(
                f"the environment does not hold what {LOCK} asks for ({'; '.join(wrong[:3])}): "
                "run 'python3 build.py clean --all' and the same command again."
            )
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        partial = self.folder / f"{STAMP}.partial"
        partial.write_text(self.stamp(), "utf-8")
        os.replace(partial, self.folder / STAMP)
        return self.python

    def make(self) -> None:
        """Create an empty environment in place of whatever unusable thing stands there."""
        check_venv()
        if self.folder.is_symlink() or self.folder.is_file():
            self.folder.unlink()
        elif self.folder.exists():
            say("setup: the environment in .venv is half-made or broken; it is made anew")
            shutil.rmtree(self.folder)
        say(f"setup: making .venv with Python {sys.version.split()[0]}")
        self.folder.mkdir()
        # Stays until the last step is through: an interrupted first set-up is recognised by it.
        (self.folder / UNFINISHED).write_text("remade by the next build.py command\n", "utf-8")
        if run([sys.executable, "-m", "venv", self.folder], cwd=self.root) != 0:
            raise BuildError(
                "making .venv failed (the reason stands above): install Python's venv support (on Debian or "
                "Ubuntu 'apt-get install python3-venv') or free some disk space, and run the same command again."
            )

    def fill(self) -> None:
        """Install torch, then the other pins, then the project itself on the stage (editable)."""
        (self.folder / STAMP).unlink(missing_ok=True)
        lock = self.root / LOCK
        torch = f"torch=={read_lock(lock)['torch']}"
        say(f"setup: installing {torch} (the large one; minutes on a slow line)")
        self.pip("install", torch, "--constraint", lock)
        say(f"setup: installing the other packages of {LOCK}")
        self.pip("install", "--requirement", lock)
        say("setup: installing sjc itself")
        self.pip("install", "--no-deps", "--no-build-isolation", "--editable", self.root)

    def pip(self, *arguments: str | Path) -> None:
        """Run the environment's pip. Raises BuildError where it fails."""
        quiet = [] if sys.stdout.isatty() else ["--quiet"]
        command = [self.python, "-m", "pip", *arguments, *quiet, "--no-input", "--disable-pip-version-check"]
        if run(command, cwd=self.root) != 0:
            raise BuildError(
                "installing failed (pip's reason stands above): check the network and the disk space, then run "
                "the same command again; what was downloaded is kept."
            )

    def differences(self, lock: str = LOCK) -> list[str]:
        """Return one phrase for each pin of `lock` that is not met (local version parts do not count)."""
        done = subprocess.run(
            [str(self.python), "-c", LIST_INSTALLED],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            return ["its Python does not start"]
        held = json.loads(done.stdout)
        wanted = read_lock(self.root / lock)
        return [
            f"{name} is {held.get(name, 'missing')}, not {version}"
            for name, version in wanted.items()
            if held.get(name, "").split("+")[0] != version
        ]
