"""A check of a model in a process of the backend's: its events, its end, what goes wrong."""

import json
import sys

import pytest

from sjc_blender.models import fetching
from sjc_blender.models.checking import CheckModel, ModelReport
from tests.addon.helpers import until
from tests.backend.tiny_models import CARD, word_model

CHECKS = [
    {"name": "noise", "ok": False, "text": "At noise level 1"},
    {"name": "words", "ok": True, "text": "The prompt matters"},
]
RESULT = {"type": "result", "folder": "/reports/check-some", "ok": False, "checks": CHECKS}


def scripted(*lines, code=0, errors="", seconds=0):
    """A check whose process says these lines, and ends with a status."""
    work = CheckModel(sys.executable, "some/model", "/reports")
    script = "; ".join(
        [
            "import sys, time",
            f"print({chr(10).join(lines)!r}, flush=True)",
            f"time.sleep({seconds})",
            f"print({errors!r}, file=sys.stderr)",
            f"sys.exit({code})",
        ]
    )
    work.command = [sys.executable, "-c", script]
    return work


def ended(work):
    work.start().thread.join(30)
    return work.poll()


@pytest.mark.parametrize("code", [0, 1])
def test_a_model_that_was_measured_is_done_whatever_came_of_it(code):
    work = scripted(json.dumps(RESULT), code=code)
    assert ended(work).state == "done"
    assert isinstance(work.report, ModelReport)
    assert not work.report.ok
    assert [check["name"] for check in work.report.checks] == ["noise", "words"]
    assert str(work.report.picture).replace("\\", "/") == "/reports/check-some/check.png"


def test_bad_input_is_told_in_its_own_words():
    work = scripted(json.dumps({"type": "error", "text": "no"}), code=2, errors="sjc: There is no such model.")
    now = ended(work)
    assert (now.state, now.text) == ("failed", "There is no such model.")
    assert work.report is None


def test_an_end_without_a_result_is_no_success():
    assert ended(scripted("[]", "17", "{", '{"type": "progress"}')).text == "The check ended without a result."


def test_stage_share_and_seconds_are_followed():
    work = scripted(
        json.dumps({"type": "status", "stage": "noise", "text": ""}),
        json.dumps({"type": "progress", "stage": "noise", "step": 1, "total": 4, "it_s": 2.0, "eta_s": 1.5}),
        seconds=30,
    ).start()
    until(lambda: work.factor > 0)
    now = work.poll()
    assert (now.state, now.stage, now.factor, work.seconds_left) == ("running", "noise", 0.25, 1.5)
    work.cancel()
    work.thread.join(10)
    assert work.poll().state == "cancelled"


def test_a_python_that_is_gone_is_named(tmp_path):
    work = CheckModel(tmp_path / "python", "embedded", tmp_path / "out")
    assert "does not start" in ended(work).text


def test_the_engine_speaks_as_it_is_read(tmp_path):
    """A real check: a network that was never trained is measured, fails, and its report is there."""
    model = word_model(tmp_path / "model", card=CARD)
    work = CheckModel(sys.executable, str(model), tmp_path / "out", "cpu")
    assert ended(work) == work.poll()
    work.thread.join(60)
    assert work.poll().state == "done", work.poll().text
    assert not work.report.ok
    assert work.report.folder == tmp_path / "out"
    assert work.report.picture.is_file()


def test_what_nobody_foresaw_ends_a_check_with_a_word(monkeypatch, tmp_path):
    """A thread that died in silence would be waited for for ever."""

    def broken(*_arguments):
        raise ValueError("embedded null byte")

    monkeypatch.setattr(fetching, "begin", broken)
    check = CheckModel(sys.executable, "embedded", tmp_path).start()
    check.thread.join(10)
    assert (check.poll().state, check.poll().text) == ("failed", "ValueError: embedded null byte")
