"""A small text encoder on a CPU by its ONNX graph, so that a start does without the transformers library's models.

Importing one of them takes two seconds, of which reading the sentences takes a hundredth. Only the last states are
known. Whatever goes wrong here, torch does the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from . import onnx_graph
from .model_files import ModelFiles

_NAMES = ("input_ids", "attention_mask")


class GraphEncoder:
    """Called as an encoder of transformers is, for its last_hidden_state [N, tokens, width] alone."""

    device = torch.device("cpu")

    def __init__(self, session: Any) -> None:
        self.session = session

    def __call__(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> SimpleNamespace:
        """input_ids [N, tokens]. attention_mask [N, tokens]: 0 where padding is not to be read; None reads all."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        values = (value.long().contiguous().numpy() for value in (input_ids, mask))
        states = self.session.run(None, dict(zip(_NAMES, values, strict=True)))[0]
        return SimpleNamespace(last_hidden_state=torch.from_numpy(states))


def encoder(files: ModelFiles, component: str, tokens: int, load: Callable[[], Any]) -> Any:
    """A component's graph, from an earlier start or written now; the library's encoder where there can be none.

    tokens: in a sentence, with its padding. load: gives the encoder of the transformers library, in float32 on the CPU.
    """
    path = onnx_graph.path_of(sorted((files.folder / component).iterdir()), component, str(tokens))
    session = onnx_graph.earlier_session(path)
    if session:
        return GraphEncoder(session)
    module = load()
    if onnx_graph.available():
        with contextlib.suppress(Exception):  # as in onnx_unet.network
            return GraphEncoder(onnx_graph.new_session(path, lambda part: _write(module, tokens, part)))
    return module


class _LastStates(nn.Module):
    """The encoder as a function of two tensors."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states: Tensor = self.module(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states


def _write(module: Any, tokens: int, path: Path) -> None:
    """Trace two sentences, the second half padding."""
    mask = torch.ones(2, tokens, dtype=torch.long)
    mask[1, tokens // 2 :] = 0
    batch = {0: "batch"}
    onnx_graph.export(
        _LastStates(module),
        (torch.zeros(2, tokens, dtype=torch.long), mask),
        path,
        input_names=list(_NAMES),
        output_names=["states"],
        dynamic_axes={"input_ids": batch, "attention_mask": batch, "states": batch},
    )
