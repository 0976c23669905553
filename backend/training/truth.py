"""The ground truth of a prompt: the exact solid and its colours, for scoring what was made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from training import world
from training.prompts import Described, parse

CHUNK = 65536  # points at a time: bounds the memory that a dense lattice takes
_VIEW = re.compile(r"^\s*(?:front|side|backside|overhead|azimuth \d+ elevation -?\d+) view of\b", re.IGNORECASE)


@dataclass(frozen=True)
class Truth:
    """The object that a prompt describes, in the engine's frame: z up, front at -y, box [-1, 1]^3."""

    described: Described
    empty_mug: bool = False

    def inside(self, points: ArrayLike) -> np.ndarray:
        """Whether points [N, 3] lie within any part -> bool [N]. Raises ValueError for points of another shape."""
        chunks = [(self._distances(p).amin(0) < 0).numpy() for p in _chunks(points)]
        return np.concatenate(chunks) if chunks else np.zeros(0, dtype=bool)

    def color(self, points: ArrayLike) -> np.ndarray:
        """Unlit albedo, sRGB-encoded in [0, 1], of the part nearest to points [N, 3] -> float32 [N, 3].

        Nearest is the part of the smallest signed distance: within two parts, the one entered deeper.
        Raises ValueError for points of another shape.
        """
        palette = np.array([world.COLORS[name] for name in self.described.palette()], dtype=np.float32)
        chunks = [palette[self._distances(p).argmin(0).numpy()] for p in _chunks(points)]
        return np.concatenate(chunks) if chunks else np.zeros((0, 3), dtype=np.float32)

    def _distances(self, points: Tensor) -> Tensor:
        return world.distances(self.described.name, points, self.empty_mug)


def ground_truth(prompt: str, empty_mug: bool = False) -> Truth:
    """What a prompt of the world describes; case, commas, synonyms and view words in front are ignored.

    empty_mug: of the world whose mug holds no coffee (training.lamp).

    Raises ValueError, one line, for a prompt that the world has no object for.
    """
    return Truth(parse(_VIEW.sub("", prompt)), empty_mug)


def _chunks(points: ArrayLike) -> list[Tensor]:
    """Points [N, 3] as float64 tensors of at most CHUNK rows."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"points have the shape {array.shape}; give [N, 3]")
    return [torch.tensor(array[i : i + CHUNK]) for i in range(0, len(array), CHUNK)]
