#!/usr/bin/env python3
"""Sets up, runs, tests and checks the project. Standard library only; `python3 build.py --help` lists every command."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from tools import demo, environment, extras, mutants, package, release, rooms, rules, system, window
from tools.common import ROOT, BuildError, run, say
from tools.environment import Environment
from tools.stage import stage


def run_demo(arguments: argparse.Namespace) -> int:
    """Run the main job on the embedded model and print where the results are."""
    return demo.demo(arguments)


def test(arguments: argparse.Namespace) -> int:
    """Make everything the tests need, then run them room by room."""
    python = Environment().ensure()
    chosen, _ = rooms.split(arguments.rest)
    # House tests need nothing of the system; the others say themselves (one failing test each) what was not to be had.
    if set(chosen) - {"house"}:
        missing = system.ensure_packages()
        if not {"nodejs", "npm"} & set(missing):
            system.ensure_validator(ROOT)
    if "blender" in chosen:
        _ensure_blender(python)
    if "window" in chosen:
        _ensure_window()
    return rooms.run_rooms(python, arguments.rest)


def _ensure_window() -> None:
    """Let the window's room have its Blender; where that cannot be, the room says so itself."""
    try:
        window.ensure()
    except BuildError as error:
        say(f"setup: {error}")


def _ensure_blender(python: Path) -> None:
    """Let the Blender room make the environments its tests start."""
    script = ROOT / "tests" / "blender" / "venvs.py"
    if script.exists() and run([python, script]) != 0:
        raise BuildError("making the environments with Blender's module failed (the reason stands above).")


def lint(_arguments: argparse.Namespace) -> int:
    """Check style, format, types and the house rules; every checker runs even if an earlier one complains."""
    python = Environment().ensure()
    checks = {
        "ruff check": [python, "-m", "ruff", "check", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "--output-format", "concise", "."],
        "mypy": [python, "-m", "mypy"],
    }
    failed = [name for name, command in checks.items() if _timed(name, command) != 0]
    breaches = rules.check()
    for breach in breaches:
        say(breach)
    if breaches:
        failed.append("house rules")
    say(f"lint: {', '.join(failed)} failed" if failed else "lint: all clean")
    return 1 if failed else 0


def _timed(name: str, command: list[str | Path]) -> int:
    started = time.monotonic()
    code = run(command)
    say(f"lint: {name} {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - started:.1f} s)")
    return code


def bench(arguments: argparse.Namespace) -> int:
    """Run benchmarks/ in the environment."""
    return run([Environment().ensure(), "-m", "benchmarks", *arguments.rest])


def experiments(arguments: argparse.Namespace) -> int:
    """Run experiments/ in the environment."""
    return run([Environment().ensure(), "-m", "experiments", *arguments.rest])


def soak(arguments: argparse.Namespace) -> int:
    """Run a long test of tests/soak/ in the environment; --help of each says more."""
    names = sorted(path.stem for path in (ROOT / "tests" / "soak").glob("*.py"))
    name, *rest = arguments.rest or [""]
    if name not in names:
        raise BuildError(f"soak needs one of these: {', '.join(names)}.")
    return run([Environment().ensure(), "-m", f"tests.soak.{name}", *rest])


def make_cluster(_arguments: argparse.Namespace) -> int:
    """Add Ray to the environment."""
    say(f"{extras.ensure(Environment(), 'cluster')} has Ray: see docs/cluster.md")
    return 0


def make_mcp(_arguments: argparse.Namespace) -> int:
    """Add the Model Context Protocol's package to the environment."""
    say(f"{extras.ensure(Environment(), 'mcp')} has mcp: see docs/for-scripters.md")
    return 0


def make_stage(_arguments: argparse.Namespace) -> int:
    """Bring build/stage up to date."""
    say(str(stage(ROOT)))
    return 0


def make_zip(_arguments: argparse.Namespace) -> int:
    """Build the extension for Blender and print where it is."""
    path = package.build_zip()
    say(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def repo(_arguments: argparse.Namespace) -> int:
    """Build the extension and a static repository that serves it."""
    say(str(package.build_repository()))
    return 0


def make_release(arguments: argparse.Namespace) -> int:
    """Build the extension with all that belongs to a release, and print where it is."""
    if arguments.version:
        release.set_version(arguments.version)
    for path in release.build_release():
        say(str(path))
    return 0


def blender_window(arguments: argparse.Namespace) -> int:
    """Fetch a Blender with a window and a virtual display, for the window's tests."""
    say(str(window.ensure(arguments.folder)))
    return 0


def lock(_arguments: argparse.Namespace) -> int:
    """Write requirements.lock from the environment as it stands."""
    python = Environment().python
    if not python.exists():
        raise BuildError("there is no .venv to lock: run 'python3 build.py test tests/house' first.")
    return run([python, "-m", "tools.lock"])


def clean(arguments: argparse.Namespace) -> int:
    """Remove what build.py made; results in outputs/ are a person's and stay."""
    names = ["build", "dist", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"]
    for name in names + ([".venv"] if arguments.all else []):
        folder = ROOT / name
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    return 0


def faults(arguments: argparse.Namespace) -> int:
    """Try the deliberate mistakes of tests/faults*.py, or list them."""
    if arguments.list:
        for fault in mutants.load_faults():
            say(f"{fault.name:28} {fault.file}")
        return 0
    return mutants.run(Environment().ensure(), arguments.names)


def fuzz(arguments: argparse.Namespace) -> int:
    """Run tests/fuzz in the environment."""
    return run([Environment().ensure(), "-W", "ignore", "-m", "tests.fuzz", *arguments.rest])


# Commands whose further words belong to the program they start (argparse would take some for its own).
PASSED_ON = ("demo", "test", "bench", "experiments", "soak", "fuzz")

EPILOG = """\
first steps on a fresh machine:
  python3 build.py demo        sets up .venv, makes a red mushroom in outputs/demo
  python3 build.py test        sets up .venv and what the tests need, runs them all

afterwards the command line is .venv/bin/sjc (on Windows .venv\\Scripts\\sjc)
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog="build.py", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, function: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(function=function)
        return made

    one = command("demo", run_demo, "run the main job on the embedded model and print where the results are")
    one.usage = "build.py demo [PROMPT] [options of sjc generate ...]"
    one.add_argument("rest", nargs="*", help=f"what to make (default: {demo.PROMPT!r}), then options of sjc generate")
    one = command("test", test, "run the tests room by room; paths under tests/ and pytest's options may follow")
    one.usage = "build.py test [tests/ROOM ...] [options of pytest ...]"
    one.add_argument("rest", nargs="*", help="as for pytest; with no path every room runs")
    command("lint", lint, "ruff, its formatter, mypy and the house rules")
    one = command("bench", bench, "run benchmarks; bare: the quick set")
    one.usage = "build.py bench [NAME ...] [options of the benchmark ...]"
    one.add_argument("rest", nargs="*", metavar="NAME", help="benchmarks and their options (benchmarks/)")
    one = command("experiments", experiments, "measure the paper's claims into docs/experiments; bare: all")
    one.usage = "build.py experiments [NAME ...] [--quick | --pages] [--seeds N] [--out DIR] ..."
    one.add_argument("rest", nargs="*", metavar="NAME", help="experiments and their options (experiments/)")
    one = command("soak", soak, "try for hours what CI tries for a minute: kills, cluster")
    one.usage = "build.py soak kills | cluster [options; --help of each says more]"
    one.add_argument("rest", nargs="*", metavar="NAME", help="which (tests/soak/), then its options")
    command("cluster", make_cluster, "add Ray to .venv, for sjc batch --cluster (docs/cluster.md) and its tests")
    command("mcp", make_mcp, "add the Model Context Protocol's package to .venv, for sjc mcp and its tests")
    command("stage", make_stage, "bring build/stage, the one run-time layout, up to date")
    command("zip", make_zip, "build the extension for Blender: dist/sjc_blender-VERSION.zip")
    one = command("release", make_release, "build the zip with notes, checksums, parts and repository: dist/")
    one.add_argument("version", nargs="?", default="", help="such as 0.2.0: set everywhere first, with today's date")
    command("repo", repo, "build an extension repository for any static web server: dist/repo")
    one = command(
        "blender-window", blender_window, "fetch a Blender with a window, as a Debian system in a folder (root)"
    )
    one.add_argument(
        "folder", nargs="?", type=Path, default=window.FOLDER, metavar="DIR", help="default: build/window-blender"
    )
    command("lock", lock, "write requirements.lock from .venv as it stands")
    one = command("clean", clean, "remove build/, dist/ and caches")
    one.add_argument("--all", action="store_true", help="remove .venv, too")
    one = command("faults", faults, "make deliberate mistakes in a copy and see that the tests catch each")
    one.add_argument("names", nargs="*", metavar="NAME", help="faults to try (default: all)")
    one.add_argument("--list", action="store_true", help="list the faults and stop")
    one = command("fuzz", fuzz, "bad files and lines through every door; goes on where it stopped")
    one.usage = "build.py fuzz [--cases N] [--seed N] [--door NAME] [--case N] [--anew]"
    one.add_argument("rest", nargs="*", metavar="OPTION", help="--cases N (10000), --seed N (0), --door NAME, --case N")
    return top


def parse(words: list[str]) -> argparse.Namespace:
    """Parse the command line; what follows the commands of PASSED_ON goes on untouched to what they start."""
    if words and words[0] in PASSED_ON and not {"-h", "--help"} & set(words[1:]):
        arguments = parser().parse_args(words[:1])
        arguments.rest = words[1:]
        return arguments
    return parser().parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run one command; return its exit code: 2 for a precondition that failed, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):  # a code page without a letter gets its escape
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = parse(sys.argv[1:] if words is None else words)
    try:
        environment.check_version()
        return arguments.function(arguments)
    except BuildError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("build.py: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
