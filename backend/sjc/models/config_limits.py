"""How large a part of a model may say that it is: checked against its weights before a library builds it.

A configuration of ten million layers keeps a library busy for minutes, and one of 10^10 times fills the memory, though
the weights beside it are those of a small network.  Standard library only.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError

MOST_TIMES = 100_000
LARGEST_PICTURE = 4096  # pixels or latents along an edge
LARGEST_WIDTH = 2048  # that a small network may name though no tensor of its weights is as wide
LARGEST_NUMBER, LONGEST_LIST, DEEPEST = 10**7, 10_000, 8
_REPEATED = ("layers_per_block", "transformer_layers_per_block")
"""Their numbers multiply."""
_BLOCKS = ("block_out_channels", "down_block_types", "up_block_types")
_NO_WIDTHS = ("token", "max_distance", "sample_size", "version", "max_position", "n_positions", "pos_embed_max_size")
"""Parts of the names of numbers that are no width of a tensor."""


def check_scheduler(path: Path, config: dict[str, Any]) -> None:
    """Raises SjcError for more noise levels than a model can have been trained with."""
    record = foreign.Record(config, path)
    record.whole("num_train_timesteps", 1, MOST_TIMES, 1000)
    betas = config.get("trained_betas")
    if isinstance(betas, list) and len(betas) > MOST_TIMES:
        raise SjcError(f"{path} is damaged: it holds a list of {len(betas)} values.")


def check_part(path: Path, config: dict[str, Any], tensors: int, largest: int) -> None:
    """Raises SjcError for a network that its weights, so many tensors of at most such a width, cannot be.

    tensors: of the weights.  largest: the longest edge among their shapes.
    """
    _check_values(path, config)
    repeats = math.prod(_most(config.get(name)) for name in _REPEATED)
    blocks = max((len(config[name]) for name in _BLOCKS if isinstance(config.get(name), list)), default=1)
    layers = [_most(value) for name, value in config.items() if "layers" in name]
    if max([repeats * blocks, *layers]) > max(tensors, 1):
        raise SjcError(f"{path} names more layers than its weights have tensors ({tensors}); the two do not fit.")
    for name, value in config.items():
        if "token" not in name and _least(value) < 0:
            raise SjcError(f"{path}: {name} is {foreign.shown(value)}; it must not be negative.")
        width = not any(part in name for part in _NO_WIDTHS)
        if width and _most(value) > max(largest, LARGEST_WIDTH):
            raise SjcError(
                f"{path}: {name} is {foreign.shown(value)}, but no tensor of its weights is wider than {largest}; "
                "the two do not fit."
            )
        if not width and "token" not in name and _most(value) > LARGEST_PICTURE:
            raise SjcError(f"{path}: {name} is {foreign.shown(value)}; at most {LARGEST_PICTURE} can be used.")


def _most(value: Any) -> int:
    """The largest whole number in a value, 1 where it has none."""
    if isinstance(value, list):
        return max(map(_most, value), default=1)
    return value if isinstance(value, int) and not isinstance(value, bool) else 1


def _least(value: Any) -> int:
    """The smallest whole number in a value, 0 where it has none."""
    if isinstance(value, list):
        return min(map(_least, value), default=0)
    return value if isinstance(value, int) else 0


def _check_values(path: Path, value: Any, depth: int = 0) -> None:
    """Raises SjcError for numbers, lists and nesting beyond what any model has."""
    if isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER and not isinstance(value, bool):
        raise SjcError(f"{path} is damaged: it holds the number {foreign.shown(value)}.")
    if isinstance(value, list | dict):
        if len(value) > LONGEST_LIST or depth > DEEPEST:
            raise SjcError(f"{path} is damaged: it holds a list of {len(value)} values.")
        for one in value.values() if isinstance(value, dict) else value:
            _check_values(path, one, depth + 1)
