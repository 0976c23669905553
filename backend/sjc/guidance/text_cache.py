"""What large text encoders said, kept on disk by model and sentence: the same prompt needs no encoder a second time.

A folder of safetensors files in the user's cache. Whatever goes wrong with it (no room, no permission, a damaged file),
the encoder is asked instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

from .model_files import ModelFiles
from .text_encoders import Condition

_HEAD = 2**16  # bytes of a file that go into the fingerprint beside its size and time


def cache_folder(kind: str) -> Path:
    """SJC_CACHE, else the system's place for what can be made again; `kind`: onnx, text."""
    if os.environ.get("SJC_CACHE"):
        return Path(os.environ["SJC_CACHE"]) / kind
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    elif sys.platform == "darwin":
        base = Path("~/Library/Caches")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return base.expanduser() / "sjc" / kind


def fingerprint(files: ModelFiles, *more: str) -> str:
    """Changes when a sentence may be encoded differently: text encoders' and tokenizers' files, and `more`.

    Files count by name, size, time and first bytes; reading ten gigabytes would take longer than encoding.
    """
    digest = hashlib.sha256("\0".join(more).encode())
    for part in (
        "text_encoder",
        "text_encoder_2",
        "text_encoder_3",
        "tokenizer",
        "tokenizer_2",
        "tokenizer_3",
    ):
        for path in sorted((files.folder / part).glob("*")):
            known = path.stat()
            with path.open("rb") as file:
                digest.update(
                    f"{part}/{path.name} {known.st_size} {known.st_mtime_ns}".encode() + file.read(_HEAD)
                )
    return digest.hexdigest()[:32]


class TextCache:
    """Conditions of sentences, for one model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, sentence: str) -> Condition | None:
        """What was kept of a sentence, one row, on the CPU; None if nothing was."""
        from safetensors.torch import load_file

        with contextlib.suppress(Exception):
            found = load_file(self._path(sentence))
            return Condition(found["states"], found.get("pooled"))
        return None

    def put(self, sentence: str, condition: Condition) -> None:
        """Keep it, if that can be done."""
        from safetensors.torch import save_file

        tensors = {"states": condition.states}
        if condition.pooled is not None:
            tensors["pooled"] = condition.pooled
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(suffix=".part", dir=self.folder)
            os.close(handle)
            try:
                save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, name)
                Path(name).replace(self._path(sentence))
            finally:
                Path(name).unlink(missing_ok=True)

    def _path(self, sentence: str) -> Path:
        return self.folder / f"{hashlib.sha256(sentence.encode()).hexdigest()[:32]}.safetensors"
