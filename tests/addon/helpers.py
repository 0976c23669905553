"""What the add-on's tests without Blender share: the worker with scripted faults, and a queue that keeps its events."""

import json
import sys
import time

from sjc_blender.backend.sjc import settings
from sjc_blender.install import environment
from sjc_blender.queue.queue import Queue
from sjc_blender.worker.process import Times

PACKAGE = environment.PACKAGE / "sjc"
# Long enough for a busy machine to start a process, short enough to wait for.
QUICK = Times(hello=20.0, silence=20.0, message=0.3, terminate=0.3)


def fake(fault="ok"):
    """The command of a worker with one fault."""
    return [*environment.worker_command(sys.executable), "--fake", fault]


def until(condition, what=None, seconds=60):
    """Do `what` again and again until `condition` holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        if what:
            what()
        time.sleep(0.01)


def chosen(prompt="a red mushroom", **changes):
    """Settings of a job of eight steps."""
    return settings.resolve("test", {"prompt": prompt, **changes})


class Watched(Queue):
    """A queue that keeps what came out of its pump."""

    def __init__(self, fault="ok", state_file=None, **options):
        self.faults = fault if isinstance(fault, list) else [fault]
        self.events = []
        super().__init__(self._next_command, PACKAGE, state_file, **{"times": QUICK, **options})

    def _next_command(self):
        """Each new process has the next fault of the list; the last one stays."""
        return fake(self.faults.pop(0) if len(self.faults) > 1 else self.faults[0])

    def turn(self):
        self.events += self.pump()
        self.flush()

    def run(self, seconds=60):
        """Pump until nothing is left to do."""
        until(lambda: not self.busy, self.turn, seconds)
        return self

    def run_until(self, condition, seconds=60):
        def turn():
            assert self.busy, [(job.state, job.problem) for job in self.jobs]
            self.turn()

        until(condition, turn, seconds)
        return self

    def kinds(self, job=None):
        return [message["type"] for owner, message in self.events if job is None or owner is job]

    def messages(self, job, kind):
        return [message for owner, message in self.events if owner is job and message["type"] == kind]


def loaded(state_file):
    """The entries of a list of jobs, as they stand on the disk."""
    return json.loads(state_file.read_text("utf-8"))["jobs"]
