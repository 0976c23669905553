"""Pictures of the world and their sentences, drawn anew for every batch on the CPU."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from sjc.guidance.denoiser import Autoencoder
from training import lamp, world
from training.loss import Batch
from training.model import Model
from training.pictures import SUPERSAMPLE, Bank, random_light, shade
from training.prompts import Described, phrase, random_described, random_views
from training.text import sketch_target

MAX_PARTS = 4


class Data:
    """Batches of (pictures, texts) from a bank, whose size is a multiple of the views that the bank holds together.

    fine: pictures of 64 pixels; codec: their latents in their place; lamps: some are lit by a lamp that the text names.
    """

    def __init__(
        self, bank: Bank, seed: int, fine: bool = False, codec: Autoencoder | None = None, lamps: bool = False
    ) -> None:
        self.bank, self.rng, self.lamps = bank, random.Random(seed), lamps
        self.supersample, self.codec = 1 if fine or codec else SUPERSAMPLE, codec
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self, size: int, held_out: bool = False) -> tuple[list[int], Tensor, list[str]]:
        """Numbers of random views, pictures of them [B, 3, 32, 32], and prompts.

        `held_out` draws only pairs never trained on.
        """
        index, things, texts = self.choose(size, held_out)
        if not self.lamps:
            return index, self.draw(index, things), texts
        lamps = [lamp.random_lamp(self.rng) for _ in texts]
        return index, self.draw(index, things, lamps), [lamp.lit(*pair) for pair in zip(texts, lamps, strict=True)]

    def draw(self, index: list[int], things: list[Described], lamps: list[int] | None = None) -> Tensor:
        """Pictures [B, 3, 32, 32] (or 64, or latents) of bank views `index`, coloured as described.

        Each is lit at random, or by its lamp (training.lamp) if that is not 0.
        """
        part = torch.from_numpy(self.bank.part[index])
        normal = torch.from_numpy(self.bank.normal[index]).float() / 127
        background, light, contrast = random_light(len(index), self.generator, self.bank.together)
        palette, lit = palettes(things), None
        if lamps:
            numbers = torch.tensor(lamps)
            angles = (torch.from_numpy(angle[index]).float() for angle in (self.bank.azimuth, self.bank.elevation))
            light = torch.where(numbers[:, None] > 0, lamp.world_directions(numbers, *angles), light)
            palette, lit = lamp.uncolored(palette, numbers), numbers > 0
        pictures = shade(part, normal, palette, background, light, contrast, self.supersample, lit)
        return self.codec.encode(pictures) if self.codec else pictures

    def sketches(self, size: int) -> tuple[Tensor, list[str]]:
        """Targets of the text encoder's schooling [B, 4, 32, 32], and their prompts."""
        index, things, texts = self.choose(size)
        return sketch_target(torch.from_numpy(self.bank.part[index]), palettes(things), SUPERSAMPLE), texts

    def choose(self, size: int, held_out: bool = False) -> tuple[list[int], list[Described], list[str]]:
        """Random views of the bank: their numbers, what they shall show, and prompts with view words."""
        together = self.bank.together
        rings = [
            range(first := together * self.rng.randrange(len(self.bank.thing) // together), first + together)
            for _ in range(size // together)
        ]
        names = list(world.THINGS)
        things = []
        for i, *_ in rings:
            described = random_described(int(self.bank.thing[i]), self.rng)
            if held_out:
                name = names[int(self.bank.thing[i])]
                color = self.rng.choice([c for n, c in sorted(world.HELD_OUT) if n == name])
                described = Described(name, color, described.slots)
            things.append(described)
        texts = []
        for ring, described in zip(rings, things, strict=True):
            angles = [(float(self.bank.azimuth[i]), float(self.bank.elevation[i])) for i in ring]
            texts += random_views(phrase(described, self.rng), angles, self.rng)
        return [i for ring in rings for i in ring], [d for d in things for _ in range(together)], texts


def palettes(things: list[Described]) -> Tensor:
    """Colours by part [B, MAX_PARTS, 3], sRGB."""
    palette = torch.zeros(len(things), MAX_PARTS, 3)
    for row, described in zip(palette, things, strict=True):
        for i, color in enumerate(described.palette()):
            row[i] = torch.tensor(world.COLORS[color])
    return palette


def fixed_batches(model: Model, data: Data, size: int) -> dict[str, Batch]:
    """(pictures, token ids, mask) to score with, on the model's device: of "seen" pairs, and of those "held_out"."""
    batches = {}
    for kind, held_out in (("seen", False), ("held_out", True)):
        _, x, texts = data.batch(size, held_out)
        ids, mask = model.tokens(texts)
        batches[kind] = (x.to(model.device), ids.to(model.device), mask.to(model.device))
    return batches
