"""Which renderer runs where."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from ..errors import SjcError
from ..machine import threads
from . import render_reference, render_warp

RENDERERS = ("auto", "reference", "warp")


def choose(name: str, device: str | torch.device) -> str:
    """The renderer for this device, "warp" or "reference"; "auto" is Warp where it runs, else the reference.

    Raises SjcError for an unknown name, or if "warp" is asked for where it cannot run.
    """
    if name not in RENDERERS:
        raise SjcError(f"renderer {name!r} is unknown; choose one of {', '.join(RENDERERS)}")
    if name == "reference":
        return name
    works, reason = render_warp.available(device)
    if name == "warp" and not works:
        raise SjcError(f"the warp renderer cannot run on {device}: {reason}; choose auto or reference")
    return "warp" if works else "reference"


def capturable(name: str, device: str | torch.device) -> bool:
    """Whether a picture and its gradients can be captured in a CUDA graph, once they have been made outside of one.

    The Warp renderer reads nothing on the host, and its sizes do not depend on the data; the reference's do.
    """
    return torch.device(device).type == "cuda" and choose(name, device) == "warp"


def around_kernels(name: str, device: torch.device) -> AbstractContextManager[None]:
    """For torch's small operations around a renderer: one thread where Warp's threads have the cores (threads.py)."""
    fused = device.type == "cpu" and choose(name, device) == "warp"
    return threads.small() if fused else nullcontext()


def renderer(
    name: str = "auto",
    device: str | torch.device = "cpu",
    *,
    skip_alpha: float = 1e-4,
    stop_transmittance: float = 1e-4,
) -> Callable[..., render_reference.Rendered]:
    """`render(field, origins, directions, *, step, beta, weight_threshold)` as `choose` has it for this device.

    The short cuts (see render_warp; 0 is exact) only concern Warp. Raises SjcError as `choose`.
    """
    if choose(name, device) == "reference":
        return render_reference.render
    return functools.partial(render_warp.render, skip_alpha=skip_alpha, stop_transmittance=stop_transmittance)
