"""Virtual environments that hold Blender as a Python module, one per version, under build/blender.

Standard library only: build.py calls it before any environment exists (`python tests/blender/venvs.py [VERSION ...]`).

The Debian of the window's Blender (tools/window.py) has Python 3.13: where this machine has none of its own, but may
have that, bpy 5.2 runs there, by a script that stands for its Python.
"""

import functools
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "blender"
DEBIAN_MINOR, IN_DEBIAN = "3.13", "python-in-debian"

# bpy version -> (the one Python minor version that its wheel is for, what else to pin).
VERSIONS = {
    "4.2.23": ("3.11", ["numpy<2"]),
    "4.4.0": ("3.11", []),
    "4.5.15": ("3.11", []),
    "5.0.1": ("3.11", []),
    "5.2.3": ("3.13", []),
}
DEFAULT = "5.0.1"
# What the scene is tested in: the newest of before and after 5.0, and 5.2 where the machine has its Python.
REQUIRED, WHERE_POSSIBLE = (DEFAULT, "4.5.15"), ("5.2.3",)


def ensure_bpy(version=DEFAULT):
    """Return the Python of an environment with bpy `version`, made at the first call (a download of about 400 MB).

    Raises RuntimeError with one line that says what to do.
    """
    if version not in VERSIONS:
        raise RuntimeError(f"bpy {version} is not one of {', '.join(VERSIONS)}.")
    minor, pins = VERSIONS[version]
    major, second, _ = version.split(".")
    home = HOME / f"bpy{major}{second}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = home / "ready.txt"
    packages = [f"bpy=={version}", *pins]
    made = next((path for path in (python, home / IN_DEBIAN) if path.exists()), None)
    if made and stamp.exists() and stamp.read_text("utf-8") == " ".join(packages):
        return made
    shutil.rmtree(home, ignore_errors=True)  # half made, or another version
    if not _has_python(version) and _debian(version):
        return _ensure_in_debian(version, home, packages, stamp)
    base = _find_python(minor)
    print(f"setup: installing bpy {version} in {home} (about 400 MB to download, 1 GB on disk)", flush=True)
    _run([base, "-m", "venv", home], f"making {home} failed (on Debian or Ubuntu: apt-get install python{minor}-venv)")
    _run([python, "-m", "pip", "install", "--quiet", *packages], f"installing bpy {version} failed: check the network")
    _run([python, "-c", "import os, bpy; os._exit(0)"], f"bpy {version} does not load: a system library is missing")
    stamp.write_text(" ".join(packages), "utf-8")
    return python


def usable():
    """Return the versions that the scene's tests run in: those that SJC_BPY names, else what this machine can run."""
    chosen = os.environ.get("SJC_BPY", "").split()
    return chosen or [*REQUIRED, *(version for version in WHERE_POSSIBLE if version not in left_out())]


def left_out():
    """Return the versions that this machine cannot run."""
    return [version for version in WHERE_POSSIBLE if not _has_python(version) and not _debian(version)]


def _debian(version):
    """The module that makes the window's Debian, if its Python fits and this machine may have it; else None."""
    if VERSIONS[version][0] != DEBIAN_MINOR:
        return None
    sys.path.append(str(ROOT))  # as a script, this file has its own folder there instead
    try:
        from tools import window
    finally:
        sys.path.pop()
    return None if window.obstacle() or not window.may_mount() else window


def _ensure_in_debian(version, home, packages, stamp):
    """Fetch the wheels with this Python's pip, and write the script that runs Debian's Python on them."""
    window = _debian(version)
    folder, site, script = window.ensure(), home / "site", home / IN_DEBIAN
    home.mkdir(parents=True, exist_ok=True)
    print(f"setup: installing bpy {version} in {home} for Debian's Python {DEBIAN_MINOR}", flush=True)
    tags = [f"manylinux{glibc}_{platform.machine()}" for glibc in ("_2_28", "_2_27", "_2_17", "2014")]
    fits = ["--python-version", DEBIAN_MINOR, "--implementation", "cp", "--only-binary", ":all:"]
    fits += ["--ignore-requires-python"]  # pip would compare with the Python that runs it
    fits += [word for tag in tags for word in ("--platform", tag)]
    _run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", site, *fits, *packages],
        f"installing bpy {version} failed: check the network",
    )
    command = window.inside(folder, [f"/usr/bin/python{DEBIAN_MINOR}"], further=[ROOT, Path(tempfile.gettempdir())])
    script.write_text(f'#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(site))}\nexec {shlex.join(command)} "$@"\n')
    script.chmod(0o755)
    _run(
        [script, "-c", "import os, bpy; os._exit(0)"],
        f"bpy {version} does not load in {folder}: a system library is missing",
    )
    stamp.write_text(" ".join(packages), "utf-8")
    return script


@functools.cache
def _has_python(version):
    try:
        _find_python(VERSIONS[version][0])
    except RuntimeError:
        return False
    return True


def _find_python(minor):
    """Return a Python of that minor version: ours, or one of the path, of the Windows launcher, or of pyenv."""
    managed = sorted(Path.home().glob(f".pyenv/versions/{minor}.*/bin/python{minor}"))
    candidates = [[sys.executable], [f"python{minor}"], ["py", f"-{minor}"], *([path] for path in managed)]
    for command in candidates:
        probe = [*command, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys._base_executable)"]
        try:
            answer = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.split(maxsplit=1)
        except OSError:
            continue
        if answer and answer[0] == minor:
            return answer[1].strip()
    raise RuntimeError(f"Python {minor} is needed for this version of bpy and was not found: install python{minor}.")


def _run(command, failure):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise RuntimeError(f"{failure} ({lines[-1] if lines else 'no message'}).")


def main(versions):
    """Make the environments named (or those that tests run in); return an exit code."""
    try:
        for version in versions or usable():
            ensure_bpy(version)
        for version in [] if versions else left_out():
            print(f"setup: bpy {version} is left out: there is no Python {VERSIONS[version][0]}", flush=True)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
