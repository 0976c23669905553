"""The folder of what can be made again, and what killed processes leave in it. Standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from pathlib import Path

from ..paths import user_path

PART = "part-"  # how the names of what is being written in a cache begin
_ABANDONED = 86_400.0  # seconds: nobody writes for longer


def cache_folder(kind: str) -> Path:
    """SJC_CACHE, else the system's place for what can be made again; `kind`: onnx, text, colours, warp ..."""
    if os.environ.get("SJC_CACHE"):
        return user_path(os.environ["SJC_CACHE"]) / kind
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    elif sys.platform == "darwin":
        base = Path("~/Library/Caches")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return user_path(base) / "sjc" / kind


def clear_abandoned(folder: Path) -> None:
    """Remove what processes that were killed have left in a folder of the cache."""
    for path in folder.glob(f"{PART}*"):
        with contextlib.suppress(OSError):  # another process was quicker
            if time.time() - path.stat().st_mtime < _ABANDONED:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
