"""Finding, asking and making the backend's Python, with real interpreters; only the packages are borrowed."""

import json
import os
import sys
import sysconfig
import time
import zipfile
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest

from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.backend.sjc.paths import LONGEST_ON_WINDOWS
from sjc_blender.install import environment, installer


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv(environment.VARIABLE, raising=False)


def borrowed(folder, packages=True):
    """A requirements file naming one small wheel, which lends this environment's packages to another."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "sjc_lent-1.0-py3-none-any.whl"
    info = "sjc_lent-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("sjc_lent.py", "")
        if packages:
            archive.writestr("sjc_lent.pth", sysconfig.get_paths()["purelib"] + "\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: sjc-lent\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    requirements = folder / "requirements.txt"
    requirements.write_text(str(wheel) + "\n")
    return requirements


def finish(install, seconds=180, factors=None):
    """Wait for its end -> how it ended.  factors: a list that takes what the bar shows meanwhile."""
    deadline = time.monotonic() + seconds
    while (now := install.poll()).state == "running" and time.monotonic() < deadline:
        if factors is not None:
            factors.append(now.factor)
        time.sleep(0.02)
    install.thread.join(10)
    return install.poll()


@pytest.fixture
def pip_only(monkeypatch):
    """As on a machine without uv, and without a network to fetch it from."""
    monkeypatch.setattr(installer.shutil, "which", lambda _name: None)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_nothing_there_is_missing(tmp_path):
    assert environment.stored(tmp_path / "none").state == "missing"


def test_this_environment_passes_and_is_remembered(tmp_path):
    backend = environment.use(tmp_path, sys.executable)
    assert backend.state == "ready", backend
    assert "cpu" in backend.text or "cuda" in backend.text
    assert environment.stored(tmp_path) == backend


@pytest.mark.parametrize("record", ["", "{", "[]", '{"python": 3}', '"x"'])
def test_a_damaged_record_is_no_record(tmp_path, record):
    (tmp_path / environment.RECORD).write_text(record)
    assert environment.stored(tmp_path).state in {"missing", "broken"}


def test_an_environment_that_went_away_is_broken(tmp_path):
    environment.write(tmp_path, environment.Backend("ready", str(tmp_path / "gone" / "python"), "CPU"))
    backend = environment.stored(tmp_path)
    assert backend.state == "broken"
    assert "install it again" in backend.text


def test_other_requirements_make_it_stale(tmp_path, monkeypatch):
    environment.write(tmp_path, environment.Backend("ready", sys.executable, "CPU"), made=True)
    assert not environment.stored(tmp_path).stale
    other = tmp_path / "requirements.txt"
    other.write_text("torch==99\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", other)
    assert environment.stored(tmp_path).stale


def test_the_variable_goes_before_the_choice(tmp_path, monkeypatch):
    monkeypatch.setenv(environment.VARIABLE, sys.executable)
    assert environment.stored(tmp_path, chosen="/no/such/python").python == sys.executable
    monkeypatch.setenv(environment.VARIABLE, "/no/such/python")
    assert environment.stored(tmp_path).state == "broken"


def test_the_folder_of_an_environment_will_do():
    prefix = Path(sys.prefix)
    assert environment.interpreter(prefix).parent.parent == prefix


@pytest.mark.parametrize("given", ["", "  ", "/no/such/thing", "~/nothing-here"])
def test_no_python_is_one_clear_line(given):
    with pytest.raises(SjcError) as caught:
        environment.interpreter(given)
    assert "\n" not in str(caught.value)


def test_a_program_that_is_no_python_is_broken(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    assert environment.doctor(program).state == "broken"
    assert environment.probe(str(program)) is None
    program.write_text("#!/bin/sh\nsleep 30\n")
    assert "did not answer" in environment.doctor(program, seconds=0.3).text


def test_the_worker_environment_is_clean(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    clean = environment.clean_environment({"A": "b"})
    assert clean["A"] == "b"
    assert not {"PYTHONPATH", "PIP_TARGET"} & set(clean)


def test_the_pythons_offered_can_make_environments():
    pythons = environment.find_pythons()
    assert pythons
    assert all(version >= (3, 11) and os.access(path, os.X_OK) for version, path in pythons)


def test_installs_and_records_and_the_bar_grows(tmp_path, pip_only):
    home, factors = tmp_path / "hôme with spaces", []
    install = installer.Installer(home, sys.executable, requirements=borrowed(tmp_path / "w")).start()
    end = finish(install, factors=factors)
    assert end.state == "done", (end, list(install.tail))
    assert end.factor == 1.0
    assert factors == sorted(factors)
    assert factors[0] < 0.5
    backend = environment.stored(home)
    assert backend.state == "ready"
    assert Path(backend.python).is_relative_to(home)
    assert "going on with pip" in install.log.read_text("utf-8")


def test_on_windows_every_file_of_an_environment_can_be_opened(tmp_path):
    """The longest name among the packages that are here fits below a person's folder with a name of 20 letters."""
    packages = Path(sysconfig.get_paths()["purelib"])
    longest = max(
        len(folder) + 1 + max(map(len, names), default=0) - len(str(packages)) for folder, _, names in os.walk(packages)
    )
    assert longest > 100
    variables = {"LOCALAPPDATA": "C:\\people\\" + "a" * 20 + r"\AppData\Local"}
    folder = environment.new_folder(tmp_path, windows=True, variables=variables)
    assert folder.parent == Path(variables["LOCALAPPDATA"]) / "sjc"
    within = PureWindowsPath(str(folder).replace("/", "\\")) / "Lib" / "site-packages"
    assert len(str(within)) + longest <= LONGEST_ON_WINDOWS
    assert environment.new_folder(tmp_path, windows=False, variables=variables).parent == tmp_path


def test_a_failed_one_leaves_the_working_one(tmp_path, pip_only):
    environment.write(tmp_path, environment.Backend("ready", sys.executable, "CPU"))
    install = installer.Installer(tmp_path, sys.executable, requirements=borrowed(tmp_path / "w", packages=False))
    end = finish(install.start())
    assert end.state == "failed"
    assert "doctor" in end.text
    assert environment.stored(tmp_path).python == sys.executable
    assert not list(tmp_path.glob("env-*"))


def test_a_package_that_cannot_be_had_is_one_line(tmp_path, pip_only):
    requirements = tmp_path / "r.txt"
    requirements.write_text("no-such-package-of-ours==1\n")
    end = finish(installer.Installer(tmp_path / "h", sys.executable, requirements=requirements).start())
    assert end.state == "failed"
    assert "no-such-package-of-ours" in end.text
    assert "\n" not in end.text


def test_an_installation_that_breaks_in_a_way_of_its_own_ends(tmp_path, monkeypatch):
    def broken(_self):
        raise ValueError("embedded null byte")

    monkeypatch.setattr(installer.Installer, "_check_room", broken)
    end = finish(installer.Installer(tmp_path, sys.executable, requirements=borrowed(tmp_path / "w")).start())
    assert (end.state, end.text) == ("failed", "ValueError: embedded null byte")


def test_cancel_ends_it_and_cleans_up(tmp_path, pip_only):
    install = installer.Installer(tmp_path, sys.executable, requirements=borrowed(tmp_path / "w")).start()
    time.sleep(0.3)
    install.cancel()
    began = time.monotonic()
    assert finish(install, 30).state == "cancelled"
    assert time.monotonic() - began < 20
    assert not list(tmp_path.glob("env-*"))
    assert environment.stored(tmp_path).state == "missing"


PROGRAM = """#!/usr/bin/env python3
import os, sys
print({words!r})
sys.exit(0 if {passes} else 1)
"""


def failing(tmp_path, monkeypatch, words, passes="False"):
    """An installation whose uv says these words and fails; -> (end, installer)."""
    tools = tmp_path / "tools"
    tools.mkdir()
    tools.joinpath("uv").write_text(PROGRAM.format(words=words, passes=passes), "utf-8")
    tools.joinpath("uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools) + os.pathsep + os.environ["PATH"])
    monkeypatch.setattr(environment, "interpreter", lambda _given: Path(sys.executable))
    monkeypatch.setattr(
        installer.Installer, "_examine", lambda _self, python: environment.Backend("ready", str(python))
    )
    install = installer.Installer(tmp_path / "home", sys.executable)
    return finish(install.start()), install


@pytest.mark.skipif(sys.platform == "win32", reason="a script with a #! line")
@pytest.mark.parametrize(
    ("words", "code", "advice"),
    [
        ("error: Failed to extract: No space left on device (os error 28)", "disk", "press Install Backend again"),
        ("The virtual environment was not created: ensurepip is not available.", "venv", "apt install python3-venv"),
        ("OSError: [WinError 1455] The paging file is too small", "memory", "press Install Backend again"),
        ("  Caused by: invalid peer certificate: UnknownIssuer", "certificate", "SSL_CERT_FILE"),
        ("error: something else", "", "something else"),
    ],
)
def test_what_stops_an_installation_is_known(tmp_path, monkeypatch, words, code, advice):
    end, install = failing(tmp_path, monkeypatch, words)
    assert end.state == "failed"
    assert install.code == code
    assert advice in end.text
    assert "build.py" not in end.text
    assert not list((tmp_path / "home").glob("env-*"))


@pytest.mark.skipif(sys.platform == "win32", reason="a script with a #! line")
def test_a_proxys_certificate_that_the_system_trusts_will_do(tmp_path, monkeypatch):
    """uv brings certificates of its own; the second try asks for the system's."""
    passes = "sys.argv[1] == 'venv' or os.environ.get('UV_NATIVE_TLS') == '1'"
    end, install = failing(tmp_path, monkeypatch, "invalid peer certificate: UnknownIssuer", passes)
    assert end.state == "done", end.text
    assert "the system's certificates" in install.log.read_text("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="a script with a #! line")
def test_an_older_environment_near_to_the_drive_goes_when_a_new_one_is_recorded(tmp_path, monkeypatch):
    """And no other one there: each version of Blender has its own."""
    short, home = tmp_path / "local" / "sjc", tmp_path / "home"
    old, other, new = (short / name for name in ("0123456789a", "abcdef01234", "fedcba98765"))
    for folder in (old, other, new):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
    environment.write(home, environment.Backend("ready", str(old / "bin" / "python")))
    monkeypatch.setattr(environment, "new_folder", lambda _home: new)
    end, install = failing(tmp_path, monkeypatch, "", passes="True")
    assert end.state == "done", (end, list(install.tail))
    assert sorted(folder.name for folder in short.iterdir()) == ["abcdef01234", "fedcba98765"]


@pytest.mark.skipif(sys.platform == "win32", reason="a script with a #! line")
@pytest.mark.parametrize("code", ["import sys; print('cannot find a compiler'); sys.exit(1)", "print('kernels ready')"])
def test_kernels_are_compiled_once_at_the_end_and_may_fail(tmp_path, monkeypatch, code):
    monkeypatch.setattr(environment, "COMPILE", code)
    end, install = failing(tmp_path, monkeypatch, "", passes="True")
    assert (end.state, end.stage, end.factor) == ("done", "kernels", 1.0)
    log = install.log.read_text("utf-8")
    assert "compiling the renderer's kernels" in log
    assert ("so the first job does it: " in log) == ("exit(1)" in code)
    assert environment.stored(tmp_path / "home").state == "ready"


def test_a_full_disk_is_said_before_anything_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(installer.shutil, "disk_usage", lambda _path: SimpleNamespace(free=10**9))
    monkeypatch.setattr(installer.Installer, "_call", lambda *_: pytest.fail("it began"))
    install = installer.Installer(tmp_path, sys.executable)
    end = finish(install.start())
    assert (end.state, install.code) == ("failed", "disk")
    assert "only 1.0 GB free" in end.text
    assert "Free some disk space" in end.text


def test_a_python_that_cannot_make_environments_is_named(tmp_path, monkeypatch):
    """Debian's and Ubuntu's Python comes without ensurepip."""
    pythons = [((3, 12), "/usr/bin/python3.12")]
    monkeypatch.setattr(environment, "find_pythons", lambda pip=True: [] if pip else pythons)
    monkeypatch.setattr(installer.shutil, "which", lambda _name: None)
    end = finish(installer.Installer(tmp_path).start())
    assert "apt install python3-venv" in end.text
    monkeypatch.setattr(environment, "find_pythons", lambda **_: [])
    end = finish(installer.Installer(tmp_path).start())
    assert "no Python 3.11 or newer" in end.text
    assert environment.probe(sys.executable, pip=False) == sys.version_info[:2]


@pytest.mark.parametrize(
    ("log", "status", "code", "words"),
    [
        ("ImportError: DLL load failed while importing _C: The specified module could not be found.", 1, "runtime",
         "Get Visual C++"),
        ("Fatal Python error: Illegal instruction", -4, "processor", "processor"),
        ("", -4, "processor", "processor"),
        ("", -9, "memory", "memory"),
        ("ValueError: something", 1, "", "cannot run the backend: ValueError: something"),
    ],
)  # fmt: skip
def test_a_doctor_that_dies_says_why(log, status, code, words):
    backend = environment._understood("/python", "", log, status)
    assert (backend.state, backend.code) == ("broken", code)
    assert words in backend.text


def test_blender_is_told_what_to_do_in_blender(tmp_path):
    lines = [
        {"name": "torch", "ok": True, "text": "2.11"},
        {"name": "device", "ok": False, "text": "Too old.\nPress Install Backend.", "code": "driver"},
    ]
    backend = environment._understood("/python", json.dumps(lines), "", 2)
    assert (backend.state, backend.text, backend.code) == ("ready", "Too old.\nPress Install Backend.", "driver")
    assert [line["text"] for line in backend.lines] == ["2.11", "Too old.\nPress Install Backend."]
    environment.write(tmp_path, environment.Backend("ready", sys.executable, "x", code="driver"))
    assert environment.stored(tmp_path).code == "driver"


def test_unknown_builds_are_refused(tmp_path):
    with pytest.raises(SjcError, match="cu126"):
        installer.Installer(tmp_path, build="cuda")


def test_requirements_cover_what_the_backend_imports():
    names = {line.split("==")[0] for line in environment.REQUIREMENTS.read_text().splitlines() if "==" in line}
    assert {"torch", "diffusers", "warp-lang", "trimesh", "scikit-image"} <= names
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & names
