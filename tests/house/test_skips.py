"""Where CI runs, a test that does not run is a failure, but for the listed ones that need a GPU."""

import ast
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
LISTED = [
    line.split("#")[0].strip()
    for line in (TESTS / "allowed_skips.txt").read_text("utf-8").splitlines()
    if line.split("#")[0].strip()
]

SKIPPING = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="no time")
def test_lazy():
    pass

@pytest.mark.parametrize("size", [1, 2])
def test_listed(size):
    pytest.skip("no device")

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    assert 0
"""


def outcome(folder, ci, text=SKIPPING):
    """Run a file of tests under our conftest in `folder` and return pytest's last line."""
    tests = folder / "tests"
    tests.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    (tests / "conftest.py").write_bytes((TESTS / "conftest.py").read_bytes())
    (tests / "allowed_skips.txt").write_text("# one\ntests/test_some.py::test_listed\n", "utf-8")
    (tests / "test_some.py").write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_a_skip_fails_in_ci_unless_listed(tmp_path):
    code, out = outcome(tmp_path, "true")
    assert code == 1
    assert "1 passed, 2 skipped, 1 xfailed, 1 error" in out  # a mark skips in set-up, hence "error"
    assert "test_lazy was skipped, which tests/allowed_skips.txt does not allow" in out
    assert "no time" in out


def test_a_skip_is_a_skip_at_home(tmp_path):
    code, out = outcome(tmp_path, "")
    assert code == 0
    assert "1 passed, 3 skipped, 1 xfailed" in out


def test_a_module_that_skips_itself_fails_in_ci(tmp_path):
    code, out = outcome(tmp_path, "true", "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n")
    assert code != 0
    assert "no_such_module" in out


def marked_gpu(root):
    """Return the node ids of all tests in `root` marked gpu, one by one or as a whole file, by reading their files."""
    marked = set()
    for path in root.rglob("test_*.py"):
        nodes = ast.parse(path.read_text("utf-8")).body
        whole = any(
            isinstance(node, ast.Assign)
            and ast.unparse(node).startswith("pytestmark")
            and "mark.gpu" in ast.unparse(node)
            for node in nodes
        )
        marked |= {
            f"{path.relative_to(root.parent).as_posix()}::{node.name}"
            for node in nodes
            if isinstance(node, ast.FunctionDef)
            and node.name.startswith("test_")
            and (whole or any("mark.gpu" in ast.unparse(mark) for mark in node.decorator_list))
        }
    return marked


def test_marks_are_found(tmp_path):
    text = "@pytest.mark.gpu\n@pytest.mark.slow\ndef test_a(): pass\n\ndef test_b(): pass\n"
    (tmp_path / "test_some.py").write_text(text, "utf-8")
    text = "pytestmark = [pytest.mark.gpu]\n\ndef test_c(): pass\n\ndef fog(): pass\n"
    (tmp_path / "test_whole.py").write_text(text, "utf-8")
    assert marked_gpu(tmp_path) == {f"{tmp_path.name}/test_some.py::test_a", f"{tmp_path.name}/test_whole.py::test_c"}


def test_listed_tests_are_those_marked_gpu():
    assert sorted(LISTED) == sorted(marked_gpu(TESTS))
