"""Variants of the 3D rows against each other, what the rows answer, and the paper's claims."""

import math

import pytest
from scipy.stats import ttest_1samp

from experiments import answers, compare, paper_claims, rows
from sjc.experiments import claims, page


def cell(variant, prompt="a", seed=0, **measured):
    return {"settings": {"variant": variant, "prompt": prompt, "seed": seed}, "measured": measured}


def record(**solids):
    """{"variant": IoU of four objects} as a record."""
    cells = [
        cell(name, f"p{i}", solid=iou, seconds=1.0, curve={"step": [5, 10], "seconds": [1.0, 2.0], "iou": [0.5, iou]})
        for name, numbers in solids.items()
        for i, iou in enumerate(numbers)
    ]
    return {"experiment": "x", "seeds": 1, "cells": cells}


def test_the_verdict_follows_the_numbers():
    better = record(a=[0.5, 0.6, 0.7, 0.8], b=[0.61, 0.7, 0.79, 0.9])
    assert answers.general(better, "solid") == "By IoU, b is better than a."
    worse = record(a=[0.5, 0.6, 0.7, 0.8], b=[0.41, 0.5, 0.59, 0.7], c=[0.5, 0.7, 0.6, 0.8])
    assert answers.general(worse, "solid") == "By IoU, b is worse than a; c cannot be told apart from it."
    assert not compare.sure(record(a=[0.5, 0.5], b=[0.9, 0.9]), "a", "b", "solid")
    assert rows.SCHEDULE.answer(better) == answers.general(better, "solid")  # variants are missing, as in a quick run
    assert answers.general(record(a=[0.5, 0.75]), "solid").startswith("Only a was measured")


def test_less_is_better_where_it_is():
    cells = [
        cell(name, f"p{i}", offset=v + i / 100, solid=0.5)
        for name, v in (("off", 0.1), ("weight 10", 0.05), ("weight 100", 0.2), ("fine words", 0.01))
        for i in range(3)
    ]
    answer = rows.CENTRE.answer({"experiment": "x", "seeds": 1, "cells": cells})
    assert "brings drifting objects nearer the middle at weight 10" in answer
    assert "takes drifting objects farther from the middle at weight 100" in answer
    assert answer.endswith("the claim of the released code holds here.")


def test_differences_are_paired():
    both = record(a=[0.5, 0.6], b=[0.6, 0.8])
    assert compare.differences(both, "b", "a", "solid") == pytest.approx([0.1, 0.2])
    assert compare.differences(both, "a", "b", "solid") == pytest.approx([-0.1, -0.2])
    assert compare.wins(both, "b", "a", "solid") == "2 of 2"
    assert compare.wins(both, "a", "a", "solid") == "0 of 2"


def test_seeds_of_one_object_are_no_objects():
    """Nine starts of three objects, of which one gains much: by starts it would look sure."""
    gains = {"p0": 0.2, "p1": 0.05, "p2": 0.02}
    cells = [
        cell(name, p, s, solid=0.5 + (gain if name == "b" else 0))
        for name in "ab"
        for p, gain in gains.items()
        for s in range(3)
    ]
    made = {"experiment": "x", "seeds": 3, "cells": cells}
    assert compare.by_object(made, "b", "a", "solid") == pytest.approx([0.2, 0.05, 0.02])
    assert compare.beats(made, "b", "a", "solid") is None


@pytest.mark.parametrize(
    ("change", "apart"),
    [
        ([0.1, 0.11, 0.09], True),
        ([0.1, 0.3, 0.0], False),
        ([0.1, 0.12], False),
        ([0.05, 0.15, 0.1, 0.02], False),
        ([0.05, 0.15, 0.1, 0.04, 0.06, 0.1], True),
    ],
)
def test_apart_is_students_t(change, apart):
    assert page.apart(change) is apart
    assert bool(ttest_1samp(change, 0).pvalue < 0.05 and len(change) > 2) is apart


def test_apart_are_six_on_one_side_though_one_is_far_out():
    change = [0.3, 0.02, 0.01, 0.02, 0.01, 0.02]
    assert ttest_1samp(change, 0).pvalue > 0.05
    assert page.apart(change)
    assert not page.apart([*change[:5], -0.001])
    assert not page.apart(change[:5])


def test_fog_is_compared_by_quotients():
    fogs = {"a": [0.01, 0.02, 0.04, 3.0], "b": [0.005, 0.011, 0.02, 3.5]}
    cells = [cell(name, f"p{i}", fog=v) for name, row in fogs.items() for i, v in enumerate(row)]
    made = {"experiment": "x", "seeds": 1, "cells": cells}
    assert sum(compare.differences(made, "b", "a", "fog")) == pytest.approx(math.log(0.5 * 0.55 * 0.5 * 3.5 / 3))
    assert compare.typical(made, "a", "fog") == pytest.approx((0.01 * 0.02 * 0.04 * 3) ** 0.25)
    assert compare.wins(made, "b", "a", "fog") == "3 of 4"


def test_what_never_formed_is_named():
    made = record(a=[0.07, 0.9], b=[0.9, 0.9])
    assert compare.unformed(made, "a") == [("p0", 0)]
    assert compare.unformed(made, "b") == []


def test_arrivals_are_the_first_mark_at_the_goal():
    reached = compare.arrivals(record(a=[0.85, 0.7]), "a", 0.8)
    assert reached == [(10, 2.0), None]
    assert compare.arrivals_text(reached) == "1 of 2, 10, 2 s"
    assert compare.arrivals_text([None]) == "0 of 1"


def test_the_mean_arrives_between_its_marks_with_all_objects():
    made = record(a=[0.9, 0.8])  # means 0.5, then 0.85
    assert compare.arrival(made, "a", 0.8) == pytest.approx((5 + 5 * 0.3 / 0.35, 1 + 0.3 / 0.35))
    assert compare.arrival(made, "a", 0.25) == pytest.approx((2.5, 0.5))
    assert compare.arrival(made, "a", 0.86) is None


def test_the_front_is_what_none_dominates():
    points = [(1, 0.5), (2, 0.7), (3, 0.6), (3, 0.9), (2, 0.65)]
    assert compare.front(points, more=True) == [0, 1, 3]
    assert compare.front(points, more=False) == [0]


def test_the_race_is_run_by_the_mean_curves():
    both = record(fast=[0.9, 0.5], slow=[0.6, 0.4])
    assert compare.overtaking(both, "fast", "slow") == pytest.approx(0.5)
    assert compare.overtaking(both, "slow", "fast") is None
    assert answers.paper(both).startswith(
        "No: the fast reaches the IoU that the paper's best settings (slow) end at after 50"
    )
    assert answers.paper(record(slow=[0.6, 0.4], fast=[0.9, 0.5])).startswith("No: the slow never reaches")


def test_presets_are_ranked_by_time_and_by_iou():
    """`default` is worth its time only while no other is both faster and better."""

    def made(iou_of_fast):
        return {"experiment": "x", "cells": [
            cell(name, f"p{i}", solid=iou, seconds=s, curve={"step": [5, 10], "seconds": [s / 2, s], "iou": [0.4, iou]})
            for name, iou, s in (("default", 0.85, 40.0), ("fast, 2", iou_of_fast, 6.0), ("quality", 0.9, 90.0))
            for i in range(3)
        ]}  # fmt: skip

    answer = answers.presets(made(0.81))
    assert 'By time, "fast, 2" is the first at a mean IoU of 0.8; quality ends with the best IoU' in answer
    assert "the default is among the variants that no other beats" in answer
    assert "the default is not among" in answers.presets(made(0.87))


def test_the_tables_hold_what_the_answer_is_made_of():
    """Against the first by starts, the geometric mean of a ratio, what the curves end at, and what never formed."""
    fogs = {"as set": [0.01, 0.01, 0.01], "no carving": [0.04, 0.01, 0.01]}
    numbers = dict.fromkeys(compare.MEASURES, 1.0)
    curve = {"step": [5, 10], "seconds": [1.0, 2.0], "iou": [0.1, 0.5]}
    cells = [
        cell(name, f"p{i}", **{**numbers, "fog": fog, "solid": 0.1 if fog > 0.02 else 0.9}, curve=curve)
        for name, row in fogs.items()
        for i, fog in enumerate(row)
    ]
    tables = rows.METHOD.tables({"experiment": "x", "seeds": 1, "cells": cells})
    (first, against, way) = tables.split("\n\n")
    assert "| no carving | 0.633" in first
    assert first.splitlines()[-1].endswith(f"| {0.01 * 4 ** (1 / 3):.2g} |")
    assert "| no carving | not told apart, 0 of 3 |" in against
    assert "| no carving | 0 of 3 | 0 of 3 | never | 0.5, 10, 2 s | 1 of 3 |" in way


@pytest.mark.parametrize("row", [row for row in rows.ROWS if row.tell], ids=lambda row: row.name)
def test_every_row_answers_in_words(row):
    """One sentence with a verdict; 0.9 for the first variant, less for each that follows."""
    numbers = dict.fromkeys(compare.MEASURES)
    cells = []
    for i, name in enumerate(row.variants):
        for prompt in ("p", "q", "r"):
            given = dict.fromkeys(numbers, 0.9 - i / 20)
            cells.append(cell(name, prompt, **given, curve={"step": [1], "seconds": [1.0], "iou": [0.9 - i / 20]}))
    answer = row.answer({"experiment": row.name, "seeds": 1, "cells": cells})
    assert answer.endswith(".")
    assert answer.count(". ") == 0
    assert len(answer) < 450
    assert any(word in answer for word in ("better", "best", "worse", "nearer", "farther"))


def test_a_variant_beats_another_only_where_the_pairs_can_tell():
    made = record(**{"as set": [0.8, 0.9, 0.7], "uniform σ": [0.7, 0.81, 0.6], "2 noises": [0.9, 0.8, 0.71]})
    assert compare.beats(made, "as set", "uniform σ", "solid") is True
    assert compare.beats(made, "uniform σ", "as set", "solid") is False
    assert compare.beats(made, "as set", "2 noises", "solid") is None
    assert compare.beats(made, "as set", "never run", "solid") is None


def test_claims_are_judged_by_the_numbers():
    uniform, guidance, _ = paper_claims.SCHEDULE
    worse = {"as set": [0.8, 0.9, 0.7], "uniform σ": [0.7, 0.8, 0.61], "guidance 20": [0.9, 0.99, 0.8]}
    assert uniform.held(record(**worse)) is False
    assert guidance.held(record(**worse)) is True
    page_text = claims.text(paper_claims.SCHEDULE, record(**worse))
    assert uniform.why in page_text
    assert guidance.why not in page_text
    assert "cannot be decided" in page_text.splitlines()[-1]
    assert claims.text((), record(**worse)) == ""


@pytest.mark.parametrize(("error", "held"), [(4.0, True), (5.0, None), (6.0, False)])
def test_a_gain_in_form_paid_with_colour_is_no_gain(error, held):
    numbers = {"as set": (0.8, 5.0), "weight 1/σ": (0.85, error)}
    cells = [
        cell(name, f"p{i}", solid=iou + i / 100, color=c + i) for name, (iou, c) in numbers.items() for i in range(3)
    ]
    assert paper_claims.METHOD[2].held({"experiment": "method", "cells": cells}) is held


@pytest.mark.parametrize(("step", "held"), [(100, False), (300, True)])
def test_the_fifth_of_the_papers_steps_is_counted(step, held):
    """The default is where the paper's settings end at after 100 of their 1000 steps, or after 300."""
    long = cell(paper_claims.LONG, curve={"step": [500, 1000], "seconds": [1, 2], "iou": [0.5, 0.7]})
    short = cell("default", curve={"step": [50, step], "seconds": [1, 2], "iou": [0.6, 0.7]})
    made = {"cells": [short, long]}
    formed, _, takes_long = paper_claims.PAPER
    assert takes_long.held(made) is held
    assert formed.held(made) is True
    assert takes_long.held({"cells": [short]}) is None
