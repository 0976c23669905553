"""Conditions from large text encoders on disk, by model and sentence: a prompt seen before needs no encoder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..machine import disk_cache
from .model_files import ModelFiles
from .text_encoders import Condition

PARTS = ("text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer", "tokenizer_2", "tokenizer_3")


def fingerprint(files: ModelFiles, *more: str) -> str:
    """Changes when a sentence may be encoded differently: text encoders' and tokenizers' files, and `more`."""
    return disk_cache.fingerprint(files.folder, PARTS, *more)


class TextCache:
    """Conditions of sentences, for one model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, sentence: str) -> Condition | None:
        """The condition of a sentence, one row, on the CPU; None if it is not in the cache."""
        tensors = disk_cache.load(self._path(sentence))
        return Condition(tensors["states"], tensors.get("pooled")) if tensors and "states" in tensors else None

    def put(self, sentence: str, condition: Condition) -> None:
        """Writes it to the cache, where that can be done."""
        tensors = {"states": condition.states}
        if condition.pooled is not None:
            tensors["pooled"] = condition.pooled
        disk_cache.save(self._path(sentence), tensors)

    def _path(self, sentence: str) -> Path:
        return self.folder / f"{hashlib.sha256(sentence.encode()).hexdigest()[:32]}.safetensors"
