"""The list of jobs of release 0.1.0 (tests/data/release_0_1_0): read with all states and fields, and gone on with."""

import json
import shutil
from pathlib import Path

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.settings import resolve
from sjc_blender.queue import queue_file
from sjc_blender.queue.records import State
from tests.addon.helpers import loaded

JOBS = Path(__file__).parents[1] / "data" / "release_0_1_0" / "sjc"
SMALL = {"steps": 12, "seed": 7, "device": "cpu"}
SETTINGS = {
    "finished": resolve("test", {"prompt": "a red mushroom", **SMALL}),
    "failed": resolve("test", {"prompt": "a yellow duck", **SMALL, "device": "mps"}),
    "half": resolve("test", {"prompt": "a red mushroom", **SMALL}),
    "waiting": resolve(
        "quality",
        {
            "prompt": "a blue chair with a yellow seat", "negative_prompt": "a red ball", "seed": 11, "steps": 250,
            "guidance": 3.5, "background": "fixed", "background_color": (0.25, 0.5, 0.75), "turntable": False,
        },
    ),
}  # fmt: skip


@pytest.fixture
def state(tmp_path):
    """The list in a copy of its project."""
    return Path(shutil.copytree(JOBS, tmp_path / "sjc")) / "sjc_queue.json"


def fields(job):
    """What the list keeps of a job."""
    return {
        "id": job.id, "state": job.state, "folder": job.folder, "resume": job.resume, "settings": job.settings,
        "step": job.step, "total": job.total, "seconds": job.seconds, "text": job.text, "warnings": job.warnings,
        "problem": job.problem,
    }  # fmt: skip


def test_the_queue_reads_every_state_and_field(queue, state):
    q = queue(state_file=state)
    assert q.problem is None
    assert [job.state.value for job in q.jobs] == ["finished", "failed", "stopped", "waiting"]
    assert {job.folder.name: job.settings for job in q.jobs} == SETTINGS
    assert [job.folder.parent for job in q.jobs] == [state.parent] * 4
    assert [(job.step, job.total, job.progress) for job in q.jobs] == [
        (12, 12, 1.0), (0, 12, 0.0), (7, 12, 7 / 12), (0, 250, 0.0),
    ]  # fmt: skip
    written = json.loads(state.read_text("utf-8"))["jobs"]
    for key in ("id", "resume", "seconds", "text", "warnings"):
        assert [getattr(job, key) for job in q.jobs] == [entry[key] for entry in written], key
    assert [job.problem and (job.problem.code, job.problem.text) for job in q.jobs] == [
        None, ("input", "device mps is not there (Apple GPUs only). Use --device cpu or auto."), None, None,
    ]  # fmt: skip


def test_nothing_is_lost_when_the_list_is_written_again(state):
    first = queue_file.load(state)
    queue_file.save(state, first)
    assert len(first) == 4
    assert [fields(job) for job in queue_file.load(state)] == [fields(job) for job in first]


def test_the_waiting_job_runs_and_the_others_stay(queue, state):
    q = queue("ok", state)
    before = [fields(job) for job in q.jobs[:3]]
    q.run()
    assert [job.state for job in q.jobs] == [State.FINISHED, State.FAILED, State.STOPPED, State.FINISHED]
    assert [fields(job) for job in q.jobs[:3]] == before
    q.close()
    assert [entry["state"] for entry in loaded(state)] == ["finished", "failed", "stopped", "finished"]


def test_a_job_that_ran_when_blender_crashed_stands_where_its_folder_does(state):
    """0.1.0 wrote "running" into the list until a job had ended."""
    state.write_text(state.read_text("utf-8").replace('"stopped"', '"running"'), "utf-8")
    half = queue_file.load(state)[2]
    assert (half.state, half.step, half.text) == (State.STOPPED, 7, queue_file.INTERRUPTED)
    assert [snapshot.step for snapshot in half.snapshots] == [2, 4, 6]
    assert all(snapshot.vdb.is_file() and snapshot.png.is_file() for snapshot in half.snapshots)
    assert queue_file.resumable(half.folder)


def test_the_job_folders_read_without_the_list(queue, state):
    finished, half = (queue_file.read_folder(state.parent / name) for name in ("finished", "half"))
    # A folder names every setting, the list only what differs from the preset.
    then = {"learning_rate": 0.2, "color_rate": 1.0, "sigma_min": 0.7}
    assert finished.settings == half.settings == resolve("test", {"prompt": "a red mushroom", **SMALL, **then})
    assert (finished.state, finished.progress) == (State.FINISHED, 1.0)
    assert [snapshot.step for snapshot in finished.snapshots] == [2, 4, 6, 8, 10, 12]
    assert (half.state, half.resume, half.step, half.total) == (State.STOPPED, True, 6, 12)
    q = queue(state_file=state.with_name("another.json"))
    with pytest.raises(SjcError, match="is finished; import it"):
        q.take_up(finished.folder)
