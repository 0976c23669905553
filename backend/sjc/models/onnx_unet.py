"""A small UNet on a CPU by ONNX Runtime, two to three times as fast as torch's own layers (measured: `bench step`).

torch writes the UNet down as a graph once; the file is kept in the user's cache under the fingerprint of the model's
files, so the next start only reads it and needs neither the UNet nor the library that it comes from (half of a start's
imports). Whatever goes wrong here, torch can do the same: `cached` and `network` then give None.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..machine import telemetry
from ..machine.folders import PART, cache_folder, clear_abandoned
from ..machine.threads import count as usable_threads
from .model_files import ModelFiles
from .networks import Network
from .text_encoders import Condition

LARGEST = 2**29
"""Bytes of weights above which a UNet stays with torch: the graph's file holds them once more, and 2 GiB at most."""
_OPSET = 17
_NAMES = ("x", "t", "states")


def available() -> bool:
    """Whether both packages are installed: onnx writes the graph, onnxruntime runs it."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def cached(files: ModelFiles, adapter: Path | None = None) -> Network | None:
    """A model's network by the graph of an earlier start; None where there is none.

    adapter: file of the adapter that is fused into the network (distilled.py), None without.
    """
    path = _path(files, adapter)
    if not (available() and path.is_file()):
        return None
    with contextlib.suppress(Exception):  # a damaged file is written anew
        return _network(_opened(path))
    return None


def network(files: ModelFiles, unet: Any, tokens: int, adapter: Path | None = None) -> Network | None:
    """What `networks.text_unet` gives, run by ONNX Runtime on all threads; None where it cannot be.

    unet: that of the files with the adapter fused into it, in float32 on the CPU.
    tokens: how many tokens a sentence has while the graph is traced; later any number will do.
    """
    weights = sum(p.numel() * p.element_size() for p in unet.parameters())
    if not available() or weights > LARGEST or next(unet.parameters()).dtype != torch.float32:
        return None
    with contextlib.suppress(Exception):  # a graph that cannot be written, an unloadable library, a full disk ...
        return _network(_written(_path(files, adapter), unet, tokens))
    return None


def _network(session: Any) -> Network:
    def run(x: Tensor, t: Tensor, condition: Condition, _guidance: float) -> Tensor:
        values = (x.float(), t.expand(len(x)).long(), condition.states.float())
        inputs = {name: value.contiguous().numpy() for name, value in zip(_NAMES, values, strict=True)}
        return torch.from_numpy(session.run(None, inputs)[0])[:, : x.shape[1]]

    return run


def _opened(path: Path) -> Any:
    telemetry.switch_off()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_threads()
    options.log_severity_level = 3
    # Its threads would go on asking for work while the renderer's want the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _written(path: Path, unet: Any, tokens: int) -> Any:
    """A session of the graph, which is kept at `path` if anything can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(path.parent)
        handle, name = tempfile.mkstemp(prefix=PART, dir=path.parent)
    except OSError:  # no cache to write to: for this time only
        handle, name = tempfile.mkstemp(suffix=".onnx")
        path = Path(name)
    os.close(handle)
    part = Path(name)
    try:
        _write(unet, tokens, part)
        session = _opened(part)
        if part != path:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return session


def _path(files: ModelFiles, adapter: Path | None) -> Path:
    return cache_folder("onnx") / f"{fingerprint(files, adapter)}.onnx"


def fingerprint(files: ModelFiles, adapter: Path | None = None) -> str:
    """SHA-256 of the network's files and of what writes the graph, shortened."""
    digest = hashlib.sha256(json.dumps([torch.__version__, _OPSET, files.family.name]).encode())
    own = sorted((files.folder / files.family.network).iterdir())
    for path in [*own, adapter] if adapter else own:
        if path.suffix in (".json", ".safetensors"):
            with path.open("rb") as file:
                digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


class _Plain(nn.Module):
    """The UNet as a function of three tensors."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor, states: Tensor) -> Tensor:
        output: Tensor = self.unet(x, t, encoder_hidden_states=states, return_dict=False)[0]
        return output


def _write(unet: Any, tokens: int, path: Path) -> None:
    """Trace two images. The exporter's remarks are for who wrote the UNet, not for who runs it."""
    size, width = int(unet.config.sample_size), _text_width(unet)
    example = (
        torch.zeros(2, int(unet.config.in_channels), size, size),
        torch.full((2,), 500),
        torch.zeros(2, tokens, width),
    )
    batch = {0: "batch"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Plain(unet),
            example,
            str(path),
            dynamo=False,  # the other exporter wants a third package, and more time
            opset_version=_OPSET,
            input_names=list(_NAMES),
            output_names=["output"],
            dynamic_axes={"x": batch, "t": batch, "states": {0: "batch", 1: "tokens"}, "output": batch},
        )


def _text_width(unet: Any) -> int:
    return int(unet.config.encoder_hid_dim or unet.config.cross_attention_dim)
