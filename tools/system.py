"""What only the operating system can give: libraries for bpy's wheels, Node.js for the glTF validator, an sshd."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from .common import BuildError, run, say

# Shared library -> Debian package. bpy's wheels load the first group at import, headless EEVEE and Workbench the
# second.
LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libGL.so.1": "libgl1",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libgomp.so.1": "libgomp1",
    "libEGL.so.1": "libegl1",
}
DRIVERS = ("/usr/lib/*/dri/*_dri.so", "/usr/lib/dri/*_dri.so", "/usr/lib64/dri/*_dri.so")
DRIVERS_PACKAGE = "libgl1-mesa-dri"
INSTALL = ["apt-get", "install", "-y", "--no-install-recommends"]
PROGRAMS = {"node": "nodejs", "npm": "npm", "ssh": "openssh-client", "sshd": "openssh-server"}
SERVERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
NO_START = Path("/usr/sbin/policy-rc.d")  # Debian asks it whether a package that it installs may start its service

VALIDATOR = "gltf-validator"
VALIDATOR_VERSION = "2.0.0-dev.3.10"


def missing_packages() -> list[str]:
    """Return the Debian names of what the tests need from the system and do not find."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program, path=SERVERS) is None]
    if sys.platform == "linux":
        missing += [package for library, package in LIBRARIES.items() if not _loads(library)]
        if not any(any(Path("/").glob(pattern.lstrip("/"))) for pattern in DRIVERS):
            missing.append(DRIVERS_PACKAGE)
    return missing


def ensure_packages() -> list[str]:
    """Install what is missing if we may (root on Debian or Ubuntu); return what is still missing.

    Where we may not, the exact line to type is printed and the caller decides whether to go on.
    """
    missing = missing_packages()
    if not missing:
        return []
    line = " ".join([*INSTALL, *missing])
    if is_debian() and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"setup: installing system packages: {' '.join(missing)}")
        install(missing)
        missing = missing_packages()
    if missing:
        say(f"setup: missing on this system: {' '.join(missing)}. To install them (Debian or Ubuntu), type:")
        say(f"    sudo apt-get update && sudo {line}")
    return missing


def install(packages: list[str]) -> bool:
    """Install Debian packages, as root; whether apt says that it did."""
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], **quiet)
    with _no_service_starts():
        return run([*INSTALL, *packages, "-qq"], **quiet) == 0


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """The tests start an sshd of their own; nobody has asked for one that listens to the network."""
    ours = not NO_START.exists()
    if ours:
        NO_START.write_text("#!/bin/sh\nexit 101\n", "utf-8")
        NO_START.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            NO_START.unlink()


def ensure_validator(root: Path) -> Path:
    """Install the glTF validator under build/node (pinned, no install scripts) and return its folder.

    Raises BuildError when npm is there and fails.
    """
    home = root / "build" / "node"
    folder = home / "node_modules" / VALIDATOR
    note = folder / "package.json"
    if note.exists() and f'"version": "{VALIDATOR_VERSION}"' in note.read_text("utf-8"):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("npm is needed for the glTF validator: install Node.js and npm.")
    home.mkdir(parents=True, exist_ok=True)
    flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    say(f"setup: installing {VALIDATOR} {VALIDATOR_VERSION}")
    if run([npm, "install", "--prefix", home, *flags, f"{VALIDATOR}@{VALIDATOR_VERSION}"], cwd=home) != 0:
        raise BuildError("installing the glTF validator failed (npm's reason stands above): check the network.")
    return folder


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def is_debian() -> bool:
    """Whether this is Debian or one of its children."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return "debian" in (release.get("ID", ""), *release.get("ID_LIKE", "").split())
