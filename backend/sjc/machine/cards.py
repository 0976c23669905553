"""Which graphics cards are here, and why torch does not use one that is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .. import causes
from ..errors import here

MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}  # by PCI vendor
DRM = Path("/sys/class/drm")
_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"  # Windows: display adapters


class Unused(NamedTuple):
    """Why a card is not used.  fact: what is so; advice: what to do; code: of `causes`, "" for none."""

    fact: str
    advice: str
    code: str


def nvidia() -> tuple[str, str]:
    """(name, driver version) of the first card that NVIDIA's own program names; ("", "") without one."""
    program = shutil.which("nvidia-smi")
    if not program:
        return "", ""
    try:
        done = subprocess.run(
            [program, "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    if done.returncode:
        cause = causes.of_text(done.stdout + done.stderr)
        return ("an NVIDIA card", "") if cause is causes.DRIVER else ("", "")
    name, _, driver = (done.stdout.strip().splitlines() or [""])[0].partition(",")
    return name.strip(), driver.strip()


def makers() -> set[str]:
    """Makers of the graphics cards that the system lists, of NVIDIA, AMD and Intel; empty where it lists none."""
    if sys.platform == "win32":
        return {maker for name in _windows_names() for maker in MAKERS.values() if maker.lower() in name.lower()}
    vendors = set()
    for path in DRM.glob("card*/device/vendor"):
        try:
            vendors.add(path.read_text("ascii").strip().lower())
        except (OSError, UnicodeDecodeError):
            continue
    return {MAKERS[vendor] for vendor in vendors if vendor in MAKERS}


def _windows_names() -> list[str]:
    names: list[str] = []
    if sys.platform == "win32":
        import winreg

        for number in range(16):
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{_CLASS}\{number:04d}") as key:
                    names.append(str(winreg.QueryValueEx(key, "DriverDesc")[0]))
            except OSError:
                continue
    return names


def kernels_fit(capability: tuple[int, int], built: Iterable[str]) -> bool:
    """Whether a build with kernels for these architectures (`torch.cuda.get_arch_list`) runs on a card.

    Kernels (sm_86) run on cards with the same first number and at least the same second one; intermediate code
    (compute_90) on every newer card.
    """
    major, minor = capability
    for name in built:
        if match := re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", name):
            of_major, of_minor = int(match[2]), int(match[3])
            if match[1] == "sm" and of_major == major and of_minor <= minor:
                return True
            if match[1] == "compute" and (of_major, of_minor) <= (major, minor):
                return True
    return False


def unfit(index: int = 0) -> Unused | None:
    """Why torch's build has no kernels for the CUDA or ROCm device of that number; None where it has them."""
    import torch

    if not torch.cuda.is_available():
        return None
    built = torch.cuda.get_arch_list()
    if not built:
        return None
    properties = torch.cuda.get_device_properties(index)
    if torch.version.hip:
        own = str(getattr(properties, "gcnArchName", "")).partition(":")[0]
        fits = not own or own in built
    else:
        own = f"sm_{properties.major}{properties.minor}"
        fits = kernels_fit((properties.major, properties.minor), built)
    if fits:
        return None
    fact = (
        f"{properties.name} ({own}) is not among the graphics cards that torch {torch.__version__} has kernels for: "
        f"{', '.join(built)}."
    )
    return Unused(fact, causes.CARD.remedy, causes.CARD.code)


def unused() -> Unused | None:
    """Why a graphics card that is here computes nothing; None where one does, or there is none."""
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return unfit()
    name, driver = nvidia()
    if name and torch.version.cuda is None:
        return Unused(
            f"{name} is here, but torch {torch.__version__} is a CPU build.",
            here(
                "Install torch with CUDA.",
                "Press Install Backend and leave Automatic, which chooses the build that fits the card.",
            ),
            "card",
        )
    if name:
        known = f"its driver {driver}" if driver else "its driver"
        fact = (
            f"{name} is here, but {known} does not work with torch {torch.__version__} (CUDA {torch.version.cuda}): it "
            "is too old, or not running."
        )
        return Unused(fact, causes.DRIVER.remedy, causes.DRIVER.code)
    return _of_other_makers()


def _of_other_makers() -> Unused | None:
    import torch

    made_by = makers()
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        return Unused(f"{torch.xpu.get_device_name(0)} is here, and this program does not compute on those.", _CPU, "")
    if "AMD" in made_by and sys.platform == "linux":
        fact = f"An AMD graphics card is here, but torch {torch.__version__} is no ROCm build."
        return Unused(
            fact,
            here(
                "Install torch for ROCm if the card is one that ROCm supports; else the CPU computes.",
                "Press Install Backend and choose AMD (ROCm) if the card is one that ROCm supports; else the CPU "
                "computes.",
            ),
            "",
        )
    if "AMD" in made_by:
        fact = "An AMD graphics card is here; PyTorch uses those on Linux only."
        return Unused(fact, _CPU, "")
    if "Intel" in made_by:
        return Unused("An Intel graphics card is here, and this program does not compute on those.", _CPU, "")
    return None


_CPU = "The CPU computes: the embedded model is made for that, larger models are slow."
