"""Another computer for tests: this one, reached by a script that plays ssh, or by a real sshd of our own.

Both are a folder that begins the PATH and holds a program `ssh`. Python there is a script as well, because an
environment's own `sjc` may be another checkout's.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from sjc_blender.backend.sjc.remote.ssh import Other
from sjc_blender.install import environment
from tests.addon.helpers import Watched

HOST = "friend"
SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"))
# The last argument is what the other computer's shell gets; options are looked at by nobody.
PLAYED = """#!/bin/sh
echo "$@" >> "{log}"
{before}
for line; do :; done
HOME="{home}" exec sh -c "$line"
"""


@dataclass
class Computer:
    """folder: where jobs are worked there. path: what PATH must be for `ssh` to reach it."""

    home: Path
    bin: Path
    python: Path
    folder: Path

    @property
    def path(self):
        return f"{self.bin}{os.pathsep}{os.environ['PATH']}"

    @property
    def other(self):
        return Other(HOST, str(self.python), str(self.folder))

    def command(self, *words):
        """How Blender starts the worker that works there."""
        return environment.other_command(self.other, sys.executable, *words)

    def jobs(self):
        """The job folders that are there."""
        return sorted(self.folder.glob("*/job"))


def queues(computer):
    """Gives make(*words) -> a queue whose jobs the other computer does; all are closed at the end."""
    made = []

    def make(*words, **options):
        class Far(Watched):
            def _next_command(self):
                return computer.command(*words)

        made.append(Far(**options))
        return made[-1]

    yield make
    for one in made:
        one.close(seconds=0.0)


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


def python_of(path, *folders, options=""):
    """A Python that finds packages in these folders first.  options: further ones of its own."""
    places = os.pathsep.join(map(str, folders))
    return script(path, f'#!/bin/sh\nPYTHONPATH="{places}" exec "{sys.executable}" {options} "$@"\n')


def _computer(home):
    python = python_of(home / "bin there" / "python", environment.PACKAGE)
    return Computer(home, home / "bin", python, home / "jobs there")


def played(home, before=""):
    """One that a script plays.  before: shell lines that it runs first."""
    computer = _computer(home)
    script(computer.bin / "ssh", PLAYED.format(log=home / "ssh.log", before=before, home=home))
    return computer


@dataclass
class Server:
    """A running sshd, and the files of its client."""

    computer: Computer
    process: subprocess.Popen
    port: int
    config: Path
    key: Path
    known: Path
    pids: Path

    def cut(self):
        """End the newest line, as a network does."""
        os.kill(int(self.pids.read_text("utf-8").split()[-1]), signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _keygen(path, passphrase=""):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
    return path


@contextlib.contextmanager
def served(home):
    """One that a real sshd on a port of its own serves, for the user who runs the tests."""
    sshd, ssh = shutil.which("sshd", path=SBIN), shutil.which("ssh")
    if sshd is None or ssh is None:
        pytest.skip("there is no sshd: apt-get install openssh-server openssh-client")
    if os.geteuid() == 0:  # it wants this folder then
        Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
    computer = _computer(home)
    own, host_key, port = _keygen(home / "key"), _keygen(home / "host_key"), free_port()
    known, settings = home / "known_hosts", home / "sshd_config"
    settings.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {own}.pub\n",
        "utf-8",
    )
    known.write_text(f"[127.0.0.1]:{port} {(home / 'host_key.pub').read_text('utf-8')}", "utf-8")
    config = home / "config"
    pids = home / "pids"
    config.write_text(
        f"Host {HOST}\n HostName 127.0.0.1\n Port {port}\n User {getpass.getuser()}\n IdentityFile {own}\n"
        f" IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile {known}\n GlobalKnownHostsFile /dev/null\n",
        "utf-8",
    )
    script(computer.bin / "ssh", f'#!/bin/sh\necho $$ >> "{pids}"\nexec {ssh} -F "{config}" "$@"\n')
    with (home / "sshd.log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_for(port, process, home / "sshd.log")
        yield Server(computer, process, port, config, own, known, pids)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port, process, log):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text("utf-8")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))
