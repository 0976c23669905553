"""The list of jobs on disk and the job folders: two Blenders, a restart, damage, folders made elsewhere."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.job import locks
from sjc_blender.queue import queue_file
from sjc_blender.queue.records import State
from tests.addon.helpers import chosen, loaded, until

# ------------------------------------------------------------------------------------------------- two Blenders,
# restart

OWNER = """
import sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from tests.addon.helpers import Watched, chosen
q = Watched("slow:0.05", Path({state!r}))
job = q.add(chosen(steps=40), Path({folder!r}))
waiting = q.add(chosen("a blue tree"), Path({folder!r} + "-2"))
q.run_until(lambda: len(job.snapshots) > 2)
print(q.process.pid, flush=True)
while True:
    q.turn()
    time.sleep(0.02)
"""


@pytest.fixture
def other_blender(tmp_path):
    """Another process with a queue on tmp_path/list.json whose first job runs: (the process, the pid of its worker)."""
    code = OWNER.format(path=sys.path, state=str(tmp_path / "list.json"), folder=str(tmp_path / "job"))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def test_two_blenders(queue, tmp_path, other_blender):
    q = queue(state_file=tmp_path / "list.json")
    assert q.jobs == []
    assert q.problem.code == "locked"
    assert str(other_blender[0].pid) in q.problem.text
    same, own = q.add(chosen(), tmp_path / "job"), q.add(chosen(), tmp_path / "own")
    q.run()
    assert same.state is State.FAILED
    assert same.problem.code == "locked"
    assert "in use by another program" in same.problem.text
    assert own.state is State.FINISHED
    assert [Path(entry["folder"]).name for entry in loaded(tmp_path / "list.json")] == ["job", "job-2"]


def test_an_owner_that_crashes_leaves_no_orphan_and_its_job_goes_on(queue, tmp_path, other_blender):
    owner, worker = other_blender
    owner.kill()
    owner.wait()
    until(lambda: not locks.birth(worker), seconds=10)
    q = queue(state_file=tmp_path / "list.json")
    assert q.problem is None
    first, second = q.jobs
    assert (first.state, second.state) == (State.STOPPED, State.WAITING)
    assert "Blender quit" in first.text
    assert len(first.snapshots) > 2
    q.retry(first)
    q.run()
    assert [first.state, second.state] == [State.FINISHED, State.FINISHED]
    assert [m for m in q.messages(first, "status") if m["stage"] == "resume"]


def test_close_saves_the_running_job(queue, tmp_path):
    q = queue("slow:0.02", tmp_path / "list.json")
    job = q.add(chosen(steps=60), tmp_path / "job")
    q.run_until(lambda: job.step > 3)
    pid, began = q.process.pid, time.monotonic()
    q.close()
    assert time.monotonic() - began < 5
    assert job.state is State.STOPPED
    assert not locks.birth(pid)
    assert not (tmp_path / "job" / ".lock").exists()
    again = queue("ok", tmp_path / "list.json")
    (back,) = again.jobs
    assert (back.id, back.state, back.settings) == (job.id, State.STOPPED, job.settings)
    again.retry(back)
    again.run()
    assert back.state is State.FINISHED


def test_close_is_quick_with_a_deaf_worker(queue, tmp_path):
    q = queue("deaf")
    q.add(chosen(), tmp_path / "job")
    q.run_until(lambda: q.hello is not None)
    pid, began = q.process.pid, time.monotonic()
    q.close(seconds=0.5)
    assert time.monotonic() - began < 4
    assert not locks.birth(pid)


def test_what_a_killed_blender_was_writing_is_removed(queue, tmp_path):
    (tmp_path / ".list.json.4711~").write_text("{")
    (tmp_path / ".other.json.4711~").write_text("{")
    q = queue("ok", tmp_path / "list.json")
    q.add(chosen(), tmp_path / "job")
    q.run()
    assert sorted(path.name for path in tmp_path.glob(".*~")) == [".other.json.4711~"]


def test_a_job_that_finished_while_nobody_looked(queue, tmp_path):
    state = tmp_path / "list.json"
    q = queue("ok", state)
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    q.close()
    text = state.read_text("utf-8").replace('"finished"', '"running"')
    state.write_text(text, "utf-8")
    (back,) = queue("ok", state).jobs
    assert back.state is State.FINISHED
    # The same when its failure was only that the news was lost: retry gives the result again.
    job.state = State.FAILED
    q.retry(job)
    assert [m["type"] for _, m in q.pump()] == ["result", "done"]


def test_the_queue_file_and_its_folder_can_be_moved(queue, tmp_path):
    (tmp_path / "old").mkdir()
    q = queue("ok", tmp_path / "old" / "list.json")
    q.add(chosen(), tmp_path / "old" / "job")
    q.add(chosen(), tmp_path / "elsewhere")
    q.run()
    q.close()
    (tmp_path / "old").rename(tmp_path / "new")
    first, second = queue("ok", tmp_path / "new" / "list.json").jobs
    assert first.folder == tmp_path / "new" / "job"
    assert second.folder == tmp_path / "elsewhere"


def test_the_list_moves_along(queue, tmp_path):
    """Saved elsewhere, the .blend takes its list with it; what lies there already is kept, too."""
    here, there = tmp_path / "here" / "list.json", tmp_path / "there" / "list.json"
    other = queue(state_file=there)
    other.add(chosen("a green cube"), there.parent / "other")
    other.close(seconds=0.0)
    q = queue("ok", here)
    q.keep_at(tmp_path / "empty" / "list.json")
    assert not (tmp_path / "empty").exists()
    q.keep_at(here)
    first = q.add(chosen("a red cube"), here.parent / "one")
    q.run()
    q.keep_at(there)
    assert [job.prompt for job in q.jobs] == ["a red cube", "a green cube"]
    assert q.problem is None
    assert queue_file.load(here) == []
    assert [job.prompt for job in queue_file.load(there)] == ["a red cube", "a green cube"]
    assert queue_file.load(there)[0].folder == first.folder
    second = queue("ok", here)
    second.add(chosen("a blue cube"), here.parent / "two")
    second.run()
    second.keep_at(there)  # somebody has it
    assert second.state_file == here
    assert [job.prompt for job in queue_file.load(here)] == ["a blue cube"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"jobs": []}', '{"sjc_queue": 99, "jobs": []}', "\udcff"])
def test_a_damaged_list_is_put_aside(queue, tmp_path, text):
    state = tmp_path / "list.json"
    state.write_bytes(text.encode("utf-8", "surrogateescape"))
    q = queue("ok", state)
    assert q.jobs == []
    assert q.problem.code == "folder"
    assert (tmp_path / "list.json.damaged").exists()
    q.add(chosen(), tmp_path / "job")
    q.turn()
    assert loaded(state)[0]["state"] == "starting"


def test_a_damaged_entry_is_left_out(queue, tmp_path):
    state = tmp_path / "list.json"
    q = queue("ok", state)
    for name in "abcd":
        q.add(chosen(), tmp_path / name)
    q.turn()
    q.close()
    data = json.loads(state.read_text("utf-8"))
    data["jobs"][0]["state"] = "dancing"
    data["jobs"][1]["settings"]["steps"] = -4
    data["jobs"][2] = 7
    state.write_text(json.dumps(data), "utf-8")
    (left,) = queue("ok", state).jobs
    assert left.folder == tmp_path / "d"


def test_a_list_that_cannot_be_written_is_told_and_the_jobs_run(queue, tmp_path):
    (tmp_path / "file").touch()
    q = queue("ok", tmp_path / "file" / "list.json")
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert job.state is State.FINISHED
    assert q.problem.code == "folder"


def test_looking_at_an_empty_queue_makes_no_folder(queue, tmp_path):
    q = queue("ok", tmp_path / "sjc" / "list.json")
    q.run()
    q.close()
    assert not (tmp_path / "sjc").exists()


# ------------------------------------------------------------------------------------------------------- folders from
# elsewhere


def test_read_folder(queue, tmp_path):
    q = queue()
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    back = queue_file.read_folder(job.folder)
    assert (back.state, back.prompt, back.progress) == (State.FINISHED, job.prompt, 1.0)
    assert [s.step for s in back.snapshots] == [2, 4, 6, 8]
    (job.folder / "run.json").unlink()
    half = queue_file.read_folder(job.folder)
    assert (half.state, half.resume, half.step) == (State.STOPPED, True, 8)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"steps": "many"}'])
def test_a_folder_that_is_none_is_one_line(tmp_path, text):
    if text is not None:
        (tmp_path / "job.json").write_text(text)
    with pytest.raises(SjcError) as caught:
        queue_file.read_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_half_finished_folder_of_anybody_is_taken_up(queue, tmp_path):
    first = queue("slow:0.02")
    job = first.add(chosen(steps=40), tmp_path / "job")
    first.run_until(lambda: len(job.snapshots) > 2)
    first.cancel(job)
    first.run()
    stopped_at = job.step
    q = queue("slow:0.02")  # another Blender, whose list does not know it
    taken = q.take_up(tmp_path / "job")
    assert q.jobs == [taken]
    assert taken.settings == job.settings
    with pytest.raises(SjcError, match="in the queue already"):
        q.take_up(tmp_path / "job")
    q.run()
    assert taken.state is State.FINISHED
    assert q.messages(taken, "status")[-2]["text"] == f"resuming at step {stopped_at} of 40"
    with pytest.raises(SjcError, match="is finished"):
        q.take_up(tmp_path / "job")
    q.clear_finished()
    with pytest.raises(SjcError, match="is finished"):
        q.take_up(tmp_path / "job")
    assert q.jobs == []
    (tmp_path / "none").mkdir()
    with pytest.raises(SjcError, match="not a job folder"):
        q.take_up(tmp_path / "none")


def test_a_job_of_the_list_is_taken_up_by_its_folder(queue, tmp_path):
    q = queue("slow:0.02")
    job = q.add(chosen(steps=40), tmp_path / "job")
    q.run_until(lambda: len(job.snapshots) > 2)
    q.cancel(job)
    q.run()
    assert q.take_up(tmp_path / "job") is job
    assert q.jobs == [job]
    q.run()
    assert job.state is State.FINISHED
