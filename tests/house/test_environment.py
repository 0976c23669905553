"""Making .venv: what happens on machines that are not ready, and on environments that broke half-way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import environment, extras, system
from tools.common import BuildError, clean_environment
from tools.environment import Environment


class Recorder:
    """Stands for `run`: notes commands, and does what a test wants in their place."""

    def __init__(self, act=lambda _words: 0):
        self.commands = []
        self.act = act

    def __call__(self, command, **_options):
        words = [str(part) for part in command]
        self.commands.append(words)
        return self.act(words)

    def count(self, *words):
        return sum(all(word in command for word in words) for command in self.commands)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\nnumpy==2.4.6 # arrays\n", "utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", "utf-8")
    (tmp_path / "backend").mkdir()
    return tmp_path


def make_venv(words):
    """Do what `python -m venv FOLDER` does, as far as these tests look."""
    if words[1:3] == ["-m", "venv"]:
        folder = Path(words[3])
        python = Environment(folder.parent).python
        python.parent.mkdir(parents=True, exist_ok=True)
        python.symlink_to(sys.executable)
        (folder / "pyvenv.cfg").write_text(f"version = {sys.version.split()[0]}\n", "utf-8")
    return 0


@pytest.fixture
def recorder(monkeypatch):
    """All commands recorded, none run, every pin met."""
    recorder = Recorder(make_venv)
    monkeypatch.setattr(environment, "run", recorder)
    monkeypatch.setattr(Environment, "differences", lambda _self: [])
    return recorder


@pytest.mark.parametrize("version", [(2, 7), (3, 8), (3, 10)])
def test_an_old_python_gets_one_line_with_the_way_out(version):
    with pytest.raises(
        BuildError, match=r"3\.11 or newer is needed and this is .*apt-get install python3\.11"
    ) as caught:
        environment.check_version(version)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [(3, 11), (3, 14), (4, 0)])
def test_new_pythons_pass(version):
    environment.check_version(version)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_says_what_to_install(module, monkeypatch):
    find = environment.importlib.util.find_spec
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None if name == module else find(name))
    with pytest.raises(BuildError, match=f"no '{module}' module.*apt-get install python3-venv"):
        environment.check_venv()


def test_first_setup_installs_torch_first_and_the_project_last(tree, recorder):
    Environment(tree).ensure()
    heads = [words[1:] for words in recorder.commands]
    assert heads[0] == ["-m", "venv", str(tree / ".venv")]
    assert heads[1][:4] == ["-m", "pip", "install", "torch==2.13.0"]
    assert heads[2][2:5] == ["install", "--requirement", str(tree / "requirements.lock")]
    assert {"--no-deps", "--no-build-isolation", "--editable", str(tree)} <= set(heads[3])
    assert len(heads) == 4
    assert (tree / "build" / "stage" / "sjc_blender" / "backend").is_dir()


def test_second_setup_starts_nothing(tree, recorder, monkeypatch):
    Environment(tree).ensure()
    recorder.commands.clear()
    monkeypatch.setattr(environment.subprocess, "run", recorder)
    Environment(tree).ensure()
    assert recorder.commands == []


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", ".venv/pyvenv.cfg"])
def test_a_changed_lock_metadata_or_python_refills_without_remaking(tree, recorder, name):
    Environment(tree).ensure()
    recorder.commands.clear()
    with (tree / name).open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    Environment(tree).ensure()
    assert recorder.count("venv") == 0
    assert recorder.count("pip", "--requirement") == 1
    assert Environment(tree).is_ready()


def test_an_interrupted_first_setup_is_made_anew(tree, recorder):
    def stop(words):
        if "--requirement" in words:
            raise KeyboardInterrupt
        return make_venv(words)

    recorder.act = stop
    with pytest.raises(KeyboardInterrupt):
        Environment(tree).ensure()
    leftover = tree / ".venv" / "half-a-package"
    leftover.write_text("", "utf-8")
    recorder.act = make_venv
    recorder.commands.clear()
    Environment(tree).ensure()
    assert recorder.count("-m", "venv") == 1
    assert not leftover.exists()


def test_an_environment_whose_python_vanished_is_made_anew(tree, recorder):
    Environment(tree).ensure()
    python = Environment(tree).python
    python.unlink()
    python.symlink_to(tree / "gone")
    Environment(tree).ensure()
    assert recorder.count("-m", "venv") == 2
    assert Environment(tree).is_ready()


def test_a_file_in_place_of_the_environment_is_replaced(tree, recorder):
    (tree / ".venv").write_text("", "utf-8")
    Environment(tree).ensure()
    assert recorder.count("-m", "venv") == 1


@pytest.mark.parametrize(
    ("failing", "message"),
    [("venv", "making .venv failed.*disk space"), ("--constraint", "check the network"), ("--editable", "network")],
)
def test_a_step_that_fails_leaves_no_stamp_and_one_line(tree, recorder, failing, message):
    recorder.act = lambda words: 1 if failing in words else make_venv(words)
    with pytest.raises(BuildError, match=message):
        Environment(tree).ensure()
    assert not Environment(tree).is_ready()


def test_a_pin_that_is_not_met_is_told_and_leaves_no_stamp(tree, recorder, monkeypatch):
    monkeypatch.setattr(Environment, "differences", lambda _self: ["numpy is missing, not 2.4.6"])
    with pytest.raises(BuildError, match=r"numpy is missing, not 2\.4\.6"):
        Environment(tree).ensure()
    assert recorder.commands
    assert not Environment(tree).is_ready()


def test_differences_ignore_local_version_parts_and_name_spelling(tree, monkeypatch):
    held = {"torch": "2.13.0+cpu", "numpy": "2.4.5"}
    done = environment.subprocess.CompletedProcess([], 0, json.dumps(held), "")
    monkeypatch.setattr(environment.subprocess, "run", lambda *_a, **_k: done)
    assert Environment(tree).differences() == ["numpy is 2.4.5, not 2.4.6"]


def test_ray_is_added_once_beside_the_pins_of_the_lock(tree, recorder, monkeypatch):
    """The demo's environment has none; what pip left out is named."""
    missing = [["ray is missing"], [], [], ["ray is missing"], ["ray is missing"]]
    monkeypatch.setattr(Environment, "differences", lambda _self, lock="": missing.pop(0) if lock else [])
    extras.ensure(Environment(tree), "cluster")
    words = recorder.commands.pop()
    assert words[1:4] == ["-m", "pip", "install"]
    assert [words[words.index(option) + 1] for option in ("--requirement", "--constraint")] == [
        str(tree / "requirements-cluster.lock"), str(tree / "requirements.lock")
    ]  # fmt: skip
    assert not recorder.count("requirements-cluster.lock"), "a first set-up alone adds no Ray"
    recorder.commands.clear()
    extras.ensure(Environment(tree), "cluster")
    assert recorder.commands == []
    with pytest.raises(BuildError, match=r"does not hold what requirements-cluster\.lock asks for \(ray is missing\)"):
        extras.ensure(Environment(tree), "cluster")


def test_this_environment_meets_the_lock():
    assert Environment().differences() == []


def test_lock_lines_with_markers_and_comments(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text('# head\nPy_Yaml.x==1.0\nb==2 ; (sys_platform == "win32")\n\nc==3 # why\n', "utf-8")
    assert environment.read_lock(lock) == {"py-yaml-x": "1.0", "c": "3"}


def test_subprocesses_see_no_foreign_python_settings(monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_USER"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PIP_CERT", "kept")
    made = clean_environment(EXTRA="1")
    assert not {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_USER"} & set(made)
    assert (made["PIP_CERT"], made["EXTRA"]) == ("kept", "1")


@pytest.mark.parametrize(("root", "installs"), [(True, 2), (False, 0)])
def test_system_packages_are_installed_by_root_and_named_to_others(monkeypatch, capsys, tmp_path, root, installs):
    recorder = Recorder()
    monkeypatch.setattr(system, "NO_START", tmp_path / "policy-rc.d")
    monkeypatch.setattr(system, "run", recorder)
    monkeypatch.setattr(system, "missing_packages", lambda: ["libgl1", "nodejs"])
    monkeypatch.setattr(system, "is_debian", lambda: True)
    monkeypatch.setattr(system.shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(system.os, "geteuid", lambda: 0 if root else 1000, raising=False)
    assert system.ensure_packages() == ["libgl1", "nodejs"]
    assert len(recorder.commands) == installs
    assert "sudo apt-get install -y --no-install-recommends libgl1 nodejs" in capsys.readouterr().out


def test_a_service_that_is_installed_does_not_start(monkeypatch, tmp_path):
    """Debian asks this file; there is an sshd for the tests then, and none that listens to the network."""
    policy, answers = tmp_path / "policy-rc.d", []
    monkeypatch.setattr(system, "NO_START", policy)
    monkeypatch.setattr(
        system, "run", lambda _words, **_: answers.append(subprocess.call([policy]) if policy.exists() else None) or 0
    )
    assert system.install(["openssh-server"])
    assert answers == [None, 101]
    assert not policy.exists()


def test_missing_libraries_and_programs_are_named_by_their_package(monkeypatch):
    monkeypatch.setattr(system.sys, "platform", "linux")
    monkeypatch.setattr(system.shutil, "which", lambda name, **_: None if name == "npm" else name)
    monkeypatch.setattr(system, "LIBRARIES", {"libc.so.6": "libc6", "libnowhere.so.9": "libnowhere9"})
    monkeypatch.setattr(system, "DRIVERS", ("/nowhere/*.so",))
    assert system.missing_packages() == ["npm", "libnowhere9", "libgl1-mesa-dri"]


def test_validator_of_the_right_version_is_not_installed_again(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(system, "run", recorder)
    folder = tmp_path / "build/node/node_modules/gltf-validator"
    folder.mkdir(parents=True)
    note = folder / "package.json"
    note.write_text(json.dumps({"version": system.VALIDATOR_VERSION}, indent=1), "utf-8")
    assert system.ensure_validator(tmp_path) == folder
    assert recorder.commands == []
    note.write_text('{"version": "1.0.0"}', "utf-8")
    system.ensure_validator(tmp_path)
    assert recorder.count("install", f"gltf-validator@{system.VALIDATOR_VERSION}") == 1
