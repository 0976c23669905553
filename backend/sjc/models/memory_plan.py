"""Where the parts of a model go, decided from their sizes before anything is loaded.

The network that denoises stays on the device all along. Text encoders are there only while they read, the autoencoder
from then on; where the device has no room for them they work on the host, slower and once. Where it has no room for the
network, its layers wait on the host and come one by one, at every call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .model_files import ModelFiles

ROOM = 2**29
"""Bytes kept free for the field, pictures and what the network holds while it works."""
PIECE = 0.1
"""Share of a network in pieces that lies on the device: the layer at work and the next (the largest two of Stable
Diffusion 1.5 are 7 %, of SDXL and FLUX.1 less)."""
HALF_PRECISION_ABOVE = 2**30
"""Bytes of weights from which a CUDA device gets float16 unless another type is asked for."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class Plan:
    """network, texts, decoder: bytes of each part as it will be loaded. free: bytes of the device, None if unknown.

    texts_on_host, decoder_on_host: whether they work beside the device. network_in_pieces: whether its layers come one
    by one. kind: cpu, cuda, mps.
    """

    kind: str
    dtype: str
    network: int
    texts: int
    decoder: int
    free: int | None
    texts_on_host: bool = False
    decoder_on_host: bool = False
    network_in_pieces: bool = False

    @property
    def tight(self) -> bool:
        """Whether anything is done in a slower way, or will not fit: a person should know it before a run.

        Not on a CPU: what its system calls free is only a part of what it can give.
        """
        return self.kind != "cpu" and (
            self.texts_on_host or self.decoder_on_host or self.network_in_pieces or not self.fits
        )

    @property
    def needed(self) -> int:
        """The most bytes that weights and room take on the device at one time."""
        texts = 0 if self.texts_on_host else self.texts
        decoder = 0 if self.decoder_on_host else self.decoder
        network = round(PIECE * self.network) if self.network_in_pieces else self.network
        return network + max(texts, decoder) + ROOM

    @property
    def fits(self) -> bool:
        """Whether the device has so much, as far as is known."""
        return self.free is None or self.needed <= self.free

    def sentence(self) -> str:
        """What will be done, with needed and free."""
        parts = [f"network {_gb(self.network)}" + (" in pieces" if self.network_in_pieces else "")]
        for name, size, host in (
            ("text encoders", self.texts, self.texts_on_host),
            ("autoencoder", self.decoder, self.decoder_on_host),
        ):
            if size:
                parts.append(f"{name} {_gb(size)}" + (" on the CPU" if host else ""))
        free = "unknown" if self.free is None else _gb(self.free)
        sentence = f"{self.kind}, {self.dtype}: {', '.join(parts)}; needs {_gb(self.needed)}, free {free}"
        return sentence if self.fits else f"{sentence}: too little, close other programs or take a smaller model"


def plan(parts: Mapping[str, int], kind: str, dtype: str, free: int | None) -> Plan:
    """The most comfortable plan that fits; the cheapest one where none does (trying is the only way to know).

    parts: numbers (not bytes) of each component. On a CPU host and device are one.
    """
    size = BYTES[dtype]
    texts = size * sum(count for name, count in parts.items() if name.startswith("text_encoder"))
    network = size * (parts.get("unet", 0) + parts.get("transformer", 0))
    whole = (kind, dtype, network, texts, size * parts.get("vae", 0), free)
    if kind == "cpu":
        return Plan(*whole)
    ways = [Plan(*whole), Plan(*whole, True), Plan(*whole, True, True), Plan(*whole, True, True, True)]
    return next((way for way in ways if way.fits), ways[-1])


def plan_for(files: ModelFiles, kind: str, dtype: str, more: int = 0) -> Plan:
    """`plan` for a checked folder and what is free on the device now.

    more: numbers that an adapter or a ControlNet adds to the UNet.
    """
    parts = files.numbers_of
    if more:
        parts = parts | {"unet": parts["unet"] + more}
    return plan(parts, kind, dtype, free_bytes(kind))


def free_bytes(kind: str) -> int | None:
    """What the device has free, None where nobody says."""
    if kind == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else None
    if kind == "cpu":
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            return None
    return None


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
