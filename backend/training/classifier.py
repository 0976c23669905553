"""A small classifier of the world's objects, whose features measure how near sets of pictures are to each other.

Run as `python -m training.classifier BANK OUT`: a minute on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from sjc.output.files import write_bytes
from training import world
from training.pictures import Bank, make_bank

FEATURES, STEPS, BATCH, SEED = 64, 700, 64, 0
TEST_VIEWS, TEST_SEED, TEST_PICTURES = 4, 11, 1000


class Classifier(nn.Module):
    """Pictures [B, 3, 32, 32] in [-1, 1] -> logits [B, 20] of the object shown."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 24), (24, 48), (48, FEATURES)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(FEATURES * 16, len(world.THINGS))

    def features(self, pictures: Tensor) -> Tensor:
        """[B, FEATURES]: the last layer's means over the picture."""
        return self.trunk(pictures).mean((2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits [B, 20]."""
        return self.head(self.trunk(pictures).flatten(1))


Batch = Callable[[int], tuple[Tensor, Tensor]]
"""batch(count) -> pictures [count, 3, 32, 32] and the objects' numbers [count]."""


def batches(bank: Bank, seed: int) -> Batch:
    """Random pictures of a bank's views with the number of the object that each shows."""
    from training.data import Data

    data, names = Data(bank, seed), list(world.THINGS)

    def batch(count: int) -> tuple[Tensor, Tensor]:
        views, described, _ = data.choose(count)
        return data.draw(views, described), torch.tensor([names.index(one.name) for one in described])

    return batch


def train(batch: Batch, steps: int = STEPS, size: int = BATCH) -> Classifier:
    """Adam with a rate that falls to nothing, from SEED."""
    torch.manual_seed(SEED)
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        pictures, things = batch(size)
        loss = nn.functional.cross_entropy(model(pictures), things)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: Classifier, pictures: Tensor, things: Tensor) -> float:
    """The share of pictures whose object is named."""
    return float((model(pictures).argmax(1) == things).float().mean())


def write(model: Classifier, path: Path, metadata: dict[str, Any]) -> None:
    """Weights as safetensors, whole, with what is told of them as metadata."""
    write_bytes(path, save(model.state_dict(), {key: str(value) for key, value in metadata.items()}))


def load(path: Path) -> Classifier:
    """What `write` wrote."""
    model = Classifier()
    model.load_state_dict(load_file(path))
    return model.eval()


def main(words: list[str]) -> int:
    """Train on the bank of the first word, test on views of its own, write to the second."""
    source, out = map(Path, words)
    model = train(batches(Bank.load(source), SEED))
    score = accuracy(model, *batches(make_bank(TEST_VIEWS, TEST_SEED), TEST_SEED)(TEST_PICTURES))
    write(model, out, {"accuracy on unseen views": score, "steps": STEPS, "batch": BATCH, "seed": SEED})
    print(f"{out}: {score:.3f} of unseen views named right")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
