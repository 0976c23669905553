"""The queue with every fault that a worker, a disk or a second Blender can have."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sjc_blender import jobs, locks, queue_file
from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.jobs import State
from sjc_blender.process import Times
from tests.addon.players import QUICK, chosen, fake, until

PROMPTS = ['a "red" mushroom', "버섯 🍄", "it's \\ {} % $HOME `ls` ; rm", "a" * 300]


def names(folder):
    return {path.name for path in Path(folder).iterdir()}


def loaded(state_file):
    return json.loads(state_file.read_text("utf-8"))["jobs"]


# ------------------------------------------------------------------------------------------------------------ a good run


def test_a_job_from_beginning_to_end(queue, tmp_path):
    q = queue()
    job = q.add(chosen(), tmp_path / "job")
    assert (job.state, job.progress, q.busy, job.prompt) == (State.WAITING, 0.0, True, "a red mushroom")
    q.run()
    assert (job.state, job.progress, job.step, job.total) == (State.FINISHED, 1.0, 8, 8)
    assert job.problem is None
    assert job.seconds > 0
    assert job.metrics["loss"] == 0.125
    assert [s.step for s in job.snapshots] == [2, 4, 6, 8]
    assert all(path.is_file() for s in job.snapshots for path in (s.npz, s.vdb, s.png))
    assert q.kinds(job)[0] == "hello"
    assert q.kinds(job)[-2:] == ["result", "done"]
    assert q.hello["device"] == "no device (fake)"
    assert {"mesh.glb", "run.json", "job.json"} <= names(job.folder)
    assert ".lock" not in names(job.folder)


def test_jobs_run_in_order_in_one_process(queue, tmp_path):
    q = queue()
    made = [q.add(chosen(seed=i), tmp_path / str(i)) for i in range(3)]
    q.move(made[2], -2)
    assert q.jobs == [made[2], made[0], made[1]]
    q.run()
    ended = [job for job, message in q.events if message["type"] == "done"]
    assert ended == [made[2], made[0], made[1]]
    assert q.kinds().count("hello") == 1
    q.clear_finished()
    assert q.jobs == []


@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompts_arrive_as_they_are(queue, tmp_path, prompt):
    q = queue("ok", tmp_path / "list.json")
    job = q.add(chosen(prompt), tmp_path / "job")
    q.run()
    assert job.state is State.FINISHED, job.problem
    written = json.loads((job.folder / "job.json").read_text("utf-8"))["prompt"]
    assert written == job.prompt == loaded(tmp_path / "list.json")[0]["settings"]["prompt"]
    assert written == prompt


def test_a_prompt_of_two_lines_is_one_clear_line_and_no_job():
    with pytest.raises(SjcError, match="write it as one line"):
        chosen("two\nlines")


@pytest.mark.parametrize("name", ["ordner mit umlaut äöü", "버섯 🍄", "x" * 200, "a'b\"c"])
def test_folders_of_any_name(queue, tmp_path, name):
    q = queue(state_file=tmp_path / name / "list.json")
    job = q.add(chosen(PROMPTS[2]), tmp_path / name / "job")
    q.run()
    assert job.state is State.FINISHED, job.problem
    assert json.loads((job.folder / "job.json").read_text("utf-8"))["prompt"] == PROMPTS[2]
    assert loaded(tmp_path / name / "list.json")[0]["state"] == "finished"


def test_pumping_an_idle_queue_costs_nothing(queue, tmp_path):
    q = queue(state_file=tmp_path / "list.json")
    q.add(chosen(), tmp_path / "job")
    q.run()
    began = time.thread_time()
    for _ in range(200):
        assert q.pump() == []
    assert (time.thread_time() - began) / 200 < 0.001


def test_several_messages_at_once_give_the_newest_snapshot(queue, tmp_path):
    q = queue()
    job = q.add(chosen(), tmp_path / "job")
    q.run_until(lambda: q.hello is not None)
    until((job.folder / "run.json").exists)
    time.sleep(0.5)
    events = q.pump()
    assert [m["step"] for _, m in events if m["type"] == "snapshot"] == [8]
    assert len([m for _, m in events if m["type"] == "progress"]) <= 1
    assert [s.step for s in job.snapshots] == [2, 4, 6, 8]


# ---------------------------------------------------------------------------------------------- pause, cancel, take up


def test_pause_holds_and_resume_goes_on(queue, tmp_path):
    q = queue("slow:0.02")
    job = q.add(chosen(steps=60), tmp_path / "job")
    q.run_until(lambda: job.step > 2)
    q.pause(job)
    assert job.state is State.PAUSED
    q.run_until(lambda: job.stage == "paused")
    step, spent = job.step, job.seconds
    for _ in range(30):
        q.turn()
        time.sleep(0.01)
    assert (job.step, job.state) == (step, State.PAUSED)
    assert job.seconds == spent
    q.resume(job)
    assert job.state is State.RUNNING
    q.run()
    assert job.state is State.FINISHED


def test_pause_before_the_start_counts(queue, tmp_path):
    q = queue("slow:0.02")
    job = q.add(chosen(steps=30), tmp_path / "job")
    q.turn()
    assert job.state is State.STARTING
    q.pause(job)
    q.run_until(lambda: job.stage == "paused")
    assert job.step <= 1
    assert job.state is State.PAUSED


def test_cancel_keeps_the_work_and_retry_goes_on(queue, tmp_path):
    q = queue("slow:0.02")
    job = q.add(chosen(steps=40), tmp_path / "job")
    q.run_until(lambda: len(job.snapshots) > 2)
    q.cancel(job)
    assert job.state is State.STOPPING
    q.run()
    assert job.state is State.STOPPED
    assert job.problem is None
    stopped_at = job.step
    assert 0 < stopped_at < 40
    q.retry(job)
    assert (job.state, job.resume) == (State.WAITING, True)
    q.run()
    assert job.state is State.FINISHED
    assert q.said(job, "status")[-2]["text"] == f"resuming at step {stopped_at} of 40"
    assert [s.step for s in job.snapshots] == list(range(2, 41, 2))


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
    assert q.said(taken, "status")[-2]["text"] == f"resuming at step {stopped_at} of 40"
    with pytest.raises(SjcError, match="is finished"):
        q.take_up(tmp_path / "job")
    q.clear_finished()
    with pytest.raises(SjcError, match="is finished"):
        q.take_up(tmp_path / "job")
    assert q.jobs == []
    (tmp_path / "none").mkdir()
    with pytest.raises(SjcError, match="no job folder"):
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


def test_cancel_while_paused_or_starting_or_waiting(queue, tmp_path):
    q = queue("slow:0.02")
    first, second, third = (q.add(chosen(steps=40), tmp_path / name) for name in "abc")
    q.cancel(second)
    assert second.state is State.STOPPED
    q.turn()
    q.cancel(first)
    q.run_until(lambda: third.step > 1)
    assert first.state is State.STOPPED
    q.pause(third)
    q.run_until(lambda: third.stage == "paused")
    q.cancel(third)
    q.run()
    assert third.state is State.STOPPED
    assert [q.said(job, "done")[0]["state"] for job in (first, second, third)] == ["stopped"] * 3


def test_cancel_ends_one_that_does_not_listen(queue, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "CANCEL_SECONDS", 0.3)
    monkeypatch.setattr(jobs, "CANCEL_STEPS", 0.0)
    q = queue(["hang:3", "ok"], times=Times(message=0.2, terminate=0.2))
    job, following = q.add(chosen(), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    q.run_until(lambda: job.step == 2)
    time.sleep(0.3)
    q.cancel(job)
    q.run()
    assert (job.state, job.problem) == (State.STOPPED, None)
    assert following.state is State.FINISHED


def test_retry_anew_forgets_what_was(queue, tmp_path):
    q = queue("slow:0.02")
    job = q.add(chosen(steps=20), tmp_path / "job")
    q.run_until(lambda: job.step > 4)
    q.cancel(job)
    q.run()
    q.retry(job, anew=True)
    q.run()
    assert job.state is State.FINISHED
    assert not [m for m in q.said(job, "status") if m["stage"] == "resume"]
    q.retry(job, anew=True)  # and a finished one too
    assert job.step == 0
    q.run()
    assert job.state is State.FINISHED


def test_remove_a_waiting_and_a_running_one(queue, tmp_path):
    q = queue("slow:0.02")
    running, waiting = q.add(chosen(steps=40), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    q.run_until(lambda: running.step > 1)
    q.remove(waiting)
    assert not (tmp_path / "b").exists()
    assert waiting.state == "stopped"
    q.remove(running)
    q.run()
    assert q.jobs == []
    assert (tmp_path / "a" / "job.json").exists()


def test_snapshot_now(queue, tmp_path):
    q = queue("slow:0.02")
    job = q.add(chosen(steps=30, snapshot_every=30), tmp_path / "job")
    q.run_until(lambda: job.step > 3)
    q.snapshot_now()
    q.run_until(lambda: job.snapshots)
    assert 3 < job.snapshots[0].step < 30


def test_free_ends_the_process_after_the_job(queue, tmp_path):
    q = queue("slow:0.01")
    job = q.add(chosen(), tmp_path / "a")
    q.run_until(lambda: job.step > 1)
    q.free()
    q.run()
    assert job.state is State.FINISHED
    assert q.process is None
    again = q.add(chosen(), tmp_path / "b")
    q.run()
    assert again.state is State.FINISHED
    assert q.kinds().count("hello") == 2
    q.free()
    q.run()
    assert q.process is None


# ------------------------------------------------------------------------------------------------------------- the worker


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("exit:2", "backend", "exit code 2"),
        ("no-import", "backend", "No module named 'torch'"),
        ("wrong-protocol", "backend", "update both together"),
        ("wrong-hash", "backend", "other sources"),
        ("crash:3", "memory", "ended by the system"),
        ("memory", "memory", "run out of memory"),
        ("disk-full", "disk", "disk is full"),
        ("garbage", "worker", "makes no sense"),
    ],
)
def test_a_fault_is_the_problem_of_its_job_only(queue, tmp_path, fault, code, words):
    q = queue([fault, "ok"])
    job, following = q.add(chosen(), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    if fault in {"memory", "disk-full"}:  # those the process outlives, with the same fault
        q.remove(following)
    q.run()
    assert job.state is State.FAILED
    assert job.problem.code == code
    assert words in job.problem.text
    assert job.problem.hint
    assert "Traceback" not in job.problem.text
    assert job.text == job.problem.text
    assert q.kinds(job)[-2:] == ["error", "done"]
    if fault not in {"memory", "disk-full"}:
        assert following.state is State.FINISHED, following.problem


@pytest.mark.parametrize(
    ("fault", "times", "words"),
    [
        ("hang:2", Times(hello=60, silence=6.0, message=0.1, terminate=0.1), "hangs"),
        ("mute", Times(hello=2.0, message=0.1, terminate=0.1), "said nothing"),
    ],
)
def test_a_silent_worker_does_not_stop_the_queue(queue, tmp_path, fault, times, words):
    q = queue([fault, "ok"], times=times)
    job, following = q.add(chosen(), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    q.turn()
    q.times = QUICK  # of the next process
    q.run()
    assert job.state is State.FAILED
    assert words in job.problem.text
    assert following.state is State.FINISHED
    q.retry(job)
    q.run()
    assert job.state is State.FINISHED


def test_no_worker_at_all(queue, tmp_path):
    q = queue()

    def nothing():
        raise SjcError("The backend is not installed: use Install Backend.")

    q.command = nothing
    made = [q.add(chosen(), tmp_path / name) for name in "ab"]
    q.run()
    assert [job.problem.code for job in made] == ["backend", "backend"]
    assert "not installed" in made[0].problem.text
    q.command = lambda: [str(tmp_path / "no-python")]
    q.retry(made[0])
    q.run()
    assert "does not start" in made[0].problem.text
    q.command = fake
    q.retry(made[0])
    q.run()
    assert made[0].state is State.FINISHED
    assert made[0].problem is None


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("moment", ["starting", "hello", "load", "step", "snapshot", "export", "idle"])
def test_killed_at_any_moment(queue, tmp_path, moment):
    q = queue("slow:0.02")
    job = q.add(chosen(), tmp_path / "job")
    reached = {
        "starting": lambda: q.process is not None,
        "hello": lambda: q.hello is not None,
        "load": lambda: job.stage == "load",
        "step": lambda: job.step == 3,
        "snapshot": lambda: bool(job.snapshots),
        "export": lambda: job.stage == "export",
        "idle": lambda: job.finished,
    }[moment]
    q.run_until(reached)
    os.kill(q.process.pid, signal.SIGKILL)
    if moment == "idle":  # the queue may not know yet: the next job gets another worker all the same
        q.add(chosen(), tmp_path / "next")
    q.run()
    if moment != "idle" and job.state is not State.FINISHED:  # it may have been quicker
        assert job.problem.code == "memory"
        q.retry(job)
    q.run()
    assert [j.state for j in q.jobs] == [State.FINISHED] * len(q.jobs)
    assert not [name for name in names(job.folder) if name.startswith(".") or name.endswith("~")]


def test_half_a_line_is_borne(queue, tmp_path):
    q = queue("half-line")
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert job.state is State.FINISHED
    assert "not understood" in (job.folder / "worker.log").read_text("utf-8")


def test_a_flood_can_be_cancelled(queue, tmp_path):
    q = queue("flood")
    job = q.add(chosen(), tmp_path / "job")
    q.run_until(lambda: job.stage == "optimise")
    time.sleep(0.5)
    q.turn()
    assert len(job.warnings) == 1
    q.cancel(job)
    q.run()
    assert job.state is State.STOPPED


def test_truncated_snapshots_are_left_out(queue, tmp_path):
    q = queue("truncated-snapshot")
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert job.state is State.FINISHED
    assert [s.npz.stem for s in job.snapshots] == ["f_0001", "f_0003"]
    assert any("step 4 is damaged" in line for line in job.warnings)
    assert [s.npz.stem for s in jobs.read_folder(job.folder).snapshots] == ["f_0001", "f_0003"]


# ------------------------------------------------------------------------------------------------------------ the folder


def test_a_file_where_the_folder_should_be(queue, tmp_path):
    (tmp_path / "file").write_text("mine")
    q = queue()
    made = [
        q.add(chosen(), tmp_path / "file"),
        q.add(chosen(), tmp_path / "file" / "below"),
        q.add(chosen(), tmp_path / "ok"),
    ]
    q.run()
    assert [job.state for job in made] == [State.FAILED, State.FAILED, State.FINISHED]
    assert made[0].problem.code == made[1].problem.code == "folder"
    assert "Choose another output folder" in made[0].problem.hint
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_in_the_way_can_be_moved_and_the_job_retried(queue, tmp_path):
    q = queue()
    job = q.add(chosen(), tmp_path / "job")
    (tmp_path / "job" / "worker.log").touch()  # what we put there ourselves is no stranger's
    (tmp_path / "job" / "mesh.glb").mkdir()
    q.run()
    assert job.state is State.FAILED
    assert "no job folder" in job.problem.text
    (tmp_path / "job" / "mesh.glb").rmdir()
    q.retry(job)
    q.run_until(lambda: job.state is State.RUNNING)
    q.run()
    assert job.state is State.FINISHED


def test_a_folder_that_cannot_be_written_in_the_middle(queue, tmp_path):
    q = queue("slow:0.03")
    job = q.add(chosen(steps=20, snapshot_every=10), tmp_path / "job")
    q.run_until(lambda: job.step > 1)
    (tmp_path / "job" / "snapshots").write_text("in the way")
    q.run()
    assert job.state is State.FAILED
    assert "could not be written" in job.problem.text
    (tmp_path / "job" / "snapshots").unlink()
    q.retry(job)
    q.run()
    assert job.state is State.FINISHED
    assert [s.step for s in job.snapshots] == [20]


def test_somebody_elses_folder_is_left_alone(queue, tmp_path):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_text("sand")
    q = queue()
    job = q.add(chosen(), tmp_path / "holiday")
    q.run()
    assert job.state is State.FAILED
    assert job.problem.code == "input"
    assert names(tmp_path / "holiday") <= {"beach.jpg", "worker.log"}


@pytest.mark.skipif(sys.platform == "win32", reason="an open folder cannot be removed there")
def test_a_folder_deleted_in_the_middle(queue, tmp_path):
    q = queue("slow:0.03")
    job, following = q.add(chosen(steps=20), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    q.run_until(lambda: job.step > 4)
    until(lambda: not (tmp_path / "a").exists(), lambda: shutil.rmtree(tmp_path / "a", ignore_errors=True))
    q.run()
    assert job.finished
    assert following.state is State.FINISHED


def test_two_queues_of_one_blender_on_one_folder(queue, tmp_path):
    one, two = queue("slow:0.03"), queue()
    first = one.add(chosen(steps=30), tmp_path / "job")
    one.run_until(lambda: first.step > 1)
    second = two.add(chosen(), tmp_path / "job")
    two.run()
    assert second.state is State.FAILED
    assert second.problem.code == "locked"
    assert "another queue of this Blender" in second.problem.text
    one.run()
    assert first.state is State.FINISHED


# ------------------------------------------------------------------------------------------------- two Blenders, restart

OWNER = """
import sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from tests.addon.players import Watched, chosen
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
    assert "in use by another Blender" in same.problem.text
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
    assert "Blender ended" in first.text
    assert len(first.snapshots) > 2
    q.retry(first)
    q.run()
    assert [first.state, second.state] == [State.FINISHED, State.FINISHED]
    assert [m for m in q.said(first, "status") if m["stage"] == "resume"]


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


def test_a_list_of_many_is_saved_quickly(queue, tmp_path):
    q = queue("ok", tmp_path / "list.json")
    q.command = list
    for i in range(300):
        q.jobs.append(jobs.Job(chosen(seed=i), tmp_path / str(i), state=State.STOPPED))
    began = time.thread_time()
    q._save()
    assert time.thread_time() - began < 0.25
    assert (tmp_path / "list.json").stat().st_size < 300 * 1000


# ------------------------------------------------------------------------------------------------------- folders from elsewhere


def test_read_folder(queue, tmp_path):
    q = queue()
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    back = jobs.read_folder(job.folder)
    assert (back.state, back.prompt, back.progress) == (State.FINISHED, job.prompt, 1.0)
    assert [s.step for s in back.snapshots] == [2, 4, 6, 8]
    (job.folder / "run.json").unlink()
    half = jobs.read_folder(job.folder)
    assert (half.state, half.resume, half.step) == (State.STOPPED, True, 8)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"steps": "many"}'])
def test_a_folder_that_is_none_is_one_line(tmp_path, text):
    if text is not None:
        (tmp_path / "job.json").write_text(text)
    with pytest.raises(SjcError) as caught:
        jobs.read_folder(tmp_path)
    assert "\n" not in str(caught.value)
