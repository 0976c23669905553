"""Whether a field's solid has come to rest: for a run that ends as soon as its mesh would no longer change."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .grid import VoxelField

PATIENCE = 0.2  # of the run, for which the solid must stay as it is
LOOKS = 50  # in a whole run


class Stillness:
    """Compares the solid with what it was when it last changed.

    That is not the last look's: a slow growth, of which each look would see next to nothing, adds up.

    tolerance: share of the solid, in 0..1, that may differ: 1 - IoU of the two sets of voxels.
    steps: of the whole run.  begin: step before which nothing counts, because a change is yet to come by plan.
    """

    def __init__(self, tolerance: float, steps: int, begin: int = 0) -> None:
        self.tolerance, self.begin = tolerance, begin
        self.interval, self.patience = max(1, steps // LOOKS), math.ceil(PATIENCE * steps)
        self.solid: Tensor | None = None  # bool [N,N,N] on the CPU
        self.since = 0

    def look(self, field: VoxelField, step: int) -> None:
        """Compare, if at this step it is time to."""
        if step % self.interval or step < self.begin:
            return
        now = solid(field).cpu()
        if self.solid is None or change(self.solid, now) > self.tolerance:
            self.solid, self.since = now, step

    def rests(self, step: int) -> bool:
        """Whether at this step the solid has been at rest for long enough."""
        return self.solid is not None and step - self.since >= self.patience

    def state(self) -> dict[str, Tensor]:
        """What `load` takes, {} before the first look."""
        return {} if self.solid is None else {"solid": self.solid.to(torch.uint8), "since": torch.tensor(self.since)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up a saved state."""
        if "solid" in state and "since" in state:
            self.solid, self.since = state["solid"].bool(), int(state["since"])


@torch.no_grad()
def solid(field: VoxelField) -> Tensor:
    """[N,N,N] bool: the voxels to which less than half of the light gets, from any of the six sides of the box.

    That is near to what becomes of the field as a mesh: a shell is full, whatever it encloses.
    """
    optical = field.activated_density() * field.voxel
    sides = [optical.cumsum(axis) for axis in range(3)]
    sides += [optical.flip(axis).cumsum(axis).flip(axis) for axis in range(3)]
    return torch.stack(sides).amin(0) > math.log(2)


def change(a: Tensor, b: Tensor) -> float:
    """1 - IoU of two sets of voxels; 1 where one is of another size, or both are empty: nothing is no result."""
    if a.shape != b.shape:
        return 1.0
    union = int((a | b).sum())
    return 1 - int((a & b).sum()) / union if union else 1.0
