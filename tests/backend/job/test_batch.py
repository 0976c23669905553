"""The text of a batch: one job a line, and every bad line named, whatever the text was pasted from."""

import pytest

from sjc import settings
from sjc.errors import SjcError
from sjc.job.batch import decode, read_batch


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
    assert [line.split(": ")[0] for line in problems] == [f"line {n}" for n in (2, 3, 3, 4, 5, 6, 7, 8)]
    assert "this is not a JSON object" in problems[0]
    assert "The prompt is empty" in problems[4]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "\ufeff"])
def test_a_text_without_jobs(text):
    with pytest.raises(SjcError, match="contains no prompts"):
        jobs(text)


TWO = "a red mushroom\r\na bläu\ttree\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TWO.encode(), b"\xef\xbb\xbf" + TWO.encode(), TWO.encode("utf-16"), b"\xfe\xff" + TWO.encode("utf-16-be"),
        TWO.encode("utf-16-le"), TWO.encode("utf-16-be"), TWO.encode("utf-32"),
    ],
)  # fmt: skip
def test_a_file_in_any_unicode(data):
    chosen = read_batch(decode(data), settings.resolve_job)
    assert [own.prompt for own in chosen] == ["a red mushroom", "a bläu tree"]


def test_another_encoding_is_refused_by_line():
    with pytest.raises(SjcError, match=r"^line 3: byte 0xE4 is not UTF-8; save the file as UTF-8\.$"):
        decode("eins\r\nzwei\r\nein blauer Bär".encode("latin-1"))
    with pytest.raises(SjcError, match=r"^line 2: byte 0x00 is not UTF-16-LE"):
        decode("\ufeffa\nb".encode("utf-16-le") + b"\x00\xdc")


@pytest.mark.parametrize(
    "line",
    [
        '{"prompt": "a tree", "seed": 4},', '{"prompt": "a tree", "seed": 4,}', '{"prompt": "a tree", "seed": 4, },\t',
        '\ufeff{"prompt": "a tree", "seed": 4}', '\u200b\t{"prompt": "a tree", "seed": 4}\u200b',
    ],
)  # fmt: skip
def test_an_object_as_it_stands_in_a_list(line):
    assert jobs(line) == [{"prompt": "a tree", "seed": 4}]


def test_a_prompt_in_quotes():
    assert jobs('"a red mushroom",\n"a \\"blue\\" tree"\n"not closed') == [
        {"prompt": "a red mushroom"}, {"prompt": 'a "blue" tree'}, {"prompt": '"not closed'}
    ]  # fmt: skip


@pytest.mark.parametrize("bracket", ["[", "]", "],", "{", "},"])
def test_brackets_on_lines_of_their_own(bracket):
    with pytest.raises(SjcError, match=r"^line 2: .* stands alone; write one job on each line"):
        jobs(f"a tree\n{bracket}\n")
