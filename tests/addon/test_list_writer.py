"""The thread that writes the list of jobs: what it writes, how often, and what a disk may do to it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from sjc_blender.queue import list_writer, queue_file
from sjc_blender.queue.records import JobRecord, State
from tests.addon.helpers import chosen, loaded, until


@pytest.fixture
def many(queue, tmp_path):
    """A queue of 300 jobs that have ended, its list on disk."""
    q = queue("ok", tmp_path / "list.json")
    q.jobs += [JobRecord(chosen(seed=i), tmp_path / str(i), state=State.STOPPED) for i in range(300)]
    q._changed = True
    q.turn()
    return q


@pytest.fixture
def counted(monkeypatch):
    """How often each part of the writer was asked, and by which threads files were put in place."""
    counts, threads = Counter(), set()

    def count(owner, name):
        original = getattr(owner, name)

        def counting(*given, **named):
            counts[name] += 1
            threads.add(threading.current_thread())
            return original(*given, **named)

        monkeypatch.setattr(owner, name, counting)

    count(list_writer, "write_rows")
    count(list_writer, "_entry")
    counts.threads = threads
    return counts


def test_only_what_has_changed_is_turned_into_text_and_never_by_the_main_thread(many, counted, tmp_path):
    many.jobs[7].text = "another one"
    many.jobs[9].warnings.append("a new one")
    many._changed = True
    many.turn()
    assert counted == {"write_rows": 1, "_entry": 2}
    assert threading.main_thread() not in counted.threads
    entries = loaded(tmp_path / "list.json")
    assert [entry["settings"]["seed"] for entry in entries[1:]] == list(range(1, 300))
    assert entries[7]["text"] == "another one"
    assert entries[9]["warnings"] == ["a new one"]


def test_nothing_is_written_when_nothing_has_changed(many, counted):
    for _ in range(20):
        many.turn()
    assert counted == {}
    assert not many.saving
    assert not [thread for thread in threading.enumerate() if thread.name == "list of jobs"]


def test_a_slow_disk_holds_nobody_up_and_the_newest_list_counts(many, counted, tmp_path, monkeypatch):
    open_again, begun = threading.Event(), threading.Event()
    replace = os.replace

    def slow(*names):
        begun.set()
        assert open_again.wait(30)
        replace(*names)

    monkeypatch.setattr(list_writer.os, "replace", slow)
    for number in range(10):
        many.jobs[0].text = f"change {number}"
        many._changed = True
        many.pump()
        assert begun.wait(30)
    assert many.saving
    assert loaded(tmp_path / "list.json")[0]["text"] == ""
    open_again.set()
    many.flush()
    assert not many.saving
    assert counted["write_rows"] == 2, "the one that was being written, and the newest"
    assert loaded(tmp_path / "list.json")[0]["text"] == "change 9"


def test_a_file_that_is_held_for_a_moment_is_written_later(many, tmp_path, monkeypatch):
    """By a virus scanner, or a cloud's sync; the warning goes by itself."""
    monkeypatch.setattr(list_writer, "FIRST_WAIT", 0.01)
    held, replace = [True], os.replace

    def refuse(*names):
        if held[0]:
            raise PermissionError(13, "The process cannot access the file")
        replace(*names)

    monkeypatch.setattr(list_writer.os, "replace", refuse)
    many.jobs[0].text = "after the scan"
    many._changed = True
    many.turn()
    assert "cannot be written: The process cannot access the file" in many.problem.text
    assert many.saving
    assert not many.busy, "whoever waits for jobs waits for no disk"
    held[0] = False
    until(lambda: not many.saving)
    assert many.problem is None
    assert loaded(tmp_path / "list.json")[0]["text"] == "after the scan"
    assert not list(tmp_path.glob(".list.json.*~"))


def test_closing_waits_for_the_file_and_gives_a_bad_disk_up(many, queue, tmp_path, monkeypatch):
    many.jobs[0].text = "the last word"
    many._changed = True
    many.pump()
    many.close()
    again = queue("ok", tmp_path / "list.json")
    assert again.jobs[0].text == "the last word"
    monkeypatch.setattr(list_writer.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    again.jobs[0].text = "lost"
    again._changed = True
    again.close()
    assert not again.saving
    assert loaded(tmp_path / "list.json")[0]["text"] == "the last word"


def test_a_python_that_is_ending_makes_no_threads_and_the_list_is_written_all_the_same(many, tmp_path, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    many.jobs[0].text = "at the end"
    many.close()
    assert loaded(tmp_path / "list.json")[0]["text"] == "at the end"


def test_the_list_stands_in_both_files_while_it_moves(many, tmp_path, monkeypatch):
    """Killed at any moment of a move, a job is in the old list or in the new one."""
    here, there = tmp_path / "list.json", tmp_path / "there" / "list.json"
    lengths, replace = [], os.replace

    def look(*names):
        replace(*names)
        lengths.append([len(loaded(path)) if path.exists() else 0 for path in (here, there)])

    monkeypatch.setattr(list_writer.os, "replace", look)
    many.keep_at(there)
    assert lengths == [[300, 300], [0, 300]]


KILLED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from sjc_blender.queue.list_writer import ListWriter, row_of
from sjc_blender.queue.records import JobRecord
from tests.addon.helpers import chosen
folder = Path({folder!r})
writer, jobs = ListWriter(folder / "list.json"), [JobRecord(chosen(), folder / str(i)) for i in range(300)]
for number in range(10**9):
    jobs[number % 300].step += 1
    writer.write([row_of(job) for job in jobs])
    if number % 20 == 0:
        writer.flush()
        print(sum(job.step for job in jobs), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_while_it_writes_the_file_is_whole_and_as_new_as_the_last_flush(tmp_path):
    code = KILLED.format(path=sys.path, folder=str(tmp_path))
    for lines in (1, 2, 5, 9):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        flushed = [int(process.stdout.readline()) for _ in range(lines)][-1]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        jobs = queue_file.load(tmp_path / "list.json")
        assert len(jobs) == 300
        assert sum(job.step for job in jobs) >= flushed


def test_the_text_is_small_and_one_line_a_job(many, tmp_path):
    text = (tmp_path / "list.json").read_text("utf-8")
    assert len(text) < 300 * 600
    assert len(text.splitlines()) == 300 + 5
    assert json.loads(text)["sjc_queue"] == 1
