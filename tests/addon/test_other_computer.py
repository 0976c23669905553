"""Jobs on another computer, which a script in the place of ssh plays: the line, the files, and what can go wrong."""

import os
import shutil
import sys
import threading

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.remote import check, here, ssh
from sjc_blender.backend.sjc.remote.ssh import Other
from sjc_blender.backend.sjc.worker import protocol
from sjc_blender.install import environment
from sjc_blender.queue.records import State
from tests.addon.helpers import QUICK, Watched, chosen, fake, until
from tests.addon.other_computers import played, python_of, queues, script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the other computer is no Windows one")


@pytest.fixture
def friend(tmp_path, monkeypatch):
    """The other computer; its `ssh` begins the PATH."""
    computer = played(tmp_path / "fri end")
    monkeypatch.setenv("PATH", computer.path)
    return computer


@pytest.fixture
def far(friend):
    """far("--fake", fault) -> a queue whose jobs it does."""
    yield from queues(friend)


def again(friend, before):
    """The same computer with other lines at the beginning of its ssh."""
    return played(friend.home, before)


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# ----------------------------------------------------------------------------------------------------------- a good job


def test_a_job_from_beginning_to_end(far, friend, tmp_path):
    again(friend, "echo Welcome to this computer")  # as login scripts do
    q = far("--fake", "ok")
    job = q.add(chosen('it\'s a "red" mushroom; $HOME `ls`'), tmp_path / "job")
    q.run()
    assert (job.state, job.problem, job.step, job.warnings) == (State.FINISHED, None, 8, [])
    assert [s.step for s in job.snapshots] == [2, 4, 6, 8]
    assert {"mesh.glb", "run.json", "job.json", "field.npz", "field.vdb"} <= files_of(job.folder)
    assert len(list(job.folder.glob("*.sjc"))) == 1
    assert not any(".remote" in name or "~" in name for name in files_of(job.folder))
    assert q.hello["device"] == "friend"
    assert q.kinds(job)[-2:] == ["result", "done"]
    options = (friend.home / "ssh.log").read_text("utf-8").splitlines()[0].split(" -- ")[0]
    assert "BatchMode=yes" in options
    assert "ConnectTimeout" in options
    second = q.add(chosen(seed=2), tmp_path / "second")
    q.run()
    assert second.state is State.FINISHED
    assert len((friend.home / "ssh.log").read_text("utf-8").splitlines()) == 1  # over the same line
    until(lambda: not list(friend.folder.iterdir()))  # nothing is left there


def test_what_it_starts_from_is_sent(far, friend, tmp_path):
    start = tmp_path / "block out.glb"
    start.write_bytes(b"glTF" + bytes(700_000))  # more than one message holds
    q = far("--fake", "slow:0.2")
    job = q.add(chosen(start=str(start)), tmp_path / "job")
    q.run_until(lambda: job.snapshots)
    there = friend.jobs()[0]
    assert (there / "inputs" / "start.glb").read_bytes() == start.read_bytes()
    assert (job.folder / "inputs" / "start.glb").read_bytes() == start.read_bytes()
    q.run()
    assert (job.state, job.problem) == (State.FINISHED, None)


def test_a_cancelled_job_goes_on_there(far, friend, tmp_path):
    q = far("--fake", "slow:0.1")
    job = q.add(chosen(), tmp_path / "job")
    q.run_until(lambda: job.step >= 3)
    q.pause(job)
    q.run_until(lambda: "paused" in [m.get("stage") for m in q.messages(job, "status")])
    q.cancel(job)
    q.run()
    assert (job.state, job.problem) == (State.STOPPED, None)
    stopped_at = job.step
    assert (job.folder / "job.json").is_file()
    assert friend.jobs()
    q.events.clear()
    q.retry(job)
    q.run()
    assert (job.state, job.problem) == (State.FINISHED, None)
    assert f"resuming at step {stopped_at} of 8" in [m["text"] for m in q.messages(job, "status")]


def test_a_job_may_go_from_here_to_there_and_back(far, friend, queue, tmp_path):
    """Its folder says how far it is, wherever it was worked."""
    q = far("--fake", "slow:0.1")
    job = q.add(chosen(), tmp_path / "job")
    q.run_until(lambda: job.step >= 2)
    q.cancel(job)
    q.run()
    shutil.rmtree(friend.folder)  # somebody has tidied up there
    other = far("--fake", "ok")
    second = other.take_up(job.folder)
    other.run()
    assert (second.state, second.problem) == (State.FINISHED, None)
    texts = [m["text"] for m in other.messages(second, "status")]
    assert f"resuming at step {job.step} of 8" in texts
    del queue


def test_an_old_result_stays_until_there_is_a_new_job(far, friend, tmp_path):
    q = far("--fake", "ok")
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    again(friend, "exit 255")
    third = far("--fake", "ok")
    repeat = third.add(chosen(overwrite=True), job.folder)
    third.run()
    assert repeat.state is State.FAILED
    assert (job.folder / "mesh.glb").is_file()


def test_another_worker_for_the_next_job(friend, tmp_path):
    """Who changes the preferences during a job has the next one elsewhere."""
    commands = [friend.command("--fake", "slow:0.05"), fake()]

    class Moving(Watched):
        def _next_command(self):
            return commands.pop(0)

    q = Moving(times=QUICK)
    first, second = (q.add(chosen(seed=n), tmp_path / str(n)) for n in (1, 2))
    q.run_until(lambda: first.step >= 2)
    q.free(paused=False)
    q.run()
    q.close(seconds=0.0)
    assert [first.state, second.state] == [State.FINISHED, State.FINISHED]
    assert [m["device"] for m in q.messages(first, "hello") + q.messages(second, "hello")] == [
        "friend",
        "no device (fake)",
    ]


# ------------------------------------------------------------------------------------------------------- what is wrong

SPOKEN = {
    "ssh: connect to host friend port 22: Connection refused": "friend does not answer: ",
    "ssh: connect to host friend port 22: Connection timed out": "friend does not answer: ",
    "ssh: Could not resolve hostname friend: Name or service not known": "There is no computer friend.",
    "No ED25519 host key is known for friend and you have requested strict checking.\nHost key verification failed.": (
        "ssh does not know friend yet."
    ),
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.": (
        "The key of friend is not the one that ssh knows."
    ),
    "anna@friend: Permission denied (publickey,password).": "friend accepts none of your keys.",
}


@pytest.mark.parametrize("words", SPOKEN)
def test_what_ssh_says_becomes_one_line(friend, words):
    failure = ssh.failure(friend.other, ssh.LINE_LOST, words.splitlines())
    assert failure.text.startswith(SPOKEN[words])
    assert failure.hint.endswith(".")
    assert "\n" not in failure.text + failure.hint
    assert failure.again == ("answer" in failure.text or "no computer" in failure.text)


def test_a_job_that_reaches_nobody_says_so_at_once(far, friend, tmp_path):
    again(friend, "echo 'ssh: connect to host friend port 22: Connection refused' >&2; exit 255")
    q = far("--fake", "ok")
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert (job.state, job.problem.code) == (State.FAILED, "host")
    assert job.problem.text == "friend does not answer: ssh: connect to host friend port 22: Connection refused"
    assert job.problem.hint == "Check that it is on and that you can reach it."
    again(friend, "")
    q.retry(job)  # the same process reaches it then
    q.run()
    assert (job.state, q.kinds().count("hello")) == (State.FINISHED, 1)


def test_cancelled_while_it_connects(far, friend, tmp_path):
    again(friend, "exec sleep 30")
    q = far("--fake", "ok")
    job = q.add(chosen(), tmp_path / "job")
    q.run_until(lambda: job.text.startswith("connecting"))
    q.cancel(job)
    q.run(10)
    assert (job.state, job.problem) == (State.STOPPED, None)


def test_there_is_no_ssh(friend, monkeypatch):
    monkeypatch.setenv("PATH", str(friend.home))
    assert check.check(friend.other) == check.Checked(
        False, "This computer has no program ssh. Install OpenSSH's client (on Debian: openssh-client)."
    )


@pytest.mark.parametrize("host", ["", "-V", "-oProxyCommand=touch x", "a b", "friend;ls", "friend\nls"])
def test_no_host_is_taken_for_an_option(host):
    with pytest.raises(SjcError, match="names no computer"):
        Other(host, "python", "~/jobs")


@pytest.mark.parametrize("text", ["", "  ", "two\nlines"])
def test_a_python_and_a_folder_are_named(text):
    with pytest.raises(SjcError, match="Say which Python on friend"):
        Other("friend", text, "~/jobs")
    with pytest.raises(SjcError, match="Say which folder on friend"):
        Other("friend", "python", text)


def changed_copy(folder, version=None):
    """Sources of sjc that are not ours."""
    ignored = shutil.ignore_patterns("*.safetensors", "*.json", "*.gz", "__pycache__", "*.h", "*.md")
    shutil.copytree(environment.PACKAGE / "sjc", folder / "sjc", ignore=ignored)
    start = folder / "sjc" / "__init__.py"
    text = start.read_text("utf-8")
    start.write_text(f'{text}\n__version__ = "{version}"\n' if version else f"{text}\n# changed\n", "utf-8")
    return folder


def without_package(friend):
    return python_of(friend.home / "python", options="-S")


def with_little_space(friend):
    lie = friend.home / "lie" / "sitecustomize.py"
    lie.parent.mkdir()
    lie.write_text(
        "import shutil, collections\n"
        "shutil.disk_usage = lambda path: collections.namedtuple('usage', 'total used free')(10**9, 10**9, 5_000_000)\n"
    )
    return python_of(friend.home / "python", environment.PACKAGE, lie.parent)


WRONG = {
    "no python": (lambda friend: friend.home / "gone", "friend has no Python "),
    "no sjc": (without_package, "has no sjc. Install it there, or give another Python."),
    "another version": (
        lambda friend: python_of(friend.home / "python", changed_copy(friend.home / "copy", "9.9.9")),
        "friend has sjc 9.9.9, but this add-on needs ",
    ),
    "other sources": (
        lambda friend: python_of(friend.home / "python", changed_copy(friend.home / "copy")),
        "but with other sources than this add-on.",
    ),
    "full disk": (with_little_space, "The disk of the other computer is full: "),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_job_says_what_is_wrong_there(friend, tmp_path, kind):
    make, line = WRONG[kind]
    friend.python = make(friend)
    for make_queue in queues(friend):
        q = make_queue("--fake", "ok")
        job = q.add(chosen(), tmp_path / "job")
        q.run()
        assert (job.state, job.problem.code) == (State.FAILED, "host")
        assert line in f"{job.problem.text} {job.problem.hint}"
        assert "\n" not in job.problem.text


def test_a_folder_that_cannot_be_written(friend, tmp_path):
    friend.folder = friend.python / "jobs"
    for make in queues(friend):
        q = make("--fake", "ok")
        job = q.add(chosen(), tmp_path / "job")
        q.run()
        assert job.problem.text.startswith(f"{friend.folder} cannot be written on the other computer: ")
        assert job.problem.text.endswith(" Choose another folder for jobs.")


def test_files_that_only_this_computer_has(far, friend, tmp_path):
    gone = tmp_path / "style.safetensors"
    q = far("--fake", "ok")
    job = q.add(chosen(lora=f"{gone}:0.5"), tmp_path / "job")
    q.run()
    assert job.problem.text == (
        f"lora: {gone} is not on the other computer; copy it there under the same path, or give the path that it "
        "has there."
    )
    del friend


@pytest.mark.parametrize(("fault", "code"), [("disk-full", "disk"), ("memory", "memory")])
def test_what_fails_there_is_the_jobs_problem(far, friend, tmp_path, fault, code):
    q = far("--fake", fault)
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert (job.state, job.problem.code) == (State.FAILED, code)
    assert (job.folder / "job.json").is_file()  # it can be taken up
    del friend


def test_a_worker_that_is_killed_there(far, friend, tmp_path):
    q = far("--fake", "crash:3")
    job = q.add(chosen(), tmp_path / "job")
    q.run()
    assert (job.state, job.problem.code) == (State.FAILED, "memory")  # what the system most likely did
    assert friend.jobs()


def test_a_line_that_does_not_come_back(friend, tmp_path, monkeypatch):
    """So many tries, then one line; the job there can be gone on with."""
    gone = friend.home / "gone"
    script(
        friend.bin / "ssh",
        f'#!/bin/sh\nif [ -e "{gone}" ]; then echo "ssh: No route to host" >&2; exit 255; fi\ntouch "{gone}"\n'
        'for line; do :; done\nsh -c "$line"\nexit 255\n',
    )
    monkeypatch.setattr(here, "WAITS", (0.05, 0.05))
    read_end, write_end = os.pipe()
    lines = tmp_path / "messages"
    with os.fdopen(read_end, "rb") as commands, lines.open("wb", buffering=0) as messages:
        settings = {"prompt": "a red mushroom", "preset": "test"}
        start = {"type": "start", "folder": str(tmp_path / "job"), "settings": settings, "resume": False}
        os.write(write_end, protocol.encode(start))
        bridge = here.Bridge(commands, messages, friend.other, "--fake", "crash:3")
        thread = threading.Thread(target=bridge.serve, daemon=True)
        thread.start()
        try:
            until(lambda: b'"done"' in lines.read_bytes() or lines.read_bytes().count(b"connecting to") > 3)
        finally:
            os.close(write_end)
        thread.join(10)
    spoken = [protocol.decode(line, protocol.DOWN) for line in lines.read_bytes().splitlines()]
    assert [m["text"] for m in spoken if m["type"] == "status"].count("connecting to friend") == 3
    error, done = [message for message in spoken if message["type"] in ("error", "done")]
    assert error["text"] == (
        "The connection to friend was lost and did not come back: friend does not answer: ssh: No route to host"
    )
    assert error["hint"] == "Press Retry to go on from the last checkpoint there."
    assert done["state"] == "failed"
    assert (friend.jobs()[0] / "fake.json").is_file()


# ------------------------------------------------------------------------------------------------------------ the check


def test_a_check_says_what_is_there(friend):
    answer = check.check(friend.other)
    assert answer.ok, answer.text
    assert answer.text.startswith("sjc ")
    assert f" GB free in {friend.folder}" in answer.text


def test_a_check_says_what_is_wrong(friend):
    blocked = Other(friend.other.host, friend.other.python, f"{friend.python}/jobs")
    assert check.check(blocked).text.startswith(f"{friend.python}/jobs cannot be written on the other computer: ")
    nobody = Other(friend.other.host, "~/no python", "~/jobs")
    assert check.check(nobody).text == (
        "friend has no Python ~/no python.\nGive the path of the Python there that has sjc."
    )
    again(friend, "echo hello; exit 0")
    assert check.check(friend.other).text == (
        'friend answered something else: "hello".\nGive the path of the Python there that has sjc.'
    )
