"""What every training run has: its arguments, its device, its log, and how far it is, in steps or in wall time."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SENTENCES = 1_000_000
"""Sentences drawn beforehand for a run on a card, unless it says otherwise."""


def device_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a run that may be on a card."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1; on a card, batches are made there")
    parser.add_argument(
        "--seconds", type=float, help="end after this wall time in place of --steps; the learning rate falls with it"
    )
    parser.add_argument(
        "--sentences",
        type=int,
        help=f"draw this many sentences beforehand, for batches made on the device; 0 draws them at every step "
        f"(default: 0 on a CPU, {SENTENCES:,} on a card)",
    )
    parser.add_argument(
        "--lamps", action="store_true", help="a share of the pictures is lit by a lamp that the text names"
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="that draw sentences beforehand (default: all cores)"
    )


def begun(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The arguments of a run, its threads, seed and device set, its folder made.

    Raises SystemExit, one line, for a device that is not there.
    """
    args = parser.parse_args(argv)
    try:
        device = torch.device(args.device)
    except RuntimeError:
        parser.error(f"--device {args.device}: give cpu or cuda")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise SystemExit("torch finds no CUDA device here; --device cpu trains on the CPU")
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    if args.sentences is None:
        args.sentences = 0 if device.type == "cpu" else SENTENCES
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def device_name(device: torch.device) -> str:
    """The name of a card, as the model's card tells it; "cpu" for a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


class Log:
    """A run's log.jsonl: rows are added to it and printed."""

    def __init__(self, out: Path, digits: int = 1) -> None:
        self.file, self.digits = out / "log.jsonl", digits

    def __call__(self, row: dict[str, Any]) -> None:
        """Add a row. "minutes" get as many digits as the run's length asks for."""
        if "minutes" in row:
            row["minutes"] = round(row["minutes"], self.digits)
        with self.file.open("a", encoding="utf-8") as f:
            f.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


class Progress:
    """How far a run is: `step` of `steps`, or, with `limit` seconds, by the wall time it has had in all its parts."""

    def __init__(self, steps: int, limit: float | None, step: int = 0, spent: float = 0.0) -> None:
        self.steps, self.limit, self.step = steps, limit, step
        self._began = time.monotonic() - spent

    @property
    def seconds(self) -> float:
        """Wall time spent so far, that before a stop included."""
        return time.monotonic() - self._began

    def place(self) -> tuple[float, float]:
        """(where the run is, where it ends), in seconds or in steps."""
        return (self.seconds, self.limit) if self.limit else (self.step, self.steps)

    def ended(self) -> bool:
        """Whether nothing is left to do."""
        place, end = self.place()
        return place >= end


def mean(losses: list[Tensor]) -> float:
    """The mean of the losses of some steps, read from the device at once: a step itself waits for nothing."""
    values = torch.stack(losses).tolist()
    return sum(values) / len(values)


def learn(
    loss: Tensor, optimizer: torch.optim.Optimizer, learned: Iterable[Tensor], averages: Iterable[Tensor], decay: float
) -> Tensor:
    """One step down the gradient of a loss [], whose norm is cut at 1; the averages then follow what was learned.

    learned, averages: tensors in the same order. decay: what an average keeps of itself. Returns the loss, detached.
    """
    learned = list(learned)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learned, 1.0)
    optimizer.step()
    with torch.no_grad():
        torch._foreach_lerp_(list(averages), learned, 1 - decay)
    return loss.detach()
