"""What is known of one job: its state, how far it is, what it gave and what went wrong.  No bpy."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backend.sjc.foreign import MOST_STEPS
from ..backend.sjc.settings import Settings
from ..problems import Problem, of_error
from .curves import Curves
from .preparation import Preparation

__all__ = ["JobRecord", "Snapshot", "State"]


class State(enum.StrEnum):
    """Where a job stands.  stopped: by a person, or with Blender; it can be taken up again, as can a failed one."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


WARNINGS, METRICS = 50, 50  # kept of one job, of one step
LONGEST = 5000  # characters of a text that is shown
ACTIVE = frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.STOPPING})
ENDED = frozenset({State.FINISHED, State.STOPPED, State.FAILED})


def shown(text: str, longest: int = LONGEST) -> str:
    """A worker's text as it can be drawn and written: no NUL, no half characters, of bounded length."""
    return text[:longest].replace("\0", "").encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class Snapshot:
    """One state of the optimisation on disk; png is a small picture of it."""

    step: int
    npz: Path
    vdb: Path
    png: Path | None = None


@dataclass(eq=False)
class JobRecord:
    """One prompt on its way to a mesh.  folder: the job folder. resume: go on with what it holds.

    stage: the worker's word (load, optimise, export ...); text: one line for people; it_s: steps per second; eta_s:
    seconds that are left of the steps, None while unknown; metrics: of the last step, curves: of all that were heard
    of; colors: of the newest snapshot, exact or preview, "" before; seconds: spent at work; variant: one of several
    short ones, to choose from; preparation: what must be done before it can start.
    """

    settings: Settings
    folder: Path
    resume: bool = False
    variant: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: State = State.WAITING
    stage: str = ""
    text: str = ""
    step: int = 0
    total: int = 0
    it_s: float = 0.0
    eta_s: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    warnings: list[str] = field(default_factory=list)
    problem: Problem | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    colors: str = ""
    seconds: float = 0.0
    preparation: Preparation | None = None

    @property
    def prompt(self) -> str:
        """What is made."""
        return self.settings.prompt

    @property
    def progress(self) -> float:
        """0 to 1."""
        if self.state is State.FINISHED:
            return 1.0
        return min(1.0, max(0.0, self.step / self.total)) if self.total > 0 else 0.0

    @property
    def active(self) -> bool:
        """Whether the worker has it."""
        return self.state in ACTIVE

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself: finished, stopped or failed."""
        return self.state in ENDED

    def wait_again(self) -> None:
        """Back to waiting: what the last attempt said is forgotten, and what it made unless `resume` takes it up."""
        if not self.resume:
            self.step, self.seconds, self.snapshots, self.curves = 0, 0.0, [], Curves()
        if self.preparation and self.preparation.problem:
            self.preparation = self.preparation.again()
        self.state, self.problem, self.stage, self.text = State.WAITING, None, "", "waiting"
        self.metrics, self.warnings, self.it_s, self.eta_s = {}, [], 0.0, None

    def take(self, message: dict[str, Any]) -> None:
        """Bring it up to date with one message of the worker's."""
        kind = message["type"]
        if kind in {"status", "progress"} and self.state is State.STARTING:
            self.state = State.RUNNING
        if kind == "status":
            self.stage, self.text = shown(message["stage"]), shown(message["text"])
        elif kind == "progress":
            self._take_progress(message)
        elif kind == "snapshot":
            self.colors = shown(message["colors"])
        elif kind == "warning" and shown(message["text"]) not in self.warnings and len(self.warnings) < WARNINGS:
            self.warnings.append(shown(message["text"]))
        elif kind == "error":
            problem = of_error(message)
            self.problem = Problem(*map(shown, (problem.code, problem.text, problem.hint, problem.details)))

    def _take_progress(self, message: dict[str, Any]) -> None:
        self.stage = shown(str(message.get("stage", "optimise")))
        self.step, self.total = (min(max(0, message[name]), MOST_STEPS) for name in ("step", "total"))
        self.it_s, self.eta_s = (max(0.0, float(message[name])) for name in ("it_s", "eta_s"))
        numbers = list(message["metrics"].items())[:METRICS]
        self.metrics = {shown(k, 100): float(v) for k, v in numbers if isinstance(v, int | float) and abs(v) < 1e300}
        self.curves.add(self.step, self.metrics)
        if self.state is State.RUNNING:
            self.text = f"step {self.step} of {self.total}"
