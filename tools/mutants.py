"""Makes the mistakes of tests/faults*.py, one at a time, in a copy of the tree, and tells which the tests catch."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .common import ROOT, BuildError, clean_environment, our_files, say
from .stage import stage

CAUGHT = 1  # pytest's exit code for "tests ran and some failed"; anything else is not a catch


def load_faults(root: Path = ROOT) -> list[object]:
    """The mistakes in tests/faults*.py of the tree at `root`, imported from their paths."""
    faults = []
    for path in sorted((root / "tests").glob("faults*.py")):
        spec = importlib.util.spec_from_file_location(f"sjc_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        faults += module.FAULTS
    return faults


def apply(root: Path, fault: object) -> str:
    """Make the mistake in the tree at `root` and return the file's true text.

    Raises BuildError when the text to replace does not stand there exactly once.
    """
    path = root / fault.file
    text = path.read_text("utf-8") if path.exists() else ""
    if text.count(fault.old) != 1:
        raise BuildError(f"{fault.name}: its text stands {text.count(fault.old)} times in {fault.file}, not once.")
    path.write_text(text.replace(fault.old, fault.new), "utf-8")
    return text


def run(python: Path, names: list[str], root: Path = ROOT) -> int:
    """Try the named faults (all when none is named); return 0 when every one was caught."""
    faults = load_faults(root)
    unknown = set(names) - {fault.name for fault in faults}
    if unknown:
        raise BuildError(f"no fault is called {', '.join(sorted(unknown))}: see 'python3 build.py faults --list'.")
    chosen = [fault for fault in faults if not names or fault.name in names]
    with tempfile.TemporaryDirectory(prefix="sjc-faults-") as folder:
        copy = Path(folder)
        for path in our_files(root):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, copy / path)
        subprocess.run(["git", "init", "-q"], cwd=copy, check=True)  # some tests ask git which files are the project's
        stage(copy)
        _lend_blender(root, copy)
        tests = sorted({test for fault in chosen for test in fault.tests})
        say(f"without a fault: {len(tests)} selections must pass")
        code, output = _pytest(python, copy, tests)
        if code != 0:
            say(output)
            raise BuildError("the selected tests fail without any fault: mend them first.")
        results = {fault.name: _try(python, copy, fault) for fault in chosen}
    caught = sum(results.values())
    say(f"{caught} of {len(results)} faults caught")
    for name in (name for name, was in results.items() if not was):
        say(f"  SURVIVED: {name}")
    return 0 if caught == len(results) else 1


def _lend_blender(root: Path, copy: Path) -> None:
    """Blender's modules, which are made once (a gigabyte apiece), stand in the copy, too."""
    made = root / "build" / "blender"
    if made.is_dir():
        (copy / "build").mkdir(exist_ok=True)
        (copy / "build" / "blender").symlink_to(made, target_is_directory=True)


def _try(python: Path, copy: Path, fault: object) -> bool:
    started = time.monotonic()
    try:
        truth = apply(copy, fault)
    except BuildError as error:
        say(f"  STALE     {error}")
        return False
    try:
        code, output = _pytest(python, copy, list(fault.tests), "-x")
    finally:
        (copy / fault.file).write_text(truth, "utf-8")
    was = code == CAUGHT
    say(f"  {'caught' if was else 'SURVIVED':9} {fault.name} ({time.monotonic() - started:.1f} s)")
    if code not in (0, CAUGHT):
        say(output)  # broken in another way than meant: a collection error proves nothing
    return was


def _pytest(python: Path, copy: Path, tests: list[str], *options: str) -> tuple[int, str]:
    """Run a selection in the copy; byte code is not written, so that a quick second edit is never read stale.

    A process that a test starts would else import the package that is installed, which has no fault.
    """
    package = copy / "build" / "stage"
    staged = os.pathsep.join(map(str, (package / "sjc_blender" / "backend", package)))
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests],
        cwd=copy,
        env=clean_environment(PYTHONDONTWRITEBYTECODE="1", SJC_FAULTS=str(os.getpid()), PYTHONPATH=staged),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout
