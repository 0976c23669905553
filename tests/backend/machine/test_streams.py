"""Output under any code page: escapes in place of what it lacks, JSON that stays JSON, and no traceback."""

import io
import json
import os
import subprocess
import sys

import pytest

from sjc.job.progress import Bar, JsonLines
from sjc.machine import streams

PROMPT = "빨간 버섯 🍄 é"
CODE_PAGES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp949": {"PYTHONIOENCODING": "cp949"},
    "the C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
}
CODE = """
import sys
from sjc.cli import main
from sjc.job.folder import write_settings
from sjc.settings import resolve
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("page", CODE_PAGES)
def test_the_command_line_refuses_in_one_line_under_every_code_page(page, tmp_path):
    """A folder and a prompt of letters that few code pages have; standard error and output go to files."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LC_", "LANG"))}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), **CODE_PAGES[page]}
    (tmp_path / "목록.txt").write_text(f'{{"prompt": "{PROMPT}", "{PROMPT}": 1}}\n', "utf-8")
    for words in (["resume", tmp_path / PROMPT, "--json"], ["batch", tmp_path / "목록.txt"]):
        out, err = tmp_path / "out", tmp_path / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            command = [sys.executable, "-c", CODE, *map(str, words)]
            code = subprocess.run(command, stdout=stdout, stderr=stderr, env=environment, check=False).returncode
        assert code == 2, err.read_text("utf-8", "replace")
        lines = err.read_bytes().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(b"sjc: ")
        for line in out.read_bytes().splitlines():
            assert json.loads(line)["type"] == "error"
        if page == "utf-8":
            assert "버섯" in lines[0].decode()


@pytest.fixture
def under(monkeypatch):
    """under(code page) -> both streams as the command line sets them up, and what was written to them as bytes."""

    def open_streams(encoding):
        raw = io.BytesIO()
        for name in ("stdout", "stderr"):
            stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", write_through=True)
            monkeypatch.setattr(sys, name, stream)
        streams.never_fail()
        return raw

    return open_streams


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp949", "utf-8", "utf-16"])
def test_events_stay_json_and_lines_stay_lines(under, encoding):
    raw = under(encoding)
    JsonLines()({"type": "status", "text": PROMPT})
    assert json.loads(raw.getvalue().decode(encoding)) == {"type": "status", "text": PROMPT}
    raw = under(encoding)
    bar = Bar()
    bar({"type": "status", "stage": "load", "text": f"loading {PROMPT} \udcff"})
    bar({"type": "progress", "stage": "optimise", "step": 1, "total": 1, "it_s": 2.0, "eta_s": 0.0, "metrics": {}})
    bar.close()
    print(PROMPT)
    text = raw.getvalue().decode(encoding)
    assert text.startswith("loading ")
    assert len(text.splitlines()) == 3
    assert ("버섯" in text) == (encoding in {"cp949", "utf-8", "utf-16"})


def test_json_has_letters_in_unicode_and_escapes_elsewhere():
    def line(encoding):
        return streams.as_json({"a": "é"}, io.TextIOWrapper(io.BytesIO(), encoding=encoding))

    assert line("utf-8") == streams.as_json({"a": "é"}, io.StringIO()) == '{"a": "é"}'
    assert line("cp1252") == line("ascii") == '{"a": "\\u00e9"}'
    assert streams.as_json("\udcff", io.StringIO()) == '"\\udcff"'
