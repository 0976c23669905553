"""Downloads a model with the backend's Python, asks how large it is, or removes it: `sjc models` in a process.

No bpy, no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from ..backend.sjc.errors import one_line
from ..install import environment
from ..install.installer import Progress
from . import lookup

__all__ = ["Ask", "DownloadInfo", "Fetch", "Remove", "SignIn", "Work", "begin", "command_for", "last_line", "no_start"]

MODELS = environment.ENGINE + "from sjc.cli import main; sys.exit(main(['models', *sys.argv[1:], '--json']))"
LOOK_SECONDS = 0.5
ASK_SECONDS = 60.0  # a hub that does not answer by then is as good as none


@dataclass(frozen=True)
class DownloadInfo:
    """What a download would be.

    size: bytes; licence: "" where the model's card states none; gated: only for accounts that accepted its terms;
    problem: why nobody knows, in one line.
    """

    size: int = 0
    licence: str = ""
    gated: bool = False
    problem: str = ""


class Work(ABC):
    """A process of the backend's that a thread waits for."""

    def __init__(self, command: list[str], name: str) -> None:
        self.command = command
        self.process: subprocess.Popen[str] | None = None
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> Self:
        """Begin; returns at once."""
        self.thread.start()
        return self

    def _work(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 (a thread that ended without a word would be waited for for ever)
            self._fail(one_line(error))

    @abstractmethod
    def _run(self) -> None:
        """The work itself, in the thread."""

    def _begin(self) -> subprocess.Popen[str] | None:
        """The command's process; None where it does not start, which ends the work."""
        try:
            self.process = begin(self.command)
        except OSError as error:
            self._fail(no_start(self.command[0], error))
            return None
        return self.process

    @abstractmethod
    def _fail(self, text: str) -> None:
        """End with this problem."""


class Ask(Work):
    """Asks the hub, in a process of the backend's, how large `model` is; `answer` holds it once `poll` says done."""

    def __init__(self, python: str | Path, model: str) -> None:
        super().__init__([*command_for(python, "fetch", model), "--dry-run"], "ask")
        self.model, self.cancelled = model, False
        self.answer: DownloadInfo | None = None

    def poll(self) -> Progress:
        """Where it stands; never blocks. Whatever the hub says, the end is an answer."""
        state = "cancelled" if self.cancelled else "running" if self.answer is None else "done"
        return Progress(state, "fetch", 0.0, "")

    def cancel(self) -> None:
        """Stop."""
        self.cancelled = True
        if self.process:
            self.process.kill()

    def _fail(self, text: str) -> None:
        self.answer = DownloadInfo(problem=text)

    def _run(self) -> None:
        try:
            self.process = begin(self.command)
            if self.cancelled:
                self.process.kill()
            output, errors = self.process.communicate(timeout=ASK_SECONDS)
        except OSError as error:
            self.answer = DownloadInfo(problem=no_start(self.command[0], error))
        except subprocess.TimeoutExpired:
            assert self.process is not None
            self.process.kill()
            self.answer = DownloadInfo(problem="The hub did not answer in time; try again later.")
        else:
            self.answer = _download_info(output, errors)


def _download_info(output: str, errors: str) -> DownloadInfo:
    try:
        answer = json.loads(output.strip().splitlines()[-1])
        return DownloadInfo(int(answer["download_bytes"]), str(answer["licence"]), bool(answer["gated"]))
    except (ValueError, KeyError, TypeError, IndexError):
        return DownloadInfo(problem=last_line(errors.splitlines()) or "The hub was asked and nothing came back.")


def command_for(python: str | Path, action: str, model: str) -> list[str]:
    """How `sjc models <action> <model> --json` is started with the backend's Python."""
    return [str(python), "-X", "utf8", "-B", "-c", MODELS, str(environment.PACKAGE), action, model]


def begin(command: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """Start a command of `command_for`; what it writes can be read line by line.  Raises OSError."""
    options: dict[str, Any] = environment.quiet()
    variables = environment.clean_environment() | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.Popen(
        command, env=variables, stdin=stdin, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", **options,
    )  # fmt: skip


def no_start(program: str, error: OSError) -> str:
    """What a person reads where `begin` raised."""
    return f"{program} does not start: {error.strerror or error}"


def last_line(lines: list[str]) -> str:
    """What the command said last, "" for nothing."""
    messages = [line.strip() for line in lines if line.strip()]
    return messages[-1].removeprefix("sjc: ") if messages else ""


class Remove(Work):
    """Deletes a model of the hub's cache, in a process of the backend's; the caller has asked the person."""

    def __init__(self, python: str | Path, model: str) -> None:
        super().__init__([*command_for(python, "remove", model), "--yes"], "remove")
        self.state, self.text = "running", ""

    def poll(self) -> Progress:
        """Where it stands; never blocks."""
        return Progress(self.state, "remove", 0.0, self.text)

    def cancel(self) -> None:
        """Stop; what is deleted is deleted."""
        self.state = "cancelled"
        if self.process:
            self.process.kill()

    def _fail(self, text: str) -> None:
        self.text, self.state = text, "failed"

    def _run(self) -> None:
        self._finish()

    def _finish(self, stdin: int = subprocess.DEVNULL, words: str | None = None) -> None:
        try:
            self.process = begin(self.command, stdin)
        except OSError as error:
            self.text, self.state = no_start(self.command[0], error), "failed"
            return
        _, complaint = self.process.communicate(words)
        if self.state == "running":
            failed = self.process.returncode != 0
            self.text = (last_line(complaint.splitlines()) or "It ended without a word.") if failed else ""
            self.state = "failed" if failed else "done"


class SignIn(Remove):
    """Gives a token to the hub's own client, in a process of the backend's; it goes there over standard input alone."""

    def __init__(self, python: str | Path, token: str) -> None:
        Work.__init__(self, command_for(python, "login", "embedded"), "sign in")
        self.state, self.text, self.token = "running", "", token.strip()

    def _run(self) -> None:
        self._finish(subprocess.PIPE, self.token + "\n")


class Fetch(Work):
    """One download.  python: the backend's; model: a hub id. Broken off and started again, it goes on.

    `total` is what the hub says of its size, in bytes, once it has been asked; 0 before.
    """

    def __init__(self, python: str | Path, model: str) -> None:
        super().__init__(command_for(python, "fetch", model), "fetch")
        self.model, self.folder = model.strip(), lookup.cache_folder(model)
        self.state, self.text, self.factor, self.total = "running", "", 0.0, 0

    def poll(self) -> Progress:
        """Where it stands, as measured on the disk twice a second; never blocks."""
        return Progress(self.state, "fetch", self.factor, self.text)

    def cancel(self) -> None:
        """Stop; what came so far is kept in the cache."""
        self.state = "cancelled"
        if self.process:
            self.process.kill()

    def _fail(self, text: str) -> None:
        self._end("failed", text)

    def _run(self) -> None:
        if (process := self._begin()) is None:
            return
        if self.state == "cancelled":
            process.kill()
        errors: list[str] = []
        readers = [
            threading.Thread(target=read, args=(stream,), daemon=True)
            for read, stream in ((self._read_size, process.stdout), (errors.extend, process.stderr))
        ]
        for reader in readers:
            reader.start()
        while self._runs():
            self._measure()
        for reader in readers:
            reader.join()
        if process.returncode == 0:
            self._end("done", "")
        else:
            self._end("failed", last_line(errors) or "the download ended without a word")

    def _runs(self) -> bool:
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LOOK_SECONDS)
        return self.process.poll() is None

    def _read_size(self, stream: IO[str]) -> None:
        """The first line says how many bytes there are in all; what follows is of no use here."""
        for line in stream:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self.total = int(json.loads(line)["download_bytes"])

    def _measure(self) -> None:
        if self.total > 0 and self.state == "running":
            here = min(_bytes_below(self.folder), self.total)
            self.factor = here / self.total
            self.text = f"{lookup.readable_size(here)} / {lookup.readable_size(self.total)}"

    def _end(self, state: str, text: str) -> None:
        if self.state == "running":
            self.text, self.state = text, state


def _bytes_below(folder: Path) -> int:
    """Of all files, half-loaded ones among them; the cache's links to them count nothing."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # renamed in this moment
                size += (Path(parent) / name).lstat().st_size
    return size
