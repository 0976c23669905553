"""Variants in the queue: they follow the events of `sjc variants`, end as stopped jobs, and one can be taken up."""

import json
import sys
import threading

from sjc_blender.backend.sjc.variants import plan
from sjc_blender.queue.preparation import Preparation
from sjc_blender.queue.queue_file import load
from sjc_blender.queue.records import State
from sjc_blender.queue.variants import VariantBatch
from tests.addon.helpers import chosen

# Stands for `sjc variants -n N --out DIR --json ... -- PROMPT`: what happens is the negative prompt.
VARIANTS = """
import json, pathlib, sys
words = sys.argv[1:]
out, count = pathlib.Path(words[words.index("--out") + 1]), int(words[words.index("-n") + 1])
assert "--json" in words and words[-2] == "--" and words[-1] == "a red mushroom", words
fate = next((w.partition("=")[2] for w in words if w.startswith("--negative-prompt=")), "")
def tell(**event): print(json.dumps(event), flush=True)
if fate == "refuse":
    tell(type="error", code="input", text="It does not know mushroom.")
    sys.exit(2)
if fate == "crash":
    sys.exit("no such file")
for number in range(1, count + 1):
    folder = out / f"{number:03d}-a-red-mushroom-{number - 1}"
    folder.mkdir(parents=True)
    at = {"folder": str(folder)}
    tell(type="status", stage="load", text="loading", **at)
    tell(type="progress", stage="optimise", step=2, total=2, it_s=2.0, eta_s=0.0, metrics={}, **at)
    if number == 2:
        tell(type="error", code="input", text="no mesh", **at)
        continue
    (folder / "job.json").write_text("{}")
    tell(type="variant", step=2, **at)
"""
COMMAND = [sys.executable, "-c", VARIANTS]


def begin(q, folder, fate=""):
    batch = VariantBatch(plan.variants_of(chosen(negative_prompt=fate), 3), folder, COMMAND)
    q.add_batch(batch)
    return batch.jobs


def test_variants_end_as_stopped_jobs_that_can_be_taken_up_and_the_list_keeps_that(queue, tmp_path):
    q = queue(state_file=tmp_path / "list.json")
    first, bad, last = jobs = begin(q, tmp_path / "v")
    assert first in q.batches[0].jobs
    q.run()
    assert q.batches == []
    assert [job.state for job in jobs] == [State.STOPPED, State.FAILED, State.STOPPED]
    assert (first.step, first.total) == (2, 8)
    assert bad.problem.text == "no mesh"
    assert "again" in bad.problem.hint
    assert [message["type"] for job, message in q.events if job is last][-2:] == ["variant", "done"]
    assert [job.variant for job in load(tmp_path / "list.json")] == [True] * 3
    first.variant = False
    q.retry(first)
    q.run()
    assert first.state is State.FINISHED
    assert [job.variant for job in load(tmp_path / "list.json")] == [False, True, True]


def test_variants_that_cannot_be_made_say_why(queue, tmp_path):
    for fate, text in (("refuse", "It does not know mushroom."), ("crash", "no such file")):
        q = queue()
        jobs = begin(q, tmp_path / fate, fate)
        q.run()
        assert [job.problem.text for job in jobs] == [text] * 3


def test_a_list_of_an_earlier_version_has_no_variants(queue, tmp_path):
    q = queue(state_file=tmp_path / "list.json")
    q.add(chosen(), tmp_path / "a")
    q.run()
    stored = json.loads((tmp_path / "list.json").read_text("utf-8"))
    del stored["jobs"][0]["variant"]
    (tmp_path / "list.json").write_text(json.dumps(stored))
    assert [job.variant for job in load(tmp_path / "list.json")] == [False]


def test_variants_wait_for_their_preparation_and_one_that_is_stopped_meanwhile_makes_nothing(queue, tmp_path):
    gate, q = threading.Event(), queue()
    batch = VariantBatch(plan.variants_of(chosen(), 3), tmp_path / "v", COMMAND)
    batch.preparation = Preparation(lambda: gate.wait(20) and None)
    q.add_batch(batch)
    q.turn()
    assert [job.state for job in batch.jobs] == [State.STARTING] * 3
    q.cancel(batch.jobs[0])
    gate.set()
    q.run()
    assert [job.state for job in batch.jobs] == [State.STOPPED] * 3
    assert not (tmp_path / "v").exists()
