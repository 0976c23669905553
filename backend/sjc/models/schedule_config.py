"""The noise levels of a model and what its network predicts, from scheduler/scheduler_config.json."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..foreign import shown
from ..guidance.parameterizations import Flow, Parameterization, of_prediction_type
from ..guidance.schedules import VESchedule
from .families import FLUX, SD3
from .known_classes import BETA_SCHEDULERS, FLOW_SCHEDULERS
from .model_files import ModelFiles
from .pretrained import silence_libraries
from .small_files import first_line

_BETA_KEYS = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr",
)  # fmt: skip
_FLOW_KEYS = ("num_train_timesteps", "shift", "use_dynamic_shifting")


def read_schedule(files: ModelFiles) -> tuple[VESchedule, Parameterization]:
    """What a checked folder's scheduler says.

    Raises SjcError for a scheduler of another kind than the model's family has, and for an unusable config.
    """
    config = files.configs["scheduler"]
    class_name = str(config.get("_class_name", files.class_of("scheduler")))
    flow = files.family in (SD3, FLUX)
    if class_name not in (FLOW_SCHEDULERS if flow else BETA_SCHEDULERS):
        needed = "FlowMatchEulerDiscreteScheduler" if flow else "scheduler with betas (DDPM and its kin)"
        raise SjcError(
            f"{files.folder}: its scheduler is a {shown(class_name)}; a {files.family.name} model needs a {needed}."
        )
    if flow:
        return _flow_schedule(config), Flow()
    try:
        abar = _alphas_cumprod({key: config[key] for key in _BETA_KEYS if config.get(key) is not None})
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise SjcError(
            f"{files.folder}: scheduler/scheduler_config.json is not usable: {first_line(error)}."
        ) from error
    parameterization = of_prediction_type(str(config.get("prediction_type", "epsilon")))
    return VESchedule.from_alphas_cumprod(abar), parameterization


def _alphas_cumprod(config: dict[str, Any]) -> Tensor:
    """abar [T] of a scheduler's betas, as diffusers has it. Raises what it raises for values that are not usable.

    The cosine schedule is written out, to the bit: it is that of the embedded model, which on ONNX Runtime needs
    nothing else of diffusers, and importing that library takes more than a second.
    """
    ticks = config.get("num_train_timesteps")
    plain = not config.get("trained_betas") and not config.get("rescale_betas_zero_snr")
    if plain and config.get("beta_schedule") == "squaredcos_cap_v2" and type(ticks) is int:
        return torch.cumprod(1 - torch.tensor(cosine_betas(ticks), dtype=torch.float32), dim=0)
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    silence_libraries()
    return DDPMScheduler(**config).alphas_cumprod


def cosine_betas(ticks: int) -> list[float]:
    """beta_i = 1 - abar((i + 1) / T) / abar(i / T), at most 0.999 (Nichol and Dhariwal 2021, Eq. 17)."""

    def abar(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    return [min(1 - abar((tick + 1) / ticks) / abar(tick / ticks), 0.999) for tick in range(ticks)]


def _flow_schedule(config: dict[str, Any]) -> VESchedule:
    """The scheduler's own times: evenly spaced, shifted towards noise unless the shift depends on the image's size."""
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

    silence_libraries()
    scheduler = FlowMatchEulerDiscreteScheduler(**{key: config[key] for key in _FLOW_KEYS if key in config})
    return VESchedule.from_flow(scheduler.sigmas)
