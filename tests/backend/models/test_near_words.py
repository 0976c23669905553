"""Which known word an unknown one may have meant."""

import json

import pytest

from sjc.models import model_files
from sjc.models.near_words import MOST, near_words

GROUPS = json.loads((model_files.locate("embedded") / "sjc.json").read_text("utf-8"))["words"]
KINDS = {kind: GROUPS[kind] for kind in ("objects", "colors", "parts")}


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("mushrom", ["mushroom"]), ("Rockett", ["rocket"]), ("airplain", ["airplane"]), ("weels", ["wheels"]),
        ("bleu", ["blue"]), ("purpel", ["purple"]),  # colours that are misspelt
        ("turquoise", ["cyan"]), ("navy", ["blue"]), ("crimson", ["red"]), ("violet", ["purple"]), ("ivory", ["white"]),
        ("maroon", ["red"]), ("gold", ["yellow"]), ("lime", ["green"]),  # colours that have other names
        ("dragon", []), ("버섯", []), ("", []), ("🍄", []),
    ],
)  # fmt: skip
def test_each_kind_has_its_own_nearness(word, near):
    assert near_words([word], KINDS)[:1] == near


def test_all_of_one_word_are_of_one_kind():
    for word in ("hamer", "boot", "tabel", "grean", "roofs", "snowmen", "carr"):
        near = near_words([word], KINDS)
        assert near
        assert any(set(near) <= set(words) for words in KINDS.values()), (word, near)


def test_every_unknown_word_counts_and_there_is_an_end():
    assert near_words(["navy", "mushrom"], KINDS) == ["blue", "mushroom"]
    assert len(near_words(["mushrom", "navy", "crimson", "rockett", "boad"], KINDS)) == MOST
    assert near_words(["navy"], {}) == near_words(["navy"], {"objects": ["house"]}) == []
