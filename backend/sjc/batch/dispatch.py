"""Which slot makes which job: hands out, tries again, takes lost slots and new computers into account.

The jobs' folders decide what is done; nothing is remembered beside them, so a killed head starts again from there.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SjcError
from ..job import folder as job_folder
from . import ray_cluster
from .plan import BatchJob
from .ray_cluster import ClusterOptions, Place
from .records import Row

TURN_SECONDS, NODES_SECONDS, STOP_SECONDS = 0.5, 5.0, 120.0
MOST_LOSSES = 5  # slots that may die while they make the same job
MOST_STARTS = 3  # of a slot whose process dies before its first job
BUSY_SECONDS = 5.0  # before a folder that somebody else holds is asked for again


@dataclass
class Task:
    """A job on its way, and what it has been through."""

    job: BatchJob
    failures: int = 0
    losses: int = 0
    not_before: float = 0.0
    avoids: set[int] = field(default_factory=set)  # numbers of the slots on which it failed


@dataclass
class Worker:
    """A slot that was started."""

    number: int
    place: Place
    actor: Any
    ready: Any  # Ray's reference to its first answer; None once that is here
    task: Task | None = None
    making: Any = None  # Ray's reference to the outcome of its job
    state: Any = None  # and to what it says of it
    progress: dict[str, Any] = field(default_factory=dict)


class Dispatch:
    """Makes the jobs of a batch on a cluster that is joined.

    ended: called with each job that is over and its row's news. shown: called at every turn with this.
    stop: asked at every turn; True ends all jobs after their step.
    """

    def __init__(
        self,
        ray: Any,
        jobs: Sequence[BatchJob],
        options: ClusterOptions,
        ended: Callable[[BatchJob, Row], None],
        shown: Callable[[Dispatch], None],
        stop: Callable[[], bool],
    ) -> None:
        self.ray, self.options, self.ended, self.shown, self.stop = ray, options, ended, shown, stop
        self.total = len(jobs)
        self.waiting = deque(Task(job) for job in jobs if job.settings.overwrite or not job_folder.finished(job.folder))
        self.there = self.total - len(self.waiting)
        self.news: dict[Path, Row] = {}
        self.made: list[float] = []  # seconds of each job that was made
        self.failed: dict[Path, str] = {}
        self.workers: list[Worker] = []
        self.began = time.monotonic()
        self._count = 0
        self._bad_starts: dict[tuple[str, int], int] = {}
        self._looked = 0.0

    @property
    def working(self) -> list[Worker]:
        """The slots that make a job."""
        return [worker for worker in self.workers if worker.task]

    @property
    def left(self) -> int:
        """Jobs that are not over."""
        return len(self.waiting) + len(self.working)

    def run(self) -> bool:
        """To the end; False if it was asked to stop."""
        while self.left:
            self._look_for_nodes()
            self._hand_out()
            self.shown(self)
            references = [ref for worker in self.workers for ref in (worker.ready, worker.making) if ref is not None]
            if references:
                self.ray.wait(references, timeout=TURN_SECONDS)
            else:
                time.sleep(TURN_SECONDS)
            self._take_in()
            if self.stop():
                self._stop_all()
                return False
        self.shown(self)
        return True

    def _look_for_nodes(self) -> None:
        """Start slots on computers that have come, and forget those of computers that are gone."""
        now = time.monotonic()
        if self._looked and now - self._looked < NODES_SECONDS:
            return
        self._looked = now
        present = {(worker.place.node, worker.place.number) for worker in self.workers}
        for place in self._places():
            spot = (place.node, place.number)
            if spot in present or len(self.workers) >= self.left or self._bad_starts.get(spot, 0) >= MOST_STARTS:
                continue
            actor = ray_cluster.actor(self.ray, place, self.options.lease)
            self._count += 1
            self.workers.append(Worker(self._count, place, actor, actor.ready.remote()))

    def _places(self) -> list[Place]:
        """Of the computers that are there now; none where those that the jobs need are gone, which may come back."""
        with contextlib.suppress(SjcError):
            return ray_cluster.places(ray_cluster.nodes(self.ray), self.options)
        return []

    def _hand_out(self) -> None:
        now = time.monotonic()
        free = [worker for worker in self.workers if worker.ready is None and not worker.task]
        for worker in free:
            task = next((task for task in self.waiting if task.not_before <= now and self._suits(task, worker)), None)
            if task:
                self.waiting.remove(task)
                chosen = asdict(task.job.settings)
                worker.task, worker.progress = task, {}
                worker.making = worker.actor.make.remote(task.job.place, chosen)

    def _suits(self, task: Task, worker: Worker) -> bool:
        """Whether it has not failed there, or has failed everywhere."""
        return worker.number not in task.avoids or {w.number for w in self.workers} <= task.avoids

    def _take_in(self) -> None:
        for worker in list(self.workers):
            try:
                if worker.ready is not None and self._is_there(worker.ready):
                    self.ray.get(worker.ready)
                    worker.ready = None
                if worker.making is not None and self._is_there(worker.making):
                    self._end(worker, self.ray.get(worker.making))
                if worker.making is not None:
                    self._ask(worker)
            except self.ray.exceptions.RayError as error:
                self._lose(worker, error)

    def _ask(self, worker: Worker) -> None:
        """What it is at, without waiting for the answer."""
        if worker.state is not None and self._is_there(worker.state):
            worker.progress, worker.state = self.ray.get(worker.state), None
        if worker.state is None:
            worker.state = worker.actor.state.remote()

    def _is_there(self, reference: Any) -> bool:
        return bool(self.ray.wait([reference], timeout=0)[0])

    def _end(self, worker: Worker, outcome: dict[str, Any]) -> None:
        """A slot has answered: the job is over, or comes again."""
        task, worker.task, worker.making, worker.state = worker.task, None, None, None
        assert task is not None
        ending, reason = outcome["ending"], outcome["reason"]
        if ending == "in use":
            task.not_before = time.monotonic() + BUSY_SECONDS
            self.waiting.append(task)
        elif ending == "stopped":
            self.waiting.append(task)
        elif ending == "failed":
            task.failures += 1
            task.avoids.add(worker.number)
            if task.failures > self.options.retries:
                self._over(task, {"state": "failed", "reason": reason, "host": outcome["host"]})
            else:
                self.waiting.append(task)
        else:
            if ending == "made":
                self.made.append(outcome["seconds"])
            self._over(task, {"state": "finished", "host": outcome["host"]} if ending == "made" else {})

    def _lose(self, worker: Worker, error: BaseException) -> None:
        """A slot has died; its job, which others may go on with, comes first."""
        self.workers.remove(worker)
        if worker.ready is not None:
            self._count_bad_start(worker, error)
        if task := worker.task:
            task.losses += 1
            if task.losses >= MOST_LOSSES:
                reason = f"the process that made it ended {task.losses} times: {str(error).splitlines()[0]}"
                self._over(task, {"state": "failed", "reason": reason, "host": worker.place.host})
            else:
                self.waiting.appendleft(task)

    def _count_bad_start(self, worker: Worker, error: BaseException) -> None:
        """Raises SjcError once no slot can be started any more."""
        spot = (worker.place.node, worker.place.number)
        self._bad_starts[spot] = self._bad_starts.get(spot, 0) + 1
        spots = {(place.node, place.number) for place in self._places()}
        if not self.workers and all(self._bad_starts.get(spot, 0) >= MOST_STARTS for spot in spots):
            raise SjcError(f"No slot of the cluster starts: {ray_cluster.cause(error)}. What was made is kept.")

    def _over(self, task: Task, news: Row) -> None:
        folder = task.job.folder
        if news.get("state") == "failed":
            self.failed[folder] = news["reason"]
        if news:
            self.news[folder] = news
        self.ended(task.job, news)

    def _stop_all(self) -> None:
        """Ask all slots to end after their step, and wait until their checkpoints are written."""
        for worker in self.workers:
            worker.actor.stop.remote()
        deadline = time.monotonic() + STOP_SECONDS
        while self.working and time.monotonic() < deadline:
            self.ray.wait([worker.making for worker in self.working], timeout=TURN_SECONDS)
            self._take_in()
            self.shown(self)
