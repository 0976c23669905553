"""Runs one command as a fresh process and measures it. A script of the standard library, started on its own:

    python -I child.py MEASURED.json CORES COMMAND ...

On Linux the peak memory of a process counts from that of the process which started it, so a command must not be
started from one that has torch in it. CORES is how many cores it may use, 0 for all.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main(target: str, cores: str, *command: str) -> int:
    """Write {"code", "wall_s", "peak_mb", "cores"} to `target`; peak_mb is null where the system does not tell."""
    if int(cores) and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    began = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    peak = None
    with contextlib.suppress(KeyboardInterrupt):  # the command has it too, and ends in its own way
        if not hasattr(os, "wait4"):
            process.wait()
    if hasattr(os, "wait4"):
        while process.returncode is None:
            with contextlib.suppress(KeyboardInterrupt):
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                unit = 1 if sys.platform == "darwin" else 1024
                peak = round(usage.ru_maxrss * unit / 1e6, 1)
    record = {
        "code": process.returncode,
        "wall_s": round(time.perf_counter() - began, 2),
        "peak_mb": peak,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    temporary = Path(target + "~")
    temporary.write_text(json.dumps(record), "utf-8")
    os.replace(temporary, target)
    return process.returncode or 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
