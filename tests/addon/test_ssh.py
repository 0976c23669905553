"""Jobs on another computer through a real sshd, with the real worker and with the scripted one."""

import sys

import pytest

from sjc_blender.queue.records import State
from tests.addon.helpers import Watched, chosen
from tests.addon.other_computers import served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the other computer is no Windows one")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def far(server, monkeypatch):
    """far(words) -> a queue whose jobs the other computer does; all are closed at the end."""
    monkeypatch.setenv("PATH", server.computer.path)
    made = []

    def make(*words):
        class Far(Watched):
            def _next_command(self):
                return server.computer.command(*words)

        made.append(Far())
        return made[-1]

    yield make
    for one in made:
        one.close(seconds=0.0)


def test_a_whole_job(far, server, tmp_path):
    q = far()
    job = q.add(chosen(snapshot_every=4), tmp_path / "job")
    q.run(120)
    assert (job.state, job.problem) == (State.FINISHED, None)
    assert (job.folder / "mesh.glb").read_bytes()[:4] == b"glTF"
    assert (job.folder / "checkpoint.safetensors").stat().st_size > 100_000
    assert job.snapshots
    assert q.kinds(job)[-2:] == ["result", "done"]
    del server
