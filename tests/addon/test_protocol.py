"""The door: what one side writes the other reads; everything else is one clear line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.worker import protocol

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBER = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = {
    (int,): st.integers(-(10**9), 10**9),
    (str,): TEXT,
    (bool,): st.booleans(),
    (dict,): st.dictionaries(TEXT, NUMBER, max_size=3),
    (list,): st.lists(st.integers(1, 300), max_size=3),
    (int, float): NUMBER,
}
BOTH = [("down", protocol.DOWN), ("up", protocol.UP)]


def messages(known):
    def fields(kind):
        return st.fixed_dictionaries({"type": st.just(kind), **{n: VALUES[t] for n, t in known[kind].items()}})

    return st.sampled_from(sorted(known)).flatmap(fields)


@pytest.mark.parametrize(("name", "known"), BOTH)
def test_every_message_comes_back(name, known):
    @given(messages(known))
    def check(message):
        line = protocol.encode(message)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert protocol.decode(line, known) == message

    check()


@given(st.binary(max_size=60) | TEXT | st.recursive(NUMBER | TEXT | st.none(), st.lists).map(json.dumps))
def test_anything_else_is_one_line(line):
    with pytest.raises(SjcError) as caught:
        protocol.decode(line, protocol.DOWN)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(messages(protocol.DOWN), st.integers(1, 40))
def test_a_message_cut_off_is_never_taken_for_whole(message, length):
    line = protocol.encode(message).rstrip()
    with pytest.raises(SjcError):
        protocol.decode(line[: max(1, len(line) - length)], protocol.DOWN)


@given(messages(protocol.DOWN), st.data())
def test_every_field_is_asked_for(message, data):
    names = sorted(set(message) - {"type"})
    if names:
        missing = dict(message)
        del missing[data.draw(st.sampled_from(names))]
        with pytest.raises(SjcError, match="without a proper"):
            protocol.decode(protocol.encode(missing), protocol.DOWN)


@pytest.mark.parametrize("value", [True, "3", None, [3], 3.5])
def test_a_step_is_a_whole_number(value):
    line = json.dumps({"type": "snapshot", "step": value, "path": "p", "shape": [], "colors": "exact"})
    with pytest.raises(SjcError, match="without a proper step"):
        protocol.decode(line, protocol.DOWN)


def test_numbers_that_json_lacks_do_not_lose_the_message():
    message = {"type": "progress", "step": 1, "total": 2, "it_s": 1.0, "eta_s": 1.0}
    line = protocol.encode({**message, "metrics": {"loss": float("nan"), "list": [float("inf"), (1.0,)]}})
    assert protocol.decode(line, protocol.DOWN)["metrics"] == {"loss": None, "list": [None, [1.0]]}


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_they_are_not_read_either(constant):
    with pytest.raises(SjcError, match="not a JSON line"):
        protocol.decode(f'{{"type": "heartbeat", "quiet_s": {constant}}}', protocol.DOWN)


@pytest.mark.parametrize(
    "prompt", ['a "red" mushroom', "two\nlines\r\n", "버섯 🍄\u2028\u0085", "\udc80 lone half", "\\", "\0"]
)
def test_prompts_stay_on_their_line(prompt):
    settings = {"prompt": prompt}
    line = protocol.encode({"type": "start", "folder": "/tmp/ö", "settings": settings, "resume": False})
    assert line.count(b"\n") == 1
    back = protocol.decode(line, protocol.UP)["settings"]["prompt"]
    assert back == prompt.encode("utf-8", "replace").decode()


def test_an_endless_line_is_refused_unread():
    with pytest.raises(SjcError, match="bytes"):
        protocol.decode(b'{"type": "pause", "x": "' + b"a" * protocol.LONGEST_LINE + b'"}', protocol.UP)
    with pytest.raises(SjcError):
        protocol.decode("[" * 100_000, protocol.UP)


def hello(package, **changes):
    message = {
        "type": "hello",
        "protocol": protocol.VERSION,
        "pid": 1,
        "folder": "/elsewhere",
        "device": "CPU",
        "versions": {},
    }
    return {**message, "hash": protocol.source_hash(package), **changes}


def test_hello_of_the_same_sources_passes(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    assert protocol.check_hello(hello(tmp_path), tmp_path) == ""


@pytest.mark.parametrize(
    ("changes", "excerpt"),
    [({"protocol": 99}, "protocol 99"), ({"hash": "0"}, "other sources"), ({"type": "status"}, "not hello")],
)
def test_hello_of_another_does_not(tmp_path, changes, excerpt):
    (tmp_path / "a.py").write_text("x = 1\n")
    assert excerpt in protocol.check_hello(hello(tmp_path, **changes), tmp_path)


def test_the_hash_sees_names_and_contents(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    hashes = {protocol.source_hash(tmp_path)}
    (tmp_path / "a.py").write_text("x = 2\n")
    hashes.add(protocol.source_hash(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    hashes.add(protocol.source_hash(tmp_path))
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "notes.txt").write_text("no matter")
    hashes.add(protocol.source_hash(tmp_path))
    assert len(hashes) == 3
