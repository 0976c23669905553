"""The table of deliberate mistakes stays usable, and its runner tells a catch from an accident."""

import sys
from pathlib import Path

import pytest

from tools import mutants
from tools.common import BuildError

ROOT = Path(__file__).resolve().parents[2]
FAULTS = mutants.load_faults(ROOT)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_fits_the_code_exactly_once(fault):
    text = (ROOT / fault.file).read_text("utf-8")
    assert text.count(fault.old) == 1
    assert fault.new != fault.old
    assert text.replace(fault.old, fault.new) != text


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_names_tests_that_exist(fault):
    assert fault.tests
    for test in fault.tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert not name or f"def {name.split('[')[0]}(" in text


def test_names_are_unique():
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) > 10


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one function, a test that guards it, and three faults."""
    files = {
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["build/stage/sjc_blender/backend"]\n',
        "backend/sjc/__init__.py": "def half(x):\n    return x / 2  # exact\n",
        "tests/test_half.py": "import sjc\ndef test_half():\n    assert sjc.half(4) == 2\n",
        "tests/faults.py": """
from collections import namedtuple
Fault = namedtuple("Fault", "name file old new tests")
T, F = ("tests/test_half.py",), "backend/sjc/__init__.py"
FAULTS = [
    Fault("third", F, "x / 2", "x / 3", T),
    Fault("comment", F, "# exact", "# about", T),
    Fault("stale", F, "x * 7", "x", T),
    Fault("broken", F, "return", "retrun", T),
]
""",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.setattr(mutants, "our_files", lambda _root: [Path(name) for name in files])
    return tmp_path


def run(project, *names):
    return mutants.run(Path(sys.executable), list(names), project)


def test_a_caught_fault_is_a_success_and_leaves_the_tree_alone(project, capsys):
    before = (project / "backend/sjc/__init__.py").read_text("utf-8")
    assert run(project, "third") == 0
    assert "caught    third" in capsys.readouterr().out
    assert (project / "backend/sjc/__init__.py").read_text("utf-8") == before


def test_a_process_that_a_test_starts_meets_the_fault_too(project, capsys):
    child = "subprocess.run([sys.executable, '-c', 'import sjc; assert sjc.half(4) == 2'], check=True)"
    (project / "tests/test_half.py").write_text(f"import subprocess, sys\ndef test_half():\n    {child}\n", "utf-8")
    assert run(project, "third") == 0
    assert "caught    third" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["comment", "stale", "broken"])
def test_a_fault_that_survives_is_stale_or_only_breaks_the_import_is_no_catch(project, name, capsys):
    assert run(project, name) == 1
    assert f"SURVIVED: {name}" in capsys.readouterr().out


def test_tests_that_fail_anyway_prove_nothing(project):
    (project / "tests/test_half.py").write_text("def test_half(): assert 0\n", "utf-8")
    with pytest.raises(BuildError, match="fail without any fault"):
        run(project, "third")


def test_an_unknown_fault_is_named(project):
    with pytest.raises(BuildError, match="no fault is called fourth"):
        run(project, "fourth")
