"""What a batch is to make: lines, grids, and everything that is wrong with them before anything starts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjc import batch
from sjc.batch import plan
from sjc.errors import SjcError
from sjc.job import run


def folders(jobs):
    return [job.folder.name for job in jobs]


def test_a_grid_makes_every_combination_in_order(tmp_path):
    grid = plan.parse_grid(["seed=0..2", "guidance=1, 2.5"])
    assert grid == {"seed": ["0", "1", "2"], "guidance": ["1", "2.5"]}
    jobs = plan.plan("a red mushroom\na blue cube\n", tmp_path, {"preset": "test"}, grid)
    pairs = [(seed, guidance) for seed in range(3) for guidance in (1.0, 2.5)]
    assert [(job.settings.seed, job.settings.guidance) for job in jobs] == pairs * 2
    assert folders(jobs)[:3] == ["001-a-red-mushroom-0", "002-a-red-mushroom-0", "003-a-red-mushroom-1"]
    assert len({job.folder for job in jobs}) == 12
    assert jobs[3].varied == {"seed": "1", "guidance": "2.5"}
    assert all(job.settings.preset == "test" for job in jobs)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_grid_has_the_product_of_its_counts(tmp_path_factory, counts):
    names = ["seed", "steps", "noises_per_view"]
    grid = {name: [str(n + 1) for n in range(count)] for name, count in zip(names, counts, strict=False)}
    jobs = plan.plan_of(["a red cube"], tmp_path_factory.getbasetemp(), grid)
    assert len(jobs) == math.prod(counts)
    assert len({tuple(job.varied.values()) for job in jobs}) == len(jobs)


@pytest.mark.parametrize(
    ("given_words", "message"),
    [
        (["seed"], "such as seed=0..9"),
        (["seed="], "such as seed=0..9"),
        (["sead=1"], "no such setting"),
        (["prompt=a,b"], "into a list"),
        (["seed=1", "seed=2"], "varied twice"),
        (["seed=9..0"], "smaller number first"),
        (["seed=0..999999999"], "no range"),
        (["steps=0"], "steps: "),
        (["seed=0..9999", "steps=1..9999"], "combinations"),
    ],
)
def test_a_bad_grid_gets_one_line(given_words, message):
    with pytest.raises(SjcError, match=message) as caught:
        plan.parse_grid(given_words)
    assert "\n" not in str(caught.value)


def test_a_line_that_sets_what_the_grid_varies_is_named(tmp_path):
    with pytest.raises(SjcError, match=r"line 2: seed is set here, and --grid varies it"):
        plan.plan('a red cube\n{"prompt": "a cone", "seed": 3}', tmp_path, {}, {"seed": ["1"]})


def test_python_jobs_are_all_checked_before_the_first(tmp_path):
    with pytest.raises(SjcError, match=r"(?s)job 2: .*steps.*job 3: .*stepz"):
        batch.run(["a red cube", {"prompt": "x", "steps": 0}, {"prompt": "x", "stepz": 1}], tmp_path)
    with pytest.raises(SjcError, match="no jobs"):
        batch.run([], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_checked_once_for_all_lines_that_name_it_and_each_bad_line_is_named(tmp_path, monkeypatch):
    """A list of 1,000 lines spent a quarter of a minute in checks of the same files."""
    checked = []
    monkeypatch.setattr(run, "check_early", lambda chosen: checked.append((chosen.model, chosen.steps)))
    lines = [{"prompt": f"a {word} cube", "seed": seed} for word in ("red", "blue") for seed in range(3)]
    batch_jobs = plan.plan_of([*lines, {"prompt": "a cone", "steps": 3}], tmp_path)
    assert len(batch_jobs) == 7
    assert checked == [("embedded", batch_jobs[0].settings.steps), ("embedded", 3)]

    def refuse(_chosen):
        raise SjcError("no such model")

    monkeypatch.setattr(run, "check_early", refuse)
    with pytest.raises(SjcError, match=r"job 1: no such model\njob 2: no such model"):
        plan.plan_of(["a red cube", "a blue cone"], tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpus_per_job": 0}, "--gpus-per-job 0"),
        ({"jobs_per_gpu": 65}, "--jobs-per-gpu 65"),
        ({"gpus_per_job": 2, "jobs_per_gpu": 2}, "exclude each other"),
        ({"cpus_per_job": -1}, "--cpus-per-job -1"),
    ],
)
def test_shares_that_nobody_has_are_refused(options, message):
    with pytest.raises(SjcError, match=message):
        batch.ClusterOptions("local", **options)
