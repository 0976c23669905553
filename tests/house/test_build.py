"""The one command: its help, what it passes on, how it ends."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import build
from tools import rooms
from tools.common import BuildError
from tools.rooms import Outcome

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(build.parser()._subparsers._group_actions[0].choices)


def run(*words, cwd=ROOT):
    return subprocess.run(
        [sys.executable, ROOT / "build.py", *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def test_all_commands_are_there():
    assert {"demo", "test", "lint", "bench", "stage", "lock", "clean", "faults"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        build.parse([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: build.py {command}" in capsys.readouterr().out


def test_help_from_another_folder_names_every_command(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert all(re.search(rf"\n    {command}\s", done.stdout) for command in COMMANDS)


@pytest.mark.parametrize("words", [[], ["dmeo"], ["lint", "--all"]])
def test_a_wrong_command_ends_with_2_and_usage(words):
    done = run(*words)
    assert done.returncode == 2
    assert "usage: build.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_words_after_demo_test_and_bench_go_on_untouched():
    words = ["-k", "paas and not slow", "-x", "--steps", "20"]
    for command in ("demo", "test", "bench"):
        assert build.parse([command, *words]).rest == words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["a red mushroom"]),
        (["a blue tree", "--seed", "3"], ["a blue tree", "--seed", "3"]),
        (["--seed", "3"], ["a red mushroom", "--seed", "3"]),
    ],
)
def test_demo_without_blender_starts_the_job_and_prints_its_files(words, expected, demo_ground, capsys):
    demo_ground.blender = BuildError("none here")
    assert build.main(["demo", *words]) == 0
    command = [str(part) for part in demo_ground.started[0]]
    assert command == [
        "python", "-m", "sjc", "generate", *expected, "--out", str(build.demo.FOLDER), "--overwrite",
    ]  # fmt: skip
    out = capsys.readouterr().out
    assert "without Blender (none here)" in out
    assert str(demo_ground.folder / "mesh.glb") in out
    assert str(demo_ground.folder / "preview.png") in out


def test_demo_in_blender_hands_over_prompt_and_settings(demo_ground, capsys):
    assert build.main(["demo", "a blue tree", "--seed", "3"]) == 0
    blender, script, _ = demo_ground.started[0]
    assert (blender, script.name) == (Path("bpy"), "demo_scene.py")
    given = demo_ground.given
    assert (given["prompt"], given["python"]) == ("a blue tree", "python")
    assert given["settings"] == {"options": ["--seed", "3"], "overwrite": True}
    assert given["folder"] == str(demo_ground.folder)
    assert not Path(given["home"]).exists()
    assert str(demo_ground.folder / "preview.png") in capsys.readouterr().out


@pytest.mark.parametrize(("code", "expected"), [(0, 2), (130, 130), (1, 1)])
def test_demo_without_results_is_no_success(code, expected, demo_ground, capsys):
    demo_ground.code, demo_ground.makes = code, ()
    assert build.main(["demo"]) == expected
    assert ("without mesh.glb and preview.png" in capsys.readouterr().err) == (code == 0)


@pytest.fixture
def demo_ground(tmp_path, monkeypatch):
    """The demo on a machine that starts nothing: what would be started is written down."""
    ground = SimpleNamespace(
        started=[], given=None, code=0, makes=("mesh.glb", "preview.png"), blender=Path("bpy"),
        folder=tmp_path / build.demo.FOLDER,
    )  # fmt: skip

    def start(command):
        ground.started.append(command)
        if Path(command[-1]).suffix == ".json":
            ground.given = json.loads(Path(command[-1]).read_text("utf-8"))
        ground.folder.mkdir(parents=True, exist_ok=True)
        for name in ground.makes:
            (ground.folder / name).write_bytes(b"x")
        return ground.code

    def blender():
        if isinstance(ground.blender, Exception):
            raise ground.blender
        return ground.blender

    monkeypatch.setattr(build.demo, "ROOT", tmp_path)
    monkeypatch.setattr(build.demo, "run", start)
    monkeypatch.setattr(build.demo, "_blender", blender)
    monkeypatch.setattr(build.demo, "_settings", lambda _python, options: {"options": options})
    monkeypatch.setattr(build.demo.package, "build_zip", lambda: tmp_path / "dist" / "x.zip")
    monkeypatch.setattr(build.demo.Environment, "ensure", lambda _self: Path("python"))
    return ground


@pytest.mark.parametrize(("error", "code"), [(BuildError("no such thing"), 2), (KeyboardInterrupt(), 130)])
def test_errors_are_one_line(error, code, monkeypatch, capsys):
    def fail(_self):
        raise error

    monkeypatch.setattr(build.Environment, "ensure", fail)
    assert build.main(["lint"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_lint_goes_on_after_a_failure_and_fails(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(build.Environment, "ensure", lambda _self: Path("python"))
    monkeypatch.setattr(build, "run", lambda command: calls.append(command[2]) or len(calls) == 1)
    monkeypatch.setattr(build.rules, "check", list)
    assert build.main(["lint"]) == 1
    assert calls == ["ruff", "ruff", "mypy"]
    assert "lint: ruff check failed" in capsys.readouterr().out


# -----------------------------------------------------------------------------------------------------------------
# rooms


def test_arguments_are_sorted_into_rooms_and_options():
    here = "tests/house/test_build.py"
    chosen, options = rooms.split([f"{here}::test_x", "-k", "a or b", "tests/backend", str(ROOT / here)])
    assert chosen == {"house": [f"{here}::test_x", str(ROOT / here)], "backend": ["tests/backend"]}
    assert options == ["-k", "a or b"]


def test_no_path_means_every_room_and_house_comes_first():
    chosen, options = rooms.split(["-x"])
    assert next(iter(chosen)) == "house"
    assert "backend" in chosen
    assert options == ["-x"]
    assert rooms.split(["tests"])[0] == chosen
    assert list(chosen) == rooms.rooms()
    assert rooms.split(["tests/window"])[0] == {"window": ["tests/window"]}


def test_a_room_that_is_not_there_is_named():
    with pytest.raises(BuildError, match=r"no 'tests/kitchen'.*tests/house"):
        rooms.split(["tests/kitchen"])


@pytest.mark.parametrize(
    ("outcomes", "code", "last"),
    [
        ([Outcome("a", 0, 1, 5), Outcome("b", 0, 1, 3, 0, 1)], 0, "total: 7 passed, 0 failed, 1 skipped"),
        ([Outcome("a", 0, 1, 5), Outcome("b", 1, 1, 3, 2)], 1, "total: 6 passed, 2 failed"),
        ([Outcome("a", 5, 1), Outcome("b", 0, 1, 3)], 0, "total: 3 passed, 0 failed"),
        ([Outcome("a", 5, 1)], 5, "total: 0 passed, 0 failed"),
        ([Outcome("a", -11, 1, 1, 1), Outcome("b", 0, 1, 3)], -11, "total: 3 passed, 1 failed"),
    ],
)
def test_summary_counts_and_exit_code(outcomes, code, last, capsys):
    assert rooms.summarise(outcomes) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.fixture
def project(tmp_path):
    """A project of three rooms, one of which dies."""
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", "utf-8")
    for room, text in {
        "house": "def test_a(): pass\ndef test_b(): pass\n",
        "backend": "import pytest\ndef test_a(): assert 0\n@pytest.mark.skip\ndef test_b(): pass\n",
        "blender": "import os\ndef test_a(): os._exit(3)\n",
    }.items():
        (tmp_path / "tests" / room).mkdir(parents=True)
        (tmp_path / "tests" / room / "test_one.py").write_text(text, "utf-8")
    return tmp_path


def test_each_room_runs_in_its_own_process_and_a_dying_one_is_counted(project, capfd):
    code = rooms.run_rooms(Path(sys.executable), ["-p", "no:cacheprovider"], project)
    assert code == 1
    out = capfd.readouterr().out.splitlines()
    assert out[-1] == "total: 2 passed, 2 failed, 1 skipped"
    assert [line.split()[0] for line in out[-4:-1]] == ["house", "backend", "blender"]


def test_rooms_run_two_at_a_time_after_the_house(tmp_path, monkeypatch, capfd):
    """The two wait for each other; with --pdb, which wants the terminal, they would wait in vain."""
    monkeypatch.setattr(rooms, "LANES", 2)
    wait = """
import os, pathlib, time
def test_other():
    here = pathlib.Path(__file__).parents[1]
    (here / "NAME").touch()
    assert (here / "house-done").exists() and os.environ["OMP_NUM_THREADS"]
    deadline = time.monotonic() + 100
    while not (here / "OTHER").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
"""
    texts = {"house": "import pathlib\ndef test_a(): (pathlib.Path(__file__).parents[1] / 'house-done').touch()\n"}
    texts |= {name: wait.replace("NAME", name + "-x").replace("OTHER", other + "-x")
              for name, other in (("backend", "addon"), ("addon", "backend"))}  # fmt: skip
    for room, text in texts.items():
        (tmp_path / "tests" / room).mkdir(parents=True)
        (tmp_path / "tests" / room / "test_one.py").write_text(text, "utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", "utf-8")
    assert rooms.run_rooms(Path(sys.executable), ["-p", "no:cacheprovider"], tmp_path) == 0
    out = capfd.readouterr().out
    assert "\nbackend | " in out
    assert "\naddon   | " in out


def test_a_selection_that_matches_in_one_room_only_is_a_success(project, capfd):
    assert (
        rooms.run_rooms(Path(sys.executable), ["-k", "test_a", "tests/house", "-p", "no:cacheprovider"], project) == 0
    )
    assert (
        rooms.run_rooms(Path(sys.executable), ["-k", "nothing", "tests/house", "-p", "no:cacheprovider"], project) == 5
    )
    assert "total: 0 passed" in capfd.readouterr().out
