"""Compiles the renderer's kernels before somebody waits for them: after an installation, once for each device."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from . import cameras, render_warp
from .grid import VoxelField
from .render import choose

CHANNELS = (3, 4)  # of pixel models, and of latent ones
SIZE, PIXELS = 16, 8


def compile_kernels(devices: tuple[str, ...] = ("cpu", "cuda")) -> Iterator[tuple[str, float]]:
    """(device, seconds) for each device where Warp runs, once the kernels of a picture and its gradient are there.

    They stay in Warp's cache; where they lie there already it takes a moment. Whatever goes wrong is raised.
    """
    for name in devices:
        if (name == "cuda" and not torch.cuda.is_available()) or choose("auto", name) != "warp":
            continue
        began = time.perf_counter()
        for channels in CHANNELS:
            field = VoxelField(SIZE, channels).to(name)
            view = cameras.look_at(30.0, 25.0, 1.5, 60.0)
            rays = (x.reshape(-1, 3).to(name) for x in cameras.rays(view, PIXELS, PIXELS))
            out = render_warp.render(field, *rays)
            (out.color.sum() + out.emptiness.mean()).backward()
        if name == "cuda":
            torch.cuda.synchronize()
        yield name, time.perf_counter() - began
