"""Who makes what, with a Ray that is a list of answers: retries, lost slots, busy folders, new computers."""

from types import SimpleNamespace

import pytest

from sjc.batch import dispatch, plan, ray_cluster
from sjc.batch.dispatch import Dispatch
from sjc.batch.ray_cluster import ClusterOptions
from sjc.errors import SjcError


class RayError(Exception):
    pass


class FakeActor:
    """Answers at once, as `answers(slot number, folder name, how often it was asked)` says."""

    def __init__(self, ray, place):
        self.ray, self.place, self.number = ray, place, len(ray.actors)
        self.ready = SimpleNamespace(remote=lambda: self.ray.starts(self))
        self.make = SimpleNamespace(remote=self._make)
        self.state = SimpleNamespace(remote=dict)
        self.stop = SimpleNamespace(remote=lambda: None)

    def _make(self, folder, _chosen):
        name = folder.rpartition("/")[2]
        self.ray.asked.append((self.number, name))
        return self.ray.answers(self.number, name, [n for _, n in self.ray.asked].count(name))


class FakeRay:
    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, cpus, answers, starts=lambda _actor: {}):
        self.cpus, self.answers, self.starts = cpus, answers, starts
        self.actors, self.asked = [], []

    def nodes(self):
        return [{"NodeID": n, "Alive": True, "Resources": {"CPU": c}} for n, c in enumerate(self.cpus)]

    def wait(self, references, timeout):
        return references, []

    def get(self, reference):
        if isinstance(reference, Exception):
            raise reference
        return reference


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """(A dispatch of so many jobs, the list of what is over)."""

    def prepare(ray, count=4, stop=lambda: False, **options):
        monkeypatch.setattr(dispatch, "NODES_SECONDS", 0)
        monkeypatch.setattr(dispatch, "BUSY_SECONDS", 0)

        def actor(given_ray, place, _lease):
            given_ray.actors.append(FakeActor(given_ray, place))
            return given_ray.actors[-1]

        monkeypatch.setattr(ray_cluster, "actor", actor)
        jobs = plan.plan_of(["a red cube"] * count, tmp_path)
        over = []
        one = Dispatch(
            ray, jobs, ClusterOptions(cpus_per_job=1, **options), lambda job, row: over.append((job.folder.name, row)),
            lambda _dispatch: None, stop,
        )  # fmt: skip
        return one, over

    return prepare


@pytest.fixture
def run(prepared):
    def start(ray, count=4, **options):
        one, over = prepared(ray, count, **options)
        names = [task.job.folder.name for task in one.waiting]
        assert one.run()
        assert sorted(name for name, _ in over) == names, "each is over once"
        return dict(over)

    return start


def outcome(ending, reason=""):
    return {"ending": ending, "reason": reason, "host": "h", "seconds": 1.0}


def test_all_slots_work_and_each_job_is_made_once(run):
    ray = FakeRay([2, 1], lambda *_: outcome("made"))
    over = run(ray, 9)
    assert {row["state"] for row in over.values()} == {"finished"}
    assert len(ray.asked) == 9
    assert {number for number, _ in ray.asked} == {0, 1, 2}


def test_a_failing_job_is_tried_on_other_slots_and_then_recorded(run):
    ray = FakeRay([3], lambda _slot, name, _n: outcome("failed", "no") if name.startswith("002") else outcome("made"))
    over = run(ray)
    assert over["002-a-red-cube-0"] == {"state": "failed", "reason": "no", "host": "h"}
    slots = [number for number, name in ray.asked if name.startswith("002")]
    assert sorted(slots) == [0, 1, 2]


def test_a_job_that_fails_once_is_made_elsewhere(run):
    ray = FakeRay([2], lambda slot, *_: outcome("failed", "bad card") if slot == 0 else outcome("made"))
    assert {row["state"] for row in run(ray).values()} == {"finished"}


def test_a_lost_slot_is_replaced_and_its_job_made(run):
    ray = FakeRay([1], lambda slot, *_: RayError("the node died") if slot < 2 else outcome("made"))
    assert {row["state"] for row in run(ray).values()} == {"finished"}
    assert len(ray.actors) == 3


def test_a_job_that_kills_every_slot_is_given_up(run):
    ray = FakeRay([1], lambda _s, name, _n: RayError("killed") if name.startswith("001") else outcome("made"))
    over = run(ray)
    assert over["001-a-red-cube-0"]["state"] == "failed"
    assert f"ended {dispatch.MOST_LOSSES} times: killed" in over["001-a-red-cube-0"]["reason"]
    assert over["002-a-red-cube-0"]["state"] == "finished"


def test_a_folder_that_somebody_else_holds_is_asked_for_again(run):
    ray = FakeRay([1], lambda _s, _name, n: outcome("in use") if n < 3 else outcome("there"))
    assert set(map(str, run(ray, 2).values())) == {"{}"}


def test_slots_that_never_start_end_the_batch_with_their_reason(run):
    ray = FakeRay([1], lambda *_: outcome("made"), starts=lambda _actor: RayError("no torch"))
    with pytest.raises(SjcError, match="No slot of the cluster starts: RayError: no torch"):
        run(ray)
    assert len(ray.actors) == dispatch.MOST_STARTS


def test_asked_to_stop_every_slot_ends_after_its_step_and_nothing_is_over(prepared, monkeypatch):
    """A slot's answer comes only after it was asked; what it made meanwhile counts."""
    monkeypatch.setattr(dispatch, "TURN_SECONDS", 0)
    answers = {"001-a-red-cube-0": outcome("stopped"), "002-a-red-cube-0": outcome("made")}
    ray, asked = FakeRay([2], lambda _slot, name, _n: answers[name]), []
    ray.wait = lambda refs, **_: ([ref for ref in refs if asked or ref not in answers.values()], [])
    one, over = prepared(ray, stop=lambda: bool(one.working))
    make = ray_cluster.actor

    def actor(*given):
        made = make(*given)
        made.stop.remote = lambda: asked.append(made.number)
        return made

    monkeypatch.setattr(ray_cluster, "actor", actor)
    assert one.run() is False
    assert asked == [0, 1]
    assert over == [("002-a-red-cube-0", {"state": "finished", "host": "h"})]
    assert one.working == []
    assert one.left == 3


def test_computers_that_are_gone_for_a_while_are_waited_for(run, monkeypatch):
    ray = FakeRay([1], lambda slot, *_: RayError("the node died") if slot == 0 else outcome("made"))
    alive, turns = ray.nodes, []

    def nodes():
        turns.append(len(ray.asked))
        gone = len(ray.actors) == 1 and ray.asked and turns.count(turns[-1]) < 4
        return [] if gone else alive()

    monkeypatch.setattr(ray, "nodes", nodes)
    monkeypatch.setattr(dispatch, "TURN_SECONDS", 0)
    assert {row["state"] for row in run(ray).values()} == {"finished"}


def nodes(*resources):
    return [{"NodeID": str(n), "NodeManagerHostname": f"h{n}", "Resources": r} for n, r in enumerate(resources)]


def test_slots_are_gpus_where_there_are_any_and_groups_of_cores_elsewhere():
    machines = nodes({"CPU": 16, "GPU": 4}, {"CPU": 8})
    made = ray_cluster.places(machines, ClusterOptions())
    assert [(place.host, place.threads, place.gpus) for place in made] == [("h0", 4, 1.0)] * 4
    assert len(ray_cluster.places(machines, ClusterOptions(jobs_per_gpu=3))) == 12
    assert len(ray_cluster.places(machines, ClusterOptions(gpus_per_job=3))) == 1
    assert len(ray_cluster.places(nodes({"CPU": 8}, {"CPU": 1}), ClusterOptions())) == 5
    with pytest.raises(SjcError, match=r"--gpus-per-job 5 cannot be had: the largest .* 4 GPUs"):
        ray_cluster.places(machines, ClusterOptions(gpus_per_job=5))
    for options in ({"gpus_per_job": 2}, {"jobs_per_gpu": 2}):
        with pytest.raises(SjcError, match="cannot be had: no computer of this cluster has a GPU"):
            ray_cluster.places(nodes({"CPU": 8}), ClusterOptions(**options))
    with pytest.raises(SjcError, match="--cpus-per-job 9 cannot be had"):
        ray_cluster.places(nodes({"CPU": 8}), ClusterOptions(cpus_per_job=9))


def test_no_ray_and_no_address_get_one_line(monkeypatch):
    with pytest.raises(SjcError, match=r"--cluster needs Ray.*build\.py cluster"), monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "ray", None)
        ray_cluster.require_ray()
    with pytest.raises(SjcError, match="use local, auto, or an address"):
        ray_cluster._check_answer("nowhere")


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("local", r"Ray did not start on this computer \(.*it was too slow\)\. Try again when it is less busy"),
        ("auto", r"no Ray cluster can be joined there \(.*it was too slow\)\. Start one with 'ray start --head'"),
    ],
)
def test_a_ray_that_does_not_start_or_answer_gets_one_line(monkeypatch, address, line):
    """Ray itself raises a bare exception then."""

    def init(*_words, **_named):
        raise Exception("it was too slow.")  # noqa: TRY002

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setattr(ray_cluster, "require_ray", lambda **_: ray)
    with pytest.raises(SjcError, match=line) as caught, ray_cluster.joined(address):
        pass
    assert "\n" not in str(caught.value)


def test_an_address_where_nobody_listens_is_told_at_once():
    with pytest.raises(OSError, match="refused"):
        ray_cluster._check_answer("127.0.0.1:1")
