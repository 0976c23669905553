"""Sentences drawn beforehand, each with a view of a bank and colours: what batches on a card are made from.

Drawing and tokenising text is a CPU's work, and a card asks for tens of thousands of sentences a second.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from training import lamp, world
from training.data import MAX_PARTS, Data
from training.model import make_tokenizer
from training.pictures import Bank, Stored

CHUNK = 25_000  # sentences drawn at a time; each chunk has a seed of its own, so processes change nothing


@dataclass
class Sentences(Stored):
    """View's number i32 [N], colour number of each part u8 [N, MAX_PARTS], token ids i16 [N, L], mask bool [N, L].

    lamp u8 [N]: that of training.lamp which the sentence names, 0 for none.
    """

    view: np.ndarray
    palette: np.ndarray
    ids: np.ndarray
    mask: np.ndarray
    lamp: np.ndarray


def draw_sentences(bank: Bank, count: int, seed: int, processes: int = 1, lamps: bool = False) -> Sentences:
    """`count` sentences as `Data` draws them for a bank's views; held-out pairs never come."""
    nothing = np.zeros(0, np.uint8)
    views = type(bank)(nothing, nothing, bank.thing, bank.azimuth, bank.elevation)
    sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    jobs = (repeat(views), range(seed * 1000, seed * 1000 + len(sizes)), sizes, repeat(lamps))
    if min(processes, len(sizes)) > 1:
        # "spawn": a fork of a process that has used CUDA may hang.
        with ProcessPoolExecutor(min(processes, len(sizes)), multiprocessing.get_context("spawn")) as pool:
            chunks = list(pool.map(_chunk, *jobs))
    else:
        chunks = list(map(_chunk, *jobs))
    return Sentences(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))


def _chunk(views: Bank, seed: int, count: int, lamps: bool) -> tuple[np.ndarray, ...]:
    """The arrays of Sentences for one seed."""
    pictures = Data(views, seed)
    index, things, texts = pictures.choose(count)
    drawn = [lamp.random_lamp(pictures.rng) if lamps else 0 for _ in texts]
    texts = [lamp.lit(*pair) for pair in zip(texts, drawn, strict=True)]
    number = {name: i for i, name in enumerate(world.COLORS)}
    palette = np.zeros((count, MAX_PARTS), np.uint8)
    for row, described in zip(palette, things, strict=True):
        colors = [number[color] for color in described.palette()]
        row[: len(colors)] = colors
    tokens = make_tokenizer(lamps)(texts, padding="max_length", truncation=True, return_tensors="np")
    ids, mask = tokens.input_ids.astype(np.int16), tokens.attention_mask.astype(np.bool_)
    return np.array(index, np.int32), palette, ids, mask, np.array(drawn, np.uint8)
