"""Graphs of ONNX Runtime, written down by torch once and kept in the user's cache for the next start.

The file's name is a fingerprint of all that it depends on. Whoever uses one can do without: any error means that.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from ..machine import telemetry
from ..machine.folders import PART, cache_folder, clear_abandoned
from ..machine.threads import count as usable_threads

OPSET = 17
Write = Callable[[Path], None]
"""Writes a graph to a file."""


def available() -> bool:
    """Whether both packages are installed: onnx writes the graph, onnxruntime runs it."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def opened(path: Path) -> Any:
    """A session of the graph in a file, on all threads of the CPU. Raises what ONNX Runtime raises."""
    telemetry.switch_off()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_threads()
    options.log_severity_level = 3
    # Its threads would go on asking for work while the renderer's want the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def earlier_session(path: Path) -> Any | None:
    """A session of a graph that an earlier start wrote; None where there is none, or it is damaged."""
    if available() and path.is_file():
        with contextlib.suppress(Exception):  # it is written anew
            return opened(path)
    return None


def new_session(path: Path, write: Write) -> Any:
    """A session of a new graph, which is kept at `path` if anything can be. Raises what the exporter raises."""
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
        write(part)
        session = opened(part)
        if part != path:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return session


def export(module: torch.nn.Module, example: tuple[Any, ...], path: Path, **names: Any) -> None:
    """Trace a module. The exporter's remarks are for who wrote the network, not for who runs it."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # The other exporter (dynamo) wants a third package, and more time.
        torch.onnx.export(module, example, str(path), dynamo=False, opset_version=OPSET, **names)


def path_of(files: Iterable[Path], *more: str) -> Path:
    """Where the graph of a model's files is kept: changes with their content, with `more` and with what writes it."""
    digest = hashlib.sha256(json.dumps([torch.__version__, OPSET, *more]).encode())
    for path in files:
        if path.suffix in (".json", ".safetensors"):
            with path.open("rb") as file:
                digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return cache_folder("onnx") / f"{digest.hexdigest()[:32]}.onnx"
