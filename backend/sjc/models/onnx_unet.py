"""A small UNet on a CPU by ONNX Runtime, two to three times as fast as torch's own layers (measured: `bench step`).

Its graph is kept (onnx_graph.py), so the next start needs neither the UNet nor the library that it comes from. Whatever
goes wrong here, torch can do the same: `cached` and `network` then give None.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import onnx_graph
from .model_files import ModelFiles
from .networks import Network
from .text_encoders import Condition

LARGEST = 2**29
"""Bytes of weights above which a UNet stays with torch: the graph's file holds them once more, and 2 GiB at most."""
_NAMES = ("x", "t", "states")


def cached(files: ModelFiles, adapter: Path | None = None) -> Network | None:
    """A model's network by the graph of an earlier start; None where there is none.

    adapter: file of the adapter that is fused into the network (distilled.py), None without.
    """
    session = onnx_graph.earlier_session(graph_path(files, adapter))
    return _network(session) if session else None


def network(files: ModelFiles, unet: Any, tokens: int, adapter: Path | None = None) -> Network | None:
    """What `networks.text_unet` gives, run by ONNX Runtime on all threads; None where it cannot be.

    unet: that of the files with the adapter fused into it, in float32 on the CPU.
    tokens: how many tokens a sentence has while the graph is traced; later any number will do.
    """
    weights = sum(p.numel() * p.element_size() for p in unet.parameters())
    if not onnx_graph.available() or weights > LARGEST or next(unet.parameters()).dtype != torch.float32:
        return None
    with contextlib.suppress(Exception):  # a graph that cannot be written, an unloadable library, a full disk ...
        return _network(onnx_graph.new_session(graph_path(files, adapter), lambda path: _write(unet, tokens, path)))
    return None


def graph_path(files: ModelFiles, adapter: Path | None = None) -> Path:
    """Where the network's graph is kept."""
    own = sorted((files.folder / files.family.network).iterdir())
    return onnx_graph.path_of([*own, adapter] if adapter else own, files.family.name)


def _network(session: Any) -> Network:
    def run(x: Tensor, t: Tensor, condition: Condition, _guidance: float) -> Tensor:
        values = (x.float(), t.expand(len(x)).long(), condition.states.float())
        inputs = {name: value.contiguous().numpy() for name, value in zip(_NAMES, values, strict=True)}
        return torch.from_numpy(session.run(None, inputs)[0])[:, : x.shape[1]]

    return run


class _Plain(nn.Module):
    """The UNet as a function of three tensors."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor, states: Tensor) -> Tensor:
        output: Tensor = self.unet(x, t, encoder_hidden_states=states, return_dict=False)[0]
        return output


def _write(unet: Any, tokens: int, path: Path) -> None:
    """Trace two images."""
    size, width = int(unet.config.sample_size), _text_width(unet)
    example = (
        torch.zeros(2, int(unet.config.in_channels), size, size),
        torch.full((2,), 500),
        torch.zeros(2, tokens, width),
    )
    batch = {0: "batch"}
    onnx_graph.export(
        _Plain(unet),
        example,
        path,
        input_names=list(_NAMES),
        output_names=["output"],
        dynamic_axes={"x": batch, "t": batch, "states": {0: "batch", 1: "tokens"}, "output": batch},
    )


def _text_width(unet: Any) -> int:
    return int(unet.config.encoder_hid_dim or unet.config.cross_attention_dim)
