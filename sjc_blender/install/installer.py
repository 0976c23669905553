"""Fills a new environment for the backend in the background: venv, packages, doctor, record.  No bpy, no torch.

Stages run as subprocesses driven by a thread; `poll` tells how far they are and never blocks. The new environment has a
folder of its own; the record is moved to it last, so until then a working one keeps working. The packages that were
downloaded stay in the installer's own cache: started again after a break, it goes on quickly.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from ..backend.sjc import causes
from ..backend.sjc.errors import SjcError, one_line
from . import environment

__all__ = ["TORCH_BUILDS", "Installer", "Progress"]

TORCH_BUILDS = ("auto", "cpu", "cu126", "cu128", "cu130", "rocm6.4")
STAGES = ("venv", "packages", "doctor", "kernels")
SHARE = {"venv": 0.03, "packages": 0.85, "doctor": 0.05, "kernels": 0.07}
SHOWN_LINES = 4  # of the log, in the panel
LEAST_BYTES = 2 * 10**9  # that the smallest environment takes, with what is downloaded for it
INSTALL_AGAIN = {  # what to do here, by code of a cause; where none is given, the cause's own advice
    "memory": "Close other programs, then press Install Backend again.",
    "disk": "Free some disk space, 2 GB without and 8 GB with a graphics card, then press Install Backend again: what "
    "was downloaded is used.",
    "runtime": "Press Get Visual C++, install it, then press Install Backend again.",
}
SYSTEM_CERTIFICATES = {"UV_NATIVE_TLS": "1", "UV_SYSTEM_CERTS": "1"}  # the names that uv has had for it
EXPECTED_LINES = 170  # an estimate for the bar: what uv or pip say while they work


@dataclass(frozen=True)
class Progress:
    """Where an installation stands.  state: running, done, failed, cancelled; factor 0..1; text: the last lines."""

    state: str
    stage: str
    factor: float
    text: str


class Installer:
    """One installation into `home`.  python: what makes the environment ("" finds one); build: of TORCH_BUILDS.

    The caller has asked the person and `bpy.app.online_access`. Raises SjcError when there is no fit Python.
    """

    def __init__(self, home: Path, python: str = "", build: str = "auto", requirements: Path | None = None) -> None:
        if build not in TORCH_BUILDS:
            raise SjcError(f"torch build {build} is unknown; use one of {', '.join(TORCH_BUILDS)}.")
        self.home, self.python, self.build = home, python, build
        self.requirements = requirements or environment.REQUIREMENTS
        self.log = home / "install.log"
        self.folder, self.previous = environment.new_folder(home), environment.recorded_folder(home)
        self.tail: collections.deque[str] = collections.deque(maxlen=100)
        self.stage, self.lines, self.state, self.problem, self.code = "venv", 0, "running", "", ""
        self.more_environment: dict[str, str] = {}
        self.result: environment.Backend | None = None
        self.process: subprocess.Popen[str] | None = None
        self.asked_to_stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="install", daemon=True)

    def start(self) -> Installer:
        """Begin; returns at once."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("", "utf-8")
        self.thread.start()
        return self

    def poll(self) -> Progress:
        """Where it stands now; never blocks."""
        before = sum(SHARE[s] for s in STAGES[: STAGES.index(self.stage)])
        within = min(1.0, self.lines / EXPECTED_LINES) if self.stage == "packages" else 0.0
        factor = 1.0 if self.state == "done" else before + SHARE[self.stage] * within
        text = self.problem or "\n".join(list(self.tail)[-SHOWN_LINES:])
        return Progress(self.state, self.stage, factor, text)

    def cancel(self) -> None:
        """Stop; what was downloaded stays in the cache of uv or pip."""
        self.asked_to_stop.set()
        process = self.process
        if process and process.poll() is None:
            if sys.platform == "win32":
                process.terminate()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)

    # ------------------------------------------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            self._check_room()
            uv = shutil.which("uv")
            base = self.python or self._find(uv)
            self._make_venv(base, uv)
            python = environment.interpreter(self.folder)
            self.stage = "packages"
            self._fill_with_certificates(python, uv)
            self.stage = "doctor"
            self._say("asking the doctor")
            backend = self._examine(python)
            environment.write(self.home, backend, made=True)
            self.stage = "kernels"
            self._compile(python)
            self.result, self.state = backend, "done"
            self._say(f"ready: {backend.text}")
            self._clean()
        except Exception as error:  # noqa: BLE001 (a thread that ended without a word would install for ever)
            foreseen = isinstance(error, SjcError | OSError)
            self.state = "cancelled" if self.asked_to_stop.is_set() else "failed"
            self.problem = "cancelled" if self.asked_to_stop.is_set() else str(error) if foreseen else one_line(error)
            self.code = error.code if isinstance(error, SjcError) else ""
            self._say(self.problem)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.home).free
        if free < LEAST_BYTES:
            text = f"There are only {free / 1e9:.1f} GB free in {self.home}."
            raise SjcError("\n".join((text, INSTALL_AGAIN["disk"])), code=causes.DISK.code)

    def _find(self, uv: str | None) -> str:
        pythons = environment.find_pythons(pip=uv is None)
        if not pythons and uv is None and environment.find_pythons(pip=False):
            raise _failure(causes.VENV)
        if not pythons:
            raise SjcError("no Python 3.11 or newer was found; install one from python.org, or choose one here.")
        return pythons[0][1]

    def _make_venv(self, base: str, uv: str | None) -> None:
        self._say(f"making an environment with {base}")
        if uv:
            self._call([uv, "venv", "--python", base, str(self.folder)])
        else:
            self._call([base, "-m", "venv", str(self.folder)])

    def _fill_with_certificates(self, python: Path, uv: str | None) -> None:
        """Fill it; where a proxy has a certificate of its own, once more with those that the system trusts."""
        try:
            self._fill(python, uv)
        except SjcError as error:
            if error.code != causes.CERTIFICATE.code or self.asked_to_stop.is_set():
                raise
            self._say("a certificate is not trusted; trying again with the system's certificates")
            self.more_environment = SYSTEM_CERTIFICATES
            self._fill(python, uv)

    def _fill(self, python: Path, uv: str | None) -> None:
        common = ["--only-binary", ":all:", "-r", str(self.requirements)]
        if uv:
            build = [] if self.build == "auto" and sys.platform == "darwin" else ["--torch-backend", self.build]
            self._call([uv, "pip", "install", "--python", str(python), *build, *common])
            return
        # pip chooses no torch build by device; the doctor says so where it matters. uv comes from the same place.
        self._say("fetching uv, which chooses the torch build")
        try:
            self._call([str(python), "-m", "pip", "install", "--only-binary", ":all:", "uv"])
        except SjcError:
            self._check_stop()
            self._say("uv cannot be had; going on with pip")
            self._call([str(python), "-m", "pip", "install", *common])
            return
        own = [str(python), "-m", "uv"]
        self._call([*own, "pip", "install", "--python", str(python), "--torch-backend", self.build, *common])

    def _examine(self, python: Path) -> environment.Backend:
        backend = environment.doctor(python)
        self._check_stop()
        if backend.state != "ready":
            raise SjcError(f"the new environment does not pass the doctor: {backend.text}", code=backend.code)
        return backend

    def _compile(self, python: Path) -> None:
        """Have the renderer's kernels compiled, so that the first job need not wait; without them all is well, too."""
        self._say("compiling the renderer's kernels, once for this computer")
        try:
            self._call([str(python), "-X", "utf8", "-B", "-c", environment.COMPILE, str(environment.PACKAGE)])
        except (SjcError, OSError) as error:
            self._say(f"the kernels were not compiled, so the first job does it: {error}")

    def _call(self, command: list[str]) -> None:
        """Run one program, its words into the log. The person's PIP_* and UV_* settings are kept. Raises SjcError."""
        self._check_stop()
        variables = environment.clean_environment({**self.more_environment, **_own_settings()})
        self.tail.clear()  # the words of this program alone say why it failed
        own_group = (
            {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        self.process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace", **own_group,
        )  # fmt: skip
        assert self.process.stdout is not None
        with self.process as process:
            for line in process.stdout or ():
                self._say(line.rstrip())
        self._check_stop()
        if self.process.returncode != 0:
            lines = [line for line in self.tail if line.strip()]
            if cause := causes.of_lines(lines) or causes.of_exit(self.process.returncode):
                raise _failure(cause)
            errors = [line for line in lines if re.search(r"error|×|failed", line, re.IGNORECASE)]
            message = (errors or lines or ["no message"])[-1].strip()
            raise SjcError(f"{Path(command[0]).stem} failed: {message[:300]}")

    def _check_stop(self) -> None:
        if self.asked_to_stop.is_set():
            raise SjcError("cancelled")

    def _say(self, line: str) -> None:
        self.lines += 1
        if line.strip():
            self.tail.append(line)
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _clean(self) -> None:
        """Remove environments that no record names."""
        for folder in (*self.home.glob("env-*"), self.previous):
            if folder not in (None, self.folder):
                shutil.rmtree(folder, ignore_errors=True)


def _own_settings() -> dict[str, str]:
    """The person's own PIP_* and UV_* variables."""
    return {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_"))}


def _failure(cause: causes.Cause) -> SjcError:
    """A known cause as two lines, each of which has a translation."""
    return SjcError(f"{cause.text}\n{INSTALL_AGAIN.get(cause.code, cause.hint)}", code=cause.code)
