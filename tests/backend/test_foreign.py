"""The one way in for files from outside: what is opened, what is refused without waiting, what a record gives."""

import json
import os
import socket
import sys
import threading

import pytest

from sjc import foreign
from sjc.errors import SjcError

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices lie in folders on other systems alone")


def within_seconds(work, seconds=5.0):
    """What `work` returns or raises; a test that would wait for ever fails instead."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 (handed on)
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, "it hangs"
    return outcome[0]


def test_a_regular_file_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa4"}')
    assert foreign.read_json(path) == {"a": "ä"}
    with foreign.opened(path, 100) as file:
        assert file.read(3) == b"\xef\xbb\xbf"
    assert foreign.check_file(path, 100) == 14
    with pytest.raises(FileNotFoundError):
        foreign.read_json(tmp_path / "none")


@posix
@pytest.mark.parametrize("name", ["pipe", "device", "zeros", "socket", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name, monkeypatch):
    path = tmp_path / "job.json"
    if name == "pipe":
        os.mkfifo(path)
    elif name == "device":
        path.symlink_to("/dev/tty")
    elif name == "zeros":
        path.symlink_to("/dev/zero")
    elif name == "socket":
        listening = socket.socket(socket.AF_UNIX)
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        listening.bind("job.json")
    else:
        path.mkdir()
    for read in (foreign.opened, foreign.read_bytes, foreign.read_text, foreign.read_json, foreign.check_file):
        error = within_seconds(lambda read=read: read(path, 1000))
        assert isinstance(error, SjcError)
        assert "is a folder, not a file" in str(error) if name == "folder" else "a device or a pipe" in str(error)
    assert foreign.kind(path) == ("folder" if name == "folder" else "special")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "run.json"
    with path.open("wb") as file:
        file.truncate(10**12)  # takes no disk
    with pytest.raises(SjcError, match="is larger than 1 MB"):
        foreign.read_json(path, foreign.SETTINGS_BYTES)


@posix
def test_a_file_that_is_larger_than_it_says_is_not_read():
    """Files of /proc say 0 bytes."""
    with pytest.raises(SjcError, match="is larger than"):
        foreign.read_bytes("/proc/self/status", 10)


@posix
def test_links_out_of_a_folder_are_not_followed(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "job"
    outside.mkdir()
    inside.mkdir()
    (outside / "a.json").write_text("{}")
    (inside / "a.json").symlink_to(outside / "a.json")
    (inside / "snapshots").symlink_to(outside)
    (inside / "b.json").write_text("{}")
    (inside / "c.json").symlink_to("b.json")
    for path in (inside / "a.json", inside / "snapshots" / "a.json"):
        assert foreign.read_json(path) == {}
        with pytest.raises(SjcError, match="is a link that leads out of"):
            foreign.read_json(path, within=inside)
    assert foreign.read_json(inside / "c.json", within=inside) == {}
    (tmp_path / "link").symlink_to(inside)  # the folder itself may lie anywhere
    assert foreign.read_json(tmp_path / "link" / "b.json", within=tmp_path / "link") == {}


@pytest.mark.parametrize("path", ["a\0b", "half \ud800", "n" * 300, "n" * 5000])
def test_paths_that_can_be_none(path, tmp_path):
    assert foreign.kind(tmp_path / path) == ""
    with pytest.raises((SjcError, OSError)):
        foreign.opened(tmp_path / path, 10)
    with pytest.raises((SjcError, FileNotFoundError)):
        foreign.read_json(tmp_path / path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"a":' * 100_000, "NaN", "[Infinity]", "9" * 5000, '{"a": 1}}', "\0", "nul"],
    ids=range(10),
)
def test_texts_that_are_no_json(text, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(SjcError) as caught:
        foreign.read_json(path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(SjcError, match="is not UTF-8 text"):
        foreign.read_json(path)


RECORD = {
    "step": 3, "half": 0.5, "name": "a", "on": True, "texts": ["a"], "inside": {"step": 1}, "none": None,
    "huge": 10**400, "lists": [1], "nul": "a\0", "half_character": "\ud800", "endless": float("inf"),
}  # fmt: skip


def test_a_record_gives_what_it_holds():
    record = foreign.Record(RECORD, "a file")
    assert record.whole("step", 0, 10) == 3
    assert record.whole("missing", 0, 10, 7) == 7
    assert record.number("half", 0, 1) == 0.5
    assert record.number("step") == 3.0
    assert record.text("name") == "a"
    assert record.flag("on") is True
    assert record.texts("texts") == ["a"]
    assert record.texts("missing") == []
    assert record.record("inside").whole("step", 0, 1) == 1
    assert not record.record("missing").values
    assert "step" in record


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (lambda r: r.whole("step", 4, 10), "step is 3; it must be a whole number from 4 to 10"),
        (lambda r: r.whole("on", 0, 10), "on is True; it must be a whole number"),
        (lambda r: r.whole("half", 0, 10), "half is 0.5"),
        (lambda r: r.whole("none", 0, 10), "none is None"),
        (lambda r: r.whole("huge", 0, 10), "huge is a number of more than 60 digits"),
        (lambda r: r.whole("missing", 0, 10), "missing is missing"),
        (lambda r: r.number("huge"), "it must be a number."),
        (lambda r: r.number("endless", 0), "endless is inf"),
        (lambda r: r.number("name"), 'name is "a"'),
        (lambda r: r.text("step"), "it must be text"),
        (lambda r: r.text("nul"), "nul is"),
        (lambda r: r.text("half_character"), "half_character is"),
        (lambda r: r.text("name", longest=0), "at most 0 characters"),
        (lambda r: r.flag("step"), "true or false"),
        (lambda r: r.texts("lists"), "a list of texts"),
        (lambda r: r.texts("name"), "a list of texts"),
        (lambda r: r.record("lists"), "a file: lists must hold a JSON object"),
        (lambda _: foreign.Record([], "a file"), "a file must hold a JSON object, not []"),
    ],
)
def test_what_a_record_refuses_is_one_printable_line(read, line):
    with pytest.raises(SjcError) as caught:
        read(foreign.Record(RECORD, "a file"))
    assert line in str(caught.value)
    assert str(caught.value).isprintable()
    json.dumps(str(caught.value)).encode()
