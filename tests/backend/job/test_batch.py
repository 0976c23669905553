"""The text of a batch: one job a line, and every bad line named, whatever the text was pasted from."""

import pytest

from sjc import settings
from sjc.errors import SjcError
from sjc.job.batch import read_batch


def jobs(text):
    return read_batch(text, lambda own: own)


@pytest.mark.parametrize(
    "text", ["a red mushroom\na blue tree\n", "a red mushroom\r\na blue tree\r\n", "a red mushroom\ra blue tree"]
)
def test_lines_end_as_in_every_editor(text):
    assert jobs(text) == [{"prompt": "a red mushroom"}, {"prompt": "a blue tree"}]


def test_comments_empty_lines_and_a_byte_order_mark_are_no_jobs():
    assert jobs("\ufeff# two sorts\n\n  # indented\n\t a red mushroom \n") == [{"prompt": "a red mushroom"}]
    assert jobs("\ufeffa red mushroom") == [{"prompt": "a red mushroom"}]


def test_a_json_object_holds_its_own_settings():
    assert jobs('  {"prompt": "a blue tree", "seed": 4}') == [{"prompt": "a blue tree", "seed": 4}]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\0"])
def test_an_odd_character_refuses_its_line_and_makes_no_second_job(character):
    text = f"a blue tree\na red{character}mushroom"
    assert [own["prompt"] for own in jobs(text)] == ["a blue tree", f"a red{character}mushroom"]
    with pytest.raises(SjcError, match=rf"^line 2: prompt: holds the control character U\+{ord(character):04X}"):
        read_batch(text, settings.resolve_job)


def test_everything_wrong_is_named_at_once():
    lines = ["a tree", '{"prompt": ', '{"prompt": "x", "steps": 0, "grid": 1}', '{"prompt": "x"} y', "{}"]
    lines += ['{"prompt": ' + "9" * 5000 + "}", "[1, 2]", '{"prompt": ' + "[" * 100_000]
    with pytest.raises(SjcError) as caught:
        read_batch("\n".join(lines), settings.resolve_job)
    problems = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in problems] == [f"line {n}" for n in (2, 3, 3, 4, 5, 6, 8)]
    assert "this is not a JSON object" in problems[0]
    assert "The prompt is empty" in problems[4]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "\ufeff"])
def test_a_text_without_jobs(text):
    with pytest.raises(SjcError, match="contains no prompts"):
        jobs(text)
