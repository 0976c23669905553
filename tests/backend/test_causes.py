"""What fails on other people's machines is known by its own words, and each door says what to do there.

`failure_messages.json` holds the words as libraries and installers print them ("" where they tell of none of these).
"""

import errno
import json
import re
import signal
from pathlib import Path

import pytest
import torch

from sjc import causes, errors
from sjc.errors import SjcError
from sjc.machine.memory import is_out_of_memory
from sjc.models.memory_fallback import MemoryFallback
from sjc.models.placement import on_device
from sjc.worker import serve

MESSAGES = [
    (row["code"], row["text"])
    for row in json.loads(Path(__file__).parents[1].joinpath("data/failure_messages.json").read_text("utf-8"))
]


def code(cause):
    return cause.code if cause else ""


@pytest.mark.parametrize(("kind", "text"), MESSAGES)
def test_words_are_known(kind, text):
    assert code(causes.of_text(text)) == kind
    assert code(causes.of_error(RuntimeError(text))) == kind
    assert code(causes.of_lines(["before", *text.splitlines(), "after"])) == kind


def test_every_kind_has_words_of_its_own():
    assert {kind for kind, _ in MESSAGES} - {""} == set(causes.BY_CODE)


@pytest.mark.parametrize("cause", causes.CAUSES, ids=lambda cause: cause.code)
def test_the_advice_fits_the_place(cause, monkeypatch):
    for in_blender, remedy in ((False, cause.shell), (True, cause.hint)):
        monkeypatch.setattr(errors, "in_blender", in_blender)
        assert cause.advice() == f"{cause.text} {remedy}"
        assert "\n" not in cause.advice()
        assert remedy.endswith(".")
    assert not re.search(r"build\.py|--[a-z]|\bpip\b|\bsjc\b", cause.hint), "Blender has no shell"
    assert not re.search(r"\b[Pp]ress\b(?! Retry)|Free GPU Memory", cause.shell) or cause is causes.PAGING


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (torch.OutOfMemoryError("x"), "memory"),
        (OSError(errno.ENOMEM, "x"), "memory"),
        (OSError(errno.ENOSPC, "x"), "disk"),
        (ImportError("DLL load failed while importing _C: The specified module could not be found."), "runtime"),
        (ImportError("DLL load failed while importing _C: not a valid Win32 application."), ""),
        (SjcError("the prompt is empty"), ""),
        (SjcError('the model does not know "out of memory".'), ""),
        (SjcError("There is no room for one view.", code="memory"), "memory"),
    ],
)
def test_errors_are_known_by_type_number_and_words(error, kind):
    assert code(causes.of_error(error)) == kind


def test_a_windows_error_is_known_by_its_number():
    error = OSError("Le fichier de pagination est insuffisant")
    error.winerror = 1455
    assert causes.of_error(error) is causes.PAGING


def test_what_caused_it_counts_and_what_was_merely_handled_does_not():
    wrapped, raised = SjcError("x was not written"), SjcError("y is not there")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    raised.__context__ = MemoryError()
    assert code(causes.of_error(wrapped)) == "disk"
    assert causes.of_error(raised) is None
    round_and_round = ValueError("a")
    round_and_round.__cause__ = round_and_round
    assert causes.of_error(round_and_round) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (-9, "memory"), (137, "memory"), (0xC0000017, "memory"), (0xC000012D, "memory"),
        (-signal.SIGILL, "processor"), (0xC000001D, "processor"), (0xC000001D - 2**32, "processor"),
        (0xC0000135, "runtime"), (-signal.SIGSEGV, ""), (1, ""), (0, ""), (0xC0000005, ""),
    ],
)  # fmt: skip
def test_exit_codes_are_known(status, kind):
    assert code(causes.of_exit(status)) == kind


@pytest.mark.parametrize(("kind", "text"), MESSAGES)
def test_the_worker_sends_the_kind_and_what_to_do_in_blender(kind, text):
    fields = serve.error_fields(RuntimeError(text))
    assert fields["code"] == (kind or "bug")
    assert fields["hint"]
    assert ("report" in fields["hint"]) == (not kind), "only a bug is asked to be reported"
    assert "\n" not in fields["text"]


def test_the_worker_offers_buttons_for_an_error_with_a_line_of_its_own():
    fields = serve.error_fields(SjcError("There is no room for one view.", code="memory"))
    assert (fields["code"], fields["text"]) == ("memory", "There is no room for one view.")
    assert "Free GPU Memory" in fields["hint"]


# ----------------------------------------------------------------------------------------------- also while loading


class Part:
    """A part of a model whose device has no room, and says so in the words of one of CUDA's libraries."""

    def __init__(self, words):
        self.words = words

    def to(self, _device):
        raise RuntimeError(self.words)


def test_a_part_that_finds_no_room_is_no_broken_device():
    words = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
    with pytest.raises(torch.OutOfMemoryError):
        on_device(Part(words), torch.device("cuda"))
    with pytest.raises(SjcError, match="cannot be used: CUDA error: no kernel image") as refused:
        on_device(Part("CUDA error: no kernel image is available for execution on the device"), torch.device("cuda"))
    assert refused.value.code == "card"


def test_every_word_for_a_full_memory_leads_to_a_cheaper_way():
    for text in (text for kind, text in MESSAGES if kind == "memory"):
        assert is_out_of_memory(RuntimeError(text))
        lines, failures = [], [RuntimeError(text), MemoryError()]

        def work(failures=failures):
            if failures:
                raise failures.pop()
            return "done"

        assert MemoryFallback(iter(["one", "two"]), "no way.", lines.append)(work) == "done"
        assert len(lines) == 2
    with pytest.raises(SjcError, match="no way") as refused:
        MemoryFallback(iter(()), "no way.")(lambda: (_ for _ in ()).throw(MemoryError()))
    assert refused.value.code == "memory"
    with pytest.raises(RuntimeError, match="illegal memory access"):
        MemoryFallback(iter(["one"]), "x.")(
            lambda: (_ for _ in ()).throw(RuntimeError("CUDA error: an illegal memory access"))
        )
