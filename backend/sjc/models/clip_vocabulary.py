"""CLIP's vocabulary, which a single-file checkpoint lacks, as a tokenizer folder.  Standard library only.

clip_merges.txt.gz holds the 48,894 merges of CLIP's byte-pair encoding, the first of the 262,144 in OpenAI's
bpe_simple_vocab_16e6.txt (MIT License, Copyright (c) 2021 OpenAI), in the order in which they are made.  Every Stable
Diffusion 1, 2 and XL reads prompts with these.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from ..errors import SjcError

MERGES = Path(__file__).with_name("clip_merges.txt.gz")
START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
"""Tokens that CLIP reads at once, START and END among them."""


def write_tokenizer(folder: Path, pad: str) -> None:
    """Writes vocab.json, merges.txt and tokenizer_config.json into a new folder.

    pad: the token that fills a sentence up to LENGTH: END in CLIP's own tokenizer, "!" in OpenCLIP's.

    Raises SjcError where this installation lacks the merges.
    """
    try:
        merges = gzip.decompress(MERGES.read_bytes()).decode("utf-8").split("\n")[:-1]
    except OSError as error:
        raise SjcError("This installation lacks CLIP's vocabulary (clip_merges.txt.gz); install it again.") from error
    folder.mkdir()
    alphabet = _alphabet()
    words = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *(merge.replace(" ", "") for merge in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, START, END])}
    _write(folder / "vocab.json", json.dumps(vocabulary, ensure_ascii=False))
    _write(folder / "merges.txt", "\n".join(["#version: 0.2", *merges]) + "\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": pad,
    }
    _write(folder / "tokenizer_config.json", json.dumps(settings, indent=2))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _alphabet() -> list[str]:
    """A printable letter for each of the 256 bytes, in the order of OpenAI's `bytes_to_unicode`."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(number) for number in (*printable, *range(256, 256 + others))]
