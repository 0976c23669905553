"""The benchmarks and the experiments begin where `build.py` starts them: in a process of their own, in the checkout."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["benchmarks", "experiments"])
def test_they_find_all_they_import(package):
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "MPLCONFIGDIR": "/tmp"}
    done = subprocess.run(
        [sys.executable, "-m", package, "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert f"build.py {'bench' if package == 'benchmarks' else package}" in done.stdout
