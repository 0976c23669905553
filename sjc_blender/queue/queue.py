"""The queue: jobs in the order of the list, one worker, every message taken in.  No bpy; nothing here waits.

A job's states: waiting -> starting -> running <-> paused -> finished, or stopping -> stopped, or failed. Whatever
happens to the worker happens to its job only; the next one gets a new process. The list is kept on disk; the folders
are the truth.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job.locks import Lock
from ..backend.sjc.settings import Settings
from ..problems import RETRY, Problem, of_error
from ..worker.pipes import newest
from ..worker.process import NO_MESSAGE, USUAL, Times, WorkerProcess
from . import queue_file
from .cluster import ProcessBatch
from .kept_list import KeptList
from .queue_file import Failed, lock_folder, read_folder
from .records import JobRecord, State

__all__ = ["Queue"]

Message = dict[str, Any]
Event = tuple[JobRecord | None, Message]
CANCEL_SECONDS, CANCEL_STEPS = (5.0, 3.0)  # how long a cancelled job may take: so many seconds, or so many of its steps
CANCEL_LONGEST = 30.0


class Queue:
    """All jobs, and the one worker that makes them.

    command: gives the worker's command line, or raises SjcError.
    package: the folder of the add-on's own `sjc`.
    state_file: where the list is kept; None keeps none.
    environment: further variables of the worker's process.
    ready: whether a message about a job can be handled now; all that comes after one that cannot waits with it.
    times, clock: for tests.
    """

    def __init__(
        self,
        command: Callable[[], list[str]],
        package: Path,
        state_file: Path | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        ready: Callable[[JobRecord, Message], bool] = lambda _job, _message: True,
        times: Times = USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.command, self.package, self.environment = command, package, environment
        self.times, self.clock = times, clock
        self._ready, self._heard = ready, deque[Message]()
        self._list = KeptList(state_file)
        self.jobs: list[JobRecord] = self._list.begin()
        self.current: JobRecord | None = None
        self.process: WorkerProcess | None = None
        self.hello: Message | None = None  # the present worker's first message: device, versions
        self._folder_lock: Lock | None = None
        self._reused = False  # whether the worker of the current job was there before it
        self._changed = self._free = False
        self._removed: set[str] = set()
        self._events: list[Event] = []
        self.batches: list[ProcessBatch] = []
        self._cancel_by: float | None = None
        self._pumped = clock()

    @property
    def state_file(self) -> Path | None:
        """Where the list is kept."""
        return self._list.path

    @property
    def problem(self) -> Problem | None:
        """What is wrong with the list on disk: another Blender has it, it is damaged, the disk is full."""
        return self._list.problem

    @property
    def saving(self) -> bool:
        """Whether the list is not on disk yet. Nothing has to wait for it, but `problem` may change meanwhile."""
        return self._list.saving

    @property
    def busy(self) -> bool:
        """Whether pumping is needed: something runs, waits, ends, or has not been told yet."""
        ending = self.process is not None and self.process.stopping
        waits = any(job.state is State.WAITING for job in self.jobs)
        return waits or ending or self.current is not None or bool(self._events or self.batches) or self._changed

    # ------------------------------------------------------------------------------------------------ for the caller

    def add(self, settings: Settings, folder: Path, resume: bool = False) -> JobRecord:
        """A new job at the end of the list.  resume: go on with what the folder holds."""
        path = Path(folder).absolute()
        job = JobRecord(settings=settings, folder=path, resume=resume, total=settings.steps)
        with contextlib.suppress(OSError):  # takes the name; what is wrong with the folder is told at the start
            job.folder.mkdir(parents=True, exist_ok=True)
        self.jobs.append(job)
        self._changed = True
        return job

    def add_batch(self, batch: ProcessBatch) -> None:
        """Start a batch, and have its jobs in the list.  Raises SjcError."""
        batch.start()
        self.batches.append(batch)
        self.jobs, self._changed = self.jobs + batch.jobs, True

    def pause(self, job: JobRecord) -> None:
        """Hold the running job after its step."""
        if job is self.current and job.state in {State.STARTING, State.RUNNING}:
            self._send("pause")
            job.state, job.text = State.PAUSED, "pausing after this step"

    def resume(self, job: JobRecord) -> None:
        """Go on after a pause; one that has ended is taken up again."""
        if job is self.current and job.state is State.PAUSED:
            self._send("resume")
            job.state, job.text = State.RUNNING, "going on"
        elif job.finished:
            self.retry(job)

    def cancel(self, job: JobRecord) -> None:
        """Stop it; what was made stays and can be taken up again."""
        if batches := [batch for batch in self.batches if job in batch.jobs and not job.finished]:
            batches[0].stop()
        elif job.state is State.WAITING:
            self._end(job, State.STOPPED, "cancelled before its start")
        elif job is self.current and job.state is not State.STOPPING:
            patience = max(CANCEL_SECONDS, CANCEL_STEPS / job.it_s if job.it_s > 0 else 0.0)
            self._cancel_by = self.clock() + min(patience, CANCEL_LONGEST)
            self._send("cancel")
            job.state, job.text = State.STOPPING, "stopping after this step"

    def retry(self, job: JobRecord, anew: bool = False) -> None:
        """Take up a stopped or failed job where its folder stands; `anew` begins again from nothing."""
        if not job.finished or job not in self.jobs:
            return
        queue_file.rescan(job)
        if job.state is State.FINISHED and not anew:  # it was done after all; only the news was lost
            self._events.append((job, {"type": "result", "folder": str(job.folder)}))
            self._events.append((job, {"type": "done", "state": "finished"}))
        else:
            job.resume = queue_file.resumable(job.folder) and not anew
            job.settings = replace(job.settings, overwrite=anew or job.settings.overwrite)
            job.wait_again()
        self._changed = True

    def take_up(self, folder: Path) -> JobRecord:
        """Go on with a job folder, whoever began it.

        Raises SjcError for one that is finished or at work, and where no settings can be read.
        """
        path = Path(folder).absolute()
        job = next((job for job in self.jobs if job.folder == path), None)
        if job is None:
            job = read_folder(path)
            if job.state is not State.FINISHED:
                self.jobs.append(job)
        if job.state is State.FINISHED:
            raise SjcError(f"{path} is finished; import it, or generate with its settings.")
        if not job.finished:
            raise SjcError(f"{path} is in the queue already ({job.state.value}).")
        self.retry(job)
        return job

    def take_in(self, job: JobRecord) -> None:
        """Have a job in the list as it is, for it has something to tell."""
        if job not in self.jobs:
            self.jobs.append(job)
        self._changed = True

    def remove(self, job: JobRecord) -> None:
        """Take it off the list, stopping it first; its folder stays unless it is empty."""
        if job is self.current:
            self._removed.add(job.id)
            self.cancel(job)
        elif job in self.jobs:
            self.jobs.remove(job)
            if job.state is State.WAITING:  # whoever waits for it learns that nothing will come
                job.state, job.text = State.STOPPED, "taken off the list"
            with contextlib.suppress(OSError):
                job.folder.rmdir()
            self._changed = True

    def move(self, job: JobRecord, delta: int) -> None:
        """Earlier (negative) or later in the list, as far as it goes."""
        if job in self.jobs:
            index = self.jobs.index(job)
            self.jobs.insert(max(0, min(len(self.jobs) - 1, index + delta)), self.jobs.pop(index))
            self._changed = True

    def snapshot_now(self) -> None:
        """Ask the running job for its present state."""
        if self.current:
            self._send("snapshot_now")

    @property
    def freeing(self) -> bool:
        """Whether the worker process will end with its job."""
        return self._free

    def free(self, paused: bool = True) -> None:
        """End the worker process, and with it whatever it holds of the device; after the job, if one runs.

        paused: a paused job, which would keep it for ever, is stopped where it stands, and can be taken up again.
        """
        if self.current:
            self._free = True
            if paused and self.current.state is State.PAUSED:
                self.cancel(self.current)
        elif self.process:
            self.process.stop()

    def clear_finished(self) -> None:
        """Take all that have ended off the list; their folders stay."""
        self.jobs = [job for job in self.jobs if not job.finished]
        self._changed = True

    def close(self, seconds: float = 2.0) -> None:
        """End everything; a running job has `seconds` to save itself."""
        self._ready = lambda _job, _message: True
        if self.process:
            self.process.stop()
            deadline = time.monotonic() + seconds
            while self.process and self.process.alive and time.monotonic() < deadline:
                self._listen()
                time.sleep(0.02)
        if self.process:
            self.process.kill()
            self._listen()
        for batch in self.batches:
            batch.close()
        self._listen_to_batches()
        if self.current:
            self._end(self.current, State.STOPPED, queue_file.INTERRUPTED)
        self._save()
        self._list.release()

    def keep_at(self, state_file: Path) -> None:
        """Keep the list in another file from now on, joined with the jobs that the file holds.

        Where another Blender has that file, or it cannot be read, the list stays in its old one.
        """
        self.jobs += self._list.move(state_file, self.jobs)

    def flush(self) -> None:
        """Wait until the list is on disk, or cannot be written."""
        if self._changed:
            self._save()
        self._list.flush()

    def _save(self) -> None:
        """Have the list written as it is now, by a thread."""
        self._changed = False
        self.jobs += self._list.save(self.jobs)

    def pump(self) -> list[Event]:
        """Take in what the worker has said and start what is next.  Never waits.

        Gives (job, message) pairs; of several snapshots or progress messages that came at once, the newest.
        """
        self._listen()
        self._listen_to_batches()
        now = self.clock()
        if self.current and self.current.state is not State.PAUSED:
            self.current.seconds += min(now - self._pumped, self.times.gap)
        self._pumped = now
        if self.process and self._cancel_by is not None and now > self._cancel_by:
            self._cancel_by = None
            self.process.stop(grace=0.0)
        if self.current is None and not (self.process and self.process.stopping):
            self._start_next()
        if self._changed:
            self._save()
        events = self._events
        waiting = next((i for i, (job, what) in enumerate(events) if job and not self._ready(job, what)), len(events))
        self._events = events[waiting:]
        return newest(events[:waiting])

    # --------------------------------------------------------------------------------------------------- the process

    def _start_next(self) -> None:
        job = next((job for job in self.jobs if job.state is State.WAITING), None)
        if job is None or (job.preparation and not job.preparation.done):
            return
        self.current, self._cancel_by = job, None
        job.state, job.text, self._changed = State.STARTING, "starting", True
        if job.preparation and job.preparation.problem:
            self._fail(job, job.preparation.problem)
            return
        job.preparation = None  # and with it what it has written
        try:
            self._folder_lock = lock_folder(job.folder)
            self._reused = self.process is not None
            if self.process is None:
                self._start_process()
        except Failed as error:
            self._fail(job, error.problem)
            return
        except SjcError as error:
            self._fail(job, Problem(error.code or "backend", str(error)))
            return
        assert self.process is not None
        assert self._folder_lock is not None
        self.process.log = job.folder / "worker.log"
        self._folder_lock.add(self.process.pid)
        if self.hello:
            self._begin(job)

    def _start_process(self) -> None:
        process = WorkerProcess(
            self.command(), environment=self.environment, package=self.package, times=self.times, clock=self.clock
        )  # fmt: skip
        process.start()
        self.process = process

    def _begin(self, job: JobRecord) -> None:
        assert self.process is not None
        settings = asdict(job.settings)
        self.process.send("start", folder=str(job.folder), settings=settings, resume=job.resume)
        if command := {State.PAUSED: "pause", State.STOPPING: "cancel"}.get(job.state):
            self.process.send(command)

    def _refuse(self) -> None:
        """End a worker whose message made no sense, and its job with it."""
        if self.current:
            self._fail(self.current, Problem("worker", NO_MESSAGE, RETRY))
        if self.process:
            self.process.stop(grace=0.0)

    def _send(self, command: str) -> None:
        """To a worker that has its job; one that is starting is told with its job."""
        if self.process and self.hello:
            self.process.send(command)

    def _listen(self) -> None:
        if self.process is None:
            return
        self._heard += self.process.poll()
        while self._heard:
            if self.current and not self._ready(self.current, self._heard[0]):
                return  # a job that says "finished" shall have its mesh
            message = self._heard.popleft()
            try:
                self._take(message)
            except Exception:  # noqa: BLE001 (a worker that lies ends its own job and nothing else)
                traceback.print_exc()
                self._refuse()
        if not self.process.alive:
            self.process = self.hello = None
            if self.current:  # it was told to end while it had a job
                self._end(self.current, State.STOPPED, "stopped; Retry continues from the last checkpoint")

    def _listen_to_batches(self) -> None:
        for batch in self.batches:
            for job, message in (news for news in batch.poll() if news[0] in self.jobs):
                if message["type"] == "done":
                    queue_file.rescan(job)
                    self._done(job, message)
                else:
                    job.take(message)
                    self._events.append((job, message))
        self.batches = [batch for batch in self.batches if batch.alive]

    # -------------------------------------------------------------------------------------------------- the messages

    def _take(self, message: Message) -> None:
        job, kind = self.current, message["type"]
        if kind == "done" and job:
            self._done(job, message)
            return
        if kind == "error" and message["code"] == "worker" and job:
            if job.state is State.STOPPING:  # killed because it would not stop: that is what was asked for
                self._end(job, State.STOPPED, "stopped; Retry continues from the last checkpoint")
            elif job.state is State.STARTING and self._reused:  # it died idle, before it knew of the job
                again = {"type": "status", "stage": "start", "text": "waiting for a new worker"}
                self._end(job, State.WAITING, again["text"], again)
            else:
                self._fail(job, of_error(message), message)
            return
        if kind == "snapshot" and job and not queue_file.add_snapshot(job, message):
            kind, step = "warning", message["step"]
            message = {"type": kind, "text": f"the snapshot of step {step} is damaged; it is left out"}
        if kind == "hello":
            self.hello = message
            if job:
                self._begin(job)
        elif job:
            job.take(message)
        self._events.append((job, message))

    def _done(self, job: JobRecord, message: Message) -> None:
        state = {"finished": State.FINISHED, "stopped": State.STOPPED}.get(message["state"], State.FAILED)
        if state is State.FAILED and job.problem is None:
            job.problem = Problem("bug", "The worker stopped without giving a reason.", "Use Open Log for details.")
        at = f"stopped at step {job.step} of {job.total}; Retry continues from there"
        text = at if state is State.STOPPED else job.problem.text if job.problem else state.value
        self._end(job, state, text, message)

    def _fail(self, job: JobRecord, problem: Problem, message: Message | None = None) -> None:
        job.problem = problem
        error = message or {"type": "error", **asdict(problem)}
        self._events.append((job, error))
        self._end(job, State.FAILED, problem.text)

    def _end(self, job: JobRecord, state: State, text: str, message: Message | None = None) -> None:
        job.state, job.text, job.eta_s = state, text, None
        self._events.append((job, message or {"type": "done", "state": state.value}))
        self._changed = True
        if job is not self.current:
            return
        self.current, self._cancel_by = None, None
        if self._folder_lock:
            self._folder_lock.release()
            self._folder_lock = None
        if self.process:
            self.process.log = None
            if self._free:
                self.process.stop()
        self._free = False
        if job.id in self._removed:
            self._removed.discard(job.id)
            self.jobs.remove(job)
