"""Settings that are allowed but will hardly do what is meant: warnings before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import here
from ..machine import cards

if TYPE_CHECKING:
    from ..guidance.denoiser import Denoiser
    from ..settings import Settings

STRONG = 5.0  # guidance below which the large models' pictures are not sharp; their own pipelines take 5 to 7.5


def advice(settings: Settings, model: Denoiser) -> list[str]:
    """One line for each setting that will disappoint with this model, with what to do; [] where all is well.

    Where the model's memory forces a slower way, that comes first.
    """
    warnings: list[str] = [*getattr(model, "notes", ())]
    on_cpu = getattr(getattr(model, "device", None), "type", "") == "cpu"
    if settings.device == "auto" and on_cpu and (reason := cards.unused()) and reason.code:
        warnings.append(
            f"{reason.fact} This job runs on the CPU; "
            + here("sjc doctor says what to do.", "Check under Backend says what to do.")
        )
    if settings.negative_prompt and settings.guidance == 1:
        warnings.append("The negative prompt does nothing at guidance 1; set guidance to 2.5 or more.")
    # Models that we trained have a card; flow models and distilled ones ask for less, and nobody has measured how much.
    diffuses = not model.distilled and not model.parameterization.is_flow
    if diffuses and not model.card and settings.guidance < STRONG:
        warnings.append(
            f"guidance {settings.guidance:g} is for the embedded model; {model.name} will hardly form an object below "
            "7.5. Use the preset paper, or raise guidance."
        )
    return warnings
