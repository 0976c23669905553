"""Pictures of the embedded world for the experiments: traced once, kept, then coloured and lit by the seed."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from benchmarks.report import ROOT
from sjc.errors import SjcError
from sjc.experiments.pictures import PictureSource
from training import pictures, world
from training.data import Data

VIEWS, BANK_SEED = 24, 7  # views of every object
BANK = ROOT / "build" / "experiments" / f"bank-{VIEWS}-{BANK_SEED}.npz"


@cache
def bank() -> pictures.Bank:
    """The traced views, made at the first call (half a minute on one core) and kept in build/."""
    if BANK.is_file():
        return pictures.Bank.load(BANK)
    BANK.parent.mkdir(parents=True, exist_ok=True)
    made = pictures.make_bank(VIEWS, BANK_SEED)
    made.save(BANK)
    return made


def labelled(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random pictures [count, 3, 32, 32] in [-1, 1], and the number of the object that each shows [count]."""
    data = Data(bank(), seed)
    views, described, _ = data.choose(count)
    names = list(world.THINGS)
    return data.draw(views, described), torch.tensor([names.index(one.name) for one in described])


def draw(count: int, size: int, seed: int) -> Tensor:
    """Random pictures [count, 3, size, size] in [-1, 1]; sizes that divide 32 are averages of its pixels."""
    if pictures.SIZE % size:
        raise SjcError(
            f"The world's pictures are {pictures.SIZE} pixels wide; a model of {size} pixels cannot take them."
        )
    drawn, _ = labelled(count, seed)
    return torch.nn.functional.avg_pool2d(drawn, pictures.SIZE // size)


WORLD = PictureSource("world", draw)
