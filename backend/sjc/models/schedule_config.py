"""The noise levels of a model and what its network predicts, from scheduler/scheduler_config.json."""

from __future__ import annotations

from typing import Any

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
    silence_libraries()
    if flow:
        return _flow_schedule(config), Flow()
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    try:
        betas = DDPMScheduler(**{key: config[key] for key in _BETA_KEYS if config.get(key) is not None})
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise SjcError(
            f"{files.folder}: scheduler/scheduler_config.json is not usable: {first_line(error)}."
        ) from error
    parameterization = of_prediction_type(str(config.get("prediction_type", "epsilon")))
    return VESchedule.from_alphas_cumprod(betas.alphas_cumprod), parameterization


def _flow_schedule(config: dict[str, Any]) -> VESchedule:
    """The scheduler's own times: evenly spaced, shifted towards noise unless the shift depends on the image's size."""
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(**{key: config[key] for key in _FLOW_KEYS if key in config})
    return VESchedule.from_flow(scheduler.sigmas)
