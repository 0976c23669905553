"""What a report of a bug holds, and what it leaves out unless somebody ticks it."""

import pytest

from sjc_blender.problems import Problem
from sjc_blender.report import LOG_LINES, report, without_paths, without_prompt

TRACE = (
    'File "/mnt/jane/Jane Doe/blender/extensions/sjc_blender/backend/sjc/optimize.py", line 210, in advance\n'
    'File "C:\\Users\\Jane Doe\\sjc\\a-red-mushroom-7\\job.json"\n'
    'KeyError: "mushroom"'
)
SETTINGS = {"prompt": "a red mushroom", "negative_prompt": "fog", "steps": 400, "model": "/mnt/jane/models/secret/sd"}
VERSIONS = {"Blender": "5.0.1", "torch": "2.11.0"}
FOLDERS = {"/mnt/jane/Jane Doe": "(home)", "C:\\Users\\Jane Doe": "(home)", "/": "(never)"}


def made(**ticked):
    log = [f"line {n}" for n in range(100)] + ["loading a red mushroom from https://example.org/a/b/c"]
    return report(Problem("bug", "KeyError: x", "", TRACE), SETTINGS, log, VERSIONS, folders=FOLDERS, **ticked)


def test_what_helps_is_in_it():
    text = made()
    for part in ("KeyError: x", "Blender: 5.0.1", "torch: 2.11.0", "steps: 400", "optimize.py", "line 210", "line 99"):
        assert part in text
    assert text.count("\n  line ") == LOG_LINES - 1, "the last lines only"


def test_neither_prompt_nor_paths_unless_ticked():
    text = made()
    assert "mushroom" not in text
    assert "Jane" not in text
    assert "secret" not in text
    assert "https://example.org/a/b/c" in text
    assert "a red mushroom" in made(prompt=True)
    assert "Jane Doe" not in made(prompt=True)
    assert "/mnt/jane/models/secret/sd" in made(paths=True)
    assert "mushroom" not in made(paths=True)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/a/b/c.json is gone", ".../c.json is gone"),
        ("C:\\a\\b\\c.json", ".../c.json"),
        ("C:/a/b/c.json", ".../c.json"),
        ("\\\\server\\share\\c.json", ".../c.json"),
        ("3/4 of sjc/optimize.py", "3/4 of sjc/optimize.py"),
        ("https://aka.ms/a/b", "https://aka.ms/a/b"),
    ],
)
def test_paths_keep_their_last_part(text, left):
    assert without_paths(text, {}) == left


def test_a_prompt_is_found_in_other_writings():
    text = 'does not know "dragn"; outputs/A-Dragn-Egg-3; a dragn egg; "a dragn egg"'
    left = without_prompt(text, ["a dragn egg", ""])
    assert left == 'does not know "(word)"; outputs/(prompt)-3; (prompt); "(prompt)"'
    assert without_prompt("nothing", ["", " "]) == "nothing"
