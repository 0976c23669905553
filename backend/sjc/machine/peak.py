"""The most memory that was held at one time: by tensors on a CUDA device, else by this process."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from pathlib import Path

import torch


def begin(device: torch.device) -> int | None:
    """Forget the highest so far, where the system can (CUDA, Linux); bytes held now, None where nobody says."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no such file, no such function, no such library
        ctypes.CDLL(None).malloc_trim(0)  # else a step takes what others freed, and seems to need nothing
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM begins anew
    return highest(device)


def highest(device: torch.device) -> int | None:
    """Bytes at most since `begin`; where that could not forget, since the process started."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return _by_usage()
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), None)


def _by_usage() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
