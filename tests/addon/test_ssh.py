"""Jobs on another computer through a real sshd, with the real worker and with the scripted one."""

import shutil
import subprocess
import sys

import pytest

from sjc_blender.backend.sjc.remote import check
from sjc_blender.queue.records import State
from tests.addon.helpers import chosen
from tests.addon.other_computers import free_port, queues, served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the other computer is no Windows one")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def far(server, monkeypatch):
    """far(words) -> a queue whose jobs the other computer does."""
    monkeypatch.setenv("PATH", server.computer.path)
    yield from queues(server.computer)


def test_a_whole_job(far, server, tmp_path):
    q = far()
    job = q.add(chosen(snapshot_every=4), tmp_path / "job")
    q.run(300)
    assert (job.state, job.problem) == (State.FINISHED, None)
    assert (job.folder / "mesh.glb").read_bytes()[:4] == b"glTF"
    assert (job.folder / "checkpoint.safetensors").stat().st_size > 100_000
    assert job.snapshots
    assert q.kinds(job)[-2:] == ["result", "done"]
    del server


def test_a_line_that_is_lost_is_made_again(far, server, tmp_path):
    q = far("--fake", "slow:0.2")
    job = q.add(chosen(), tmp_path / "job")
    q.run_until(lambda: job.step >= 3)
    server.cut()
    q.run()
    assert (job.state, job.problem) == (State.FINISHED, None)
    texts = [message["text"] for message in q.messages(job, "status")]
    assert "the connection to friend is lost; connecting again" in texts
    resumed = [text for text in texts if text.startswith("resuming at step ")]
    assert len(resumed) == 1
    assert int(resumed[0].split()[3]) >= 3  # nothing is done twice
    assert [s.step for s in job.snapshots] == [2, 4, 6, 8]
    assert q.kinds().count("hello") == 1  # Blender's side of it stayed


@pytest.fixture
def settings_of_ssh(server):
    """The client's files, which the test may change."""
    originals = {path: path.read_bytes() for path in (server.config, server.known)}
    yield server
    for path, content in originals.items():
        path.write_bytes(content)


def answer(server, monkeypatch):
    """The check's line."""
    monkeypatch.setenv("PATH", server.computer.path)
    return check.check(server.computer.other).text.replace("\n", " ")


def test_a_computer_that_ssh_does_not_know(settings_of_ssh, monkeypatch):
    settings_of_ssh.known.write_text("", "utf-8")
    assert answer(settings_of_ssh, monkeypatch) == (
        'ssh does not know friend yet. Type in a terminal: "ssh friend". Compare the key that it shows, and answer yes.'
    )


def test_a_computer_whose_key_has_changed(settings_of_ssh, monkeypatch):
    host = settings_of_ssh.known.read_text("utf-8").split()[0]
    settings_of_ssh.known.write_text(f"{host} {settings_of_ssh.key.with_suffix('.pub').read_text('utf-8')}", "utf-8")
    advice = answer(settings_of_ssh, monkeypatch)
    assert advice.startswith("The key of friend is not the one that ssh knows. Ask who ")
    assert advice.endswith(f"\"ssh-keygen -R '[127.0.0.1]:{settings_of_ssh.port}'\".")  # as ssh itself knows it


def test_a_key_with_a_passphrase(settings_of_ssh, tmp_path, monkeypatch):
    locked = tmp_path / "locked"
    for path in (settings_of_ssh.key, settings_of_ssh.key.with_suffix(".pub")):
        shutil.copy(path, locked.with_suffix(path.suffix))
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", locked], check=True)
    text = settings_of_ssh.config.read_text("utf-8")
    settings_of_ssh.config.write_text(text.replace(f"IdentityFile {settings_of_ssh.key}", f"IdentityFile {locked}"))
    assert answer(settings_of_ssh, monkeypatch) == (
        f"The key {locked} has a passphrase, and nothing here may ask for it. "
        f'Type in a terminal: "ssh-add {locked}", then try again.'
    )


def test_a_key_that_is_not_accepted(settings_of_ssh, tmp_path, monkeypatch):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "new"], check=True)
    text = settings_of_ssh.config.read_text("utf-8")
    settings_of_ssh.config.write_text(
        text.replace(f"IdentityFile {settings_of_ssh.key}", f"IdentityFile {tmp_path}/new")
    )
    assert answer(settings_of_ssh, monkeypatch) == (
        'friend accepts none of your keys. Type in a terminal: "ssh-copy-id friend", then try again.'
    )


def test_a_computer_that_does_not_answer(settings_of_ssh, monkeypatch):
    text = settings_of_ssh.config.read_text("utf-8")
    settings_of_ssh.config.write_text(text.replace(f"Port {settings_of_ssh.port}", f"Port {free_port()}"))
    assert answer(settings_of_ssh, monkeypatch).startswith(
        "friend does not answer: ssh: connect to host 127.0.0.1 port "
    )
