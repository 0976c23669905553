"""A queue of hundreds: what a turn of the timer touches is counted, not timed (`bench bridge` times it)."""

LONG = """
from collections import Counter
from sjc_blender import session
from sjc_blender.queue import list_writer

fake("ok")
queue = api.queue()
queue.jobs += [
    JobRecord(resolve("test", {"prompt": f"number {n}", "seed": n}), home / "sjc" / f"n{n}", state=State.STOPPED)
    for n in range(300)
]
ui_state.refresh()
queue._changed = True
queue.flush()
counts, touched = Counter(), set()

def count(owner, name):
    original = getattr(owner, name)
    def counting(*given, **named):
        counts[name] += 1
        return original(*given, **named)
    setattr(owner, name, counting)

copy = ui_state._jobs.copy
ui_state._jobs.copy = lambda collection, name, *more: (touched.add(name), copy(collection, name, *more))
for owner, name in (
    (ui_state, "settle"), (ui_state, "refresh"), (ui_state, "_show_curves"), (list_writer, "write_rows"),
    (list_writer, "_entry"), (ui_state.job_history, "jobs_in"),
):
    count(owner, name)
live.settled[:] = [ui_state.settle]
"""


def test_a_turn_touches_the_job_at_work_and_updates_the_panel_once(ui):
    got = ui(
        LONG
        + """
job = api.generate("a red mushroom", preset="test", block=False)
most, turns = Counter(), 0
while api.pump() or not job.finished:
    most |= counts
    turns += bool(counts)
    counts.clear()
queue.flush()
result = {
    "most": dict(most), "jobs": len(touched), "state": runtime.jobs[job.record.id].state, "entries": len(runtime.jobs),
    "history": [entry.prompt for entry in runtime.history], "last": runtime.jobs[-1].name == job.record.id,
}
api.close()
"""
    )
    assert got["most"].pop("settle") == 1
    assert got["most"].pop("refresh") == 1
    assert got["most"].pop("_show_curves") == 1
    assert got["most"].get("write_rows", 0) <= 1
    assert got["most"].get("_entry", 0) <= 1
    assert "jobs_in" not in got["most"], "the end of one job is no reason to read every folder"
    assert (got["jobs"], got["entries"], got["state"]) == (1, 301, "finished")
    assert got["last"]
    assert got["history"] == ["a red mushroom"]


def test_the_list_in_the_panel_follows_whatever_happens_to_the_queue(ui):
    got = ui("""
import random
fake("ok")
queue, dice, result = api.queue(), random.Random(0), []
chosen = {}
for turn in range(60):
    what = dice.choice(["add", "add", "add", "remove", "move", "move", "clear", "fail", "many"])
    jobs = queue.jobs
    if what == "add" or not jobs:
        queue.add(resolve("test", {"prompt": f"number {turn}"}), home / "sjc" / f"n{turn}").state = State.STOPPED
    elif what == "remove":
        queue.remove(dice.choice(jobs))
    elif what == "move":
        queue.move(dice.choice(jobs), dice.randint(-9, 9))
    elif what == "clear" and turn % 3 == 0:
        queue.clear_finished()
    elif what == "fail":
        job = dice.choice(jobs)
        job.state, job.problem = State.FAILED, Problem("bug", f"number {turn}", "a hint")
    elif what == "many":
        del jobs[::2]
    before = runtime.jobs[runtime.active_job].name if len(runtime.jobs) else ""
    ui_state.refresh()
    shown = [(e.name, e.prompt, e.state, e.problem_text) for e in runtime.jobs]
    real = [(j.id, j.prompt, j.state.value, j.problem.text if j.problem else "") for j in queue.jobs]
    ids = [j.id for j in queue.jobs]
    active = runtime.jobs[runtime.active_job].name if ids else ""
    failed = [j.id for j in queue.jobs if j.problem]
    result.append([shown == real, before not in ids or active == before, runtime.failed == (failed or [""])[-1],
                   set(runtime.states.split()) == {j.state.value for j in queue.jobs}])
    if ids:
        runtime.active_job = dice.randrange(len(ids))
queue.jobs.clear()
""")
    assert got == [[True] * 4] * 60


def test_the_panel_of_a_long_queue_looks_at_no_other_rows(ui):
    """Blender draws the visible rows of the list; ours must not walk through the others."""
    from pathlib import Path

    recorder = Path(__file__).with_name("recorder.py").read_text("utf-8")
    got = ui(
        LONG
        + recorder
        + """
from types import SimpleNamespace
queue.jobs[3].state, queue.jobs[3].problem = State.FAILED, Problem("memory", "It is full.", "Close something.")
ui_state.refresh()
reads = []

class Jobs:
    def __len__(self):
        return 300
    def __getitem__(self, index):
        reads.append(index)
        return runtime.jobs[index]
    def get(self, name):
        reads.append(name)
        return runtime.jobs.get(name)

class Runtime:
    jobs = Jobs()
    def __getattr__(self, name):
        return getattr(runtime, name)

context = SimpleNamespace(
    window_manager=SimpleNamespace(sjc=Runtime()), scene=scene, preferences=bpy.context.preferences, region=None,
    space_data=None, area=None,
)
layout = Layout()
main.SJC_PT_main.draw(SimpleNamespace(layout=layout), context)
shown = [given[0] for name, given, _ in layout.calls if name == "operator"]
from sjc_blender.ui.operators import jobs
polls = [getattr(jobs, f"SJC_OT_{name}").poll(context) for name in ("pause", "cancel", "resume", "retry")]
result = {"reads": len(reads), "retry": "sjc.retry" in shown, "polls": polls}
queue.jobs.clear()
"""
    )
    assert got["reads"] <= 2
    assert got["retry"]
    assert got["polls"] == [False, False, True, True]


def test_rows_are_found_by_their_prompt(ui):
    got = ui(
        LONG
        + """
from types import SimpleNamespace
rows = SimpleNamespace(bitflag_filter_item=1 << 30, filter_name="", use_filter_invert=False)
everything = main.SJC_UL_jobs.filter_items(rows, context := bpy.context, runtime, "jobs")
rows.filter_name = "number 29"
flags, _ = main.SJC_UL_jobs.filter_items(rows, context, runtime, "jobs")
result = [list(map(list, everything)), [n for n, flag in enumerate(flags) if flag]]
queue.jobs.clear()
"""
    )
    assert got == [[[], []], [29, *range(290, 300)]]
