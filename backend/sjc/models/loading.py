"""Loading diffusers models of every family (families.py) as denoisers.

The libraries are imported when a model is loaded, not before, and as few of their modules as they allow.
"""

from __future__ import annotations

import torch

from ..errors import SjcError
from ..guidance.denoiser import Origin
from . import control as control_files
from . import lora as lora_files
from . import model_files, mv_adapter
from .memory_fallback import Tell, to_stderr
from .memory_plan import HALF_PRECISION_ABOVE, plan_for
from .model_files import ModelFiles
from .network_loading import NetworkLoader, picture_format
from .placement import Placement
from .prompt_loading import load_prompt_encoder
from .row_attention import shifted
from .schedule_config import read_schedule
from .single_file import SOURCE
from .text_denoiser import TextDenoiser

__all__ = ["TextDenoiser", "load_denoiser", "usual_dtype"]


def load_denoiser(
    model: str = "embedded",
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    *,
    download: bool = False,
    revision: str | None = None,
    runtime: str = "torch",
    lora: str = "",
    views_adapter: str = "",
    control: str = "",
    built_in: float | None = None,
    compiling: bool = False,
    tell: Tell = to_stderr,
) -> TextDenoiser:
    """Loads a model in the ordinary diffusers layout, in evaluation mode.  Only safetensors are read.

    model: "embedded", "embedded-views", a folder, or a hub id ("name/model").
    device: cpu, cuda, cuda:N or mps.
    dtype: of the weights.  None: float32, but float16 on CUDA for more than 1 GiB of weights.
    download: whether a hub id may be fetched; without it, and for a folder, the network is never touched.
    revision: of a hub id: a branch, a tag or a commit.
    runtime: what runs a UNet on a CPU: "torch", "onnx" (ONNX Runtime), or "auto", which takes ONNX Runtime where it
        can run.
    lora: files that are fused into the weights, "PATH[:weight], ..." (lora_text.py); torch runs those.
    views_adapter: the file of an MV-Adapter, by which Stable Diffusion 2.1 or SDXL sees six views at once.
    control: the folder or hub id of a ControlNet for Stable Diffusion 1, 2 or SDXL; the denoiser must then be told the
        pictures that it is shown.
    built_in: the guidance scale that the model's own adapter is to build into the network (distilled.py); the denoiser
        knows no other then.
    compiling: whether torch.compile may make the network faster, where it can (tuning.py).
    tell: is given each line about a part that has too little memory, now or later; the lines are in the denoiser's
        notes as well.

    Raises SjcError, one line, for anything unusable.
    """
    loras, adapter = lora_files.check(lora), mv_adapter.check(views_adapter)
    located = model_files.locate(model, download=download, revision=revision)
    files, card = model_files.check(located), model_files.read_card(located)
    schedule, parameterization = read_schedule(files)
    shown = control_files.check(control)
    if shown:
        control_files.check_base(shown, files)
    if shown and adapter:
        raise SjcError("control and mv_adapter cannot be used together; leave one of them empty.")
    if adapter:
        mv_adapter.check_base(adapter, files)
        schedule = shifted(schedule)
    device = _checked_device(device)
    dtype = dtype or usual_dtype(files, device)
    more = (mv_adapter.numbers_of(adapter) if adapter else 0) + (shown.numbers if shown else 0)
    placement = Placement(device, plan_for(files, device.type, str(dtype).removeprefix("torch."), more), tell)
    for line in lora_files.bundled(loras):
        placement.note(line)
    loader = NetworkLoader(
        files, dtype, placement, runtime=runtime, loras=loras, built_in=built_in, compiling=compiling,
        views_adapter=adapter, control=shown,
    )  # fmt: skip
    name = "The embedded model" if model == "embedded" else f'The model "{model}"'
    prompts = load_prompt_encoder(
        files, loader.config, dtype, placement, loras, card=card, name=name, onnx=loader.onnx_allowed
    )
    pictures = picture_format(files, loader.config, card, placement, adapter, shown)
    in_cache = files.folder.parent.name == "snapshots" or (files.folder / SOURCE).is_file()
    return TextDenoiser(
        loader.load(pictures),
        pictures,
        prompts,
        schedule,
        parameterization,
        placement=placement,
        origin=Origin(
            model,
            files.folder.name if in_cache else revision,
            tuple(lora_files.record(loras)),
            mv_adapter.record(adapter) if adapter else None,
            shown.record if shown else None,
        ),
    )


def usual_dtype(files: ModelFiles, device: torch.device) -> torch.dtype:
    """float32, but float16 for large models on CUDA: bfloat16 moves D further (measured, docs/models.md)."""
    large = device.type == "cuda" and files.weight_bytes > HALF_PRECISION_ABOVE
    return torch.float16 if large else torch.float32


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise SjcError(f'Unknown device "{device}"; use cpu, cuda, cuda:N or mps.') from error
