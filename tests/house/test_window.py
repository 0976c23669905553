"""How the Blender with a window is fetched: from where, in which order, once; and what it is lent of this machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import window
from tools.common import BuildError
from tools.environment import Environment

DEB822 = """\
Types: deb
# http://old.example/debian
URIs: http://mirror.example/debian
Suites: bookworm

Types: deb
URIs: http://mirror.example/debian-security
"""


def sources(folder, **files):
    (folder / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (folder / "sources.list.d" / name.replace("_", ".")).write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a_sources", DEB822, "http://mirror.example/debian"),
        ("a_list", "deb http://one.example/debian/ trixie main\n", "http://one.example/debian/"),
        ("a_list", "deb [arch=amd64 signed-by=/k] https://two.example/debian trixie main\n", "https://two.example/debian"),
        ("a_list", "# deb http://off.example/debian trixie main\ndeb https://apps.example/apt stable main\n", ""),
        ("a_save", "deb http://off.example/debian trixie main\n", ""),
    ],
)  # fmt: skip
def test_the_mirror_is_the_machines_own(tmp_path, name, text, expected):
    assert window.mirror(sources(tmp_path / "apt", **{name: text})) == expected


@pytest.mark.parametrize(
    ("debian", "user", "address", "words"),
    [
        (False, 0, "http://m.example/debian", "needs Debian"),
        (True, 1000, "http://m.example/debian", "only root"),
        (True, 0, "", "no Debian mirror"),
        (True, 0, "http://m.example/debian", ""),
    ],
)
def test_a_machine_that_cannot_is_told_why_in_one_line(monkeypatch, tmp_path, debian, user, address, words):
    monkeypatch.setattr(window.sys, "platform", "linux")
    monkeypatch.setattr(window.system, "is_debian", lambda: debian)
    monkeypatch.setattr(window.os, "geteuid", lambda: user, raising=False)
    monkeypatch.setattr(window, "mirror", lambda: address)
    reason = window.obstacle()
    assert words in reason
    assert bool(reason) == bool(words)
    assert "\n" not in reason
    if reason:
        with pytest.raises(BuildError, match=words):
            window.ensure(tmp_path / "system")
        assert not (tmp_path / "system").exists()


class Steps:
    """Stands in for the steps: notes them, makes the folders that debootstrap would make, fails where it is told to."""

    def __init__(self):
        self.done, self.failing = [], ""

    def __call__(self, command, **_how):
        words = [str(word) for word in command]
        line = " ".join(words)
        self.done.append(line)
        if "debootstrap" in line:
            root = Path(words[-2])
            for name in ("etc/dpkg/dpkg.cfg.d", "etc/apt/apt.conf.d", "etc/ssl/certs"):
                (root / name).mkdir(parents=True)
        failed = bool(self.failing) and self.failing in line
        return subprocess.CompletedProcess(
            command, int(failed), "Blender 4.3.2\n\nE: no\n" if failed else "Blender 4.3.2"
        )

    def count(self, words):
        return sum(words in line for line in self.done)


@pytest.fixture
def steps(monkeypatch):
    recorder = Steps()
    monkeypatch.setattr(window, "obstacle", lambda: "")
    monkeypatch.setattr(window, "mirror", lambda: "http://m.example/debian")
    monkeypatch.setattr(window, "may_mount", lambda: True)
    monkeypatch.setattr(window.shutil, "which", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(window.subprocess, "run", recorder)
    return recorder


def test_the_second_call_finds_it_ready(steps, tmp_path):
    folder = window.ensure(tmp_path / "system")
    assert steps.count("debootstrap") == 1
    assert "http://m.example/debian" in steps.done[0]
    assert steps.done[0].startswith("unshare --mount ")
    assert steps.count("apt-get install -y -qq blender") == 1
    steps.done.clear()
    assert window.ensure(folder) == folder
    assert steps.done == []


def test_other_packages_than_then_are_added(steps, tmp_path, monkeypatch):
    window.ensure(tmp_path / "system")
    steps.done.clear()
    monkeypatch.setattr(window, "PACKAGES", (*window.PACKAGES, "openbox"))
    window.ensure(tmp_path / "system")
    assert steps.count("debootstrap") == 0
    assert steps.count("openbox") == 1


@pytest.mark.parametrize(
    ("failing", "what", "anew"),
    [
        ("debootstrap", "fetching Debian", 1),
        ("apt-get update", "reading the mirror's list", 0),
        ("install -y", "installing Blender", 0),
        ("blender --version", "starting Blender", 0),
    ],
)
def test_a_half_made_one_is_finished_or_made_again(steps, tmp_path, failing, what, anew):
    steps.failing = failing
    with pytest.raises(BuildError, match=what) as caught:
        window.ensure(tmp_path / "system")
    assert "E: no" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "E: no" in (tmp_path / "system.log").read_text("utf-8")
    steps.failing = ""
    steps.done.clear()
    window.ensure(tmp_path / "system")
    assert steps.count("debootstrap") == anew
    assert steps.count("install -y") == 1


def test_a_folder_of_someone_elses_stays(steps, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "me.jpg").touch()
    with pytest.raises(BuildError, match="holds something else"):
        window.ensure(folder)
    assert (folder / "me.jpg").exists()
    assert steps.done == []


@pytest.fixture
def environment(tmp_path):
    made = Environment(tmp_path / "project")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made.folder], check=True)
    return made


def test_what_is_lent_is_enough_to_start_the_environments_python(environment):
    lent = window.lendable(environment)
    assert environment.folder in lent
    needed = [environment.python.resolve(), Path(sys.base_prefix) / "lib" / Path(sys.modules["os"].__file__).parent]
    assert all(any(path.is_relative_to(folder) for folder in lent) for path in needed)
    assert Path("/usr") not in lent


def test_where_mounts_are_refused_it_is_copied_once(environment, tmp_path, monkeypatch):
    monkeypatch.setattr(window, "may_mount", lambda: False)
    monkeypatch.setattr(window, "lendable", lambda environment: [environment.folder])
    root = tmp_path / "system"
    assert window.inside(root, ["blender", "-b"], environment=environment) == ["chroot", str(root), "blender", "-b"]
    copied = Environment(Path(f"{root}{environment.root}"))
    assert copied.python.is_symlink()
    stamp = environment.folder / window.STAMP
    stamp.write_text("new")
    window.inside(root, ["blender"], environment=environment)
    assert (copied.folder / window.STAMP).read_text() == "new"
    (copied.folder / "kept").touch()
    window.inside(root, ["blender"], environment=environment)
    assert (copied.folder / "kept").exists()


def test_where_mounts_are_allowed_they_end_with_the_program(environment, monkeypatch):
    monkeypatch.setattr(window, "may_mount", lambda: True)
    monkeypatch.setattr(window, "lendable", lambda environment: [environment.folder])
    command = window.inside(Path("/there"), ["blender", "--", "x"], environment=environment)
    assert command[0] == "unshare"
    assert {"--mount", "--pid", "--fork", "--kill-child"} <= set(command)
    assert command[-6:] == ["/there", str(environment.folder), "--", "blender", "--", "x"]
