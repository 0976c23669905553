"""The queue with every fault that a worker, a disk or a second Blender can have."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.queue.preparation import Preparation
from sjc_blender.queue.queue_file import read_folder
from sjc_blender.queue.records import State
from sjc_blender.worker.process import Times
from tests.addon.helpers import QUICK, chosen, fake, loaded, until

PROMPTS = ['a "red" mushroom', "버섯 🍄", "it's \\ {} % $HOME `ls` ; rm", "a" * 300]


def names(folder):
    return {path.name for path in Path(folder).iterdir()}


# ------------------------------------------------------------------------------------------------------------ a good
# run


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


def test_what_comes_after_a_message_that_is_not_ready_waits_with_it(queue, tmp_path):
    """A job that says "finished" has its mesh, however long a thread reads that."""
    refused = []

    def ready(job, message):
        if message["type"] == "result" and len(refused) < 20:
            refused.append((job.state, "done" in q.kinds(job)))
        return message["type"] != "result" or len(refused) == 20

    q = queue(ready=ready)
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert job.state is State.FINISHED
    assert set(refused) == {(State.RUNNING, False)}
    assert q.kinds(job)[-2:] == ["result", "done"]
    q.events.clear()
    refused[:] = refused[:10]
    q.retry(job)
    q.turn()
    assert q.kinds() == []
    assert q.busy
    q.run()
    assert q.kinds(job) == ["result", "done"]


def test_a_queue_that_is_closed_waits_for_no_mesh(queue, tmp_path):
    q = queue(ready=lambda _job, message: message["type"] != "result")
    job = q.add(chosen(), tmp_path / "job")
    q.run_until((job.folder / "run.json").is_file)
    q.close()
    assert read_folder(job.folder).state is State.FINISHED


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
    assert q.messages(job, "status")[-2]["text"] == f"resuming at step {stopped_at} of 40"
    assert [s.step for s in job.snapshots] == list(range(2, 41, 2))


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
    assert [q.messages(job, "done")[0]["state"] for job in (first, second, third)] == ["stopped"] * 3


def test_cancel_ends_one_that_does_not_listen(queue, tmp_path, monkeypatch):
    monkeypatch.setattr("sjc_blender.queue.queue.CANCEL_SECONDS", 0.3)
    monkeypatch.setattr("sjc_blender.queue.queue.CANCEL_STEPS", 0.0)
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
    assert not [m for m in q.messages(job, "status") if m["stage"] == "resume"]
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


def test_free_does_not_wait_for_a_paused_job(queue, tmp_path):
    """Pause, free the card for a rendering, go on afterwards."""
    q = queue("slow:0.02")
    job = q.add(chosen(steps=60), tmp_path / "a")
    q.run_until(lambda: job.step > 3)
    q.pause(job)
    q.free()
    assert q.freeing
    q.run()
    assert (job.state, q.process, q.freeing) == (State.STOPPED, None, False)
    at = job.step
    q.resume(job)
    q.run()
    assert job.state is State.FINISHED
    assert q.messages(job, "progress")[0]["step"] <= at < 60
    assert [m for m in q.messages(job, "status") if m["stage"] == "resume"]


# ------------------------------------------------------------------------------------------------------------- the
# worker


@pytest.mark.parametrize(
    ("fault", "code", "excerpt"),
    [
        ("exit:2", "backend", "exit code 2"),
        ("no-import", "backend", "No module named 'torch'"),
        ("wrong-protocol", "backend", "update both together"),
        ("wrong-hash", "backend", "other sources"),
        ("crash:3", "memory", "The system ended"),
        ("memory", "memory", "ran out of memory"),
        ("disk-full", "disk", "disk is full"),
        ("garbage", "worker", "not a message"),
    ],
)
def test_a_fault_is_the_problem_of_its_job_only(queue, tmp_path, fault, code, excerpt):
    q = queue([fault, "ok"])
    job, following = q.add(chosen(), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    if fault in {"memory", "disk-full"}:  # those the process outlives, with the same fault
        q.remove(following)
    q.run()
    assert job.state is State.FAILED
    assert job.problem.code == code
    assert excerpt in job.problem.text
    assert job.problem.hint
    assert "Traceback" not in job.problem.text
    assert job.text == job.problem.text
    assert q.kinds(job)[-2:] == ["error", "done"]
    if fault not in {"memory", "disk-full"}:
        assert following.state is State.FINISHED, following.problem


@pytest.mark.parametrize(
    ("fault", "times", "excerpt"),
    [
        ("hang:2", Times(hello=60, silence=6.0, message=0.1, terminate=0.1), "stopped responding"),
        ("mute", Times(hello=2.0, message=0.1, terminate=0.1), "did not respond"),
    ],
)
def test_a_silent_worker_does_not_stop_the_queue(queue, tmp_path, fault, times, excerpt):
    q = queue([fault, "ok"], times=times)
    job, following = q.add(chosen(), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    q.turn()
    q.times = QUICK  # of the next process
    q.run()
    assert job.state is State.FAILED
    assert excerpt in job.problem.text
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
    assert "could not be started" in made[0].problem.text
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
    assert [s.npz.stem for s in read_folder(job.folder).snapshots] == ["f_0001", "f_0003"]


# ------------------------------------------------------------------------------------------------------------ the
# folder


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
    assert "not a job folder" in job.problem.text
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
    assert "this program already" in second.problem.text
    one.run()
    assert first.state is State.FINISHED


def test_a_job_waits_for_its_preparation_and_fails_with_it_and_retry_does_it_again(queue, tmp_path):
    """Those behind it wait, too: the list is the order of work."""
    gate, calls = threading.Event(), []

    def prepare():
        gate.wait(20)
        calls.append(1)
        if len(calls) == 1:
            raise SjcError("The disk is full.")

    q = queue()
    job, behind = q.add(chosen(), tmp_path / "a"), q.add(chosen(), tmp_path / "b")
    job.preparation = Preparation(prepare)
    for _ in range(3):
        q.turn()
    assert [job.state, behind.state] == [State.WAITING] * 2
    gate.set()
    q.run()
    assert [job.state, behind.state] == [State.FAILED, State.FINISHED]
    assert job.problem.text == "The disk is full."
    q.retry(job)
    q.run()
    assert (job.state, calls) == (State.FINISHED, [1, 1])
