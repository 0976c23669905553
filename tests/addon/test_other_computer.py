"""Jobs on another computer, which a script in the place of ssh plays: the line, the files, and what can go wrong."""

import pytest

from sjc_blender.queue.records import State
from tests.addon.helpers import Watched, chosen
from tests.addon.other_computers import played


@pytest.fixture
def friend(tmp_path, monkeypatch):
    computer = played(tmp_path / "fri end")
    monkeypatch.setenv("PATH", computer.path)
    return computer


@pytest.fixture
def far(friend, queue_of):
    """far(fault) -> a queue whose jobs the other computer does."""
    return lambda fault="ok", **options: queue_of(friend.command("--fake", fault), **options)


@pytest.fixture
def queue_of():
    """queue_of(command) -> a queue; all are closed at the end."""
    made = []

    def make(command, **options):
        class Far(Watched):
            def _next_command(self):
                return command

        made.append(Far(**options))
        return made[-1]

    yield make
    for one in made:
        one.close(seconds=0.0)


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_job_from_beginning_to_end(far, friend, tmp_path):
    q = far()
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert (job.state, job.problem, job.step) == (State.FINISHED, None, 8)
    assert [s.step for s in job.snapshots] == [2, 4, 6, 8]
    assert {"mesh.glb", "run.json", "job.json", "field.npz", "a-red-mushroom.sjc"} <= files_of(job.folder)
    assert not any(".remote" in name or "~" in name for name in files_of(job.folder))
    assert q.hello["device"] == "friend"
    del friend
