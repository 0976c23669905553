"""A run's checkpoint: everything it needs to go on, in one safetensors file that is written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

Parts = Mapping[str, Mapping[str, Tensor]]
"""What learns and its moving average, by name, each as the tensors that are in use: {"model": {...}, "ema": {...}}."""


def save(path: Path, parts: Parts, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
    """Write the tensors of `parts` and of the optimiser, the step, and the seconds spent so far."""
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{key}": value for key, value in state.items()}
    temporary = path.with_name("." + path.name + ".tmp")
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}  # shared weights stored twice
    save_file(tensors, temporary, {"step": str(step), "seconds": str(seconds)})
    temporary.replace(path)


@torch.no_grad()
def restore(path: Path, parts: Parts, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Put what save() wrote into the tensors of `parts` and the optimiser; returns (step, seconds spent).

    Raises SystemExit, one line, for a checkpoint of another network.
    """
    tensors = load_file(path)
    for name, part in parts.items():
        for key, value in part.items():
            saved = tensors.get(f"{name}.{key}")
            if saved is None or saved.shape != value.shape:
                raise SystemExit(f"{path} is of another network ({name}.{key} differs); give the run another --out")
            value.copy_(saved)
    states: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            # In the layout of its parameter, which the fused optimiser takes for granted.
            like = parameters[int(i)]
            states.setdefault(int(i), {})[name] = (
                torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            )
    if states:
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    with safe_open(path, "pt") as f:
        meta = f.metadata()
    return int(meta["step"]), float(meta["seconds"])
