"""A batch on a cluster in the queue: jobs appear at once, follow the events of `sjc batch`, and end as they did."""

import json
import sys

from sjc_blender.queue.cluster import ClusterBatch
from sjc_blender.queue.records import State
from tests.addon.helpers import chosen, until

# Stands for `sjc batch LIST --out DIR --cluster ADDRESS --json`: what happens to each job is its negative prompt.
BATCH = """
import json, os, pathlib, signal, sys, time
words = sys.argv[1:]
jobs = [json.loads(line) for line in open(words[0], encoding="utf-8")]
out = pathlib.Path(words[words.index("--out") + 1])
assert words[words.index("--cluster") + 1] == "head:6379" and words[-1] == "--json"
def tell(event): print(json.dumps(event), flush=True)
tell({"type": "status", "stage": "batch", "text": "3 jobs on 2 slots"})
print("no event")
for number, job in enumerate(jobs, 1):
    fate = job["negative_prompt"]
    if fate == "refuse":
        tell({"type": "error", "code": "input", "text": "--cluster needs Ray."})
        sys.exit(2)
    folder = out / f"{number:03d}-{job['prompt'].replace(' ', '-')}-{job['seed']}"
    at = {"type": "job", "folder": str(folder), "host": "h"}
    tell({**at, "state": "running", "stage": "load"})
    tell({**at, "state": "running", "stage": "optimise", "step": 4, "total": 8, "it_s": 2.0})
    if fate == "wait":
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
        time.sleep(60)
    if fate == "fail":
        tell({**at, "state": "failed", "reason": "no such word"})
    else:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text("{}")
        (folder / "mesh.glb").write_text("")
        tell({**at, "state": "finished"})
"""
COMMAND = [sys.executable, "-c", BATCH]


def begin(q, settings, folder):
    batch = ClusterBatch(settings, folder, COMMAND, "head:6379")
    q.add_batch(batch)
    return batch.jobs


def fates(*words):
    return [chosen(negative_prompt=word, seed=index) for index, word in enumerate(words)]


def test_jobs_of_a_cluster_follow_its_events(queue, tmp_path):
    q = queue()
    jobs = begin(q, fates("", "fail"), tmp_path / "c")
    assert q.jobs == jobs
    assert q.busy
    assert {job.state for job in jobs} == {State.STARTING}
    q.run()
    assert [job.state for job in jobs] == [State.FINISHED, State.FAILED]
    assert [message["type"] for job, message in q.events if job is jobs[0]][-2:] == ["result", "done"]
    assert (jobs[0].step, jobs[0].progress) == (8, 1.0)
    assert (jobs[1].step, jobs[1].total, jobs[1].it_s) == (4, 8, 2.0)
    assert jobs[1].problem.text == "no such word"
    assert "Retry" in jobs[1].problem.hint
    lines = (tmp_path / "c" / "prompts.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [0, 1]


def test_a_queue_that_looks_late_sees_each_job_end_once(queue, tmp_path):
    q = queue()
    jobs = begin(q, fates("", "fail", ""), tmp_path / "c")
    (batch,) = q.batches
    batch._reader.join()
    q.run()
    assert [job.state for job in jobs] == [State.FINISHED, State.FAILED, State.FINISHED]
    assert [job.id for job, message in q.events if message["type"] == "done"] == [job.id for job in jobs]


def test_a_cluster_that_cannot_be_used_fails_its_jobs_alone(queue, tmp_path):
    q = queue()
    jobs = begin(q, fates("refuse", ""), tmp_path / "c")
    own = q.add(chosen(), tmp_path / "own")
    q.run()
    assert [job.problem.text for job in jobs] == ["--cluster needs Ray."] * 2
    assert own.state is State.FINISHED


def test_cancelling_one_stops_the_batch_and_closing_ends_it(queue, tmp_path):
    q = queue()
    jobs = begin(q, fates("wait", ""), tmp_path / "c")
    until(lambda: q.pump() is not None and jobs[0].step == 4)
    q.cancel(jobs[1])
    q.run()
    assert [job.state for job in jobs] == [State.STOPPED] * 2
    jobs = begin(q, fates("wait"), tmp_path / "d")
    until(lambda: q.pump() is not None and jobs[0].step == 4)
    q.close(seconds=0.0)
    assert jobs[0].state is State.STOPPED
    assert q.batches == []


def test_a_list_is_kept_and_what_ran_on_a_cluster_can_be_taken_up(queue, tmp_path):
    q = queue(state_file=tmp_path / "list.json")
    (job,) = begin(q, fates("wait"), tmp_path / "c")
    until(lambda: q.pump() is not None and job.step == 4)
    q.close(seconds=0.0)
    (again,) = queue(state_file=tmp_path / "list.json").jobs
    assert (again.folder, again.state) == (job.folder, State.STOPPED)
