"""What a job says: JSON lines for machines, lines or a bar for people."""

import io
import json
import os
import time

import pytest

from sjc.job.progress import Bar, JsonLines, Rate, silent


def step(n, total=20):
    return {
        "type": "progress",
        "stage": "optimise",
        "step": n,
        "total": total,
        "it_s": 4.0,
        "eta_s": 2.5,
        "metrics": {},
    }


def test_json_lines_are_one_object_a_line():
    stream = io.StringIO()
    say = JsonLines(stream)
    events = [{"type": "status", "text": "line\nbreak, 버섯"}, step(1)]
    for event in events:
        say(event)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == events


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream_type", [io.TextIOWrapper, Terminal])
@pytest.mark.parametrize("reporter", [JsonLines, Bar])
def test_events_end_with_their_reader(monkeypatch, reporter, stream_type):
    monkeypatch.setenv("TERM", "xterm")
    read, write = os.pipe()
    with stream_type(os.fdopen(write, "wb"), encoding="utf-8") as stream:
        report = reporter(stream)
        os.close(read)
        for n in range(1, 21):
            report(step(n))
        report({"type": "warning", "text": "nobody reads this"})
        if reporter is Bar:
            report.close()


def test_without_a_terminal_every_tenth_is_a_line():
    stream = io.StringIO()
    bar = Bar(stream)
    bar({"type": "status", "stage": "load", "text": "loading [bold]x[/bold]"})
    for n in range(1, 21):
        bar(step(n))
    bar({"type": "snapshot", "step": 20, "path": "p"})
    bar({"type": "warning", "text": "mind [the] gap"})
    bar.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "loading [bold]x[/bold]", "what a person typed is no markup"
    assert lines[-1] == "warning: mind [the] gap"
    assert len(lines) == 2 + 11
    assert lines[-2] == "optimise 20/20, 4.0 step/s, 2 s left"
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_the_bar_shows_stage_speed_and_goes_away(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    bar = Bar(stream)
    bar(step(5))
    bar.progress.refresh()
    assert "optimise" in stream.getvalue()
    assert "5/20" in stream.getvalue()
    assert "4.0 step/s" in stream.getvalue()
    bar({"type": "status", "stage": "export", "text": "writing"})
    bar.close()
    assert bar.task is None
    assert not bar.progress.live.is_started
    assert stream.getvalue().rstrip().endswith("\x1b[?25h") or "writing" in stream.getvalue()
    bar(step(6))  # and it can start again
    assert bar.task is not None
    bar.close()


def test_rate_is_about_what_passes(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    rate = Rate()
    for _ in range(50):
        now[0] += 0.25
        measured = rate.tick()
    assert measured == pytest.approx(4.0)
    for _ in range(200):
        now[0] += 0.5
        measured = rate.tick()
    assert measured == pytest.approx(2.0, rel=0.01)
    assert silent({}) is None
