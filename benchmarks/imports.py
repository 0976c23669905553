"""What a job's start spends on importing, package by package (`python -X importtime`)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from sjc.errors import SjcError

LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)$", re.MULTILINE)
NAMED = 8  # packages that get a line of their own


def by_package(log: str) -> Counter[str]:
    """Microseconds that importing a package and its modules took, what they import from others not counted."""
    spent: Counter[str] = Counter()
    for microseconds, module in LINE.findall(log):
        spent[module.partition(".")[0]] += int(microseconds)
    return spent


def measure(folder: Path, prompt: str) -> dict[str, Any]:
    """{"total_s", "packages": {name: s}} of a job of two steps, from Python's start to the files. Raises SjcError."""
    command = [sys.executable, "-X", "importtime", "-m", "sjc", "generate", prompt, "--steps", "2", "--grid", "32"]
    done = subprocess.run(
        [*command, "--no-turntable", "--out", str(folder / "imports")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line and not line.startswith("import time:")]
        raise SjcError(f"the job whose imports are timed failed: {errors[-1] if errors else done.returncode}")
    spent = by_package(done.stderr)
    return {
        "total_s": round(spent.total() / 1e6, 2),
        "packages": {name: round(us / 1e6, 3) for name, us in spent.most_common(NAMED)},
    }
