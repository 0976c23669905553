"""View words and the checks every prompt passes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.guidance.prompts import OVERHEAD_ELEVATION, clean_prompt, view_prompt


@pytest.mark.parametrize(
    ("azimuth", "elevation", "prefix"),
    [
        (0, 0, "front"), (44.9, 0, "front"), (315.1, 0, "front"), (-44.9, 0, "front"), (360, 0, "front"),
        (45.1, 0, "side"), (90, 20, "side"), (134.9, 0, "side"), (135.1, 0, "backside"), (180, -6, "backside"),
        (224.9, 0, "backside"), (225.1, 0, "side"), (270, 0, "side"), (314.9, 0, "side"), (-90, 0, "side"),
        (0, 41.80, "front"), (0, 41.82, "overhead"), (180, 83.5, "overhead"), (90, 41.80, "side"),
    ],
)  # fmt: skip
def test_released_prefixes(azimuth, elevation, prefix):
    assert view_prompt("paper", azimuth, elevation, "a pig") == f"{prefix} view of a pig"


def test_released_overhead_threshold():
    assert pytest.approx(41.81, abs=0.005) == OVERHEAD_ELEVATION


@pytest.mark.parametrize(
    ("azimuth", "elevation", "words"),
    [
        (0, 0, "azimuth 0 elevation 0"), (4.9, 4.9, "azimuth 0 elevation 0"), (5, 5, "azimuth 10 elevation 10"),
        (354.9, -30, "azimuth 350 elevation -30"), (355, -4.9, "azimuth 0 elevation 0"),
        (359.99, 85, "azimuth 0 elevation 90"), (-10, 84.9, "azimuth 350 elevation 80"),
        (725, -5.1, "azimuth 10 elevation -10"),
    ],
)  # fmt: skip
def test_fine_words(azimuth, elevation, words):
    assert view_prompt("fine", azimuth, elevation, "a pig") == f"{words} view of a pig"


@given(st.floats(-720, 720), st.floats(-90, 90))
def test_fine_words_are_a_closed_set(azimuth, elevation):
    _, a, _, e, *rest = view_prompt("fine", azimuth, elevation, "x").split()
    assert int(a) in range(0, 360, 10)
    assert int(e) in range(-90, 91, 10)
    assert abs(int(e) - elevation) <= 5
    assert min((int(a) - azimuth) % 360, (azimuth - int(a)) % 360) <= 5 + 1e-9
    assert rest == ["view", "of", "x"]


def test_none_and_unknown():
    assert view_prompt("none", 12, 34, "a pig") == "a pig"
    with pytest.raises(SjcError, match="paper"):
        view_prompt("released", 0, 0, "a pig")


def test_clean_prompt_tidies():
    assert clean_prompt("  a   red\u3000mushroom\n") == "a red mushroom"
    assert clean_prompt(unicodedata.normalize("NFD", "빨간 버섯")) == "빨간 버섯"
    assert clean_prompt("x" * 1000) == "x" * 1000
    assert clean_prompt("  ", allow_empty=True) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "is empty"), (" \n\t ", "is empty"), ("x" * 1001, "1001 characters"), ("a\nb", r"U\+000A"),
        ("a\x00b", r"U\+0000"), ("a\x1b[31mb", r"U\+001B"), ("a\ud800b", r"U\+D800"), ("a\u2028b", r"U\+2028"),
        (None, "NoneType"), (3, "needs text"), (["a"], "list"),
    ],
)  # fmt: skip
def test_clean_prompt_refuses(text, line):
    with pytest.raises(SjcError, match=f"negative prompt: .*{line}") as caught:
        clean_prompt(text, name="negative prompt")
    assert "\n" not in str(caught.value)
