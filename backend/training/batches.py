"""What a training loop is fed with: pictures or sketches, token ids and masks, on the device it trains on.

`HostBatches` draws and colours on the CPU. `DeviceBatches` has the bank and sentences drawn beforehand on the device;
a batch is a draw of row numbers there, and no step waits for the CPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from sjc.guidance.denoiser import Autoencoder
from training import lamp, world
from training.data import Data
from training.loss import Batch
from training.pictures import SUPERSAMPLE, Bank, Stored, random_light, shade
from training.sentences import Sentences, draw_sentences
from training.text import sketch_target

Tokens = Callable[[list[str]], tuple[Tensor, Tensor]]
"""Texts -> token ids and mask [B, L]."""
Arrays = TypeVar("Arrays", bound=Stored)


class Batches(Protocol):
    """Where batches come from."""

    def pictures(self, size: int, empty: float = 0.0) -> Batch:
        """Pictures or latents, ids and mask; the share `empty` has the empty sentence, for classifier-free guidance."""

    def pictures_and_views(self, size: int, empty: float = 0.0) -> tuple[Batch, Tensor]:
        """As `pictures`, and the numbers [B] of the bank's views that they show."""

    def sketches(self, size: int) -> Batch:
        """Targets of the text encoder's schooling [B, 4, 32, 32], ids and mask."""


class HostBatches:
    """Batches of `Data`, made on the CPU and brought to the device."""

    def __init__(self, data: Data, tokens: Tokens, device: torch.device) -> None:
        self.data, self.tokens, self.device = data, tokens, device

    def pictures(self, size: int, empty: float = 0.0) -> Batch:
        """See Batches."""
        return self.pictures_and_views(size, empty)[0]

    def pictures_and_views(self, size: int, empty: float = 0.0) -> tuple[Batch, Tensor]:
        """See Batches."""
        index, x, texts = self.data.batch(size)
        if empty:
            together = self.data.bank.together
            silent = [self.data.rng.random() < empty for _ in range(size // together)]
            texts = ["" if silent[i // together] else text for i, text in enumerate(texts)]
        return self._there(x, texts), torch.tensor(index, device=self.device)

    def sketches(self, size: int) -> Batch:
        """See Batches."""
        return self._there(*self.data.sketches(size))

    def _there(self, x: Tensor, texts: list[str]) -> Batch:
        ids, mask = self.tokens(texts)
        return x.to(self.device), ids.to(self.device), mask.to(self.device)


class DeviceBatches:
    """Batches made on the device, from a bank and from sentences drawn for its views.

    fine: pictures of 64 pixels. codec: their latents in their place.
    """

    def __init__(
        self,
        bank: Bank,
        sentences: Sentences,
        tokens: Tokens,
        device: torch.device,
        seed: int,
        fine: bool = False,
        codec: Autoencoder | None = None,
    ) -> None:
        self.part, self.normal = (torch.from_numpy(a).to(device) for a in (bank.part, bank.normal))
        self.view, self.palette, self.ids, self.mask, self.lamp, self.azimuth, self.elevation = (
            torch.from_numpy(a).to(device) for a in (*vars(sentences).values(), bank.azimuth, bank.elevation)
        )
        self.together = bank.together
        self.empty_ids, self.empty_mask = (t.to(device) for t in tokens([""]))
        self.colors = torch.tensor(list(world.COLORS.values()), device=device)
        self.supersample, self.codec = 1 if fine or codec else SUPERSAMPLE, codec
        self.generator = torch.Generator(device).manual_seed(seed)

    def pictures(self, size: int, empty: float = 0.0) -> Batch:
        """See Batches."""
        return self.pictures_and_views(size, empty)[0]

    def pictures_and_views(self, size: int, empty: float = 0.0) -> tuple[Batch, Tensor]:
        """See Batches."""
        view, palette, ids, mask, lamps = self._draw(size)
        background, light, contrast = random_light(size, self.generator, self.together)
        beside = lamp.world_directions(lamps, self.azimuth[view].float(), self.elevation[view].float())
        light = torch.where(lamps[:, None] > 0, beside, light)
        lights = (background, light, contrast)
        x = shade(self.part[view], self.normal[view].float() / 127, palette, *lights, self.supersample, lamps > 0)
        if empty:
            drawn = torch.rand(size // self.together, 1, generator=self.generator, device=self.generator.device)
            silent = drawn.repeat_interleave(self.together, 0) < empty
            ids, mask = torch.where(silent, self.empty_ids, ids), torch.where(silent, self.empty_mask, mask)
        x = self.codec.encode(x) if self.codec else x
        return (x.contiguous(memory_format=torch.channels_last), ids, mask), view

    def sketches(self, size: int) -> Batch:
        """See Batches."""
        view, palette, ids, mask, _ = self._draw(size)
        return sketch_target(self.part[view], palette, SUPERSAMPLE), ids, mask

    def _draw(self, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Random rows: views [B], palettes [B, MAX_PARTS, 3], ids and mask [B, L], lamps [B]."""
        rings, device = (len(self.view) // self.together, size // self.together), self.generator.device
        first = torch.randint(rings[0], (rings[1], 1), generator=self.generator, device=device)
        row = (first * self.together + torch.arange(self.together, device=device)).flatten()
        palette = lamp.uncolored(self.colors[self.palette[row].long()], self.lamp[row])
        return self.view[row].long(), palette, self.ids[row].long(), self.mask[row].long(), self.lamp[row]


def made_once(path: Path, kind: type[Arrays], make: Callable[[], Arrays]) -> Arrays:
    """What the file holds, or what `make` makes, which is then saved there."""
    if not path.exists():
        made = make()
        made.save(path)
        return made
    return kind.load(path)


def sentences_for(args: argparse.Namespace, path: Path, bank: Bank) -> Sentences:
    """The sentences of a run, drawn once for a bank and saved beside its file."""
    kind = "lit-sentences" if args.lamps else "sentences"
    file = path.with_name(f"{path.stem}-{kind}-{args.sentences}.npz")
    return made_once(
        file, Sentences, lambda: draw_sentences(bank, args.sentences, args.seed, args.processes, args.lamps)
    )


def batches_for(
    args: argparse.Namespace,
    bank: tuple[Path, Bank],
    tokens: Tokens,
    seed: int,
    fine: bool = False,
    codec: Autoencoder | None = None,
) -> Batches:
    """Batches as a run asks for them: made on its device with --sentences, else on the CPU."""
    device = torch.device(args.device)
    path, views = bank
    if not args.sentences:
        return HostBatches(Data(views, seed, fine, codec, args.lamps), tokens, device)
    return DeviceBatches(views, sentences_for(args, path, views), tokens, device, seed, fine, codec)
