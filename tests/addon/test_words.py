"""Style words and earlier prompts: plain text that a person edits, and that may be damaged."""

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.words import STYLES, WordList, completed, matching


def test_a_list_is_plain_text_that_may_be_edited_by_hand(tmp_path):
    styles = WordList(tmp_path / "styles.txt", STYLES)
    assert styles.entries() == list(STYLES)
    styles.add("  made of   glass ")
    assert (tmp_path / "styles.txt").read_text("utf-8").splitlines() == [*STYLES, "made of glass"]
    (tmp_path / "styles.txt").write_text("# mine\nred\r\n\nred\n blue  sky \n", "utf-8")
    assert styles.entries() == ["red", "blue sky"]
    styles.remove("red")
    assert styles.entries() == ["blue sky"]
    for call, word in ((styles.remove, "red"), (styles.add, " "), (styles.add, "# no")):
        with pytest.raises(SjcError):
            call(word)


def test_the_newest_prompt_stands_first_and_once(tmp_path):
    history = WordList(tmp_path / "prompts.txt")
    for prompt in ("a cube", "a cone", "a cube"):
        history.add(prompt, first=True)
    assert history.entries() == ["a cube", "a cone"]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00damaged\xff", b"x" * 1_000_001])
def test_a_damaged_list_is_set_aside_and_named(tmp_path, data):
    path = tmp_path / "styles.txt"
    path.write_bytes(data)
    styles = WordList(path, ("smooth",))
    assert styles.entries() == ["smooth"]
    assert str(path) in styles.problem
    assert "styles.txt.damaged" in styles.problem
    assert "\n" not in styles.problem
    assert (tmp_path / "styles.txt.damaged").read_bytes() == data
    styles.add("glossy")
    assert styles.entries() == ["smooth", "glossy"]


def test_a_folder_in_the_place_of_a_list_is_no_traceback(tmp_path):
    (tmp_path / "styles.txt").mkdir()
    styles = WordList(tmp_path / "styles.txt", ("smooth",))
    assert styles.entries() == ["smooth"]
    assert "cannot be read" in styles.problem


def test_searching_and_completing():
    assert matching(["low poly", "a lowland", "polygon"], "low") == ["low poly", "a lowland"]
    assert matching(["low poly", "a lowland"], "pol lo") == ["low poly"]
    assert matching(["b", "a"], "") == ["b", "a"]
    assert completed("a red mu", ["mug", "mushroom", "table"]) == ["a red mug", "a red mushroom"]
    assert completed("mug", ["mug", "mugs"]) == ["mugs"]
    assert completed("a red ", ["mug"]) == completed("", ["mug"]) == []
