"""A Blender with a window for root on Debian: Debian 13 in a folder, with Blender 4.3 and a virtual display.

`ensure` makes the folder. `inside` gives the command line that runs a program in it, with this machine's Python and the
project's environment at their usual paths, because that system has no torch. They are mounted in a namespace of their
own, so nothing is left mounted when the program ends, however it ends; where mounts are refused they are copied.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import system
from .common import ROOT, BuildError, clean_environment, say
from .environment import STAMP, Environment

FOLDER = ROOT / "build" / "window-blender"
RELEASE = "trixie"  # Debian 13: Blender 4.3.2, the oldest version that the extension supports
# After Blender: what its extension system and its volumes import; then the display, mouse, keyboard and pictures of it.
PACKAGES = (
    "blender", "python3-numpy", "python3-requests", "python3-openvdb", "libegl1", "libgl1-mesa-dri",
    "xvfb", "xdotool", "imagemagick",
)  # fmt: skip
# Manuals and translations are not unpacked and the disk is not waited for: it can all be made again.
DPKG = "force-unsafe-io\n" + "".join(
    f"path-exclude=/usr/share/{name}/*\n" for name in ("doc", "man", "info", "locale", "icons/Adwaita")
)
APT = 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n'
MARK, BASE, READY = ".sjc-window", ".sjc-window-base", ".sjc-window-ready"  # ours; system there; all there
OURS = ["unshare", "--mount"]

# What `inside` starts: mounts each path up to "--" at its own place below the first argument, then goes there.
ENTER = """\
set -e
root=$1; shift
mkdir -p "$root/proc" "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != "--" ]; do
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$(dirname "$root$1")"; touch "$root$1"; fi
    mount --bind "$1" "$root$1"
    shift
done
shift
exec chroot "$root" "$@"
"""


def obstacle() -> str:
    """Why this machine cannot have it, in one line; "" if it can."""
    if sys.platform != "linux" or not system.is_debian():
        return "a Blender with a window is fetched as a Debian system, which needs Debian: use a Debian machine."
    if os.geteuid() != 0:
        return "a Blender with a window is a Debian system in a folder, which only root can make: use sudo."
    if not mirror():
        return "there is no Debian mirror in this machine's apt sources to fetch Blender from: add one."
    return ""


def ensure(folder: Path = FOLDER) -> Path:
    """Make or finish the system in `folder` (about 450 MB to download, 1.5 GB on disk) and return the folder.

    Raises BuildError with one line: no root, no Debian, no mirror, a folder of someone else's, a step that failed.
    """
    folder = folder.absolute()
    if _ready(folder):
        return folder
    if reason := obstacle():
        raise BuildError(reason)
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise BuildError(f"{folder} holds something else: name a new folder.")
    if shutil.which("debootstrap") is None:
        say("setup: installing debootstrap")
        system.install(["debootstrap"])
    if shutil.which("debootstrap") is None:
        raise BuildError("debootstrap is missing and could not be installed: apt-get install debootstrap")
    if not (folder / BASE).exists():
        _make_base(folder)
    _add_packages(folder)
    output = _call(folder, ["chroot", folder, "blender", "--version"], "starting Blender")
    (folder / READY).write_text(_wanted(), "utf-8")
    say(f"setup: {output.splitlines()[0].strip()} with a window is ready in {folder}")
    return folder


def mirror(sources: Path = Path("/etc/apt")) -> str:
    """The address of a Debian mirror, as this machine's own apt sources name it; "" when there is none."""
    addresses = []
    for path in [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            text = path.read_text("utf-8", "replace")
            addresses += re.findall(r"^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+/debian/?)(?:\s|$)", text, re.MULTILINE)
    return addresses[0] if addresses else ""


def inside(
    folder: Path, command: Sequence[str | Path], *, environment: Environment | None = None, further: Sequence[Path] = ()
) -> list[str]:
    """Return the command line that runs `command` in the system at `folder`; kill its process and all of it is gone.

    `environment` (default: the project's) and its Python are there at their usual paths, and the folders `further`.
    """
    lent = [str(path) for path in (*lendable(environment or Environment()), *further)]
    words = [str(word) for word in command]
    if may_mount():
        flags = ["--mount", "--pid", "--fork", "--kill-child"]
        return ["unshare", *flags, "sh", "-c", ENTER, "sh", str(folder), *lent, "--", *words]
    for path in lent:
        _copy(Path(path), folder / path.lstrip("/"))
    return ["chroot", str(folder), *words]


def lendable(environment: Environment) -> list[Path]:
    """What the worker needs of this machine: the environment and the Python that it was made with."""
    ask = "import sys, sysconfig; print(sys.base_prefix, sys._base_executable, sysconfig.get_path('stdlib'), sep='\\n')"
    answer = subprocess.run(
        [environment.python, "-c", ask], env=clean_environment(), capture_output=True, text=True, check=True
    )
    prefix, executable, library = map(Path, answer.stdout.splitlines())
    # The system's own Python: its /usr must not hide the other one's.
    python = [executable.resolve(), library] if prefix == Path("/usr") else [prefix]
    return [*python, environment.folder]


def may_mount() -> bool:
    """Whether this machine lets root mount in a namespace of its own."""
    try:
        done = subprocess.run(
            [*OURS, "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


# -------------------------------------------------------------------------------------------------------------- inside


def _wanted() -> str:
    return hashlib.sha256("\n".join([RELEASE, *PACKAGES, DPKG, APT]).encode()).hexdigest()


def _ready(folder: Path) -> bool:
    note = folder / READY
    return note.is_file() and note.read_text("utf-8") == _wanted()


def _make_base(folder: Path) -> None:
    """The smallest Debian, from nothing: half a one is thrown away."""
    if folder.exists():
        say(f"setup: {folder} is half made; it is made anew")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    say(f"setup: fetching Debian ({RELEASE}) and Blender into {folder} (about 450 MB to download)")
    command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", RELEASE, folder, mirror()]
    # In a namespace of its own: what debootstrap mounts must not outlive it.
    _call(folder, [*OURS, *command] if may_mount() else command, "fetching Debian")
    (folder / BASE).touch()


def _add_packages(folder: Path) -> None:
    """Blender and the rest; what an interrupted run has left is finished first."""
    (folder / "etc/dpkg/dpkg.cfg.d/sjc").write_text(DPKG, "utf-8")
    (folder / "etc/apt/apt.conf.d/90sjc").write_text(APT, "utf-8")
    # The network and whom to trust there are this machine's matter.
    for name in ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(name).exists():
            shutil.copyfile(name, folder / name.lstrip("/"))
    chroot = ["chroot", folder, "env", "DEBIAN_FRONTEND=noninteractive"]
    _call(folder, [*chroot, "dpkg", "--configure", "-a"], "mending the half-made system")
    _call(folder, [*chroot, "apt-get", "update", "-qq"], "reading the mirror's list")
    _call(folder, [*chroot, "apt-get", "install", "-y", "-qq", *PACKAGES], "installing Blender")
    _call(folder, [*chroot, "apt-get", "clean"], "tidying up")


def _call(folder: Path, command: Sequence[str | Path], what: str) -> str:
    """Run one step, its words kept in FOLDER.log; return them. Raises BuildError with the last of them."""
    done = subprocess.run(
        [str(word) for word in command],
        env=clean_environment(LC_ALL="C.UTF-8", PATH=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    log = folder.with_name(folder.name + ".log")
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"=== {what}\n{done.stdout}")
    if done.returncode != 0:
        last = ([line for line in done.stdout.splitlines() if line.strip()] or ["no message"])[-1]
        raise BuildError(f"{what} failed ({last.strip()}); {log} tells more. The same command goes on from there.")
    return done.stdout


def _copy(source: Path, target: Path) -> None:
    """Copy what cannot be mounted; an environment that has changed since is copied again."""
    note = target / STAMP
    if target.exists() and (
        not (source / STAMP).exists() or (note.exists() and note.read_bytes() == (source / STAMP).read_bytes())
    ):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
