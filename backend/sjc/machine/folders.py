"""The folder of what can be made again. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..paths import user_path


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
