"""The estimates of a job: on a line through two measured calls, plus what a step does outside the network."""

import pytest

from sjc.check import cost
from sjc.guidance.parameterizations import Epsilon
from sjc.settings import resolve
from tests.backend.check.closed_form import model


def settings(**given):
    return resolve("embedded", {"prompt": "a red mushroom", **given})


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"views_per_step": 1, "guidance": 7.5}, 3),  # two pictures through the network
        ({"views_per_step": 4, "guidance": 7.5}, 9),
        ({"views_per_step": 8, "guidance": 7.5}, 17),
        ({"views_per_step": 2, "noises_per_view": 2, "guidance": 7.5}, 9),
        ({"views_per_step": 4, "guidance": 1.0}, 5),
        ({"views_per_step": 4, "guidance": 2.5}, 5),  # the embedded model's adapter needs one call
        ({"views_per_step": 4, "guidance": 2.5, "distilled": False}, 9),
    ],
)
def test_a_call_is_on_the_line_through_the_measured_ones(given, seconds):
    calls = {1: 3.0, 4: 9.0}  # a second, and one for each picture
    assert cost.in_network(settings(**given), model(Epsilon()), calls, 2) == pytest.approx(seconds)


def test_a_device_that_takes_many_pictures_in_the_time_of_one_costs_no_less_for_more():
    calls = {1: 1.0, 4: 0.9}
    few, many = (cost.in_network(settings(views_per_step=n, guidance=7.5), model(Epsilon()), calls, 2) for n in (1, 32))
    assert few == many == 1.0


def test_the_lines_say_minutes_and_memory():
    estimates = [cost.Cost("fast", 150, 0.5, 0.1, 0.0, 1.5, 2_500_000_000)]
    time, memory = cost.judge({1: 0.0123, 4: 0.04}, estimates, "cuda, float16: network 1.7 GB")
    assert time.text == (
        "A guided call takes 12.3 ms for one picture and 40 ms for four; estimated time of a job: fast 90 s"
    )
    assert memory.text == "At most 2.5 GB were held; cuda, float16: network 1.7 GB"
    assert [line.text for line in cost.judge({1: 1.0, 4: 2.5}, [], "cpu")] == [
        "A guided call takes 1 s for one picture and 2.5 s for four",
        "cpu",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0.0123, "12.3 ms"), (4.5, "4.5 s"), (360, "6 min"), (28000, "7.78 h")])
def test_durations_are_readable(seconds, text):
    assert cost.readable(seconds) == text
