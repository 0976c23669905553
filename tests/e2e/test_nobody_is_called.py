"""A whole job, the doctor and the list of models reach for no network and write nothing but what they should.

Two watches: Python's own events, in the process and its children (watch/sitecustomize.py), and the home folder, the
folder of temporary files and the working folder before and after, which shows what libraries write behind Python's
back. Where strace is there, it watches the connections behind Python's back, too.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sjc

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the home folder is elsewhere there")

FOREIGN = (
    "XDG_",
    "ORT_",
    "HF_",
    "DO_NOT_TRACK",
    "SJC_",
    "MPL",
    "WARP_",
    "TRITON_",
    "TORCHINDUCTOR_",
    "CUDA_CACHE_",
    "WANDB",
    "DISABLE_",
    "PYTEST",
)  # torch itself sets TORCHINDUCTOR_CACHE_DIR where it is imported
CACHE = Path(".cache/sjc")  # in the home folder
NOWHERE = re.compile(r"/dev/(null|tty|shm/.*)|/proc/.*")


@functools.cache
def tracing():
    """Whether strace can watch a process here."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


class Watched:
    """A command in a fresh home folder: what it answered, asked the network for, and wrote."""

    def __init__(self, ground, *words, python=True):
        home, temporary, work = (ground / name for name in ("home", "tmp", "work"))
        for folder in (home, temporary, work):
            folder.mkdir(exist_ok=True)
        events, trace = ground / "events.jsonl", ground / "trace.txt"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment |= {
            "HOME": str(home), "TMPDIR": str(temporary), "SJC_WATCH": str(events), "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).with_name("watch")), str(Path(sjc.__file__).parents[1])]),
        }  # fmt: skip
        before = files_below(home, work)
        prefix = ["strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(trace)] if tracing() else []
        command = [*prefix, *([sys.executable] if python else []), *map(str, words)]
        self.done = subprocess.run(
            command, env=environment, cwd=work, capture_output=True, text=True, timeout=400, check=False
        )
        self.home, self.temporary, self.work = home, temporary, work
        lines = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
        self.events = [(event, path) for event, _, path in lines]
        self.native = re.findall(r".*AF_INET.*", trace.read_text("utf-8", "replace")) if prefix else []
        self.made = files_below(home, work) - before

    def outside(self, *allowed):
        """Network events, and all that was written outside temporary files, our cache and the folders `allowed`."""
        places = [self.temporary, self.home / CACHE, *allowed]
        parents = {parent for place in places for parent in place.parents}  # may be made on the way

        def fine(event, path):
            if event.startswith("socket."):
                return "AF_UNIX" in path
            return (
                path.isdigit()
                or NOWHERE.fullmatch(path) is not None
                or any(Path(path).is_relative_to(place) for place in places)
                or (event == "os.mkdir" and Path(path) in parents)
            )

        written = [path for path in self.made if not any(path.is_relative_to(place) for place in places)]
        return [entry for entry in self.events if not fine(*entry)] + self.native + written


def files_below(*folders):
    return {path for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.mark.timeout(600)
def test_a_whole_job_writes_its_folder_and_our_cache(tmp_path):
    """In a home folder that has never seen one: every kernel and graph is made anew."""
    job = tmp_path / "work" / "outputs" / "a-red-mushroom-0"
    words = ["-m", "sjc", "generate", "a red mushroom", "--preset", "test", "--device", "cpu", "--turntable"]
    one = Watched(tmp_path, *words)
    assert one.done.returncode == 0, one.done.stderr
    assert (job / "run.json").exists()
    assert (job / "turntable.mp4").exists()
    assert any("field.npz" in path for _, path in one.events), "the watch sees something"
    assert one.outside(job) == []
    assert {path.name for path in (tmp_path / "home").rglob("*") if path.parent == tmp_path / "home" / ".cache"} == {
        "sjc"
    }
    assert files_below(tmp_path / "tmp") == set(), "temporary files are gone again"


@pytest.mark.parametrize("words", [["doctor", "--json"], ["models", "list", "--json"], ["models", "info", "--json"]])
def test_questions_write_nothing(tmp_path, words):
    one = Watched(tmp_path, "-m", "sjc", *words)
    assert json.loads(one.done.stdout), one.done.stderr
    assert one.outside() == []


REACHES = """
import os, pathlib, socket, subprocess, sys
{what}
"""


@pytest.mark.parametrize(
    ("what", "event"),
    [
        ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))", "socket.connect"),
        ("socket.getaddrinfo('127.0.0.1', 9)", "socket.getaddrinfo"),
        ("pathlib.Path.home().joinpath('.device-id').write_text('1')", "open"),
        ("os.makedirs(pathlib.Path.home() / '.config' / 'maker')", "os.mkdir"),
        ("os.mkdir('maker', dir_fd=os.open(pathlib.Path.home(), os.O_RDONLY))", "os.mkdir"),
        ("subprocess.run([sys.executable, '-c', 'open(\"trace\", \"w\")'])", "open"),
    ],
)
def test_the_watch_would_notice(tmp_path, what, event):
    one = Watched(tmp_path, "-c", REACHES.format(what=what))
    assert one.done.returncode == 0, one.done.stderr
    assert event in [entry[0] for entry in one.outside() if isinstance(entry, tuple)]


def test_the_watch_would_notice_what_happens_behind_pythons_back(tmp_path):
    script = f"import os, sys; os.execv('/bin/sh', ['sh', '-c', 'echo 1 > {tmp_path}/home/.device-id'])"
    assert Watched(tmp_path, "-c", script).outside() == [tmp_path / "home" / ".device-id"]
