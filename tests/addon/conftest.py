"""Queues and processes for tests; all are ended after each."""

import pytest

from sjc_blender.worker.process import WorkerProcess
from tests.addon.helpers import PACKAGE, QUICK, Watched, fake


@pytest.fixture
def queue():
    """queue(fault, state_file) -> a queue; all are closed at the end."""
    made = []

    def make(*arguments, **options):
        made.append(Watched(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close(seconds=0.0)


@pytest.fixture
def worker():
    """worker(fault) -> a started process with that fault; all are killed at the end."""
    made = []

    def make(fault="ok", *, command=None, **options):
        process = WorkerProcess(command or fake(fault), **{"package": PACKAGE, "times": QUICK, **options})
        process.start()
        made.append(process)
        return process

    yield make
    for one in made:
        one.kill()
